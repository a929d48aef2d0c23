"""Of which states and filters rows are kept in memory.

What belongs here: reading them when they are first asked for, moving on to another state, and what
goes when memory is used up. What does not: what is kept (`rows.py`), counting (`counting.py`).

Another state of the same filters is what is kept, with the rows that came and without those that
went in between: they are read, not all rows. Names of trajectories that may differ are found as for
the file of rows by key (`by_key/changes.py`): what came or changed has a later number, what went is
in the revisions. Other filters or zooms of a state are some of the rows that are kept without
filters: which ones, the lake tells, and what of them lies otherwise.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar
from weakref import WeakValueDictionary

import anyio
import pyarrow as pa

from gmn_pipeline.errors import GmnError
from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES, TRAJECTORY_REVISIONS
from gmn_pipeline.serving.cubes.rows import (
    ROW_BYTES,
    Kept,
    Layout,
    Rows,
    RowsDiffer,
    Texts,
    TooManyTexts,
    read_rows,
)
from gmn_pipeline.serving.lake import Lake, again_if_busy
from gmn_pipeline.serving.tables.filters import Condition, where

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
_ROWS_AT_ONCE = 100_000


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
                former = self._nearest(snapshot, lambda of: of == key)
                whole = self._nearest(snapshot, lambda of: of[0] == "")

                def read(cancellation: Cancellation) -> Kept:
                    reading = _Reading(self._lake, layout, snapshot, conditions, cancellation)
                    found = reading.moved(former) if former else None
                    if found is None and whole is not None and whole is not former:
                        found = reading.chosen(whole)
                    return found or reading.all()

                try:
                    found = await run(read)
                except TooManyTexts:
                    return None
                self._kept[at] = found
            self._kept.move_to_end(at)
            self._give_up()
            return found

    def _nearest(self, snapshot: Snapshot, is_it: Callable[[_Key], bool]) -> Kept | None:
        found = [at for at in self._kept if is_it(at[0])]
        if not found:
            return None
        nearest = min(found, key=lambda at: abs(self._kept[at].base.id - snapshot.id))
        self._kept.move_to_end(nearest)
        return self._kept[nearest]

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
    """Asks the lake in one thread for the rows of a state under its filters."""

    def __init__(
        self, lake: Lake, layout: Layout, snapshot: Snapshot, conditions: Sequence[Condition],
        cancellation: Cancellation,
    ) -> None:  # fmt: skip
        self._lake = lake
        self._layout = layout
        self._snapshot = snapshot
        self._conditions = conditions
        self._cancellation = cancellation

    def all(self) -> Kept:
        texts = Texts()
        rows = self._rows(self._layout, self._snapshot, self._conditions, texts)
        return Kept(self._layout, texts, self._snapshot, ((1, rows),))

    def chosen(self, whole: Kept) -> Kept | None:
        """By which of all rows it is, and what of them lies otherwise; none if that state is not
        there any more, or too much differs from it."""
        base, texts, all_rows = whole.base, whole.texts, whole.signed[0][1]
        names = self._differing(base, all_rows.count)
        if names is None:
            return None
        otherwise = self._layout.without(whole.layout)
        found = self._rows(otherwise, base, self._conditions, texts)
        try:
            rows = found.with_views_of(all_rows)
        except RowsDiffer:
            return None
        return self.moved(Kept(self._layout, texts, base, ((1, rows),)), names)

    def moved(self, former: Kept, names: pa.ChunkedArray | None = None) -> Kept | None:
        """By what differs between the states, these `names` where they are known; none if that
        cannot be known, or is too much."""
        if names is None:
            names = self._differing(former.base, former.signed[0][1].count)
        if names is None:
            return None
        of_base = former.signed[0]
        if not len(names):
            return replace(former, signed=(of_base,))
        these = Condition(f"{_KEY} IN (SELECT unnest(?))", (names.to_pylist(),))
        came, went = (
            self._rows(self._layout, state, [*self._conditions, these], former.texts)
            for state in (self._snapshot, former.base)
        )
        return replace(former, signed=(of_base, (1, came), (-1, went)))

    def _differing(self, base: Snapshot, rows: int) -> pa.ChunkedArray | None:
        """Names of trajectories that may differ from those of a state; none if that state is not
        there any more, or too many do."""
        if not self._is_there(base):
            return None
        if base.mark == self._snapshot.mark:
            return pa.chunked_array([], pa.string())
        most = max(rows // _MOST_MOVED_SHARE, _FEW)
        earlier, later = sorted((base, self._snapshot), key=lambda one: one.id)
        found = self._lake.fetch(
            later, _differing_sql(earlier.id, most), cancellation=self._cancellation
        )
        return None if found.num_rows > most else found.column(0)

    def _is_there(self, state: Snapshot) -> bool:
        """Whether it is kept, and not of a lake that was restored since."""
        try:
            return self._lake.snapshot(state.id).mark == state.mark
        except GmnError:
            return False

    def _rows(
        self, layout: Layout, state: Snapshot, conditions: Sequence[Condition], texts: Texts
    ) -> Rows:
        clause, values = where(conditions)
        limits = replace(self._lake.limits, seconds=_WITHIN_S, batch_rows=_ROWS_AT_ONCE)

        def read() -> Rows:
            with self._lake.run(
                state, layout.sql(clause), values, limits=limits, cancellation=self._cancellation
            ) as answer:
                return read_rows(layout, texts, answer)

        return again_if_busy(read)


def _differing_sql(state: int, most: int) -> str:
    """Names of trajectories that came, changed or went after a state, and maybe more."""
    of = (f"SELECT {_KEY} FROM {table.name} WHERE snapshot_id > {state:d}"
          for table in (TRAJECTORIES, TRAJECTORY_REVISIONS))  # fmt: skip
    return f"SELECT DISTINCT {_KEY} FROM ({' UNION ALL '.join(of)}) LIMIT {most + 1:d}"
