"""Files to the topic of objects, from which they are put into the lake.

The guarantee: what is counted as sent is acknowledged by Kafka. What is sent once more, since that
was not certain, makes no second version (`streams/object_arrivals.py`).

What belongs here: files into messages. What does not: what becomes of them (`streams/`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from gmn_pipeline.errors import GmnError, ObjectRefused, SourceFileMissing, SourceRefused
from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.framing import Framing, confluent_framing, single_object_framing
from gmn_pipeline.kafka.schema_registry import open_registry
from gmn_pipeline.kafka.sending import Message, send_messages
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.schemas.object_messages import OBJECT_MESSAGES
from gmn_pipeline.schemas.objects import Description, ObjectName
from gmn_pipeline.schemas.topics import Topic, objects_topic
from gmn_pipeline.settings import KafkaSettings

_SENT_AT_ONCE, _SENT_AT_ONCE_BYTES = 500, 16 << 20
_FRAME_BYTES = 4 << 10
"""Room in a message for its name, hash and key beside what is said of the object."""
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class ToSend:
    """A file of this machine, or an address, that is to be sent; a file's own address (file://...)
    if its bytes are not to come along."""

    name: ObjectName
    description: Description
    path: Path | None = None
    address: str | None = None


@dataclass
class SendCounts:
    """What became of files: given = sent + failed."""

    given: int = 0
    sent: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by the name that was to be."""


def publish(settings: KafkaSettings, files: Iterable[ToSend]) -> SendCounts:
    """Send files; return when Kafka has acknowledged them. One that cannot be read or is too large
    for a message fails alone.

    Raises BrokerUnavailable if Kafka does not take them: what was sent before stays sent, and may
    be sent again.
    """
    topic = objects_topic(settings)
    ensure_topics(settings, topic)
    framing, counts = _framing(settings, topic), SendCounts()
    largest = (settings.kafka_objects_message_mb << 20) - _FRAME_BYTES
    with producer(settings) as kafka:
        for messages in _batches(_messages(files, framing, largest, counts)):
            sent = send_messages(settings, kafka, topic.name, messages)
            counts.sent += len(sent.acknowledged)
            if sent.failure is not None:
                raise sent.failure
    return counts


def _framing(settings: KafkaSettings, topic: Topic) -> Framing:
    registry = open_registry(settings)
    if registry is None:
        return single_object_framing(topic.messages)
    schema_id = registry.register(
        topic.subject, topic.messages.text(topic.messages.current_version)
    )
    return confluent_framing(topic.messages, schema_id)


def _messages(
    files: Iterable[ToSend], framing: Framing, largest: int, counts: SendCounts
) -> Iterator[Message]:
    for one in files:
        counts.given += 1
        try:
            (value,) = framing.frame(_frame([fields_of(one, largest)]))
            if len(value) > largest:
                raise _too_large(one, largest)
        except GmnError as error:
            counts.failures[str(one.name)] = str(error)
            continue
        # One name, one partition: its versions are taken in in the order of their sending.
        yield str(one.name).encode(), value, []


def _batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    size_bytes = 0
    for one in messages:
        batch.append(one)
        size_bytes += len(one[1] or b"")
        if len(batch) == _SENT_AT_ONCE or size_bytes > _SENT_AT_ONCE_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def fields_of(one: ToSend, largest: int) -> dict[str, Any]:
    """The fields of a file's message. Raises ObjectRefused if it has more bytes than that."""
    said, content = one.description, None
    if one.path is not None:
        content = _content(one, one.path, largest)
    return {
        "project": one.name.project, "container": one.name.container, "name": one.name.name,
        "content": content, "address": one.address,
        "sha256": None if content is None else sha256(content).hexdigest(),
        "application": said.application or None,
        "metadata": orjson.dumps(said.metadata).decode() if said.metadata else None,
        "tags": sorted(said.tags) or None,
        "links": [f"{kind}:{key}" for kind, key in sorted(said.links)] or None,
        "observed_from_utc": said.observed_from_utc,
        "observed_until_utc": said.observed_until_utc,
        "latitude_deg": said.latitude_deg, "longitude_deg": said.longitude_deg,
    }  # fmt: skip


def _content(one: ToSend, path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except FileNotFoundError as error:
        raise SourceFileMissing(f"There is no file {path}.") from error
    except OSError as error:
        raise SourceRefused(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > largest:
        raise _too_large(one, largest)
    return content


def _too_large(one: ToSend, largest: int) -> ObjectRefused:
    return ObjectRefused(
        f"{one.name} does not fit into a message of {largest:,} bytes.",
        remedy="Send where it lies (--by-address), or put it.",
    )


def values_of(rows: Sequence[Mapping[str, Any]], framing: Framing | None = None) -> list[bytes]:
    """Messages of fields as they are named in the schema; those that are not named are null."""
    return (framing or single_object_framing(OBJECT_MESSAGES)).frame(_frame(rows))


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    columns = {
        one.name: pl.Series(
            one.name, [_wire(row.get(one.name)) for row in rows], dtype=one.wire_type
        )
        for one in OBJECT_MESSAGES.fields
    }
    return pl.DataFrame(columns)


def _wire(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return (value - _EPOCH) // timedelta(microseconds=1)
