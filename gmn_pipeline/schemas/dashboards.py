"""Dashboards: what a document of one says, and a saved version of it.

What belongs here: the document's JSON Schema, its check, and these values. What does not: where
versions are kept (`database/dashboards.py`), who may save (`serving/dashboards/rights.py`), and
asking what a panel wants to know, which pages do at the public addresses.

A document names no values but those that somebody typed: rows come when it is looked at, with the
rights of who looks. Units are not in it either; they are those of the columns that are asked for.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from gmn_pipeline.errors import DashboardRefused

Document: TypeAlias = Mapping[str, Any]

VERSION = 1
"""Of the form of documents. One of a later version is refused, and not half understood."""
MOST_BYTES = 200_000
DASHBOARD_PATTERN = "[a-z0-9][a-z0-9-]{0,62}"

OPERATORS = (
    "exact", "not", "gt", "gte", "lt", "lte", "contains", "notcontains", "startswith", "endswith",
    "like", "notlike", "glob", "in", "notin", "arraycontains", "arraynotcontains",
    "arraycontainsany", "date", "isnull", "notnull", "isblank", "notblank",
)  # fmt: skip
"""As the addresses of tables have them."""
FUNCTIONS = ("count", "distinct", "sum", "mean", "median", "minimum", "maximum", "deviation")
"""By which rows become one value."""
MARKS = ("line", "bar", "scatter", "histogram", "map", "table", "number", "text")
SPANS = ("minute", "hour", "day", "month", "year")
USES = ("project", "content_type", "size", "day")
"""By what the use of the lake of objects is told."""

_NAME = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,62}$"}
_COLUMN = {"type": "string", "minLength": 1, "maxLength": 200}
_WORDS = {"type": "string", "maxLength": 200}
_VALUE = {"type": "string", "maxLength": 1_000}
_STEP = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"enum": list(SPANS)}]}
_KEEP_S = {"type": "integer", "minimum": 60, "maximum": 604_800}


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(properties), "required": list(required),
        "additionalProperties": False,
    }  # fmt: skip


def _list(items: Mapping[str, Any], most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "minItems": least, "maxItems": most}


_OF_TABLE = _object(
    {
        "from": {"const": "table"},
        "table": {"type": "string", "pattern": r"^(readings\.)?[a-z][a-z0-9_]{0,62}$"},
        "where": _list(
            _object(
                {"column": _NAME, "operator": {"enum": list(OPERATORS)}, "value": _VALUE},
                "column", "operator", "value",
            ), 30,
        ),
        "columns": _list(_NAME, 100),
        "group": _list(_object({"column": _NAME, "step": _STEP}, "column"), 4),
        "values": _list(
            _object({"function": {"enum": list(FUNCTIONS)}, "column": _NAME}, "function"), 8
        ),
        "sort": _object({"column": _NAME, "descends": {"type": "boolean"}}, "column", "descends"),
        "limit": {"type": "integer", "minimum": 1, "maximum": 1_000},
    },
    "from", "table",
)  # fmt: skip
_OF_SQL = _object(
    {"from": {"const": "sql"}, "sql": {"type": "string", "minLength": 1, "maxLength": 10_000}},
    "from", "sql",
)  # fmt: skip
_READY = _object(
    {
        "from": {"const": "ready"},
        "question": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"},
        "parameters": {"type": "object", "additionalProperties": _VALUE, "maxProperties": 20},
    },
    "from", "question",
)  # fmt: skip
_OF_OBJECTS = _object(
    {"from": {"const": "objects"}, "by": {"enum": list(USES)}}, "from", "by",
)  # fmt: skip

_PANEL = _object(
    {
        "id": {"type": "string", "pattern": "^[a-z0-9]{1,16}$"},
        "title": _WORDS,
        "mark": {"enum": list(MARKS)},
        "width": {"type": "integer", "minimum": 3, "maximum": 12},
        "height": {"enum": ["low", "medium", "tall"]},
        "text": {"type": "string", "maxLength": 10_000},
        "note": {"type": "string", "maxLength": 1_000},
        "question": {"oneOf": [_OF_TABLE, _OF_SQL, _READY, _OF_OBJECTS]},
        "x": _COLUMN,
        "y": _list(_COLUMN, 8),
        "series": _COLUMN,
        "show": _list(_COLUMN, 100),
        "step": _STEP,
        "keep_s": _KEEP_S,
    },
    "id", "mark", "width",
) | {
    "if": {"properties": {"mark": {"const": "text"}}},
    "then": {"required": ["text"]},
    "else": {"required": ["question"]},
}  # fmt: skip

_FILTER = _object(
    {
        "name": _NAME,
        "label": _WORDS | {"minLength": 1},
        "kind": {"enum": ["text", "number", "date", "time", "shower", "station"]},
        "operator": {"enum": list(OPERATORS)},
        "columns": _list(_NAME, 20, 1),
        "value": _VALUE,
    },
    "name", "label", "kind", "operator", "columns",
)  # fmt: skip

SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Dashboard",
    **_object(
        {
            "version": {"const": VERSION},
            "title": _WORDS | {"minLength": 1, "pattern": r"\S"},
            "description": {"type": "string", "maxLength": 2_000},
            "filters": _list(_FILTER, 20),
            "panels": _list(_PANEL, 60),
        },
        "version", "title", "panels",
    ),
}  # fmt: skip
"""Of a document (JSON Schema 2020-12)."""

_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
"""As JSON writes it."""
_OF_THE_PAGE = frozenset({"edit", "embed", "theme", "version", "from", "link"})
"""What the address of a dashboard says beside the state of its filters."""


def checked_document(found: object) -> Document:
    """A document that is one. Raises DashboardRefused, which says where it is not."""
    import jsonschema  # takes a tenth of a second, which most commands need not

    if not isinstance(found, dict):
        raise DashboardRefused("A dashboard is an object of JSON.")
    of = found.get("version")
    if isinstance(of, int) and of > VERSION:
        raise DashboardRefused(
            f"The dashboard is of form {of}, and this server knows {VERSION}.",
            remedy="A newer version of this program can read it.",
        )
    try:
        text = json.dumps(found, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except ValueError as error:  # half of a letter, or a number that is none
        raise DashboardRefused("A dashboard has letters and numbers only that are some.") from error
    if _NUL.search(text):
        raise DashboardRefused("A dashboard has no NUL in its texts.")
    if size > MOST_BYTES:
        raise DashboardRefused(f"A dashboard may have {MOST_BYTES:,} bytes, not {size:,}.")
    wrong = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(SCHEMA).iter_errors(found)
    )
    if wrong is not None:
        said = " ".join(str(wrong.message).split())
        raise DashboardRefused(f"{_place(wrong.absolute_path)}: {said[:300]}")
    _check_names(found)
    return found


def _place(path: Iterable[object]) -> str:
    """panels[2].mark"""
    text = ""
    for one in path:
        text += f"[{one}]" if isinstance(one, int) else f".{one}"
    return text.removeprefix(".") or "The dashboard"


def _check_names(document: Document) -> None:
    for what, key in (("panels", "id"), ("filters", "name")):
        names = [one[key] for one in document.get(what, [])]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DashboardRefused(f"{what}: {key} {twice!r} is there more than once.")
    for one in document.get("filters", []):
        if one["name"] in _OF_THE_PAGE:
            raise DashboardRefused(f"filters: {one['name']!r} is a name of the page's own.")


@dataclass(frozen=True)
class SavedDashboard:
    """One version of a dashboard. Times are UTC. `made_by`: who made the first one."""

    dashboard_id: str
    version: int
    newest_version: int
    document: Document
    saved_at_utc: datetime
    saved_by: str
    made_by: str
    deleted_at_utc: datetime | None = None
    is_private: bool = False
    """Whether it is for its maker, operators, and those whom it is shared with."""
    links_ended: int = 0
    """How often links to it were ended: those made before then do not hold."""
