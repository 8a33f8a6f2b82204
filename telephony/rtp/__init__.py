"""Media: from datagrams to a stereo file, and back for the simulator.

Receiving: ``capture`` (ports, sockets, one timer) → ``spool`` (rtpdump files).  After the call each spool is read
twice: ``headers`` (all of a block at once) → ``timeline`` (runs of each sender's clock) → ``clocks``, ``envelope`` and
``wallclock`` (when they were spoken) → ``survey``; then ``playout`` → ``lane`` (``codecs`` in turn) → ``stretching``.
``tracks`` puts the streams of a call beside each other, ``assemble`` writes them (agent left, citizen right, ``flac``)
with their ``counts`` (``gaps``, ``digits``).  Sending: ``sender``.  ``packet`` holds RTP and RTCP as values.
Nothing is decoded while a call runs: its spool is the evidence, everything after it can be repeated.
"""
