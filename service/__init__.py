"""The top of the house: the command line, the wiring, the processes, and the pipeline on one page.

``huiyin serve`` runs ``recorder``, ``worker``, ``web`` and ``scheduler`` as children of one process; at scale the same
four commands run on as many machines as needed.  Besides them the recorder has one child, the ``sealer``, which turns
closed spool directories into sealed recordings: assembling sound must never compete with receiving it.
"""
