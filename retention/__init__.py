"""How long evidence is kept, and how it ends.

``rule``        the two-calendar-year rule and what else asks for keeping, pure: when is a recording eligible
``explaining``  the same in words; ``policies``: the years and the contracts that people set, each from a day on
``holds``       cases that forbid disposal; ``scope``: what they cover; ``membership``: store and catalogue follow them
``nightly``     the night's work: ``locks`` (too short is lengthened), ``reconcile`` (calls without a recording), the
                batch of what became eligible, and the disposals that two people decided; its result is sealed
``disposal``    proposed → approved → confirmed: each a person's decision, in the ledger; ``batches``: by the night
``execution``   confirmed disposals carried out, resumable at any point; ``conclusion`` and ``certificates``: what stays
``register``    what people look at before they decide

Reaching the date deletes nothing.  The store refuses to delete before it, whatever this package believes.
"""
