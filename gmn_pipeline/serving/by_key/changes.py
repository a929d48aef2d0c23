"""What is asked of the lake for the file: everything of a state, or what came since another one.

What belongs here: the queries, and their rows. What does not: what becomes of them (`file.py`).

As for live events (`tables/difference.py`): a row that came or changed has a number later than the
former state's, and what went has a row in the revisions. Where maintenance wrote files anew, all
their rows have a later number, too: there may be many more than changed. Small tables are taken as
a whole where something came to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.trajectory_tables import (
    SOURCE_FILES,
    STATIONS,
    TRAJECTORIES,
    TRAJECTORY_REVISIONS,
    TRAJECTORY_STATIONS,
)
from gmn_pipeline.serving.by_key.rows import packed_sql

CURRENT, FORMER, STATION, SOURCE = "current", "former", "station", "source"
_COUNT = "count"
_KEY = "trajectory_identifier"


@dataclass(frozen=True)
class Row:
    """A row of a kind; its values in one text, as `rows.py` packs them."""

    kind: str
    values: str


@dataclass(frozen=True)
class Counts:
    """How many rows of each the state has: what the file is held against."""

    trajectories: int
    revisions: int
    links: int


COUNTS = f"""
SELECT (SELECT count(*) FROM {TRAJECTORIES.name}) AS trajectories,
  (SELECT count(*) FROM {TRAJECTORY_REVISIONS.name}) AS revisions,
  (SELECT count(*) FROM {TRAJECTORY_STATIONS.name}) AS links"""


def everything() -> Iterator[str]:
    """Queries of all rows, which need no memory for them."""
    yield _rows(SOURCE, SOURCE_FILES)
    yield _rows(STATION, STATIONS)
    yield _rows(FORMER, TRAJECTORY_REVISIONS)
    yield _rows(CURRENT, TRAJECTORIES)


def number_since(state: int, most: int) -> str:
    """How many came since, of a table that more came to; one more than so many at most."""
    numbers = ", ".join(
        f"(SELECT count(*) FROM (SELECT 1 FROM {table.name} WHERE {_later(state)} "
        f"LIMIT {most + 1:d}))"
        for table in (TRAJECTORY_REVISIONS, TRAJECTORIES)
    )
    return f"SELECT greatest({numbers})"


def _later(state: int) -> str:
    return f"snapshot_id > {state:d}"


def since(state: int) -> str:
    """The query of what came since."""
    small = " UNION ALL ".join(
        _rows(kind, table, f"(SELECT max(snapshot_id) FROM {table.name}) > {state:d}")
        for kind, table in ((SOURCE, SOURCE_FILES), (STATION, STATIONS))
    )
    large = " UNION ALL ".join(
        _rows(kind, table, _later(state))
        for kind, table in ((FORMER, TRAJECTORY_REVISIONS), (CURRENT, TRAJECTORIES))
    )
    return f"{small} UNION ALL {large}"


STILL_THERE = f"SELECT {_KEY} FROM {TRAJECTORIES.name} WHERE {_KEY} IN (SELECT unnest(?))"
"""Of these, the trajectories that there are."""


def _rows(kind: str, table: Table, condition: str = "") -> str:
    where = f" WHERE {condition}" if condition else ""
    return f"SELECT '{kind}' AS kind, {packed_sql(table.fields)} AS line FROM {table.name}{where}"


def rows_of(batch: pa.RecordBatch | pa.Table) -> Iterator[Row]:
    kinds, lines = (batch.column(name).to_pylist() for name in ("kind", "line"))
    for kind, line in zip(kinds, lines, strict=True):
        yield Row(kind, line)


WITHDRAWN = f'"{Change.WITHDRAWN}"'
CHANGE = TRAJECTORY_REVISIONS.columns.index("change")
REVISION = TRAJECTORIES.columns.index("revision")
"""Places of values in a row."""
