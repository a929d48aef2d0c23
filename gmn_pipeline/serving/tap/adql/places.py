"""Errors in ADQL that say where.

What belongs here: line and column of a part of the text, and of a name that DuckDB did not know.
What does not: which errors there are.
"""

import re

from sqlglot import exp

from gmn_pipeline.errors import QueryFailed, QueryRefused

_LONGEST_SHOWN = 40
_LONGEST_NAME = 200
_OWN_PLACE = re.compile(r" \(Line \d+, at: .*\)$")
_COLUMN = re.compile(r'column named "((?:[^"]|"")+)"')
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')


def failed(sql: str, what: str, node: exp.Expr | None = None) -> QueryFailed:
    """That the text is no ADQL, or names what there is not."""
    return QueryFailed(f"{what}{_at(sql, node)}")


def refused(sql: str, what: str, node: exp.Expr | None = None) -> QueryRefused:
    """That something cannot be asked here."""
    return QueryRefused(f"{what}{_at(sql, node)}")


def at(sql: str, start: int) -> str:
    """Where a character of the text stands, for people."""
    line = sql.count("\n", 0, start) + 1
    column = start - (sql.rfind("\n", 0, start) + 1) + 1
    shown = sql[start : start + _LONGEST_SHOWN].split("\n", 1)[0].strip()
    return f" (line {line}, column {column}, at: {shown})"


def _at(sql: str, node: exp.Expr | None) -> str:
    start = None if node is None else start_of(node)
    return "" if start is None else at(sql, start)


def start_of(node: exp.Expr) -> int | None:
    """The first character of a part that has one: names and calls of functions do."""
    starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    return min(starts) if starts else None


def with_place(sql: str, message: str) -> str:
    """DuckDB's message of SQL that was made here, with the place in the text it was made of.

    DuckDB's own place is one in SQL that the client has not seen.
    """
    told = _OWN_PLACE.sub("", message)
    for found in (*_COLUMN.finditer(told), *_QUOTED.finditer(told)):
        name = found[1]
        if len(name) > _LONGEST_NAME:
            continue
        there = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE)
        if there is not None:
            return f"{told}{at(sql, there.start())}"
    return told
