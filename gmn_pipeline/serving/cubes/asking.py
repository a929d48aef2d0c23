"""What has to be known before anything is counted, asked of the lake.

What belongs here: those questions, asked once for a state and its filters. What does not: what is
made of the answers (`basis.py`), and the same of rows in memory (`counting.py`).
"""

import json
from collections.abc import Sequence

from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp
from gmn_pipeline.serving.cubes.basis import TABLE, TOP, Basis, span_of_time
from gmn_pipeline.serving.cubes.selection import Brush
from gmn_pipeline.serving.cubes.views import TIME, View
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline.serving.tables.values import Bound


async def total_of(asked: Asked, stamp: Stamp, conditions: Sequence[Condition]) -> Basis:
    """How many there are, and over which time."""
    clause, values = where(conditions)
    total: list[float | None] = json.loads(await _row(
        asked, stamp, values,
        f"SELECT count(*), min({TIME.sql}), max({TIME.sql}) FROM {TABLE} {clause}",
    ))  # fmt: skip
    rows, first, last = total
    return Basis(int(rows or 0), span_of_time(first, last), {})


async def top_of(
    asked: Asked, stamp: Stamp, conditions: Sequence[Condition], view: View, under: Sequence[Brush]
) -> Sequence[str]:
    """The most frequent values of a text or list."""
    each = f"unnest({view.column})" if view.kind == "members" else view.column
    clause, values = where([*conditions, *(one.condition() for one in under)])
    top: list[list[str] | None] = json.loads(await _row(
        asked, stamp, values, "SELECT list(value ORDER BY n DESC, value) FROM "
        f"(SELECT value, count(*) AS n FROM (SELECT {each} AS value FROM {TABLE} {clause}) "
        f"WHERE value IS NOT NULL GROUP BY value ORDER BY n DESC, value LIMIT {TOP})",
    ))  # fmt: skip
    return top[0] or []


async def _row(asked: Asked, stamp: Stamp, values: Sequence[Bound], sql: str) -> bytes:
    """The only row of an answer as JSON, kept for all who ask with the same filters."""

    async def ask() -> Kept:
        found = await asked.work.fetch(asked.request, stamp.snapshot, sql, list(values))
        row = [found.column(at)[0].as_py() for at in range(found.num_columns)]
        return Kept(json.dumps(row).encode(), "application/json", {})

    key = (stamp.snapshot.mark, sql, repr(values))
    kept = asked.work.cache.get(key) or await asked.work.once.answer(key, ask)
    return kept.body
