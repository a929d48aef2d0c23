"""SQL of clients: written for SQLite or DuckDB, asked in a process of its own.

What belongs here: what all addresses have in common that take SQL, or a part of it. What does not:
what is changed in it (`rest_api/habits.py`), whether it may be run (`queries/`), and what is
answered.
"""

import re
from collections.abc import Sequence

from gmn_pipeline.errors import QueryFailed
from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.queries.statement import EXPLAIN, may_ask
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.serving.objects.rights import Need, refusal
from gmn_pipeline.serving.problems import Problem, problem_of, unavailable
from gmn_pipeline.serving.rest_api import habits
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.work import Fetched
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline.warehouse.objects.mirror import mark
from gmn_pipeline.warehouse.views import VIEWS

_FIELDS = {relation.name: relation.fields for relation in WAREHOUSE_TABLES} | {
    view.name: view.fields for view in VIEWS
}
NAMES = frozenset(_FIELDS) | {field.name for fields in _FIELDS.values() for field in fields}
"""Of tables, views and columns."""


_MOST_GONE = 10_000
"""So many objects are left out one by one."""
_SHOW_TABLES = re.compile(r"\s*SHOW\s+TABLES\s*;?\s*", re.IGNORECASE)


def query(sql: str) -> str:
    """A whole query as DuckDB takes it."""
    if _SHOW_TABLES.fullmatch(sql):
        # DuckDB's has those as well that nobody may ask here.
        return f"SELECT unnest([{', '.join(map(sql_text, sorted(_FIELDS)))}]) AS name"
    before, asked = parts(sql)
    return before + habits.query(asked, NAMES)


def parts(sql: str) -> tuple[str, str]:
    """EXPLAIN, if it stands before a query, and the query."""
    found = EXPLAIN.match(sql)
    at = found.end() if found else 0
    return sql[:at], sql[at:]


async def fetch(
    asked: Asked, snapshot: Snapshot, sql: str, values: Parameters, *, rows: int,
    visible: Visible | None = None,
) -> Fetched:  # fmt: skip
    """Ask; what SQLite takes and DuckDB does not is told with what to write instead."""
    try:
        return await asked.work.fetch_free(
            asked.request, snapshot, sql, values, rows=rows, visible=visible
        )
    except Problem as problem:
        raise _hinting(problem) from problem


async def visible_objects(asked: Asked, sql: str) -> Visible | None:
    """The objects that a query may be about; None if it is about none.

    Raises Problem: 401 for a token that is none, 503 where the lake is far behind.
    """
    if not may_ask(sql, OBJECTS.name):
        return None
    service, lake = asked.work.objects, asked.work.object_tables
    asker = await service.run(lambda: service.rights.asker(asked.request))
    denied = refusal(asker, Need.LIST, "", lambda: False)
    if denied is not None:
        raise denied

    def found() -> Visible:
        projects = frozenset(service.visible(asker))
        gone = service.lake.search.gone_from(projects, mark(lake), _MOST_GONE + 1)
        return Visible(projects, gone)

    visible = await service.run(found)
    if len(visible.gone) > _MOST_GONE:
        raise unavailable("The tables of objects are being brought up to date.")
    return visible


def _hinting(problem: Problem) -> Problem:
    if problem.kind == "query-failed" and (hint := habits.hint(problem.detail)):
        return problem_of(QueryFailed(problem.detail, remedy=hint))
    return problem


def conditions(texts: Sequence[str], what: str) -> list[str]:
    """Conditions that stay in their place: each in brackets, between line ends, since a comment
    ends there. Raises Problem."""
    return [f"(\n{habits.expression(text, what, NAMES)[0]}\n)" for text in texts]
