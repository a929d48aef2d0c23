"""Readings of stations, as senders write them, into rows: one module a format.

What belongs here: bytes into rows, and why a record is refused. What does not: sockets and
brokers (`sources/`), counting (`flows/`), and Kafka (`publications/`). Nothing here raises for what
somebody sent, and nothing is left out in silence: records = rows + refused.

    received.py       what came: bytes, who sent them, when; and what is refused of it
    ndjson.py         one JSON object a line
    line_protocol.py  InfluxDB's line protocol
    signed.py         either of them under a signature
    instants.py       times as senders write them
    names.py          names that senders have
    gathering.py      records into a frame, within the hard limits
    shapes.py         the same for many records of one shape, by columns
"""
