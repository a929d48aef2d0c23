"""DuckDB's SQL with places for values.

What belongs here: putting expressions into SQL of ours, so that each stays one value. What does
not: which SQL (`functions.py`, `geometry.py`).

A value may stand in several places of a template, so calls within calls grow like a power: how much
may come of one query is limited.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import sqlglot
from sqlglot import exp

_ONE_VALUE = (exp.Column, exp.Literal, exp.Anonymous, exp.Func, exp.Paren, exp.Null)


_MOST_PARTS = 30_000
"""Text of so many parts has some 100,000 characters, which is as many as may be run."""
_left: ContextVar[int] = ContextVar("parts that one query may still become")


class TooLarge(ValueError):
    """More would come of a query than may be run."""


@contextmanager
def limited() -> Iterator[None]:
    """Within this, TooLarge is raised where too much is filled in."""
    token = _left.set(_MOST_PARTS)
    try:
        yield
    finally:
        _left.reset(token)


def filled(template: str, *values: exp.Expr | float) -> exp.Expr:
    """The SQL with the values in place of `_0`, `_1` ... Raises TooLarge."""
    _take(_parts(_parsed(template)))
    tree = _parsed(template).copy()
    given = {f"_{number}": _one(value) for number, value in enumerate(values)}
    sizes = {name: _parts(value) for name, value in given.items()}
    for place in list(tree.find_all(exp.Column)):
        if not place.table and place.name in given:
            _take(sizes[place.name])
            new = given[place.name].copy()
            if place is tree:
                tree = new
            else:
                place.replace(new)
    return tree


def _parts(tree: exp.Expr) -> int:
    return sum(1 for _ in tree.walk())


def _take(parts: int) -> None:
    left = _left.get(_MOST_PARTS) - parts
    if left < 0:
        raise TooLarge
    _left.set(left)


def number(value: float) -> exp.Expr:
    """A number of double precision, whatever its size and sign."""
    text = f"{value!r}e0" if "e" not in repr(value) else repr(value)
    literal = exp.Literal.number(text.lstrip("-"))
    return exp.Paren(this=exp.Neg(this=literal)) if text.startswith("-") else literal


def _one(value: exp.Expr | float) -> exp.Expr:
    if not isinstance(value, exp.Expr):
        return number(value)
    return value if isinstance(value, _ONE_VALUE) else exp.Paren(this=value)


@cache
def _parsed(template: str) -> exp.Expr:
    return sqlglot.parse_one(template, read="duckdb")
