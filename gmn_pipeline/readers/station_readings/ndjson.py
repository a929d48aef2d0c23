"""NDJSON: one JSON object a line, as the network's and other observatories' senders write it.

    {"timestamp": "2024-01-21 10:06:04.095931", "temperature": 20.9, "humidity": 59.22,
     "pressure": 1001.87, "sensor_id": 1, "location": {"lon": 3.185785, "lat": 42.488629}}

What belongs here: lines into records. What does not: what a record may say (`gathering.py`).
"""

from collections.abc import Iterable
from typing import Any

import orjson

from gmn_pipeline.readers.station_readings.gathering import Gathering
from gmn_pipeline.readers.station_readings.received import ReadBatch, Received, Transport
from gmn_pipeline.readers.station_readings.shapes import FEWEST, columns_of

MOST_BYTES = 1 << 20
"""A payload at most: a datagram is a sixteenth of it."""


_Group = tuple[list[dict[str, Any]], list[bytes], list[Received], list[int]]


def read_ndjson(received: Iterable[Received], transport: Transport = Transport.UDP) -> ReadBatch:
    """The readings in payloads of one or more lines, and what is refused of them."""
    found, loads = Gathering(transport), orjson.loads
    groups: dict[tuple[str, ...], _Group] = {}
    place = 0
    for came in received:
        for line in lines_of(came[0]):
            try:
                record = loads(line)
            except ValueError as error:
                found.refuse(line, came, f"it is not JSON: {error}")
                continue
            if type(record) is not dict:
                found.refuse(line, came, "it is not a JSON object")
                continue
            group = groups.get(shape := tuple(record))
            if group is None:
                group = groups[shape] = [], [], [], []
            group[0].append(record)
            group[1].append(line)
            group[2].append(came)
            group[3].append(place)
            place += 1
    for shape, group in groups.items():
        _gather(found, shape, group)
    return found.read()


def _gather(found: Gathering, shape: tuple[str, ...], group: _Group) -> None:
    records, lines, came, places = group
    if len(records) >= FEWEST and all(one.stations is None for one in came):
        columns = columns_of(shape, records)
        if columns is not None:
            found.add_columns(columns, lines, came, places)
            return
    for record, line, one, place in zip(*group, strict=True):
        found.add(record, line, one, place=place)


def lines_of(payload: bytes) -> list[bytes]:
    """The lines that say something; a payload without one is a record that says nothing, and one
    that is too large is not looked at."""
    if b"\n" not in payload or len(payload) > MOST_BYTES:
        return [payload]
    return [line for line in payload.split(b"\n") if line.strip()] or [payload]
