"""The Kafka platform: connections, topics, exact reading, dead letters, framing, Avro, a broker.

What belongs here: whatever knows Kafka's client, its wire or a schema registry; nothing else of the
project imports that client. What does not: what a message means (`streams/`, `publications/`), any
dataset, and the warehouse.
"""
