"""The one query of a cube: one reading of the rows, counted by each view.

What belongs here: bins in SQL, and which rows each view counts. What does not: names and texts of
a request.

Bins of a view are numbered from 0, those of a plane row by row; then comes one for what lies
outside of its domain, then one for null. So they add up to all rows that are counted. Columns of
the query have names of their own: GROUPING SETS would group by a column of the table of that name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.serving.cubes.basis import TABLE, Basis
from gmn_pipeline.serving.cubes.selection import Brush
from gmn_pipeline.serving.cubes.views import STEPS, Axis, View
from gmn_pipeline.serving.tables.values import Bound


@dataclass(frozen=True)
class Binned:
    """A view with as many bins as it is counted in."""

    view: View
    labels: tuple[str, ...] = ()

    @property
    def bins(self) -> int:
        """Without those for outside and null."""
        if not self.view.axes:
            return len(self.labels)
        number = 1
        for axis in self.view.axes:
            number *= axis.bins
        return number

    def sql(self) -> str:
        """The bin of a row. Of a list it is that of one member, `member`."""
        view = self.view
        if view.axes:
            return self._of_axes()
        column = "member" if view.kind == "members" else view.column
        cases = " ".join(
            f"WHEN {sql_text(label)} THEN {at}" for at, label in enumerate(self.labels)
        )
        known = f"CASE {column} {cases} ELSE {self.bins} END" if cases else str(self.bins)
        return f"(CASE WHEN {column} IS NULL THEN {self.bins + 1} ELSE {known} END)::USMALLINT"

    def _of_axes(self) -> str:
        axes = self.view.axes
        null = " OR ".join(f"({axis.sql}) IS NULL" for axis in axes)
        inside = " AND ".join(_inside(axis) for axis in axes)
        at = _step(axes[0])
        if len(axes) > 1:
            at = f"{at} + {axes[0].bins} * {_step(axes[1])}"
        return (
            f"(CASE WHEN {null} THEN {self.bins + 1} WHEN {inside} THEN {at} "
            f"ELSE {self.bins} END)::USMALLINT"
        )


def _inside(axis: Axis) -> str:
    below = "<=" if axis.is_closed else "<"
    low, high = _double(axis.low), _double(axis.high)
    return f"({axis.sql}) >= {low} AND ({axis.sql}) {below} {high}"


def _step(axis: Axis) -> str:
    # Where steps make up bins a row is in the bin of its step, as it is where steps are kept.
    steps = axis.steps if axis.steps % axis.bins == 0 else axis.bins
    from_, before = _origin(axis, steps)
    value = f"(({axis.sql}) - {_double(from_)})" if from_ else f"({axis.sql})"
    at = f"floor({value} * {steps} / {_double(axis.high - axis.low)}) - {_double(before)}"
    at = f"least({at}, {steps - 1})"
    return at if steps == axis.bins else f"floor({at} / {steps // axis.bins})"


def step_of(axis: Axis, value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same of values within the domain, to the last digit: by the same steps of arithmetic."""
    from_, before = _origin(axis, axis.steps)
    at = np.floor((value - from_) * axis.steps / (axis.high - axis.low)) - before
    return np.minimum(at, axis.steps - 1)


def _origin(axis: Axis, steps: int) -> tuple[float, float]:
    """What steps are counted from, and how many lie between it and the domain's lower end.

    From zero where it is the border of a step, as that loses nothing of values near it. First
    times, then divided: so the borders of steps that are written shortly fall where they are.
    """
    before = axis.low * steps / (axis.high - axis.low)
    return (0.0, before) if before.is_integer() and not axis.is_time else (axis.low, 0.0)


def _double(number: float) -> str:
    """Not a decimal number, which becomes a double by a way of its own; two minus signs would begin
    a comment."""
    text = repr(number)
    return f"({text if 'e' in text else f'{text}e0'})"


