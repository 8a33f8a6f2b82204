"""Encoded sound by other implementations than the one that decodes it, for the tests of the codecs."""
