"""The OpenAPI document, and the same as a page to read: both follow from the routes.

What belongs here: `/openapi.json`, `/docs`, `/docs.css`. What does not: what a route says of itself
(its own module). The page takes nothing from outside, and runs no script.
"""

import html
import json
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.conditional import SNAPSHOT_HEADER
from gmn_pipeline.serving.problems import (
    PROBLEM_TYPE,
    TAP_PREFIX,
    VOTABLE_TYPE,
    is_below,
    is_legacy,
)
from gmn_pipeline.serving.routes import Answers, Asked, Conditions, Parameter, Route, public
from gmn_pipeline.warehouse.views import VIEWS

_ALWAYS = (400, 429)
_MEANINGS = {
    206: "The part that is asked for (Range)",
    304: "The client has this answer already (If-None-Match)",
    400: "The request, or the SQL in it, cannot be answered as it is",
    401: "A token is wanted, or it is another one",
    403: "This may not be done from here",
    404: "There is no such thing",
    408: "The rest of the request did not come",
    409: "Something is not, or not any more, as the request takes it to be",
    410: "The state of the warehouse that is asked for is not kept any more",
    412: "It is not what If-Match or If-None-Match says",
    416: "The file has no such part",
    413: "The form is too large",
    415: "What is brought is of another kind than is taken here",
    428: "Which version the change stands on (If-Match) is not said",
    423: "Somebody else is at it",
    429: "Too many requests from this address; Retry-After says when to come back",
    460: "What came is not what was sent, by its checksum",
    503: "The warehouse cannot be read just now, or too many are waiting",
    505: "An export by HTTP/1.0, which cannot tell a broken transfer from a whole one",
    507: "There is no space left for it",
}
_TYPES = {
    Kind.TEXT: "string", Kind.TIMESTAMP: "string", Kind.DATE: "string", Kind.INTEGER: "integer",
    Kind.LONG: "integer", Kind.NUMBER: "number", Kind.BOOLEAN: "integer",
    Kind.TEXT_LIST: "string",
}  # fmt: skip
_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1a1a1a; background: #fff; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid #ddd; }
h2 { margin-top: 2.5rem; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #151515; }
  th, td { border-color: #444; } a { color: #8cb4ff; } }
"""
_CACHED = {"Cache-Control": "public, max-age=300"}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of these routes."""
    summary = next(view for view in VIEWS if view.name == "meteor_summary")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Global Meteor Network: trajectories",
            "version": version("gmn-pipeline"),
            "description": "Meteor trajectories and orbits of the Global Meteor Network "
            "(CC BY 4.0). Every answer stands on one state of the warehouse, which the header "
            f"{SNAPSHOT_HEADER} names.",
            "license": {"name": "CC BY 4.0", "identifier": "CC-BY-4.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(routes),
        "components": {
            "schemas": {
                "MeteorSummary": {
                    "type": "object",
                    "required": [field.name for field in summary.fields],
                    "properties": {field.name: _column(field) for field in summary.fields},
                    "additionalProperties": False,
                },
                "Problem": _problem(),
                "LegacyProblem": _problem(
                    ok={"const": False}, error={"type": "string", "description": "as detail"}
                ),
            }
        },
    }


def _paths(routes: Sequence[Route]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in route.methods:
            paths.setdefault(route.address, {})[method.lower()] = _operation(route, method)
    return paths


def _operation(route: Route, method: str) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": _good(route.answers)}
    statuses = {*_ALWAYS, *route.problems}
    if 410 in statuses:
        responses["304"] = {"description": _MEANINGS[304]}
    if route.has_parts:
        responses["206"] = {**responses["200"], "description": _MEANINGS[206]}
        statuses.add(416)
    for status in sorted(statuses):
        responses[str(status)] = _bad(status, route.path)
    for status, meaning in route.redirects.items():
        responses[str(status)] = {"description": meaning}
    for status, meaning in route.done.items():
        said = {} if status == HTTPStatus.NO_CONTENT else responses["200"]
        responses[str(status)] = {**said, "description": meaning}
    is_form = method == "POST" and not route.body
    in_form = [p for p in route.parameters if is_form and not p.is_in_path]
    body = _form(in_form) if in_form else _body(route.body) if route.body else None
    return {
        "operationId": route.name if method == route.methods[0] else f"{route.name}_{method}",
        "summary": route.summary,
        "parameters": [_parameter(p) for p in route.parameters if p not in in_form],
        "responses": responses,
        "x-gmn-needs": route.needs,
    } | ({"requestBody": body} if body else {})


def _body(kinds: Sequence[Answers]) -> dict[str, Any]:
    return _good(kinds)


def _form(parameters: Sequence[Parameter]) -> dict[str, Any]:
    properties = {p.name: p.schema() | {"description": p.meaning} for p in parameters}
    required = [p.name for p in parameters if p.is_required]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": parameter.name, "in": _place(parameter),
        "description": parameter.meaning, "required": parameter.is_required or parameter.is_in_path,
        "schema": parameter.schema(),
    }  # fmt: skip
    if isinstance(parameter, Conditions):
        told |= {"style": "form", "explode": True}
    elif told["in"] == "query" and not told["required"] and not parameter.is_repeated:
        told["allowEmptyValue"] = True
    if parameter.example:
        told["example"] = parameter.example
    return told


def _place(parameter: Parameter) -> str:
    if parameter.is_in_path:
        return "path"
    return "header" if parameter.is_in_header else "query"


def _good(answers: Sequence[Answers]) -> dict[str, Any]:
    return {
        "description": "; or ".join(answer.meaning for answer in answers),
        "content": {
            answer.media_type: {"schema": answer.schema} if answer.schema else {}
            for answer in answers
        },
    }


def _bad(status: int, path: str) -> dict[str, Any]:
    if is_below(path, TAP_PREFIX):
        return {"description": _MEANINGS[status], "content": {VOTABLE_TYPE: {}}}
    name, kind = (
        ("LegacyProblem", "application/json") if is_legacy(path) else ("Problem", PROBLEM_TYPE)
    )
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": _MEANINGS[status], "content": {kind: {"schema": schema}}}


def _problem(**more: dict[str, Any]) -> dict[str, Any]:
    """RFC 9457."""
    text = {"type": "string"}
    properties = {
        "type": text, "title": text, "status": {"type": "integer"}, "detail": text, **more,
    }  # fmt: skip
    return {"type": "object", "required": list(properties), "properties": properties}


def _column(field: Field) -> dict[str, Any]:
    return {"type": [_TYPES[field.kind], "null"], "description": describe(field)}


def page(routes: Sequence[Route]) -> str:
    """The document for people."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        "<title>Global Meteor Network: trajectories</title>"
        "<link rel='stylesheet' href='/docs.css'>"
        "<h1>Global Meteor Network: trajectories</h1>"
        "<p>Every answer stands on one state of the warehouse, which the header "
        f"<code>{SNAPSHOT_HEADER}</code> names. For programs: "
        "<a href='/openapi.json'>openapi.json</a>.</p>",
        *(_section(route) for route in routes),
        "<h2>Columns</h2><p>of meteor_summary</p>",
        _columns(),
        "</html>\n",
    ]
    return "\n".join(parts)


def _section(route: Route) -> str:
    needed = {p.name: p for p in route.parameters if p.example and p.is_required}
    given = {name: p.example for name, p in needed.items() if not p.is_in_path}
    path = route.address
    for name, parameter in needed.items():
        path = path.replace(f"{{{name}}}", parameter.example or "")
    link = html.escape(f"{path}{'?' + urlencode(given) if given else ''}")
    kinds = ", ".join(f"<code>{answer.media_type}</code>" for answer in route.answers)
    rows = [(f"<code>{p.name}</code>", _meaning(p)) for p in route.parameters]
    ways = ", ".join(f"<code>{method} {route.address}</code>" for method in route.methods)
    # Of keys of rows and of jobs no example holds everywhere.
    is_to_try = "{" not in path and not route.is_endless and "GET" in route.methods
    attempt = f" <a href='{link}'>Try it</a>" if is_to_try else ""
    return (
        f"<h2>{ways}</h2><p>{html.escape(route.summary)}. {kinds}.{attempt}</p>"
        f"{_table(rows) if rows else ''}"
    )


def _meaning(parameter: Parameter) -> str:
    said = [parameter.meaning]
    if parameter.choices:
        said.append(f"one of {', '.join(parameter.choices)}")
    if parameter.default is not None:
        said.append(f"without it {parameter.default}")
    if isinstance(parameter, Conditions):
        said.append(f"columns: {', '.join(parameter.columns)}")
    text = html.escape("; ".join(said))
    if parameter.example:
        text += f". Example: <code>{html.escape(parameter.example)}</code>"
    return text


def _columns() -> str:
    summary = next(view for view in VIEWS if view.name == "meteor_summary")
    return _table([(f"<code>{f.name}</code>", html.escape(describe(f))) for f in summary.fields])


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{name}</td><td>{meaning}</td></tr>" for name, meaning in rows)
    return f"<table>{cells}</table>"


def routes(of: tuple[Route, ...]) -> tuple[Route, ...]:
    """The addresses at which they are told."""

    @cache
    def as_json() -> str:
        return json.dumps(document((*of, *told)), indent=1)

    @cache
    def as_page() -> str:
        return page((*of, *told))

    async def openapi_json(asked: Asked) -> Response:
        del asked
        return Response(as_json(), headers=_CACHED, media_type="application/json")

    async def docs(asked: Asked) -> Response:
        del asked
        return Response(as_page(), headers=_CACHED, media_type="text/html")

    async def style(asked: Asked) -> Response:
        del asked
        return Response(_STYLE, headers=_CACHED, media_type="text/css")

    told = public(
        Route(
            "/openapi.json", "openapi", "This document", openapi_json,
            (Answers("application/json", "OpenAPI 3.1", {"type": "object"}),), problems=(),
        ),
        Route(
            "/docs", "docs", "The same for people", docs, (Answers("text/html", "A page"),),
            problems=(),
        ),
        Route(
            "/docs.css", "docs_style", "How it looks", style, (Answers("text/css", "A style"),),
            problems=(),
        ),
    )  # fmt: skip
    return told
