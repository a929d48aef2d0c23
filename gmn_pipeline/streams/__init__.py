"""Streams: topics into the warehouse."""
