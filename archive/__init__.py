"""Evidence: objects under lock in a store, the catalogue that indexes them, search, and audited reading.

The store explains itself (every recording's audio, facts and transcripts, and every link, are objects); the database
is an index over it.  ``local`` and ``s3`` implement the one ``ObjectStore`` protocol.
"""
