"""A row of a table or view by its primary key, at Datasette's address.

What belongs here: `/<store>/<relation>/<key>.json`. What does not: pages (`page.py`), and how a key
is written (`order.py`).
"""

from collections.abc import Sequence

from starlette.responses import Response

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving.by_key.rows import ROWS, line
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import answered
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.serving.tables import order, shapes
from gmn_pipeline.serving.tables.addresses import PROBLEMS, store_of
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline.serving.tables.order import Term
from gmn_pipeline.serving.tables.page import COL, NOCOL, chosen
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.values import Bound

_SHAPE = Parameter(
    "_shape", "arrays or objects: the row in a list, with what is said of it; array: only the list",
    "arrays", choices=("arrays", "objects", "array"),
)  # fmt: skip
_SCHEMA = {
    "anyOf": [
        {
            "type": "object",
            "required": ["rows", "columns", "primary_keys", "primary_key_values", "snapshot"],
            "properties": {
                "rows": {"type": "array", "items": {"type": ["array", "object"]}},
                "columns": {"type": "array", "items": {"type": "string"}},
                "primary_keys": {"type": "array", "items": {"type": "string"}},
                "primary_key_values": {"type": "array", "items": {"type": "string"}},
                "units": {"type": "object"},
                "snapshot": {"type": "integer", "description": "the state that was asked"},
            },
        },
        {"type": "array", "description": "_shape=array"},
    ]
}


def route_of(relation: Relation) -> Route:
    """Where a row of it is found."""
    key = Parameter(
        "row", f"its {', '.join(relation.key)}, with commas between, as a page's _next has them",
        is_required=True, is_in_path=True,
    )  # fmt: skip

    async def answer(asked: Asked) -> Response:
        return await _answer(asked, relation)

    return Route(
        f"/{{store}}/{relation.name}/{{row}}.json", f"{relation.name}_row",
        f"A row of {relation.name}", answer,
        (Answers("application/json", "The row", _SCHEMA),),
        (store_of(relation), key, COL, NOCOL, _SHAPE, AS_OF), problems=PROBLEMS,
    )  # fmt: skip


async def _lines(
    asked: Asked,
    snapshot: Snapshot,
    relation: Relation,
    terms: Sequence[Term],
    values: Sequence[Bound],
    fields: Sequence[Field],
    shape: str,
) -> list[str]:
    """The row as JSON; none if there is no such row."""
    if relation.name in ROWS and isinstance(identifier := values[0], str):
        row = await asked.work.by_key.row(snapshot, relation.name, identifier)
        if row is not None:
            return [line(fields, row, shape)]
    clause, bound = where(
        [
            Condition(f"{term.sql} IS NULL") if value is None
            else Condition(f"{term.sql} = ?", (value,))
            for term, value in zip(terms, values, strict=True)
        ]
    )  # fmt: skip
    sql = f"SELECT {shapes.line_sql(fields, shape)} AS line FROM {relation.name} {clause} LIMIT 1"
    found = await asked.work.fetch(asked.request, snapshot, sql, bound)
    return list(found.column("line").to_pylist())


async def _answer(asked: Asked, relation: Relation) -> Response:
    stamp = await state(asked, relation.lake)

    async def ask() -> Kept:
        text = asked.text("row") or ""
        terms = order.of_key(relation)
        values = order.read(terms, text)
        shape = asked.text(_SHAPE.name) or ""
        fields = chosen(asked, relation)
        lines = await _lines(asked, stamp.snapshot, relation, terms, values, fields, shape)
        if not lines:
            raise Problem(404, "not-found", f"There is no row {text[:100]!r} in {relation.name}.")
        if shape == "array":
            return Kept(shapes.rows_body(lines, shape, [], is_ndjson=False), "application/json", {})
        before = {"database": asked.text("store"), "table": relation.name}
        more = {
            "columns": [field.name for field in fields],
            "primary_keys": list(relation.key),
            "primary_key_values": text.split(","),
            "units": {field.name: field.unit for field in fields if field.unit},
            "snapshot": stamp.snapshot.id,
        }
        return Kept(shapes.page_body(lines, before, more), "application/json", {})

    return await answered(asked, stamp, ask)
