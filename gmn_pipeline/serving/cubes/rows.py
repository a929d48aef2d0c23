"""Trajectories in memory: of each its step on every axis, its shower, stations and flags.

What belongs here: what is kept of a row, and reading it from the lake. What does not: counting
(`counting.py`), and of which states rows are kept (`keeper.py`).

Two bytes hold a step of an axis, a cell of a plane or the number of a text, so a row takes some 60
bytes. Steps are found as the SQL of bins finds them (`query.py`), so both count alike. Rows know
their numbers in the lake, so that some can be chosen by what the lake says of the same state.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.cubes.basis import TABLE, Basis
from gmn_pipeline.serving.cubes.query import Binned, step_of
from gmn_pipeline.serving.cubes.views import STEPS, VIEWS, View

N = TypeVar("N", bound=np.generic)
Numbers16 = npt.NDArray[np.uint16]
NONE = 65_535
"""The number of a text that is null."""
ROW_BYTES = 58
_ROW_NUMBER = "rowid"
"""DuckLake's: the same of a row in every query of a state, whichever file the row is in by then."""
_MOST_BINS_OF_TIME = 5_000


class TooManyTexts(Exception):
    """More different ones than two bytes can number."""


class RowsDiffer(Exception):
    """Of two readings of the same state."""


@dataclass(frozen=True)
class Layout:
    """The steps that rows are kept by."""

    views: tuple[Binned, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Binned]:
        return {one.view.name: one for one in self.views}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What has to be known of a row, in SQL."""
        of_axes = [axis.sql for one in self.views for axis in one.view.axes]
        return tuple(
            dict.fromkeys([*of_axes, *(v.view.column for v in self.views if not v.view.axes)])
        )

    def sql(self, clause: str) -> str:
        """Rows with their numbers, which come first."""
        named = "".join(f", {sql} AS c{at}" for at, sql in enumerate(self.columns))
        return f"SELECT {_ROW_NUMBER} AS row_number{named} FROM {TABLE} {clause}"

    def without(self, other: "Layout") -> "Layout":
        """Of what the other one does not have in the same way."""
        return Layout(tuple(v for v in self.views if other.by_name.get(v.view.name) != v))


def layout(basis: Basis, zoomed: Mapping[str, View]) -> Layout:
    """Of time it goes on after what there is: so rows that come later are kept by the same."""
    return Layout(tuple(_finest(zoomed.get(view.name, view), basis) for view in VIEWS.values()))


def _finest(view: View, basis: Basis) -> Binned:
    axes = view.axes
    if axes and axes[0].is_time and axes[0].low == axes[0].high:
        low, high, bins = basis.time
        most = _MOST_BINS_OF_TIME
        steps = most * STEPS
        axes = (replace(axes[0], low=low, high=low + (high - low) / bins * most, steps=steps),)
    axes = tuple(replace(axis, bins=axis.steps) for axis in axes)
    return Binned(replace(view, axes=axes))


@dataclass
class Texts:
    """Numbers of texts, by view; numbers once given stay, whatever comes."""

    by_view: dict[str, dict[str, int]] = field(default_factory=dict)
    _giving: threading.Lock = field(default_factory=threading.Lock)

    def numbered(self, name: str, column: pa.Array) -> Numbers16:
        """Raises TooManyTexts. In several threads at once."""
        encoded = column.cast(pa.string()).dictionary_encode()
        with self._giving:
            known = self.by_view.setdefault(name, {})
            texts = encoded.dictionary.to_pylist()
            numbers = [known.setdefault(text, len(known)) for text in texts]
        if len(known) >= NONE:
            raise TooManyTexts(name)
        table = np.array([*numbers, NONE], np.uint16)
        found: Numbers16 = table.take(
            encoded.indices.fill_null(len(numbers)).to_numpy(zero_copy_only=False)
        )
        return found

    def number(self, name: str, text: str) -> int | None:
        return self.by_view.get(name, {}).get(text)

    def all(self, name: str) -> list[tuple[str, int]]:
        return list(self.by_view.get(name, {}).items())


@dataclass(frozen=True)
class Members:
    """Of lists, one after the other: `ends` says where the list of a row ends."""

    ends: npt.NDArray[np.uint32]
    numbers: Numbers16

    def chosen(self, at: npt.NDArray[np.intp]) -> "Members":
        """The lists of some rows."""
        lengths = np.diff(self.ends, prepend=np.uint32(0)).take(at)
        ends = np.cumsum(lengths, dtype=np.uint32)
        # How far the list of a row lies from where it is to be.
        moved = self.ends.take(at).astype(np.intp) - ends
        from_ = np.repeat(moved, lengths) + np.arange(len(moved) and int(ends[-1]))
        return Members(ends, self.numbers.take(from_))


@dataclass(frozen=True)
class Rows:
    """Some rows, by name of each view; `numbers` are theirs in the lake."""

    numbers: npt.NDArray[np.int64]
    steps: Mapping[str, Numbers16]
    members: Mapping[str, Members]

    @property
    def count(self) -> int:
        return len(self.numbers)

    @cached_property
    def nbytes(self) -> int:
        of_lists = [each for one in self.members.values() for each in (one.ends, one.numbers)]
        return sum(one.nbytes for one in (self.numbers, *self.steps.values(), *of_lists))

    def with_views_of(self, other: "Rows") -> "Rows":
        """The same rows with what another one, which has all of them, has besides.

        Raises RowsDiffer if it does not have them.
        """
        order = np.argsort(other.numbers, kind="stable")
        found = np.searchsorted(other.numbers, self.numbers, sorter=order)
        at = order.take(found, mode="clip")
        if not np.array_equal(other.numbers.take(at), self.numbers):
            raise RowsDiffer
        steps = {n: one.take(at) for n, one in other.steps.items() if n not in self.steps}
        members = {n: one.chosen(at) for n, one in other.members.items() if n not in self.members}
        return Rows(self.numbers, {**steps, **self.steps}, {**members, **self.members})


@dataclass(frozen=True)
class Kept:
    """All rows of a state under its filters: those of `base`, with what came since, without what
    went."""

    layout: Layout
    texts: Texts
    base: Snapshot
    signed: tuple[tuple[int, Rows], ...]

    @property
    def count(self) -> int:
        return sum(sign * rows.count for sign, rows in self.signed)


def read_rows(of: Layout, texts: Texts, batches: Iterable[pa.RecordBatch]) -> Rows:
    """Raises TooManyTexts."""
    parts: dict[str, list[Numbers16]] = {one.view.name: [] for one in of.views}
    lengths: dict[str, list[npt.NDArray[np.uint32]]] = {
        one.view.name: [] for one in of.views if one.view.kind == "members"
    }
    numbers: list[npt.NDArray[np.int64]] = []
    for batch in batches:
        # Copied: a view of one column keeps all of the batch.
        numbers.append(batch.column(0).to_numpy().copy())
        columns = dict(zip(of.columns, batch.columns[1:], strict=True))
        for one in of.views:
            name = one.view.name
            if one.view.axes:
                parts[name].append(_steps(one, columns))
                continue
            column = columns[one.view.column]
            if name in lengths:
                length = pc.fill_null(pc.list_value_length(column), 0)
                lengths[name].append(length.to_numpy().astype(np.uint32))
                column = column.flatten()
            parts[name].append(texts.numbered(name, column))
    # What is joined is not needed twice.
    joined = {name: _joined(parts.pop(name), np.uint16) for name in list(parts)}
    members = {
        name: Members(np.cumsum(_joined(some, np.uint32), dtype=np.uint32), joined.pop(name))
        for name, some in lengths.items()
    }
    return Rows(_joined(numbers, np.int64), joined, members)


def _steps(of: Binned, columns: Mapping[str, pa.Array]) -> Numbers16:
    """As `Binned.sql` has them: those of a plane row by row, then outside, then null."""
    at: npt.NDArray[np.float64] = np.zeros(())
    null, inside, before = False, True, 1
    for axis in of.view.axes:
        column = columns[axis.sql]
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        if column.null_count:
            null = null | column.is_null().to_numpy(zero_copy_only=False)
        inside = inside & (values >= axis.low)
        inside &= values <= axis.high if axis.is_closed else values < axis.high
        at = at + before * step_of(axis, values)
        before *= axis.steps
    found = np.where(inside, at, of.bins)
    return np.where(null, of.bins + 1, found).astype(np.uint16)


def _joined(parts: list[npt.NDArray[N]], kind: type[N]) -> npt.NDArray[N]:
    return np.concatenate(parts) if parts else np.empty(0, kind)
