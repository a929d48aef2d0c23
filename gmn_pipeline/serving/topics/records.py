"""Records between JSON and the bytes that lie on a topic.

What belongs here: the three embedded formats, and what they are on a topic whose messages this
project declares. What does not: sending and reading.

    binary  base64 of the bytes, as they are
    json    on a declared topic its fields, which are written as Avro; on any other the JSON itself
    avro    on a declared topic the same fields, after a schema that is one of its published ones

Readings are taken as stations send them by UDP: the same reader, spellings and limits.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmn_pipeline.kafka.framing import Framing, single_object_framing, unframe
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.kafka.sending import Message
from gmn_pipeline.readers.station_readings.ndjson import read_ndjson
from gmn_pipeline.readers.station_readings.received import Received, Transport
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.serving.topics.errors import NOT_READABLE, NOT_THIS_FORMAT, ProxyError

FORMATS = ("binary", "json", "avro")


@dataclass(frozen=True)
class Readable:
    """A record that can be sent."""

    message: Message


@dataclass(frozen=True)
class Refused:
    """A record that cannot, and why."""

    why: str


class Records:
    """The records of one topic."""

    def __init__(self, topic: Topic, *, is_of_readings: bool) -> None:
        self._topic = topic
        self._is_of_readings = is_of_readings
        self._framing: Framing = single_object_framing(topic.messages)

    def read(self, body: Mapping[str, Any], form: str, sender: str) -> list[Readable | Refused]:
        """What a request says, record by record. Raises ProxyError for one that says nothing."""
        records = body.get("records")
        if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
            raise ProxyError(NOT_READABLE, "records is a list of objects")
        if form == "avro":
            self._check_schema(body)
        if form != "binary" and not self._is_of_readings:
            raise ProxyError(
                NOT_THIS_FORMAT, f"{self._topic.name} is written to in the binary format only"
            )
        return [self._read_one(record, form, sender) for record in records]

    def _read_one(self, record: Mapping[str, Any], form: str, sender: str) -> Readable | Refused:
        if record.get("partition") is not None:
            return Refused("its partition follows from its key, and is not to be named")
        return self._bytes_of(record) if form == "binary" else self._reading_of(record, sender)

    def _check_schema(self, body: Mapping[str, Any]) -> None:
        text = body.get("value_schema")
        try:
            schema = json.loads(text) if isinstance(text, str) else None
            version = self._topic.messages.version_of(schema) if schema else None
        except Exception:  # whatever it is, it is none of these
            version = None
        if version is None:
            raise ProxyError(
                NOT_READABLE, "value_schema is none of the published schemas of this topic"
            )

    def _bytes_of(self, record: Mapping[str, Any]) -> Readable | Refused:
        try:
            key, value = (_unbase64(record.get(name)) for name in ("key", "value"))
        except (binascii.Error, ValueError, TypeError):
            return Refused("key and value are base64")
        if key is None and value is None:
            return Refused("it has neither key nor value")
        return Readable((key, value, []))

    def _reading_of(self, record: Mapping[str, Any], sender: str) -> Readable | Refused:
        payload = json.dumps(record.get("value")).encode()
        now_us = time.time_ns() // 1_000
        batch = read_ndjson([Received(payload, sender, now_us)], Transport.HTTP)
        if batch.refused:
            return Refused(batch.refused[0].reason)
        if batch.rows.height != 1:
            return Refused("its value is not one reading")
        [value] = self._framing.frame(to_fields(batch.rows, self._topic.messages))
        [(station, sensor)] = batch.rows.select("station_code", "sensor_id").rows()
        return Readable((f"{station}/{sensor}".encode(), value, []))

    def written(
        self, records: Sequence[Any], form: str, registry: SchemaRegistry | None
    ) -> list[dict[str, object]]:
        """Records that were read, for the answer."""
        if form == "binary":
            return [_told(r, _base64(r.key), _base64(r.value)) for r in records]
        values = [r.value for r in records if r.value is not None]
        decoded = unframe(values, self._topic.messages, registry)
        fields = dict(zip(decoded.index, decoded.rows.to_dicts(), strict=True))
        numbers = iter(range(len(values)))
        return [
            _told(r, _text(r.key), None if r.value is None else fields.get(next(numbers)))
            for r in records
        ]


def _told(record: Any, key: object, value: object) -> dict[str, object]:
    return {
        "topic": record.topic, "key": key, "value": value,
        "partition": record.partition, "offset": record.offset,
    }  # fmt: skip


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.decode("utf-8", "replace")


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _unbase64(text: object) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError
    return base64.b64decode(text, validate=True)
