"""Measured figures: a table for people, and one line of JSON as the last line."""
