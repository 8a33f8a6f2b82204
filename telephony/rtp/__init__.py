"""Media: from datagrams to a stereo file, and back for the simulator.

Receiving: ``capture`` (ports, sockets, one timer) → ``spool`` (rtpdump files).  After the call: ``spool`` → ``headers``
(all headers of a block at once) → ``timeline`` (where each packet lies) → ``playout`` (one stream as samples, with
``codecs``) → ``assemble`` (agent left, citizen right, FLAC).  Sending: ``sender``.  ``packet`` holds RTP and RTCP as
values.  Nothing is decoded while a call runs: its spool is the evidence, everything after it can be repeated.
"""
