"""Attacks on the web process; docs/security.md names for each attack its test, here or elsewhere."""