def binned(view: View, basis: Basis, zoomed: Mapping[str, View], across: int | None) -> Binned:
    """`across`: bins of the first axis of a plane, half as many of the second; of an interval."""
    if not view.axes:
        return Binned(view, basis.tops[view.name])
    axes = zoomed.get(view.name, view).axes
    if axes[0].is_time and view.name not in zoomed:
        low, high, bins = basis.time
        axes = (replace(axes[0], low=low, high=high, bins=bins, steps=bins * STEPS),)
    if across is not None:
        axes = (
            replace(axes[0], bins=across),
            *(replace(axis, bins=max(1, across // 2)) for axis in axes[1:]),
        )
    return Binned(replace(view, axes=axes))


@dataclass(frozen=True)
class Cube:
    """What is counted: each view, for each pixel of the active one if there is one."""

    views: tuple[Binned, ...]
    active: Binned | None
    brushes: Mapping[str, Brush]
    clause: str
    """The filters, with their values."""
    values: Sequence[Bound]

    @property
    def in_effect(self) -> list[Brush]:
        """The brushes that rows are counted under: not that of the active view."""
        name = self.active.view.name if self.active else None
        return [brush for brush in self.brushes.values() if brush.view.name != name]

    def sql(self) -> tuple[str, list[Bound]]:
        """The counts of all views but those of lists: view (0: all rows), pixel, bin and n."""
        of = [one for one in self.views if one.view.kind != "members"]
        names = [f"c{at}" for at in range(len(of))]
        bins = "".join(f"{one.sql()} AS {n}, " for one, n in zip(of, names, strict=True))
        rows, values = self._rows(bins)
        # A bit is set for each that a row is not grouped by, the highest is the first one's.
        all_bits = (1 << len(names)) - 1
        which = {all_bits - (1 << (len(names) - 1 - at)): one for at, one in enumerate(of)}
        view = " ".join(f"WHEN {w} THEN {1 + self.views.index(one)}" for w, one in which.items())
        number = " ".join(f"WHEN {w} THEN {self._number(one)}" for w, one in which.items())
        sets = ", ".join(["(pixel)", *(f"(pixel, {name})" for name in names)])
        every = ", ".join(names)
        group = f"GROUPING_ID({every})" if names else "0"
        at = f"coalesce({every}, 0)" if names else "0"
        case = f"CASE which {view} ELSE 0 END" if names else "0"
        count = self._number(None)
        if names and self.in_effect:
            count = f"CASE {group} {number} ELSE {count} END"
        return (
            f"SELECT ({case})::UTINYINT AS view, pixel::USMALLINT AS pixel, bin, n::UINTEGER AS n "
            f"FROM (SELECT {group} AS which, pixel, ({at})::USMALLINT AS bin, {count} AS n "
            f"FROM ({rows}) WHERE failed <= 1 GROUP BY GROUPING SETS ({sets})) WHERE n > 0 "
            "ORDER BY view, pixel, bin"
        ), values  # fmt: skip

    def sql_of_members(self, one: Binned) -> tuple[str, list[Bound]]:
        """The counts of a view of lists: a row once for each member, for null if it has none."""
        list_ = one.view.column
        rows, values = self._rows(
            f"unnest(CASE WHEN len({list_}) > 0 THEN {list_} ELSE [NULL] END) AS member, "
        )
        at = 1 + self.views.index(one)
        return (
            f"SELECT {at}::UTINYINT AS view, pixel::USMALLINT AS pixel, bin, n::UINTEGER AS n "
            f"FROM (SELECT pixel, {one.sql()} AS bin, {self._number(one)} AS n FROM ({rows}) "
            "WHERE failed <= 1 GROUP BY ALL) WHERE n > 0 ORDER BY pixel, bin"
        ), values

    def _rows(self, columns: str) -> tuple[str, list[Bound]]:
        """Each row with these columns, its pixel, how many brushes leave it out, and which one."""
        conditions = [brush.condition() for brush in self.in_effect]
        fails = [f"(NOT coalesce({one.sql}, false))::INTEGER" for one in conditions]
        values = [value for one in conditions for value in one.values]
        failed = " + ".join(f"f{at}" for at in range(len(fails))) or "0"
        which = " + ".join(f"{at + 1} * f{at}" for at in range(len(fails))) or "0"
        pixel = self.active.sql() if self.active else "0"
        inner = "".join(f", {sql} AS f{at}" for at, sql in enumerate(fails))
        rows = f"SELECT {columns}{pixel} AS pixel{inner} FROM {TABLE} {self.clause}"
        told = f"SELECT *, {failed} AS failed, {which} AS by_brush FROM ({rows})"
        return told, [*values, *self.values]

    def _number(self, of: Binned | None) -> str:
        """A row is counted if no brush leaves it out, or none but the view's own."""
        if not self.in_effect:
            return "count(*)"
        name = of.view.name if of else None
        own = [at for at, brush in enumerate(self.in_effect, 1) if brush.view.name == name]
        among = ", ".join(map(str, (0, *own)))
        return f"count(*) FILTER (WHERE by_brush IN ({among}))"
