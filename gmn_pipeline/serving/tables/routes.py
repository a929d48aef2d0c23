"""The addresses of tables, views and ready questions.

What belongs here: addresses and their parameters. What does not: what is answered there.
"""

from collections.abc import Iterator

from starlette.responses import Response

from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.routes import Answers, Asked, Route
from gmn_pipeline.serving.tables import (
    answer,
    changes,
    directory,
    exports,
    page,
    questions,
    row,
    sql,
    trajectory,
    waiting,
)
from gmn_pipeline.serving.tables.addresses import (
    EXPORT_PROBLEMS,
    PROBLEMS,
    in_formats,
    store_of,
    suffix,
)
from gmn_pipeline.serving.tables.relations import READINGS_RELATIONS, RELATIONS, Relation

_PAGE_SCHEMA = {
    "anyOf": [
        {
            "type": "object",
            "description": "_shape=arrays or objects",
            "required": ["rows", "columns", "next", "next_url", "snapshot"],
            "properties": {
                "rows": {"type": "array", "items": {"type": ["array", "object"]}},
                "columns": {"type": "array", "items": {"type": "string"}},
                "primary_keys": {"type": "array", "items": {"type": "string"}},
                "units": {"type": "object"},
                "filtered_table_rows_count": {"type": ["integer", "null"]},
                "facet_results": {"type": "object"},
                "next": {"type": ["string", "null"]},
                "next_url": {"type": ["string", "null"]},
                "snapshot": {"type": "integer", "description": "the state that was asked"},
            },
        },
        {"type": "array", "description": "_shape=array or arrayfirst"},
        {"type": "object", "description": "_shape=object: rows by primary key"},
    ]
}


def _routes(relation: Relation) -> Iterator[Route]:
    filters, store = page.filters_of(relation), store_of(relation)

    async def a_page(asked: Asked) -> Response:
        return await answer.answer(asked, relation, filters)

    async def an_export(asked: Asked) -> Response:
        return await exports.answer(asked, relation, filters)

    yield Route(
        f"/{{store}}/{relation.name}.json", relation.name, f"A page of {relation.name}: "
        f"{relation.meaning}", a_page,
        (
            Answers("application/json", "A page; next_url leads to the next one", _PAGE_SCHEMA),
            Answers(page.NDJSON, "Rows, with _shape=array and _nl=on"),
        ),
        (store, *page.parameters_of(relation)), problems=PROBLEMS,
    )  # fmt: skip
    suffixes = exports.suffixes_of(relation)
    yield Route(
        f"/{{store}}/{relation.name}.{{suffix}}", f"{relation.name}_export",
        f"All of {relation.name}, or all that the filters let through, in a format", an_export,
        in_formats(suffixes), (store, suffix(suffixes), *exports.parameters_of(relation)),
        problems=EXPORT_PROBLEMS,
    )  # fmt: skip
    if relation.name != TRAJECTORIES.name:  # a trajectory is told with its past
        yield row.route_of(relation)


ROUTES = (
    trajectory.ROUTE,
    changes.ROUTE,
    *(route for relation in (*RELATIONS, *READINGS_RELATIONS) for route in _routes(relation)),
    *questions.routes(),
    *directory.ROUTES,
    *waiting.ROUTES,
    *sql.routes(),
)
