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
_BYTES_BESIDE = 3
"""What a batch takes, in lengths of its lines: these and two encodings."""


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
    rows: pa.Buffer
    """As they are now, with columns of the change before, as an Arrow stream: a table of few rows
    and 90 columns stands in a hundred times the room."""
    former: pa.Buffer | None = None
    chosen: dict[Filter, "array[int]"] = field(default_factory=dict)
    encoded: dict[str, list[bytes]] = field(default_factory=dict)
    choosing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size_bytes(self) -> int:
        rows = [some for some in (self.rows, self.former) if some is not None]
        lines_bytes = sum(map(len, self.lines)) * _BYTES_BESIDE
        return lines_bytes + sum(int(some.size) for some in rows)

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
        return Batch(before, after.id, [], True, _packed(table.slice(0, 0)))
    lines = table.column("line").to_pylist()
    return Batch(before, after.id, lines, False, _packed(table.drop_columns(["line"])))


def _packed(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _unpacked(packed: pa.Buffer) -> pa.Table:
    return pa.ipc.open_stream(packed).read_all()


def choose(batch: Batch, fetch: Fetch, held: HeldRows, filters: Sequence[Filter]) -> None:
    """Find out what these filters let through."""
    if not batch.lines:
        batch.chosen |= {one: array("I") for one in filters}
        return
    now = _unpacked(batch.rows)
    if batch.former is None:
        batch.former = _packed(_former(batch, now, fetch))
    former = _unpacked(batch.former)
    numbers = list(range(len(batch.lines)))
    # A trajectory that was withdrawn is nothing now: a filter on what is missing would match.
    there = [n for n, change in zip(numbers, _texts(now, "change"), strict=True)
             if change != "withdrawn"]  # fmt: skip
    names = dict(zip(_texts(now, _KEY), numbers, strict=True))
    rows = pa.concat_tables([
        now.select(TRAJECTORIES.columns).take(pa.array(there, pa.int64())),
        former.select(TRAJECTORIES.columns),
    ])  # fmt: skip
    of_rows = [*there, *(names[name] for name in _texts(former, _KEY))]
    batch.chosen |= zip(filters, held.matching(rows, of_rows, filters), strict=True)


def _former(batch: Batch, now: pa.Table, fetch: Fetch) -> pa.Table:
    """The trajectories as they were before."""
    sql = (
        f"SELECT {_COLUMNS} FROM trajectories AT (VERSION => {batch.before:d}) "
        f"WHERE {_KEY} IN (SELECT unnest(?))"
    )
    return fetch(sql, [_texts(now, _KEY)])


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
