"""Counting rows that are in memory: the same counts as those of the query in `query.py`.

What belongs here: which bin each step lies in, which steps a brush lets through, and the counts.
What does not: keeping rows (`rows.py`, `keeper.py`).

A view is counted by one number a row, pixel and bin together, and `bincount`: 5 to 20 ms for a
million rows and view, where GROUPING SETS take 100 to 150
(docs/decisions/0085-bins-kept-in-memory.md).
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gmn_pipeline.serving.cubes.query import Binned, Cube, step_of
from gmn_pipeline.serving.cubes.rows import NONE, Kept, Members, Numbers16, Rows
from gmn_pipeline.serving.cubes.selection import Brush, Span
from gmn_pipeline.serving.cubes.views import Axis

Counts = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_MOST_CELLS = 8 << 20
"""Of a view, pixels times bins: 64 MB while it is counted."""
_ROWS_AT_ONCE = 1 << 18
"""Numbers of so many rows stay in the processor's own memory."""
SCHEMA = pa.schema(
    [("view", pa.uint8()), ("pixel", pa.uint16()), ("bin", pa.uint16()), ("n", pa.uint32())]
)
_Going = Callable[[], None]


class NotByStep(Exception):
    """Steps do not tell it: bins or the ends of a brush lie between them."""


def counted(kept: Kept, cube: Cube, go_on: _Going) -> pa.Table:
    """The counts of all views, sorted as the query has them. Raises NotByStep."""
    pixels, width = np.zeros(0, np.uint16), 1
    if cube.active is not None:
        pixels, width = _table(kept, cube.active), cube.active.bins + 2
    plans: list[tuple[int, Binned | None, Numbers16, int]] = [(0, None, np.zeros(1, np.uint16), 1)]
    plans += [
        (at, one, _table(kept, one), one.bins + 2) for at, one in enumerate(cube.views, start=1)
    ]
    if max(high for *_, high in plans) * width > _MOST_CELLS:
        raise NotByStep
    parts = []
    for sign, rows in kept.signed:
        of_rows = pixels.take(rows.steps[cube.active.view.name]) if cube.active else None
        parts.append((sign, rows, _Under(kept, rows, cube.in_effect), of_rows))
    tables = []
    for at, one, table, high in plans:
        name = one.view.name if one else None
        total: Counts | None = None
        for sign, rows, under, of_rows in parts:
            go_on()
            found = _sum(rows, name, table, of_rows, high, width * high, under.mask(name))
            total = found if total is None else total + sign * found
        assert total is not None
        tables.append(_told(at, total, high))
    return pa.concat_tables(tables)


def top(kept: Kept, name: str, brushes: Iterable[Brush], most: int) -> tuple[str, ...]:
    """The most frequent values of a text or list, of what all these brushes let through. Raises
    NotByStep."""
    some = list(brushes)
    every = np.arange(NONE + 1, dtype=np.uint16)
    total = np.zeros(NONE + 1, np.int64)
    for sign, rows in kept.signed:
        mask = _Under(kept, rows, some).mask(None)
        total += sign * _sum(rows, name, every, None, NONE + 1, NONE + 1, mask)
    found = [(-int(total[n]), text) for text, n in kept.texts.all(name) if total[n]]
    return tuple(text for _, text in sorted(found)[:most])


class _Under:
    """Rows under brushes: a row that a single one leaves out is counted in that one's view."""

    def __init__(self, kept: Kept, rows: Rows, brushes: Sequence[Brush]) -> None:
        self._names = [one.view.name for one in brushes]
        self._failed = np.zeros(rows.count if brushes else 0, np.uint8)
        self._which = np.zeros_like(self._failed)
        for at, one in enumerate(brushes, start=1):
            out = ~_let_through(kept, rows, one)
            self._failed += out
            self._which[out] = at

    def mask(self, name: str | None) -> _Mask | None:
        if not self._names:
            return None
        all_let_through: _Mask = self._failed == 0
        if name not in self._names:
            return all_let_through
        own = self._which == self._names.index(name) + 1
        mask: _Mask = all_let_through | (own & (self._failed == 1))
        return mask


def _sum(
    rows: Rows, name: str | None, table: Numbers16, pixels: Numbers16 | None, high: int,
    cells: int, mask: _Mask | None,
) -> Counts:  # fmt: skip
    """By pixel and bin of a view, which lies in `table` by its step; without one, by pixel."""
    total: Counts | None = None
    members = rows.members.get(name or "")
    # Of many cells more rows at once, so that adding up cells is not what takes the time.
    step = max(_ROWS_AT_ONCE, cells)
    for begin in range(0, rows.count, step):
        part = slice(begin, min(begin + step, rows.count))
        chosen = None if mask is None else mask[part]
        if members is not None:
            bins, of_rows = _of_lists(members, table, part, chosen)
            pixel = None if pixels is None else pixels[part][of_rows]
        else:
            length = part.stop - part.start
            numbers = rows.steps[name][part] if name else np.zeros(length, np.uint16)
            bins = table.take(numbers if chosen is None else numbers[chosen])
            pixel = None if pixels is None else pixels[part]
            if pixel is not None and chosen is not None:
                pixel = pixel[chosen]
        at = bins.astype(np.intp)
        if pixel is not None:
            at += pixel.astype(np.intp) * high
        counts = np.bincount(at, minlength=cells)
        total = counts if total is None else total + counts
    return np.zeros(cells, np.int64) if total is None else total


