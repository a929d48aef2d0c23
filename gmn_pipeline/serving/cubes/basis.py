"""What has to be known before anything is counted: how many there are, over which time, and which
values of texts and lists are the most frequent ones.

What belongs here: those questions, asked once for a state and its filters. What does not: counting.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp
from gmn_pipeline.serving.cubes.selection import Brush
from gmn_pipeline.serving.cubes.views import TIME, View
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline.serving.tables.values import Bound

TABLE = "trajectories"
_TOP = 24
"""Values of a text or list that have a bin each; the rest of them lie outside."""
_HOUR_S, _DAY_S = 3_600, 86_400
_STEPS_S = (
    _HOUR_S // 6, _HOUR_S, 3 * _HOUR_S, _DAY_S, 2 * _DAY_S, 4 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S,
    28 * _DAY_S, 56 * _DAY_S,
)  # fmt: skip


@dataclass(frozen=True)
class Basis:
    """Of the rows that the filters let through; `tops`: the values of each such view."""

    rows: int
    time: tuple[float, float, int]
    """From, to (seconds since 1970), and bins."""
    tops: Mapping[str, tuple[str, ...]]


async def basis_of(
    asked: Asked,
    stamp: Stamp,
    conditions: Sequence[Condition],
    views: Sequence[View],
    brushes: Mapping[str, Brush],
    active: str | None,
) -> Basis:
    """Values that are selected have a bin, however seldom they are.

    The values of a text stay the same whatever is selected, since it may be the active view; those
    of a list are the most frequent ones of what is selected elsewhere.
    """
    clause, values = where(conditions)
    total: list[float | None] = json.loads(await _row(
        asked, stamp, values,
        f"SELECT count(*), min({TIME.sql}), max({TIME.sql}) FROM {TABLE} {clause}",
    ))  # fmt: skip
    rows, first, last = total
    tops = {}
    for view in views:
        if view.axes:
            continue
        each, some = view.column, list(conditions)
        if view.kind == "members":
            each = f"unnest({view.column})"
            some += [
                one.condition() for name, one in brushes.items() if name not in (view.name, active)
            ]
        clause, values = where(some)
        top: list[list[str] | None] = json.loads(await _row(
            asked, stamp, values, "SELECT list(value ORDER BY n DESC, value) FROM "
            f"(SELECT value, count(*) AS n FROM (SELECT {each} AS value FROM {TABLE} {clause}) "
            f"WHERE value IS NOT NULL GROUP BY value ORDER BY n DESC, value LIMIT {_TOP})",
        ))  # fmt: skip
        chosen = brushes[view.name].values if view.name in brushes else ()
        tops[view.name] = tuple(dict.fromkeys([*(top[0] or []), *chosen]))
    return Basis(int(rows or 0), _span_of_time(first, last), tops)


async def _row(asked: Asked, stamp: Stamp, values: Sequence[Bound], sql: str) -> bytes:
    """The only row of an answer as JSON, kept for all who ask with the same filters."""

    async def ask() -> Kept:
        found = await asked.work.fetch(asked.request, stamp.snapshot, sql, list(values))
        row = [found.column(at)[0].as_py() for at in range(found.num_columns)]
        return Kept(json.dumps(row).encode(), "application/json", {})

    key = (stamp.snapshot.mark, sql, repr(values))
    kept = asked.work.cache.get(key) or await asked.work.once.answer(key, ask)
    return kept.body


def _span_of_time(first: float | None, last: float | None) -> tuple[float, float, int]:
    """Whole steps around all there is, of a length that people count in."""
    low, high = first or 0.0, last or 0.0
    step = next((s for s in _STEPS_S if (high - low) / s < TIME.bins - 2), _STEPS_S[-1])
    day = low // _DAY_S * _DAY_S
    begin = day + (low - day) // step * step
    bins = int((high - begin) // step) + 1
    return float(begin), float(begin + bins * step), bins
