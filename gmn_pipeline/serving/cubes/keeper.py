"""Of which states and filters rows are kept in memory.

What belongs here: reading them when they are first asked for, moving on to another state, and what
goes when memory is used up. What does not: what is kept (`rows.py`), counting (`counting.py`).

Another state of the same filters is what is kept, with the rows that came and without those that
went in between: they are read, not all rows. Names of trajectories that may differ are found as for
the file of rows by key (`by_key/changes.py`): what came or changed has a later number, what went is
in the revisions.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar
from weakref import WeakValueDictionary

import anyio

from gmn_pipeline.errors import GmnError
from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES, TRAJECTORY_REVISIONS
from gmn_pipeline.serving.cubes.rows import (
    ROW_BYTES,
    Kept,
    Layout,
    Rows,
    Texts,
    TooManyTexts,
    read_rows,
)
from gmn_pipeline.serving.lake import Lake, again_if_busy
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline.serving.tables.values import Bound

T = TypeVar("T")
Run: TypeAlias = Callable[[Callable[[Cancellation], T]], Awaitable[T]]
_Key: TypeAlias = tuple[str, str, Layout]
_KEY = "trajectory_identifier"
_MOST_MOVED_SHARE = 8
"""Of all rows not more than this part is read anew one by one; otherwise all are read."""
_FEW = 1_000
_MOST_KEPT = 64
"""States that differ by few rows share all others: a stream would leave any number of them."""
_WITHIN_S = 600.0


class Keeper:
    """Any number of requests may ask; those that want the same wait for one reading."""

    def __init__(self, lake: Lake, most_mb: int) -> None:
        self._lake = lake
        self._most_bytes = most_mb << 20
        self._kept: OrderedDict[tuple[_Key, str], Kept] = OrderedDict()
        self._locks: WeakValueDictionary[_Key, anyio.Lock] = WeakValueDictionary()

    async def rows(
        self,
        run: Run[Kept],
        snapshot: Snapshot,
        conditions: Sequence[Condition],
        layout: Layout,
        count: int,
    ) -> Kept | None:
        """All rows of a state that these conditions let through; none if there is no place for
        them. `run` does the work when it is its turn. Raises Problem."""
        if count * ROW_BYTES > self._most_bytes:
            return None
        clause, values = where(conditions)
        key = (clause, repr(values), layout)
        lock = self._locks.setdefault(key, anyio.Lock())
        async with lock:
            at = (key, snapshot.mark)
            if (found := self._kept.get(at)) is None:
                former = self._nearest(key, snapshot)

                def read(cancellation: Cancellation) -> Kept:
                    reading = _Reading(self._lake, layout, cancellation)
                    moved = reading.moved(former, snapshot, conditions) if former else None
                    return moved or reading.all(snapshot, conditions)

                try:
                    found = await run(read)
                except TooManyTexts:
                    return None
                self._kept[at] = found
            self._kept.move_to_end(at)
            self._give_up()
            return found

    def _nearest(self, key: _Key, snapshot: Snapshot) -> Kept | None:
        found = [kept for (of, _), kept in self._kept.items() if of == key]
        return min(found, key=lambda one: abs(one.base.id - snapshot.id), default=None)

    def _give_up(self) -> None:
        """What was asked for longest ago, but not the last."""
        while len(self._kept) > 1 and (
            len(self._kept) > _MOST_KEPT or self.nbytes > self._most_bytes
        ):
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        """How many states, each with its filters and zooms."""
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        rows = {id(rows): rows for kept in self._kept.values() for _, rows in kept.signed}
        return sum(one.nbytes for one in rows.values())


class _Reading:
    """Asks the lake in one thread."""

    def __init__(self, lake: Lake, layout: Layout, cancellation: Cancellation) -> None:
        self._lake = lake
        self._layout = layout
        self._cancellation = cancellation

    def all(self, snapshot: Snapshot, conditions: Sequence[Condition]) -> Kept:
        texts = Texts()
        rows = self._rows(snapshot, conditions, texts)
        return Kept(self._layout, texts, snapshot, ((1, rows),))

    def moved(
        self, former: Kept, snapshot: Snapshot, conditions: Sequence[Condition]
    ) -> Kept | None:
        """By what differs between the states; none if that cannot be known, or is too much."""
        base = former.base
        try:
            if self._lake.snapshot(base.id).mark != base.mark:
                return None  # of a lake that was restored since
        except GmnError:  # not kept any more
            return None
        base_rows = former.signed[0][1]
        most = max(base_rows.count // _MOST_MOVED_SHARE, _FEW)
        earlier, later = sorted((base, snapshot), key=lambda one: one.id)
        found = self._lake.fetch(
            later, _differing(earlier.id, most), cancellation=self._cancellation
        )
        if found.num_rows > most:
            return None
        names = found.column(0).to_pylist()
        of_these = Condition(f"{_KEY} IN (SELECT unnest(?))", (names,))
        texts = former.texts
        came, went = (self._rows(one, [*conditions, of_these], texts) for one in (snapshot, base))
        return Kept(self._layout, texts, base, ((1, base_rows), (1, came), (-1, went)))

    def _rows(self, snapshot: Snapshot, conditions: Sequence[Condition], texts: Texts) -> Rows:
        clause, values = where(conditions)
        sql = self._layout.sql(clause)
        return again_if_busy(lambda: self._read(snapshot, sql, values, texts))

    def _read(self, snapshot: Snapshot, sql: str, values: Sequence[Bound], texts: Texts) -> Rows:
        limits = replace(self._lake.limits, seconds=_WITHIN_S)
        with self._lake.run(
            snapshot, sql, values, limits=limits, cancellation=self._cancellation
        ) as answer:
            return read_rows(self._layout, texts, answer)


def _differing(state: int, most: int) -> str:
    """Names of trajectories that came, changed or went after a state, and maybe more."""
    of = (f"SELECT {_KEY} FROM {table.name} WHERE snapshot_id > {state:d}"
          for table in (TRAJECTORIES, TRAJECTORY_REVISIONS))  # fmt: skip
    return f"SELECT DISTINCT {_KEY} FROM ({' UNION ALL '.join(of)}) LIMIT {most + 1:d}"
