"""The Kafka platform."""
