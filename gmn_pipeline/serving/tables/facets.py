"""Facets: the values of a column, and how often each occurs among the rows that are asked for.

What belongs here: their queries and their part of the body. What does not: filters.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.shapes import json_value

DEFAULT_SIZE = 30
MOST = 10
MOST_VALUES = 10_000
"""Of `_facet_size=max`."""
_SAMPLE_ROWS = 1_000
"""So many rows are looked at to suggest facets, if those of the page are not enough."""
_ENOUGH_ROWS = 100


@dataclass(frozen=True)
class Facet:
    """A column, and what of it: `column`, `array` (members of its lists), or `date`."""

    field: Field
    kind: str

    @property
    def key(self) -> str:
        """How the answer calls it."""
        return self.field.name if self.kind == "column" else f"{self.field.name}_{self.kind}"

    @property
    def condition(self) -> str:
        """The parameter by which rows of one value are asked for."""
        operator = {"array": "__arraycontains", "date": "__date"}.get(self.kind, "")
        return f"{self.field.name}{operator}"


def facet(relation: Relation, name: str, kind: str) -> Facet:
    """Raises Problem for a column that there is not, or that has no such facet."""
    field = relation.by_name.get(name)
    if field is None:
        raise bad_request(
            f"There is no column {name[:100]!r} here, but {', '.join(relation.by_name)}."
        )
    if kind == "array" and field.kind is not Kind.TEXT_LIST:
        raise bad_request(f"_facet_array: {name} is no list.")
    if kind == "date" and field.kind not in (Kind.TIMESTAMP, Kind.DATE):
        raise bad_request(f"_facet_date: {name} is no time.")
    return Facet(field, kind)


@dataclass(frozen=True)
class Counting:
    """Facets that are counted in one reading of the rows, with the rows themselves.

    Members of lists are not among them: a row has several.
    """

    facets: tuple[Facet, ...]

    @property
    def names(self) -> list[str]:
        # Not those of columns: GROUPING SETS would group by the column instead.
        return [f"f{number}" for number in range(len(self.facets))]

    def sql(self, relation: Relation, where: str, size: int) -> str:
        """Of each facet the most frequent values, and a row for all of them together."""
        values = ", ".join(
            f"{_value(one)} AS {name}" for one, name in zip(self.facets, self.names, strict=True)
        )
        names = ", ".join(self.names)
        sets = ", ".join(f"({name})" for name in self.names)
        # Null may be among the most frequent ones, and is not shown.
        return (
            f"SELECT {names}, GROUPING_ID({names}) AS which, count(*) AS n "
            f"FROM (SELECT {values} FROM {relation.name} {where}) "
            f"GROUP BY GROUPING SETS ({sets}, ()) "
            f"QUALIFY row_number() OVER (PARTITION BY which ORDER BY n DESC, {names}) "
            f"<= {size + 2:d} ORDER BY n DESC, {names}"
        )

    def most_rows(self, size: int) -> int:
        return len(self.facets) * (size + 2) + 1

    def found(self, rows: pa.Table) -> tuple[int, dict[str, list[tuple[object, int]]]]:
        """How many rows there are, and of each facet its values with their numbers."""
        # A bit is set for each facet that a row is not grouped by, the highest is the first one's.
        none = (1 << len(self.facets)) - 1
        values: list[list[tuple[object, int]]] = [[] for _ in self.facets]
        which = {none - (1 << at): at for at in range(len(self.facets))}
        total = 0
        for row in rows.to_pylist():
            at = which.get(row["which"])
            if at is None:
                total = row["n"]
                continue
            place = len(self.facets) - 1 - at
            if (value := row[self.names[place]]) is not None:
                values[place].append((value, row["n"]))
        return total, {one.key: some for one, some in zip(self.facets, values, strict=True)}


def _value(of: Facet) -> str:
    name = of.field.name
    if of.kind == "array":
        return f"unnest({name})"
    if of.kind == "date":
        return f"CAST({name} AS DATE)"
    return f"array_to_string({name}, ',')" if of.field.kind is Kind.TEXT_LIST else name


def members_sql(of: Facet, relation: Relation, where: str, size: int) -> str:
    """The most frequent members of a list, one more than asked for."""
    return (
        f"SELECT value, count(*) AS n FROM (SELECT {_value(of)} AS value FROM {relation.name} "
        f"{where}) WHERE value IS NOT NULL GROUP BY value ORDER BY n DESC, value "
        f"LIMIT {size + 1:d}"
    )


def facet_result(
    of: Facet,
    found: Sequence[tuple[object, int]],
    size: int,
    path: str,
    given: Sequence[tuple[str, str]],
) -> dict[str, object]:
    """Its part of the body; a `toggle_url` adds the filter of a value, or takes it away."""
    results = []
    others = [one for one in given if one[0] != "_next"]
    rest = urlencode(others)
    for value, number in found[:size]:
        told = json_value(value)
        text = str(int(told)) if isinstance(told, bool) else str(told)
        pair = (of.condition, text)
        selected = pair in others
        toggled = (
            urlencode([one for one in others if one != pair])
            if selected
            else f"{rest}{'&' if rest else ''}{urlencode([pair])}"
        )
        results.append({
            "value": told, "label": text, "count": number,
            "toggle_url": f"{path}?{toggled}", "selected": selected,
        })  # fmt: skip
    return {
        "name": of.key, "type": of.kind, "results": results, "truncated": len(found) > size,
    }  # fmt: skip


# Suggested ones -----------------------------------------------------------------------------------


def suggestions_sql(relation: Relation, where: str) -> str:
    """Of each column that might do: how many of some rows have a value, and how many differ."""
    of = _candidates(relation)
    names = dict.fromkeys(one.field.name for one in of)
    counts = ", ".join(
        f"count(DISTINCT {_of_all(one)}) AS d{at}, count({one.field.name}) AS n{at}"
        for at, one in enumerate(of)
    )
    return (
        f"SELECT {counts} FROM (SELECT {', '.join(names)} FROM {relation.name} {where} "
        f"LIMIT {_SAMPLE_ROWS})"
    )


def counts_of(
    relation: Relation, fields: Sequence[Field], lines: Sequence[str], *, is_all: bool
) -> dict[str, int] | None:
    """The same of the rows of a page, as they are written: `is_all` of them, or some.

    None if they are too few to go by, or have not all columns.
    """
    places = {field.name: place for place, field in enumerate(fields)}
    of = _candidates(relation)
    if not (is_all or len(lines) >= _ENOUGH_ROWS) or any(o.field.name not in places for o in of):
        return None
    rows = [json.loads(line) for line in lines]
    counts: dict[str, int] = {}
    for at, one in enumerate(of):
        name = one.field.name
        written = [row[name] if isinstance(row, dict) else row[places[name]] for row in rows]
        values = [_of_date(one, value) for value in written if value is not None]
        counts |= {f"d{at}": len(set(values)), f"n{at}": len(values)}
    return counts


def _of_date(one: Facet, value: object) -> str:
    return str(value)[: len("2026-01-01")] if one.kind == "date" else str(value)


def suggested(
    relation: Relation, counts: Mapping[str, int], path: str, given: Sequence[tuple[str, str]]
) -> list[dict[str, object]]:
    """Those that have more than one value and few enough, as Datasette suggests them; and times
    and lists."""
    told: list[dict[str, object]] = []
    for at, one in enumerate(_candidates(relation)):
        parameter = "_facet" if one.kind == "column" else f"_facet_{one.kind}"
        pair = (parameter, one.field.name)
        if pair in given or not _is_of_use(one, counts[f"d{at}"], counts[f"n{at}"]):
            continue
        kind = {} if one.kind == "column" else {"type": one.kind}
        others = [other for other in given if other[0] != "_next"]
        told.append({
            "name": one.field.name, **kind, "toggle_url": f"{path}?{urlencode([*others, pair])}",
        })  # fmt: skip
    return told


def _is_of_use(one: Facet, different: int, values: int) -> bool:
    if one.kind != "column":
        return different > 1
    return 1 < different <= DEFAULT_SIZE and different < values


def _candidates(relation: Relation) -> list[Facet]:
    kinds = {
        Kind.TEXT: "column", Kind.BOOLEAN: "column", Kind.INTEGER: "column", Kind.DATE: "column",
        Kind.TIMESTAMP: "date", Kind.TEXT_LIST: "array",
    }  # fmt: skip
    return [Facet(field, kinds[field.kind]) for field in relation.fields if field.kind in kinds]


def _of_all(one: Facet) -> str:
    """A list's members are counted by its texts: whether they are few is all that matters."""
    return f"array_to_string({one.field.name}, ',')" if one.kind == "array" else _value(one)
