"""Handing everything over to its owner: a BagIt bag that explains and proves itself, and a receipt for it.

``scope``      which recordings: all, a period, an order, a case
``tables``     an export, the recordings that it lists once and for all, and receipts
``begin``      the export's list and its ledger rows, committed before a byte is written; the head that it is proved by
``copying``    each recording's files into the bag, hashed as they are written, resumable at any point
``describing`` what we say about a recording beside its sealed objects; ``vcon`` the same as an IETF vCon
``proving``    the ledger's part: proofs, signed heads, consistency
``pages``      the index for people
``bag``        manifests and tag files (the only importer of bagit), ``journal`` what is already in the bag
``export``     all of it in order; ``receipts`` who received which bag; ``purge`` what may be proposed after that
``verify_handover.py`` is put into each bag: it needs nothing of ours.
"""
