"""SIPREC (RFC 7866, RFC 7865): recording metadata in every dialect met, and its binding to the streams of a call."""
