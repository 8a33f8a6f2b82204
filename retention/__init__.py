"""How long evidence is kept, and how it ends.

``rule``       the two-calendar-year rule, pure: when is a recording eligible, and why
``nightly``    the night's work: ``locks`` (too short is lengthened), ``reconcile`` (calls without a recording), the
               list of what is eligible, and the disposals that two people decided; its result is sealed
``disposal``   proposed → approved → confirmed: the decisions, each by a person, in the ledger
``execution``  a confirmed disposal carried out, resumable at any point, ending in a sealed certificate

Reaching the date deletes nothing.  The store refuses to delete before it, whatever this package believes.
"""
