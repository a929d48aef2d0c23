"""NDJSON: one JSON object a line, as the network's and other observatories' senders write it.

    {"timestamp": "2024-01-21 10:06:04.095931", "temperature": 20.9, "humidity": 59.22,
     "pressure": 1001.87, "sensor_id": 1, "location": {"lon": 3.185785, "lat": 42.488629}}

What belongs here: lines into records. What does not: what a record may say (`gathering.py`).
"""

from collections.abc import Iterable

import orjson

from gmn_pipeline.readers.station_readings.gathering import Gathering
from gmn_pipeline.readers.station_readings.received import ReadBatch, Received, Transport

MOST_BYTES = 1 << 20
"""A payload at most: a datagram is a sixteenth of it."""


def read_ndjson(received: Iterable[Received], transport: Transport = Transport.UDP) -> ReadBatch:
    """The readings in payloads of one or more lines, and what is refused of them."""
    found = Gathering(transport)
    add, loads = found.add, orjson.loads
    for came in received:
        for line in lines_of(came.payload):
            try:
                record = loads(line)
            except ValueError as error:
                found.refuse(line, came, f"it is not JSON: {error}")
                continue
            if type(record) is dict:
                add(record, line, came)
            else:
                found.refuse(line, came, "it is not a JSON object")
    return found.read()


def lines_of(payload: bytes) -> list[bytes]:
    """The lines that say something; a payload without one is a record that says nothing, and one
    that is too large is not looked at."""
    if b"\n" not in payload or len(payload) > MOST_BYTES:
        return [payload]
    return [line for line in payload.split(b"\n") if line.strip()] or [payload]
