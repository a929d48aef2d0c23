"""The changes between two states: asked once, encoded once, whoever listens.

What belongs here: the queries, and which changes a filter lets through. What does not: keeping
batches (`hub.py`), sending them (`sse.py`, `websocket.py`).

A filter lets a change through if it holds for the trajectory as it was before or as it is now: so
who listens with a filter also hears what does not match any more.
"""

import asyncio
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

from gmn_pipeline.queries.held_rows import Asked, HeldRows
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.events.positions import Position
from gmn_pipeline.serving.tables.difference import changes_sql
from gmn_pipeline.serving.tables.filters import Condition
from gmn_pipeline.serving.tables.shapes import line_sql

Filter: TypeAlias = Asked
Fetch: TypeAlias = Callable[[str, Parameters], pa.Table]

Encode: TypeAlias = Callable[[str, str], bytes]
"""An event of its position and its JSON."""

_KEY = "trajectory_identifier"
_HEAD = (
    Field("change", "what became of it", Kind.TEXT),
    Field("changed_at_utc", "when", Kind.TIMESTAMP),
    Field("former_revision", "revision before", Kind.INTEGER),
)
_LINE = line_sql((*_HEAD, *TRAJECTORIES.fields), "objects")
_COLUMNS = ", ".join(TRAJECTORIES.columns)
_BYTES_BESIDE = 4
"""What a batch takes, in lengths of its lines: these, two encodings, and rows for filters."""


def filter_of(conditions: Sequence[Condition]) -> Filter | None:
    """All of these; the same for the same conditions in another order."""
    if not conditions:
        return None
    some = sorted(conditions, key=repr)
    sql = " AND ".join(f"({one.sql})" for one in some)
    return Filter(sql, tuple(value for one in some for value in one.values))


@dataclass
class Batch:
    """The changes from one state to another; `lines`: each as JSON.

    `is_bulk`: there are more than are told one by one; then there are no lines.
    """

    before: int
    after: int
    lines: list[str]
    is_bulk: bool
    rows: pa.Table
    """As they are now, with columns of the change before."""
    former: pa.Table | None = None
    chosen: dict[Filter, "array[int]"] = field(default_factory=dict)
    encoded: dict[str, list[bytes]] = field(default_factory=dict)
    choosing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.lines)) * _BYTES_BESIDE

    def events(self, encoding: str, encode: Encode) -> list[bytes]:
        """Every change in an encoding."""
        if encoding not in self.encoded:
            self.encoded[encoding] = [
                encode(str(Position(self.before, self.after, number)), line)
                for number, line in enumerate(self.lines)
            ]
        return self.encoded[encoding]


def fetch_batch(fetch: Fetch, before: int, after: Snapshot, most: int) -> Batch:
    """Ask for it; `fetch` asks the later state."""
    sql = f"""
    WITH all_changes AS ({changes_sql(before, is_recent=True)})
    SELECT *, {_LINE} AS line FROM all_changes ORDER BY changed_at_utc, {_KEY} LIMIT {most + 1:d}"""
    table = fetch(sql, ())
    if table.num_rows > most:
        return Batch(before, after.id, [], True, table.slice(0, 0))
    lines = table.column("line").to_pylist()
    return Batch(before, after.id, lines, False, table.drop_columns(["line"]))


def choose(batch: Batch, fetch: Fetch, held: HeldRows, filters: Sequence[Filter]) -> None:
    """Find out what these filters let through."""
    if not batch.lines:
        batch.chosen |= {one: array("I") for one in filters}
        return
    if batch.former is None:
        batch.former = _former(batch, fetch)
    numbers = list(range(len(batch.lines)))
    # A trajectory that was withdrawn is nothing now: a filter on what is missing would match.
    there = [n for n, change in zip(numbers, _texts(batch.rows, "change"), strict=True)
             if change != "withdrawn"]  # fmt: skip
    names = dict(zip(_texts(batch.rows, _KEY), numbers, strict=True))
    rows = pa.concat_tables([
        batch.rows.select(TRAJECTORIES.columns).take(pa.array(there, pa.int64())),
        batch.former.select(TRAJECTORIES.columns),
    ])  # fmt: skip
    of_rows = [*there, *(names[name] for name in _texts(batch.former, _KEY))]
    batch.chosen |= zip(filters, held.matching(rows, of_rows, filters), strict=True)


def _former(batch: Batch, fetch: Fetch) -> pa.Table:
    """The trajectories as they were before."""
    sql = (
        f"SELECT {_COLUMNS} FROM trajectories AT (VERSION => {batch.before:d}) "
        f"WHERE {_KEY} IN (SELECT unnest(?))"
    )
    return fetch(sql, [_texts(batch.rows, _KEY)])


def _texts(table: pa.Table, name: str) -> list[str]:
    return list(table.column(name).to_pylist())


def encoded(batch: Batch, chosen: Sequence[int], encoding: str, encode: Encode) -> Iterator[bytes]:
    """Some of the changes, each an event. The last one's position is that all is told: whoever
    goes on from there needs no former state."""
    if not chosen:
        return
    events = batch.events(encoding, encode)
    for number in chosen[:-1]:
        yield events[number]
    yield encode(str(Position(batch.after)), batch.lines[chosen[-1]])


def joined(events: Iterable[bytes], piece_bytes: int) -> Iterator[bytes]:
    """Events one after the other, in pieces of about so many bytes."""
    some: list[bytes] = []
    length = 0
    for event in events:
        some.append(event)
        length += len(event)
        if length >= piece_bytes:
            yield b"".join(some)
            some, length = [], 0
    if some:
        yield b"".join(some)
