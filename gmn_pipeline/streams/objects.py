"""What messages of the topic of objects mean: files that are to become objects of the lake.

What belongs here: from records to what is wanted of each, or why it is refused before anything is
fetched. What does not: which records are read (`consumer.py`), bytes of messages (`kafka/`), and
putting (`object_arrivals.py`).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.kafka.dead_letters import DeadLetter
from gmn_pipeline.kafka.framing import unframe
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.schemas.object_messages import OBJECT_MESSAGES
from gmn_pipeline.schemas.objects import Description, Link, ObjectName
from gmn_pipeline.schemas.offsets import OffsetRange

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class WantedObject:
    """What a message asks for: bytes that came with it, or that lie at an address."""

    name: ObjectName
    content: bytes | None
    address: str | None
    sha256: str | None
    description: Description


@dataclass(frozen=True)
class Arrived:
    """A record, and what it asks for or why it is refused."""

    record: Any
    wanted: WantedObject | None = None
    reason: str = ""


@dataclass(frozen=True)
class ObjectBatch:
    """What was read of a topic, in the order of its coming."""

    topic: str
    topic_id: str
    cluster_id: str
    ranges: Sequence[OffsetRange]
    arrived: Sequence[Arrived] = field(default_factory=list)
    run_id: str | None = None

    def parts(self, most: int) -> Iterator["ObjectBatch"]:
        """The same in parts of so many messages, each with the ranges that it is of."""
        at = {one.partition: one.begin for one in self.ranges}
        ends = {one.partition: one.end for one in self.ranges}
        for first in range(0, max(len(self.arrived), 1), most):
            some = self.arrived[first : first + most]
            is_last = first + most >= len(self.arrived)
            reached = dict(ends) if is_last else {}
            if not is_last:
                for one in some:
                    reached[one.record.partition] = one.record.offset + 1
            ranges = [OffsetRange(p, at[p], end) for p, end in sorted(reached.items())]
            at |= reached
            yield ObjectBatch(
                self.topic, self.topic_id, self.cluster_id, [r for r in ranges if r.length],
                some, self.run_id,
            )  # fmt: skip


def decode_batch(
    records: Sequence[Any],
    state: TopicState,
    ranges: Sequence[OffsetRange],
    registry: SchemaRegistry | None,
    run_id: str | None = None,
) -> tuple[ObjectBatch, list[DeadLetter]]:
    """Records as what they ask for. What is refused is in the batch too: it is sent to the dead
    letters with what turns out to be none only when it is put."""
    valued = [at for at, record in enumerate(records) if record.value is not None]
    decoded = unframe([records[at].value for at in valued], OBJECT_MESSAGES, registry)
    found = {
        at: Arrived(record, reason="key: a tombstone, and the topic deletes nothing")
        for at, record in enumerate(records)
        if record.value is None
    }
    for index, why in decoded.reasons.items():
        found[valued[index]] = Arrived(records[valued[index]], reason=why)
    for index, row in zip(decoded.index, decoded.rows.iter_rows(named=True), strict=True):
        record = records[valued[index]]
        try:
            found[valued[index]] = Arrived(record, wanted_of(row))
        except ObjectRefused as error:
            found[valued[index]] = Arrived(record, reason=f"refused: {error}")
    arrived = [found[at] for at in range(len(records))]
    batch = ObjectBatch(state.topic, state.topic_id, state.cluster_id, ranges, arrived, run_id)
    return batch, []


def wanted_of(row: Mapping[str, Any]) -> WantedObject:
    """What the fields of a message ask for, in their wire types. Raises ObjectRefused."""
    for needed in ("project", "container", "name"):
        if not row[needed]:
            raise ObjectRefused(f"The message has no {needed}.")
    name = ObjectName(row["project"], row["container"], row["name"])
    if (row["content"] is None) == (row["address"] is None):
        raise ObjectRefused(f"{name} has to come with its bytes or with an address: with one.")
    sha256 = row["sha256"].lower() if row["sha256"] else None
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise ObjectRefused(f"{name} comes with a SHA-256 that is none: {sha256[:100]!r}.")
    return WantedObject(name, row["content"], row["address"], sha256, _description(row))


def _description(row: Mapping[str, Any]) -> Description:
    return Description(
        application=row["application"] or "",
        metadata=_metadata(row["metadata"]),
        tags=frozenset(tag for tag in row["tags"] or () if tag is not None),
        links=frozenset(Link.parse(link) for link in row["links"] or () if link is not None),
        observed_from_utc=_time(row["observed_from_utc"]),
        observed_until_utc=_time(row["observed_until_utc"]),
        latitude_deg=row["latitude_deg"],
        longitude_deg=row["longitude_deg"],
    )


def _time(since_1970_us: int | None) -> datetime | None:
    if since_1970_us is None:
        return None
    try:
        return datetime(1970, 1, 1) + timedelta(microseconds=since_1970_us)
    except OverflowError as error:
        raise ObjectRefused(
            f"{since_1970_us} is no time: microseconds since 1970 are wanted."
        ) from error


def _metadata(text: str | None) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ObjectRefused(f"Its metadata is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ObjectRefused("Its metadata is no JSON object.")
    return found
