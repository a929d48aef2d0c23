"""SQL over HTTP as Datasette has it: `/gmn.json?sql=`, and the answer in any format.

What belongs here: its addresses, parameters (`:name` in the text, `name=` in the address), and
bodies. What does not: tables by their names (`page.py`), and the network's API (`rest_api/`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
from starlette.responses import Response

from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.statement import may_ask
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.serving import free_sql
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import OwnStamp, Stamp, answered
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.rest_api import habits
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.serving.tables import exports, shapes
from gmn_pipeline.serving.tables.addresses import (
    EXPORT_PROBLEMS,
    PROBLEMS,
    STORE,
    in_formats,
    suffix,
)
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.page import NDJSON, NL
from gmn_pipeline.serving.tables.questions import ANY_COLUMNS
from gmn_pipeline.warehouse.lakes import READINGS

_SQL = Parameter(
    "sql", "one SELECT of the tables and views, or its plan (EXPLAIN SELECT ...); further "
    "parameters are the values of :name in it",
    is_required=True, example="SELECT code, name FROM iau_shower LIMIT 10",
)  # fmt: skip
_SHAPE = Parameter(
    "_shape", "arrays or objects: rows in a body; array, arrayfirst (first column): rows alone",
    "arrays", choices=tuple(shape for shape in shapes.SHAPES if shape != "object"),
)  # fmt: skip
_SUFFIXES = tuple(name for name in ANY_COLUMNS if name != "json")
_NUMBER = re.compile(r"[+-]?(\d{1,18}|\d+\.\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TITLES = {"query-refused": "Invalid SQL", "query-limit": "SQL Interrupted"}


def _query(asked: Asked) -> tuple[str, dict[str, object]]:
    """The text as DuckDB takes it, and the values that the address has for its parameters."""
    given = dict(asked.request.query_params.multi_items())
    given = {name: text for name, text in given.items() if name not in _OWN and "\0" not in text}
    before, text = free_sql.parts(asked.text(_SQL.name) or "")
    sql, named = habits.named_parameters(text, frozenset(given))
    values = {name: _value(given[name]) for name in named}
    return free_sql.query(before + sql), values


def _value(text: str) -> object:
    """A text that is a number is one: in SQLite either is compared with either."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return int(text) if found[1].isdigit() and not found[2] else float(text)


async def _stamp(asked: Asked) -> Stamp:
    """The state of the warehouse and, where the query may be about readings, of these: they change
    without it, and are always asked as they are now."""
    stamp = await state(asked)
    readings = asked.work.readings
    if not readings.is_there or not may_ask(asked.text(_SQL.name) or "", READINGS.name):
        return stamp
    return replace(stamp, is_pinned=False, variant=readings.snapshot().mark)


async def _page(asked: Asked) -> Response:
    stamp = await _stamp(asked)
    visible = await free_sql.visible_objects(asked, asked.text(_SQL.name) or "")
    if visible is None:
        return await answered(asked, stamp, lambda: _ask(asked, stamp))
    kept = await _ask(asked, stamp, visible)
    headers = {**_own(stamp).headers(asked.request), **kept.headers}
    return Response(kept.body, headers=headers, media_type=kept.media_type)


def _own(stamp: Stamp) -> OwnStamp:
    return OwnStamp(stamp.snapshot, stamp.is_pinned)


async def _ask(asked: Asked, stamp: Stamp, visible: Visible | None = None) -> Kept:
    sql, values = _query(asked)
    shape = asked.text(_SHAPE.name) or ""
    most = asked.work.settings.serve_page_rows
    try:
        found = await free_sql.fetch(asked, stamp.snapshot, sql, values, rows=most, visible=visible)
    except Problem as problem:
        raise _told(asked, problem, values) from problem
    lines = list(_lines(found.table, shape))
    if shape not in ("arrays", "objects"):
        is_ndjson = shape == "array" and asked.text(NL.name) is not None
        body = shapes.rows_body(lines, shape, [], is_ndjson=is_ndjson)
        return Kept(body, NDJSON if is_ndjson else "application/json", {})
    before = {"ok": True, **_around(asked, values)}
    more = {
        "truncated": found.truncated, "columns": found.table.column_names, "error": None,
        "snapshot": stamp.snapshot.id,
    }  # fmt: skip
    return Kept(shapes.page_body(lines, before, more), "application/json", {})


