"""ADQL's text as a tree, by sqlglot.

What belongs here: what the words of ADQL are, and which parts of SQL a query may have. What does
not: what functions mean (`functions.py`, `geometry.py`), and names (`names.py`).

sqlglot knows the functions of twenty databases; here none is known to it, so that each call stays
as it was written and is looked up in our own list.
"""

import logging
import re
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from gmn_pipeline.errors import QueryFailed, QueryRefused
from gmn_pipeline.serving.tap.adql.places import at, failed, refused

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements it knows no more of

_LONGEST = 50_000
_DEEPEST = 150
"""Brackets in one another: sqlglot goes one step down for each, several calls deep."""

_PARTS = (
    exp.Select, exp.From, exp.Join, exp.Table, exp.TableAlias, exp.Identifier, exp.Column,
    exp.Star, exp.Alias, exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Subquery, exp.Where,
    exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.With,
    exp.CTE, exp.Union, exp.Except, exp.Intersect, exp.Anonymous, exp.Cast, exp.DataType,
    exp.DataTypeParam, exp.Case, exp.If, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT,
    exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Exists,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.DPipe,
)  # fmt: skip
_JOINS = {"method": ("", "NATURAL"), "side": ("", "LEFT", "RIGHT", "FULL"),
          "kind": ("", "INNER", "OUTER", "CROSS")}  # fmt: skip
_TYPES = {
    exp.DType.CHAR: "VARCHAR", exp.DType.VARCHAR: "VARCHAR", exp.DType.NCHAR: "VARCHAR",
    exp.DType.NVARCHAR: "VARCHAR", exp.DType.TEXT: "VARCHAR", exp.DType.SMALLINT: "SMALLINT",
    exp.DType.INT: "INTEGER", exp.DType.BIGINT: "BIGINT", exp.DType.FLOAT: "REAL",
    exp.DType.DOUBLE: "DOUBLE", exp.DType.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip
"""Types that CAST knows -> DuckDB's."""


class _Parser(parser.Parser):
    # TOP belongs to its own SELECT; only these stand behind a whole union.
    SET_OP_MODIFIERS: ClassVar[set[str]] = {"order", "offset"}
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CAST": parser.Parser.FUNCTION_PARSERS["CAST"],
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CASE": parser.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"],
    }


class Adql(Dialect):
    """ADQL 2.1 as sqlglot reads it."""

    NULL_ORDERING = "nulls_are_last"

    class Tokenizer(tokens.Tokenizer):
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            **tokens.Tokenizer.KEYWORDS,
            "TOP": TokenType.TOP,
        }

    Parser = _Parser


def parsed(sql: str) -> exp.Query:
    """The tree of one query that has no part that ADQL does not know.

    Raises QueryFailed where it is no ADQL, and QueryRefused for what cannot be asked here.
    """
    if len(sql) > _LONGEST:
        raise QueryRefused(f"A query may have {_LONGEST:,} characters, not {len(sql):,}.")
    if "\0" in sql:
        raise QueryRefused("A query cannot hold the character NUL.")
    if _depth(sql) > _DEEPEST:
        raise QueryRefused("The query is nested too deeply.")
    trees = _trees(sql)
    if len(trees) != 1:
        what = f"{len(trees)} statements" if trees else "no statement"
        raise QueryRefused(f"The query holds {what}: ask with one SELECT.")
    tree = trees[0]
    if isinstance(tree, exp.Subquery):  # in brackets as a whole
        tree = tree.unnest()
    if not isinstance(tree, exp.Select | exp.SetOperation):
        raise QueryRefused("The query is not a SELECT: a query reads and changes nothing.")
    _check(sql, tree)
    return tree


def _depth(sql: str) -> int:
    depth = deepest = 0
    for sign in re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", sql):
        depth += (sign in "([") - (sign in ")]")
        deepest = max(deepest, depth)
    return deepest


def _trees(sql: str) -> list[exp.Expr]:
    try:
        return [tree for tree in sqlglot.parse(sql, read=Adql) if tree is not None]
    except ParseError as error:
        raise _of_parser(sql, error) from error
    except SqlglotError as error:
        raise QueryFailed("A text, a name in quotes or a comment has no end.") from error
    except RecursionError as error:
        raise QueryRefused("The query is nested too deeply.") from error


_RATHER = {
    "expression": "A value, or a bracket that closes, is missing",
    "this": "A value is missing",
}


def _of_parser(sql: str, error: ParseError) -> QueryFailed:
    told = error.errors[0]
    text = str(told["description"] or "").partition(" but got")[0].rstrip(".")
    missing = re.match(r"Required keyword: '(\w+)' missing", text)
    if missing:
        text = _RATHER.get(missing[1], "A part is missing")
    lines = sql.split("\n")
    line, column = int(told["line"] or 1), int(told["col"] or 1)
    start = sum(len(one) + 1 for one in lines[: line - 1]) + column - len(told["highlight"] or "")
    return QueryFailed(f"This is no ADQL: {text}{at(sql, max(0, min(start, len(sql))))}")


def _check(sql: str, tree: exp.Expr) -> None:
    """Raises what says of the first part that is none of ADQL's."""
    for node in tree.walk(bfs=False):
        if not isinstance(node, _PARTS):
            raise refused(sql, f"ADQL here has no {_name(node)}", node)
        match node:
            case exp.Join():
                for part, known in _JOINS.items():
                    if (node.args.get(part) or "").upper() not in known:
                        raise refused(sql, f"There is no {node.args[part]} JOIN in ADQL", node)
            case exp.Table():
                if not isinstance(node.this, exp.Identifier):
                    raise refused(sql, "A query asks tables, no functions in their place", node)
            case exp.With() if node.args.get("recursive"):
                raise refused(sql, "WITH is not recursive in ADQL", node)
            case exp.Star() if any(node.args.values()):
                raise refused(sql, "* stands alone in ADQL", node)
            case exp.DataType() if node.this not in _TYPES:
                known_types = "CHAR, VARCHAR, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION"
                raise refused(sql, f"CAST is to {known_types} or TIMESTAMP", node.parent)
            case exp.Limit() | exp.Offset() if not _is_count(node.expression):
                raise failed(sql, "TOP and OFFSET have a whole number", node)


def _is_count(node: exp.Expr | None) -> bool:
    return (
        isinstance(node, exp.Literal)
        and not node.is_string
        and node.name.isascii()
        and node.name.isdigit()
        and len(node.name) <= len(str(2**53))
    )


def _name(node: exp.Expr) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def duckdb_type(node: exp.DataType) -> exp.DataType:
    """The same type in DuckDB. How long a text may be, it does not mind."""
    return exp.DataType.build(_TYPES[node.this], dialect="duckdb")
