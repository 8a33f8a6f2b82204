"""SIP (RFC 3261) without input or output: bytes and a time go in, values and bytes to send come out.

``message`` and ``header`` read and print, ``sdp`` answers offers, ``transaction`` and ``dialog`` hold state, ``server``
is the user agent server above them.  ``transport`` alone owns sockets.
"""
