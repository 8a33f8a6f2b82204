"""From stereo audio to a dialogue: voice activity, recognition, guards against invention, turns in time.

``engine`` is the vocabulary and the ``Transcriber`` protocol; ``whisper`` is the only importer of faster_whisper.
"""
