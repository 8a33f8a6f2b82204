"""Fuzzing of everything that reads what a stranger sent: it may raise ``ValueError`` and nothing else."""
