"""Up to where each partition of a topic is in the warehouse.

Offsets move in the transaction that brings in what was read, so the two cannot come apart.

What belongs here: the table `stream_offsets`, of any topic. What does not: what is read, and Kafka.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import StreamBusy
from gmn_pipeline.schemas.offsets import OffsetRange, StoredOffset
from gmn_pipeline.schemas.stream_tables import STREAM_OFFSETS
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.stream_session import reading_stream_tables


def stored_offsets(warehouse: WarehouseConnection, topic: str) -> dict[int, StoredOffset]:
    """The next offset of each partition."""
    with reading_stream_tables(warehouse) as connection:
        return retry_while_busy(lambda: _offsets(connection, topic)) if connection else {}


def forget_offsets(warehouse: WarehouseConnection, topic: str) -> None:
    """Let the topic be read from its beginning again. Merging it twice changes nothing."""
    with warehouse.writing() as connection:
        ddl.create(connection, warehouse.lake)
        with transaction(connection):
            connection.execute("DELETE FROM stream_offsets WHERE topic = ?", [topic])


def _offsets(connection: duckdb.DuckDBPyConnection, topic: str) -> dict[int, StoredOffset]:
    rows = connection.execute(
        "SELECT topic_partition, topic_id, next_offset FROM stream_offsets WHERE topic = ?",
        [topic],
    ).fetchall()
    return {partition: StoredOffset(topic_id, at) for partition, topic_id, at in rows}


def move_offsets(
    connection: duckdb.DuckDBPyConnection,
    topic: str,
    topic_id: str,
    cluster_id: str,
    ranges: Sequence[OffsetRange],
) -> None:
    """Let each partition be read on from where its range ends.

    Raises StreamBusy if one is not where its range begins (any more).
    """
    # One statement each: DuckLake keeps so few rows in its catalogue, not in files. All of a row at
    # once: for a condition on a column alone it would look into the statistics of files, twice.
    where = ", ".join(["(?, ?, ?, ?)"] * len(ranges))
    moved = connection.execute(
        "DELETE FROM stream_offsets WHERE (topic, topic_id, topic_partition, next_offset) "
        f"IN ({where})",
        [value for r in ranges for value in (topic, topic_id, r.partition, r.begin)],
    ).fetchone()
    if moved != (len(ranges),):  # others moved them, or nobody did yet
        _check_offsets(connection, topic, topic_id, ranges)
        partitions = ", ".join(str(r.partition) for r in ranges)
        connection.execute(
            f"DELETE FROM stream_offsets WHERE topic = ? AND topic_partition IN ({partitions})",
            [topic],
        )
    now = utc_now()
    marks = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(ranges))
    values = [
        value for r in ranges for value in (topic, topic_id, cluster_id, r.partition, r.end, now)
    ]
    columns = ", ".join(STREAM_OFFSETS.columns)
    connection.execute(f"INSERT INTO stream_offsets ({columns}) VALUES {marks}", values)


def _check_offsets(
    connection: duckdb.DuckDBPyConnection,
    topic: str,
    topic_id: str,
    ranges: Sequence[OffsetRange],
) -> None:
    stored = _offsets(connection, topic)
    for range_ in ranges:
        at = stored.get(range_.partition)
        if at and at.topic_id == topic_id and at.next_offset != range_.begin:
            raise StreamBusy(
                f"Partition {range_.partition} of {topic} is at offset {at.next_offset} by "
                f"now, not at {range_.begin}.",
                remedy="Another process took it in; this run's range is asked for anew if needed.",
            )


@dataclass(frozen=True)
class TopicProgress:
    """How far the warehouse is on a topic: of each partition the next offset, and since when."""

    topic_id: str | None = None
    offsets: dict[int, tuple[int, datetime]] = field(default_factory=dict)


def topic_progress(connection: duckdb.DuckDBPyConnection, topic: str) -> TopicProgress:
    """How far the warehouse is on a topic."""
    rows = connection.execute(
        "SELECT topic_partition, next_offset, updated_at_utc, topic_id FROM stream_offsets "
        "WHERE topic = ? ORDER BY 1",
        [topic],
    ).fetchall()
    if not rows:
        return TopicProgress()
    return TopicProgress(rows[0][3], {partition: (at, when) for partition, at, when, _ in rows})
