"""Streams: the Kafka topic, in and out of the warehouse."""
