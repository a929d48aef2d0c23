"""Readings into their lake: a batch is one transaction of rows, dead letters and next offsets.

- A reading that is equal to another in all that was measured is a duplicate and is counted, be the
  other in the batch or in the lake.
- What was measured before the time up to which readings have been deleted by age is not taken in:
  nobody could tell any more whether it was there.
- Each commit is noted as one whose readings are to be rolled up (`rollups.py`).

What belongs here: this merge. What does not: offsets and dead letters of any topic
(`../offsets.py`, `../dead_letters.py`), and bytes (`streams/station_readings.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import CountMismatch
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.station_readings import (
    READINGS_DELETED,
    READINGS_TO_ROLL_UP,
    STATION_READINGS,
    TAKEN_IN_AT,
    WHO_AND_WHEN,
)
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.dead_letters import insert_dead_letters
from gmn_pipeline.warehouse.offsets import move_offsets

MEASURED = tuple(name for name in STATION_READINGS.columns if name not in WHO_AND_WHEN)
"""In these two readings are equal that are one."""

_GAP = timedelta(minutes=1)
_NEVER_DELETED = timedelta(days=1)
_MOST_SPANS = 30
"""Late readings lie apart from the others: the lake is looked into at so many places for them."""


@dataclass(frozen=True)
class ReadingBatch:
    """What was read of a topic: `rows` are acceptable readings, as they were sent."""

    topic: str
    topic_id: str
    cluster_id: str
    ranges: Sequence[OffsetRange]
    rows: pl.DataFrame
    dead_letters: pl.DataFrame


@dataclass
class ReadingCounts:
    """What became of the messages of a batch; they add up to `read`. `outdated` are those from
    before what the lake still keeps."""

    read: int = 0
    inserted: int = 0
    duplicate: int = 0
    outdated: int = 0
    dead: int = 0

    def add(self, other: "ReadingCounts") -> None:
        """Count another batch's messages too."""
        for name, count in other.as_dict().items():
            setattr(self, name, getattr(self, name) + count)

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def take_in(warehouse: WarehouseConnection, batch: ReadingBatch) -> ReadingCounts:
    """Take a batch into tables that are there; move the offsets in the same transaction.

    Raises StreamBusy if the offsets are not where the batch begins (any more).
    """

    def once() -> ReadingCounts:
        rows = batch.rows.height // 10  # each has a tenth of the columns of a trajectory
        with warehouse.writing(rows) as connection, transaction(connection):
            move_offsets(connection, batch.topic, batch.topic_id, batch.cluster_id, batch.ranges)
            counts = _take_in(connection, batch)
            insert_dead_letters(connection, batch.dead_letters)
        return counts

    # A reader may hold the catalogue at the very moment of the commit.
    return retry_while_busy(once)


def _take_in(connection: duckdb.DuckDBPyConnection, batch: ReadingBatch) -> ReadingCounts:
    counts = ReadingCounts(
        read=batch.rows.height + batch.dead_letters.height, dead=batch.dead_letters.height
    )
    if batch.rows.height:
        arriving = current(connection, batch.rows)
        counts.outdated = batch.rows.height - arriving.height
        if arriving.height:
            counts.inserted = insert(connection, arriving)
            counts.duplicate = arriving.height - counts.inserted
    _assert_adds_up(batch, counts)
    return counts


def current(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> pl.DataFrame:
    """Readings of a time of which none were deleted by age. Of the last day none ever are: then
    the lake is not asked, which takes a fifth of a commit."""
    old = pl.col("measured_at_utc") < utc_now() - _NEVER_DELETED
    since = deleted_before(connection) if rows.select(old.any()).item() else None
    return rows.filter(pl.col("measured_at_utc") >= since) if since else rows


def deleted_before(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """The time of measuring before which readings have been deleted; None if none were."""
    row = connection.execute(
        f"SELECT max(deleted_before_utc) FROM {READINGS_DELETED.name}"
    ).fetchone()
    assert row is not None
    when: datetime | None = row[0]
    return when


def insert(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> int:
    """Insert readings that are not there yet; how many these are."""
    # Of equal readings the first that came.
    distinct = rows.unique(MEASURED, keep="first", maintain_order=True)
    taken_in_at = utc_now()
    connection.register("arriving_rows", distinct.to_arrow())
    try:
        connection.execute("CREATE OR REPLACE TEMP TABLE arriving AS FROM arriving_rows")
    finally:
        connection.unregister("arriving_rows")
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM p.{name}" for name in MEASURED)
    there = _already_there(distinct.get_column("measured_at_utc"))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE new_reading AS SELECT a.* FROM arriving a "
        f"ANTI JOIN ({there}) p ON {same}"
    )
    columns = ", ".join(rows.columns)
    inserted = connection.execute(
        f"INSERT INTO {STATION_READINGS.name} ({columns}, {TAKEN_IN_AT.name}) "
        f"SELECT {columns}, ?::TIMESTAMP FROM new_reading",
        [taken_in_at],
    ).fetchone()
    count = int(inserted[0]) if inserted else 0
    if count:
        connection.execute(
            f"INSERT INTO {READINGS_TO_ROLL_UP.name} "
            f"SELECT ?::TIMESTAMP, count(*), min(measured_at_utc), max(measured_at_utc) "
            "FROM new_reading",
            [taken_in_at],
        )
    return count


def _already_there(measured: pl.Series) -> str:
    """The readings of the lake that one of these might be: of the spans of time that they lie in,
    so that few files are looked into."""
    columns = ", ".join(MEASURED)
    parts = [
        f"SELECT {columns} FROM {STATION_READINGS.name} WHERE measured_at_utc BETWEEN "
        f"TIMESTAMP '{begin.isoformat(' ')}' AND TIMESTAMP '{end.isoformat(' ')}'"
        for begin, end in spans(measured)
    ]
    return " UNION ALL ".join(parts)


def spans(times: pl.Series) -> Iterator[tuple[datetime, datetime]]:
    """Spans that times lie in, with gaps between them: not more than so many, the last ones cut
    the least."""
    ordered = times.sort()
    ends = (ordered.diff() > _GAP).arg_true().to_list()[-(_MOST_SPANS - 1) :]
    for begin, end in zip([0, *ends], [*ends, ordered.len()], strict=True):
        yield ordered[begin], ordered[end - 1]


def _assert_adds_up(batch: ReadingBatch, counts: ReadingCounts) -> None:
    """Every message has one fate."""
    parts = counts.inserted + counts.duplicate + counts.outdated + counts.dead
    if parts != counts.read or min(counts.as_dict().values()) < 0:
        raise CountMismatch(
            f"Messages of {batch.topic} do not add up: {counts.as_dict()}.",
            remedy="Nothing was committed. This is a fault of this program: please report it "
            f"with the offsets {list(batch.ranges)}.",
        )
