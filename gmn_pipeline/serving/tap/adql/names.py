"""Names in a query: which table is meant, and what is known of a column of the answer.

What belongs here: looking up. What does not: what there is (`tap/relations.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import TypeAlias

import sqlglot
from sqlglot import exp

from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving.tap.adql.places import refused
from gmn_pipeline.serving.tap.relations import Catalogue, Relation

Known: TypeAlias = Mapping[str, Field]
"""Columns by their names in lower case."""


class Names:
    """Those of one query."""

    def __init__(self, sql: str, catalogue: Catalogue) -> None:
        self._sql = sql
        self._catalogue = catalogue
        # Of each query within: names that stand for others, which stand for others, are many.
        self._known: dict[int, dict[str, Field]] = {}

    def tables(self, tree: exp.Query) -> list[exp.Table]:
        """The tables that are asked, without names of common table expressions."""
        return [table for table in tree.find_all(exp.Table) if _common(table) is None]

    def relation(self, table: exp.Table) -> Relation:
        """What a table of the query is. Raises QueryRefused where there is none."""
        if table.args.get("catalog") is not None:
            raise refused(self._sql, "A table is named by its schema and its name here", table)
        found = self._catalogue.find(table.db, table.name)
        if found is not None:
            return found
        name = f"{table.db}.{table.name}".lstrip(".")
        near = get_close_matches(name.lower(), self._catalogue.names, n=1)
        rather = f" (did you mean {near[0]}?)" if near else ""
        raise refused(self._sql, f"There is no table {name[:100]!r}{rather}", table)

    def known(self, query: exp.Expr) -> dict[str, Field]:
        """What is known of the columns of an answer, by their names there in lower case.

        Of columns that come as they are, under whatever name; what is computed is not known.
        """
        select = _first(query)
        if id(select) not in self._known:
            self._known[id(select)] = self._of_select(select)
        return self._known[id(select)]

    def _of_select(self, select: exp.Select) -> dict[str, Field]:
        sources = list(self._sources(select))
        found: dict[str, Field] = {}
        for one in select.expressions:
            column = one.this if isinstance(one, exp.Alias) else one
            if isinstance(column, exp.Star) or (
                isinstance(column, exp.Column) and isinstance(column.this, exp.Star)
            ):
                of = column.table if isinstance(column, exp.Column) else ""
                for alias, fields in sources:
                    if not of or of.lower() == alias:
                        found = dict(fields) | found
            elif isinstance(column, exp.Column) and (field := _field(column, sources)) is not None:
                name = one.alias_or_name
                found[name.lower()] = replace(field, name=name)
        return found

    def field_of(self, column: exp.Column) -> Field | None:
        """The field that a column of the query is, if that is known."""
        select = column.find_ancestor(exp.Select)
        while select is not None:
            if (found := _field(column, list(self._sources(select)))) is not None:
                return found
            select = select.find_ancestor(exp.Select)
        return None

    def _sources(self, select: exp.Select) -> Iterator[tuple[str, Known]]:
        """What stands behind FROM: each by its name there."""
        begin = select.args.get("from_")
        joins = select.args.get("joins") or []
        waiting = [one.this for one in (begin, *joins) if one is not None]
        while waiting:
            source = waiting.pop(0)
            waiting += [join.this for join in source.args.get("joins") or []]
            match source:
                case exp.Table():
                    yield source.alias_or_name.lower(), self._of_table(source)
                case exp.Subquery() if isinstance(source.this, exp.Query):
                    yield source.alias.lower(), self.known(source.this)
                case exp.Paren() | exp.Subquery():
                    waiting.append(source.this)

    def _of_table(self, table: exp.Table) -> Known:
        common = _common(table)
        if common is not None:
            return self.known(common.this)
        found = self._catalogue.find(table.db, table.name)
        return {} if found is None else {one.name.lower(): one for one in found.fields}


def _common(table: exp.Table) -> exp.CTE | None:
    """The common table expression that is meant, if it is one."""
    if table.db:
        return None
    name = table.name.lower()
    inner: exp.Expr = table
    outer = table.parent
    while outer is not None:
        if isinstance(outer, exp.With):
            before = list(outer.expressions)
            before = before[: next(i for i, one in enumerate(before) if one is inner)]
        else:
            own = outer.args.get("with_")
            before = [] if own is None or own is inner else list(own.expressions)
        for one in reversed(before):
            if one.alias.lower() == name:
                return one  # type: ignore[no-any-return]
        inner, outer = outer, outer.parent
    return None


def put_in(table: exp.Table, found: Relation) -> None:
    """Put DuckDB's SQL of a table in its place, under the name that the query knows it by."""
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
    source = sqlglot.parse_one(f"SELECT * FROM {found.source}", read="duckdb")
    new = source.args["from_"].this.copy()
    new.set("alias", alias.copy())
    if table.args.get("joins"):
        new.set("joins", table.args["joins"])
    table.replace(new)


def _first(query: exp.Expr) -> exp.Select:
    while not isinstance(query, exp.Select):
        query = query.this
    return query


def _field(column: exp.Column, sources: list[tuple[str, Known]]) -> Field | None:
    for alias, fields in sources:
        if column.table and column.table.lower() != alias:
            continue
        if (found := fields.get(column.name.lower())) is not None:
            return found
    return None
