"""Torture tests: messages built after RFC 4475 (SIP) and RFC 5118 (IPv6 in SIP), with names and numbers of our own.

A vector's name is the one that the RFC gives it, its section stands beside it.  ``status`` is what a recorder answers:
where the RFC leaves a choice, the liberal one, because a call that can be recorded is recorded; None is silence.
"""
