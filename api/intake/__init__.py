"""Finished recordings of gateways that only produce files: by upload, or through a watched folder.

Whatever the way, the same happens: a file is decoded within limits, sealed as a recording with the original beside it,
and transcribed; the same call and bytes again change nothing; what cannot be decoded is kept in quarantine.
"""
