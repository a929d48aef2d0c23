"""Avro in bulk: bodies of messages to and from frames, all rows at once."""
