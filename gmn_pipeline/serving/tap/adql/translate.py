"""A query in ADQL as one in DuckDB's SQL.

What belongs here: putting the parts together. What does not: each of them.

    translated("SELECT TOP 10 * FROM gmn.trajectories", catalogue, most_rows=1000)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from gmn_pipeline.errors import QueryRefused
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving.tap.adql.dialect import duckdb_type, parsed
from gmn_pipeline.serving.tap.adql.functions import AGGREGATES, ANY_NUMBER, FUNCTIONS
from gmn_pipeline.serving.tap.adql.geometry import QUESTIONS, SHAPES, BadShape, Shape, shape
from gmn_pipeline.serving.tap.adql.names import Names, put_in
from gmn_pipeline.serving.tap.adql.places import refused
from gmn_pipeline.serving.tap.adql.templates import TooLarge, filled, limited
from gmn_pipeline.serving.tap.adql.units import UnknownUnit, factor
from gmn_pipeline.serving.tap.relations import Catalogue

_MOST_TABLES = 50


@dataclass(frozen=True)
class Translation:
    """SQL that asks for one row more than wanted, so that it shows whether there are more.

    `known` is what is known of the answer's columns, by name in lower case.
    """

    adql: str
    sql: str
    parameters: Mapping[str, str]
    known: Mapping[str, Field]


def translated(adql: str, catalogue: Catalogue, most_rows: int) -> Translation:
    """Raises QueryFailed and QueryRefused, which say where in the text."""
    try:
        with limited():
            return _translated(adql, catalogue, most_rows)
    except TooLarge as error:
        raise QueryRefused("The query becomes too large: its functions stand too deep in one "
                           "another, or are too many.") from error  # fmt: skip
    except RecursionError as error:
        raise QueryRefused("The query is nested too deeply.") from error


def _translated(adql: str, catalogue: Catalogue, most_rows: int) -> Translation:
    tree = parsed(adql)
    if sum(1 for _ in tree.find_all(exp.Table)) > _MOST_TABLES:
        raise QueryRefused(f"A query may name {_MOST_TABLES} tables.")
    names = Names(adql, catalogue)
    tables = names.tables(tree)
    relations = [names.relation(table) for table in tables]
    known = names.known(tree)
    _name_columns(tree)
    _Functions(adql, names).replace_in(tree)
    for cast in tree.find_all(exp.DataType):
        cast.replace(duckdb_type(cast))
    for column in tree.find_all(exp.Column):
        column.set("db", None)  # a table is known by its own name or its alias
        column.set("catalog", None)
    for literal in tree.find_all(exp.Literal):
        if not literal.is_string and "." in literal.name and "e" not in literal.name.lower():
            literal.set("this", f"{literal.name}e0")  # of double precision, as columns are
    parameters: dict[str, str] = {}
    for table, relation in zip(tables, relations, strict=True):
        put_in(table, relation)
        parameters |= relation.parameters
    _bracket_operands(tree)
    _limit(tree, most_rows + 1)
    return Translation(adql, _text(tree), parameters, known)


def _text(tree: exp.Expr) -> str:
    return tree.sql(dialect="duckdb", identify=True, comments=False)


def _bracket_operands(tree: exp.Expr) -> None:
    """What is cut off by itself before it is put together with others stands in brackets."""
    for operation in list(tree.find_all(exp.SetOperation)):
        for side in (operation.left, operation.right):
            if isinstance(side, exp.Select) and (side.args.get("limit") or side.args.get("order")):
                side.replace(exp.Subquery(this=side.copy()))


def _limit(tree: exp.Query, rows: int) -> None:
    own = tree.args.get("limit")
    wanted = rows if own is None else min(rows, int(own.expression.name))
    tree.set("limit", exp.Limit(expression=exp.Literal.number(wanted)))


def _name_columns(tree: exp.Query) -> None:
    """What has no name of its own gets that of its function, or its number."""
    select: exp.Expr = tree
    while not isinstance(select, exp.Select):
        select = select.this
    named: list[exp.Expr] = []
    for number, one in enumerate(select.expressions, 1):
        if isinstance(one, exp.Alias | exp.Column | exp.Star):
            named.append(one)
            continue
        name = one.name.lower() if isinstance(one, exp.Anonymous) else f"column_{number}"
        named.append(exp.alias_(one, name, quoted=True))
    select.set("expressions", named)


class _Functions:
    """Puts DuckDB's SQL in place of each call."""

    def __init__(self, adql: str, names: Names) -> None:
        self._adql = adql
        self._names = names
        self._shapes: dict[int, Shape] = {}

    def replace_in(self, tree: exp.Expr) -> None:
        calls = [node for node in tree.walk(bfs=False) if isinstance(node, exp.Anonymous)]
        for call in reversed(calls):  # what is within another one first
            name = call.name.upper()
            try:
                if name in SHAPES:
                    self._shape(call, name)
                else:
                    call.replace(self._value(call, name))
            except BadShape as error:
                raise refused(self._adql, str(error), call) from error

    def _shape(self, call: exp.Anonymous, name: str) -> None:
        outer = call.parent
        if not isinstance(outer, exp.Anonymous) or outer.name.upper() not in {*QUESTIONS, *SHAPES}:
            raise BadShape(f"{name} stands within {', '.join(QUESTIONS)}: it is no value by itself")
        self._shapes[id(call)] = shape(name, self._given(call))

    def _given(self, call: exp.Anonymous) -> "list[exp.Expr | Shape]":
        return [self._shapes.get(id(one), one) for one in call.expressions]

    def _value(self, call: exp.Anonymous, name: str) -> exp.Expr:
        if name in QUESTIONS:
            return QUESTIONS[name](self._given(call))
        if name == "IN_UNIT":
            return self._in_unit(call)
        arguments = call.expressions
        if name == "COUNT" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            return exp.Anonymous(this="count", expressions=[exp.Star()])
        if name in ANY_NUMBER and arguments:
            return exp.Anonymous(this=ANY_NUMBER[name], expressions=arguments)
        function = FUNCTIONS.get(name)
        if function is None:
            raise refused(self._adql, f"There is no function {call.name[:50]} in ADQL here", call)
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            if not function.is_aggregate:
                raise refused(self._adql, f"DISTINCT is not for {name}", call)
            first, *rest = arguments[0].expressions
            if len(rest) + 1 not in function.templates:
                raise refused(self._adql, f"{name} has other arguments", call)
            distinct = exp.Distinct(expressions=[first])
            return exp.Anonymous(this=AGGREGATES.get(name, name), expressions=[distinct, *rest])
        template = function.templates.get(len(arguments))
        if template is None:
            counts = " or ".join(map(str, sorted(function.templates)))
            raise refused(self._adql, f"{name} has {counts} arguments", call)
        return filled(template, *arguments)

    def _in_unit(self, call: exp.Anonymous) -> exp.Expr:
        match call.expressions:
            case [exp.Column() as column, exp.Literal(is_string=True) as unit]:
                field = self._names.field_of(column)
            case _:
                raise refused(self._adql, "IN_UNIT has a column, and a unit in quotes", call)
        if field is None or not field.unit:
            raise refused(self._adql, f"No unit is known of {column.name[:100]}", column)
        try:
            times = factor(field.unit, unit.name)
        except UnknownUnit as error:
            raise refused(self._adql, f"The unit {str(error)[:50]!r} is not known", call) from error
        if times is None:
            what = f"{column.name} is in {field.unit}, which is not made into {unit.name}"
            raise refused(self._adql, what, call)
        return filled("_0 * _1", column, times)
