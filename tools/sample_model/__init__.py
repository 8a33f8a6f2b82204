"""Recipe of the sample speech model: sentences, synthetic telephone speech, training, export (see README.md)."""
