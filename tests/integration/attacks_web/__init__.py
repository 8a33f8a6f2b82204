"""Attacks on the web process; docs/evidence.md names for each attack its test, here or elsewhere."""
