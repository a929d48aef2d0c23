"""What there is to ask: tables and views with their columns and numbers of rows, and states.

What belongs here: `/<store>/tables.json`, `/<store>/states.json`. What does not: what a page may be
asked for (`page.py`), and ready questions (`questions.py`).
"""

import json
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Route, object_schema
from gmn_pipeline.serving.tables.addresses import EVERY_STORE, PROBLEMS, lake_of
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.exports import suffixes_of
from gmn_pipeline.serving.tables.filters import OPERATORS
from gmn_pipeline.serving.tables.page import NOCOUNT
from gmn_pipeline.serving.tables.relations import RELATIONS_OF, Relation
from gmn_pipeline.settings import ServingSettings
from gmn_pipeline.warehouse.lakes import WAREHOUSE
from gmn_pipeline.warehouse.macros import MACROS

_VIEWS_COUNTED_WITHIN_S = 1.0
_MOST_STATES = 1_000


async def _tables(asked: Asked) -> Response:
    lake = lake_of(asked)
    relations = RELATIONS_OF[lake]
    stamp = await state(asked, lake)

    async def ask() -> Kept:
        store = asked.text("store") or ""
        is_counted = asked.text(NOCOUNT.name) is None
        counts = await _counts(asked, stamp, relations) if is_counted else {}
        told = {
            "tables": [_told(one, store, counts.get(one.name)) for one in relations],
            "operators": [
                {"name": name, "meaning": one.meaning, "needs_value": not one.is_lone}
                for name, one in OPERATORS.items()
            ],
            "functions": [
                {"name": one.name, "call": one.call, "meaning": one.meaning}
                for one in (MACROS if lake == WAREHOUSE.name else ())
            ],
            "limits": _limits(asked.work.settings),
            "snapshot": stamp.snapshot.id,
        }
        body = json.dumps(told, ensure_ascii=False).encode()
        return Kept(body, "application/json", {})

    return await answered(asked, stamp, ask)


def _limits(settings: ServingSettings) -> dict[str, float]:
    """What a client may ask for."""
    return {
        "requests_per_minute": settings.serve_requests_per_minute,
        "page_rows": settings.serve_page_rows, "sql_seconds": settings.serve_sql_timeout_s,
        "sql_rows": settings.serve_sql_rows,
    }  # fmt: skip


async def _counts(asked: Asked, stamp: Stamp, relations: Sequence[Relation]) -> dict[str, int]:
    """Rows of each that are counted; of views only where that does not take long."""
    tables = [one for one in relations if not one.is_view and one.is_counted]
    views = [one for one in relations if one.is_view and one.is_counted]
    found = await _counted(asked, stamp, tables, None)
    try:
        return found | await _counted(asked, stamp, views, _VIEWS_COUNTED_WITHIN_S)
    except Problem as problem:
        if problem.status != 503:
            raise
        return found


async def _counted(
    asked: Asked, stamp: Stamp, of: Sequence[Relation], seconds: float | None
) -> dict[str, int]:
    sql = " UNION ALL ".join(
        f"SELECT '{one.name}' AS name, count(*) AS n FROM {one.name}" for one in of
    )
    rows = await asked.work.fetch(asked.request, stamp.snapshot, sql, seconds=seconds)
    return {row["name"]: row["n"] for row in rows.to_pylist()}


def _told(one: Relation, store: str, rows: int | None) -> dict[str, object]:
    return {
        "name": one.name, "meaning": one.meaning, "is_view": one.is_view, "rows": rows,
        "key": list(one.key), "is_searched": one.is_searched,
        "columns": [_column(field) for field in one.fields],
        "suffixes": ["json", *suffixes_of(one)], "address": f"/{store}/{one.name}.json",
    }  # fmt: skip


def _column(field: Field) -> dict[str, object]:
    return {
        "name": field.name, "kind": field.kind.value, "unit": field.unit, "meaning": field.meaning,
    }  # fmt: skip


async def _states(asked: Asked) -> Response:
    kept = await asked.work.kept(_MOST_STATES + 1, lake_of(asked))
    told = [
        {
            "snapshot": one.id,
            "state": one.name,
            "committed_at_utc": one.committed_at_utc.isoformat(timespec="microseconds") + "Z",
        }
        for one in kept[:_MOST_STATES]
    ]
    body = {"states": told, "truncated": len(kept) > _MOST_STATES}
    # Older ones go without a commit that would tell.
    return JSONResponse(body, headers={"Cache-Control": "public, max-age=5"})


ROUTES = (
    Route(
        "/{store}/tables.json", "tables", "The tables and views that there are: columns with kind, "
        "unit and meaning, numbers of rows (null where counting takes long), formats; the "
        "operators of filters, functions for SQL, and how much may be asked for", _tables,
        (Answers("application/json", "All of them", object_schema(
            tables="array", operators="array", functions="array", limits="object",
            snapshot="integer")),),
        (EVERY_STORE, NOCOUNT, AS_OF), problems=PROBLEMS,
    ),
    Route(
        "/{store}/states.json", "states", "The states of the warehouse that can be asked (_as_of), "
        f"the newest first, {_MOST_STATES:,} at most", _states,
        (Answers("application/json", "All that are kept", object_schema(
            states="array", truncated="boolean")),),
        (EVERY_STORE,), problems=(404, 503),
    ),
)  # fmt: skip
