"""Up to where a topic is read whose records become something in the operational database.

Offsets move in the transaction that names what was read, so the two cannot come apart.

What belongs here: the tables of offsets and of notes of dead letters, of any such topic. What does
not: topics that go into a lake (`warehouse/offsets.py`), and what records become.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import insert_operations, insert_or
from gmn_pipeline.database.tables import TOPIC_DEAD_LETTERS, TOPIC_OFFSETS
from gmn_pipeline.errors import StreamBusy
from gmn_pipeline.schemas.objects import By, ObjectName, OperationKind
from gmn_pipeline.schemas.offsets import OffsetRange, StoredOffset


@dataclass(frozen=True)
class NotedLetter:
    """A record that was refused; the topic of dead letters has its bytes."""

    partition: int
    offset: int
    sent_at_utc: datetime
    key: str | None
    size_bytes: int
    reason: str


@dataclass(frozen=True)
class ReadPart:
    """What was read of a topic: ranges of offsets, and what was refused of them."""

    topic: str
    topic_id: str
    cluster_id: str
    ranges: Sequence[OffsetRange]
    refused: Sequence[NotedLetter] = ()


class TopicOffsets:
    """Any number of processes ask; who reads a topic moves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stored(self, topic: str) -> dict[int, StoredOffset]:
        """The next offset of each partition."""
        with self._database.reading() as connection:
            return _stored(connection, topic) if connection else {}

    def forget(self, topic: str) -> None:
        """Let the topic be read from its beginning again."""
        with self._database.writing() as connection:
            connection.execute(TOPIC_OFFSETS.delete().where(TOPIC_OFFSETS.c.topic == topic))

    def move(self, write: Callable[[Connection], None]) -> None:
        """The same by itself, where there is nothing to name."""
        with self._database.writing() as connection:
            write(connection)

    def dead_letters(self, topic: str, most: int = 100) -> tuple[int, list[NotedLetter]]:
        """How many records were refused, and the last of them, the newest first."""
        columns = TOPIC_DEAD_LETTERS.c
        of_topic = columns.topic == topic
        with self._database.reading() as connection:
            if connection is None:
                return 0, []
            count = connection.scalar(
                select(func.count()).select_from(TOPIC_DEAD_LETTERS).where(of_topic)
            )
            rows = connection.execute(
                select(TOPIC_DEAD_LETTERS)
                .where(of_topic)
                .order_by(columns.recorded_at_utc.desc(), columns.topic_offset.desc())
                .limit(most)
            )
            letters = [
                NotedLetter(
                    row.topic_partition, row.topic_offset, row.sent_at_utc, row.message_key,
                    row.size_bytes, row.reason,
                )
                for row in rows
            ]  # fmt: skip
        return int(count or 0), letters


def moving(
    part: ReadPart, failed: Sequence[tuple[ObjectName, str]], by: By
) -> Callable[[Connection], None]:
    """What is written in the transaction that names what was read: offsets, notes of what was
    refused, and the log of objects that could not be put, with the reason."""

    def write(connection: Connection) -> None:
        _move_offsets(connection, part)
        for name, reason in failed:
            insert_operations(connection, OperationKind.PUT, [(name, None, None)], by, reason)

    return write


def _move_offsets(connection: Connection, part: ReadPart) -> None:
    """Let each partition be read on from where its range ends, and note what was refused.

    Raises StreamBusy if one is not where its range begins (any more).
    """
    now = utc_now()
    stored = _stored(connection, part.topic)
    for range_ in part.ranges:
        at = stored.get(range_.partition)
        if at and at.topic_id == part.topic_id and at.next_offset != range_.begin:
            raise StreamBusy(
                f"Partition {range_.partition} of {part.topic} is at offset {at.next_offset} by "
                f"now, not at {range_.begin}.",
                remedy="Another process took it in; what is left is read by the next run.",
            )
        insert = insert_or(connection, TOPIC_OFFSETS).values(
            topic=part.topic, topic_partition=range_.partition, topic_id=part.topic_id,
            cluster_id=part.cluster_id, next_offset=range_.end, moved_at_utc=now,
        )  # fmt: skip
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["topic", "topic_partition"],
                set_={
                    name: insert.excluded[name]
                    for name in ("topic_id", "cluster_id", "next_offset", "moved_at_utc")
                },
            )
        )
    rows = [
        {
            "topic": part.topic, "topic_id": part.topic_id, "topic_partition": one.partition,
            "topic_offset": one.offset, "sent_at_utc": one.sent_at_utc, "message_key": one.key,
            "size_bytes": one.size_bytes, "reason": one.reason, "recorded_at_utc": now,
        }
        for one in part.refused
    ]  # fmt: skip
    if rows:  # of a topic that is read once more they are there already
        connection.execute(insert_or(connection, TOPIC_DEAD_LETTERS).on_conflict_do_nothing(), rows)


def _stored(connection: Connection, topic: str) -> dict[int, StoredOffset]:
    columns = TOPIC_OFFSETS.c
    rows = connection.execute(
        select(columns.topic_partition, columns.topic_id, columns.next_offset).where(
            columns.topic == topic
        )
    )
    return {partition: StoredOffset(topic_id, at) for partition, topic_id, at in rows}
