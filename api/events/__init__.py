"""What changed, told to pages that are open: server-sent events.

A page follows one *topic* (the pipeline, one recording, the handovers …).  Each web process looks at the topics that
somebody follows every two seconds, once for all who see the same of it, and tells those whose page shows an older
state.  What goes out is the *version* of that state (its hash), and the page fetches itself anew: who may see what is
decided where pages are made, nowhere else.  A client that comes back says which version it has (``Last-Event-ID``), so
that nothing is kept for it meanwhile and any process may go on for any other.
"""