def _around(asked: Asked, values: Mapping[str, object]) -> dict[str, object]:
    """Datasette's keys."""
    return {
        "database": asked.request.url.path.split("/")[1].partition(".")[0],
        "query_name": None, "query": {"sql": asked.text(_SQL.name), "params": dict(values)},
        "private": False, "allow_execute_sql": True,
    }  # fmt: skip


def _told(asked: Asked, problem: Problem, values: Mapping[str, object]) -> Problem:
    """The error with Datasette's keys as well."""
    if problem.status != 400:
        return problem
    more = {
        **problem.more, "ok": False, "error": problem.detail,
        "title": _TITLES.get(problem.kind, "Bad Request"),
        "rows": [], "truncated": False, "columns": [], **_around(asked, values),
    }  # fmt: skip
    return Problem(problem.status, problem.kind, problem.detail, problem.retry_after_s, more)


def _lines(table: pa.Table, shape: str) -> Iterator[str]:
    """Rows as JSON."""
    names = table.column_names
    columns = [[shapes.json_value(cell) for cell in one.to_pylist()] for one in table.columns]
    for row in zip(*columns, strict=True):
        match shape:
            case "arrayfirst":
                told: object = row[0]
            case "arrays":
                told = row
            case _:
                told = dict(zip(names, row, strict=True))
        yield json.dumps(told, ensure_ascii=False)


async def _export(asked: Asked) -> Response:
    sql, values = _query(asked)
    stamp, text = await _stamp(asked), asked.text(_SQL.name) or ""
    visible = await free_sql.visible_objects(asked, text)
    return await exports.exported(
        asked, stamp if visible is None else _own(stamp), FORMATS[asked.text("suffix") or ""],
        sql, values, "query", text, TRAJECTORY_FIELDS, is_free=True, visible=visible,
    )  # fmt: skip


_OWN = frozenset({_SQL.name, _SHAPE.name, NL.name, AS_OF.name})
_SCHEMA = {
    "anyOf": [
        {
            "type": "object", "description": "_shape=arrays or objects",
            "required": ["ok", "rows", "columns", "truncated", "snapshot"],
            "properties": {
                "ok": {"const": True},
                "rows": {"type": "array", "items": {"type": ["array", "object"]}},
                "columns": {"type": "array", "items": {"type": "string"}},
                "truncated": {"type": "boolean", "description": "whether there were more rows"},
                "snapshot": {"type": "integer", "description": "the state that was asked"},
            },
        },
        {"type": "array", "description": "_shape=array or arrayfirst"},
    ]
}  # fmt: skip
_PAGE_ANSWERS = (
    Answers("application/json", "Up to as many rows as a page has", _SCHEMA),
    Answers(NDJSON, "Rows, with _shape=array and _nl=on"),
)
_FOR_BROWSERS = Answers("text/html", "A page of the portal, for who accepts one")
_PARAMETERS = (_SQL, _SHAPE, NL, AS_OF)


def routes() -> Iterator[Route]:
    for store in STORE.choices:
        yield Route(
            f"/{store}.json", f"{store}_sql", "The answer to a query in SQL, as a page of JSON",
            _page, _PAGE_ANSWERS, _PARAMETERS, more_parameters_are_passed_over=True,
            problems=(401, *PROBLEMS),
        )  # fmt: skip
        yield Route(
            f"/{store}", f"{store}_sql_bare", "The answer to a query in SQL, as a page of JSON; "
            "for a browser, which tables there are", _page, (*_PAGE_ANSWERS, _FOR_BROWSERS),
            _PARAMETERS, more_parameters_are_passed_over=True, problems=(401, *PROBLEMS),
            has_page=True,
        )  # fmt: skip
        yield Route(
            f"/{store}.{{suffix}}", f"{store}_sql_export",
            "The whole answer to a query in SQL, in a format", _export, in_formats(_SUFFIXES),
            (suffix(_SUFFIXES), _SQL, AS_OF), more_parameters_are_passed_over=True,
            problems=(401, *EXPORT_PROBLEMS),
        )  # fmt: skip
