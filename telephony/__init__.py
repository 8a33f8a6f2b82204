"""SIP, SIPREC and RTP: from the gateway's INVITE to a closed spool, and from a spool to a stereo FLAC file.

``sip`` and ``siprec`` are protocol code without input or output, ``rtp`` receives and assembles media, and
``recorder`` ties them to sockets.  Nothing here touches the database: a finished call is handed to a function that
the wiring gives.
"""
