"""From stereo audio to a dialogue: voice activity, recognition, guards against invention, turns in time.

``engine`` is the vocabulary and the ``Transcriber`` protocol.  A recording passes through ``audio`` (channels at
16 kHz), ``voice`` (speech packed into windows), ``whisper`` (the only importer of faster_whisper), ``guards`` (what
nobody said) and ``dialogue`` (turns of both parties, simplified).  ``evaluate`` measures it on labelled audio.
"""