def _of_lists(
    members: Members, table: Numbers16, part: slice, chosen: _Mask | None
) -> tuple[Numbers16, npt.NDArray[np.intp]]:
    """The bin of each member, and which row of the part it is of; of an empty list that of null."""
    first = int(members.ends[part.start - 1]) if part.start else 0
    ends = members.ends[part].astype(np.intp)
    lengths = np.diff(ends, prepend=first)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    bins = table.take(members.numbers[first : int(ends[-1])])
    if chosen is not None:
        bins, rows = bins[chosen[rows]], rows[chosen[rows]]
    empty = np.flatnonzero(lengths == 0 if chosen is None else (lengths == 0) & chosen)
    none = np.full(len(empty), table[NONE], np.uint16)
    return np.concatenate([bins, none]), np.concatenate([rows, empty])


def _told(view: int, sums: Counts, high: int) -> pa.Table:
    cells = np.flatnonzero(sums)
    columns = [
        np.full(len(cells), view, np.uint8), (cells // high).astype(np.uint16),
        (cells % high).astype(np.uint16), sums[cells].astype(np.uint32),
    ]  # fmt: skip
    return pa.table([pa.array(one) for one in columns], schema=SCHEMA)


# Steps ------------------------------------------------------------------------------------------


def _table(kept: Kept, wanted: Binned) -> Numbers16:
    """The bin of each step. Raises NotByStep."""
    if not wanted.view.axes:
        table = np.full(NONE + 1, wanted.bins, np.uint16)
        table[NONE] = wanted.bins + 1
        for at, label in enumerate(wanted.labels):
            if (number := kept.texts.number(wanted.view.name, label)) is not None:
                table[number] = at
        return table
    fine = kept.layout.by_name[wanted.view.name].view.axes
    cells, *down = map(_bins_of_steps, fine, wanted.view.axes)
    if down:
        cells = (down[0][:, None] * wanted.view.axes[0].bins + cells[None, :]).ravel()
    inside = np.minimum(cells, wanted.bins)
    return np.append(inside, [wanted.bins, wanted.bins + 1]).astype(np.uint16)


def _bins_of_steps(fine: Axis, wanted: Axis) -> npt.NDArray[np.int64]:
    """Of each step of a kept axis the bin; those of time go on after the last one. Raises
    NotByStep."""
    is_same = wanted.low == fine.low and (
        (wanted.high - wanted.low) * fine.steps == (fine.high - fine.low) * wanted.steps
    )
    if not is_same or wanted.steps % wanted.bins or wanted.steps > fine.steps:
        raise NotByStep
    return np.arange(fine.steps) // (wanted.steps // wanted.bins)


# Brushes ----------------------------------------------------------------------------------------


def _let_through(kept: Kept, rows: Rows, brush: Brush) -> _Mask:
    """Of each row whether a brush lets it through. Raises NotByStep."""
    name = brush.view.name
    if brush.spans:
        axes = kept.layout.by_name[name].view.axes
        return _steps_within(brush.spans, axes, rows.steps[name]).take(rows.steps[name])
    chosen = np.zeros(NONE + 1, np.bool_)
    for value in brush.values:
        if (number := kept.texts.number(name, value)) is not None:
            chosen[number] = True
    if brush.view.kind != "members":
        return chosen.take(rows.steps[name])
    members = rows.members[name]
    so_far = np.append(np.uint32(0), np.cumsum(chosen.take(members.numbers), dtype=np.uint32))
    of_rows = so_far.take(members.ends)
    return np.diff(of_rows, prepend=np.uint32(0)) > 0


def _steps_within(spans: Sequence[Span], axes: Sequence[Axis], steps: Numbers16) -> _Mask:
    within = _within(spans[0], axes[0])
    for span, axis in zip(spans[1:], axes[1:], strict=True):
        within = (_within(span, axis)[:, None] & within[None, :]).ravel()
    # What is outside is above or below: over the top of what goes round both are selected.
    goes_round = any(span.goes_round for span in spans)
    if goes_round and len(spans) > 1 and bool((steps == len(within)).any()):
        raise NotByStep
    return np.append(within, [goes_round, False])


def _within(span: Span, axis: Axis) -> _Mask:
    at = np.arange(axis.steps)
    low, high = _step_at(span, axis, span.low), _step_at(span, axis, span.high)
    return (at >= low) | (at < high) if span.goes_round else (at >= low) & (at < high)


def _step_at(span: Span, axis: Axis, value: float) -> int:
    """The step that begins at a value: those from there on hold all values not below it.

    By the formula that rows are put into steps by, which only grows with the value: so it is enough
    that the value is in another step than the number just below it. Raises NotByStep.
    """
    if value == axis.low:
        return 0
    if value == axis.high and not span.goes_round:
        is_closed = span.axis.is_closed and value == span.axis.high
        if axis.is_closed == is_closed:
            return axis.steps
    if not axis.low < value < axis.high:
        raise NotByStep
    before, step = step_of(axis, np.array([math.nextafter(value, -math.inf), value])).tolist()
    if step == before:
        raise NotByStep
    return int(step)
