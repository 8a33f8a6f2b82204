"""The HTTP API: one file for each subject, each with its table of endpoints."""
