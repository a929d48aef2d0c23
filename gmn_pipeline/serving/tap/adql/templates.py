"""DuckDB's SQL with places for values.

What belongs here: putting expressions into SQL of ours, so that each stays one value. What does
not: which SQL (`functions.py`, `geometry.py`).
"""

from functools import cache

import sqlglot
from sqlglot import exp

_ONE_VALUE = (exp.Column, exp.Literal, exp.Anonymous, exp.Func, exp.Paren, exp.Null)


def filled(template: str, *values: exp.Expr | float) -> exp.Expr:
    """The SQL with the values in place of `_0`, `_1` ..."""
    tree = _parsed(template).copy()
    given = {f"_{number}": _one(value) for number, value in enumerate(values)}
    for place in list(tree.find_all(exp.Column)):
        if not place.table and place.name in given:
            new = given[place.name].copy()
            if place is tree:
                tree = new
            else:
                place.replace(new)
    return tree


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
