"""Vocabulary that every other package shares: settings, clock, errors, identifiers, database, jobs, ledger.

Nothing here knows what a call, a recording or a work order is.  Nothing connects anywhere at import.
"""
