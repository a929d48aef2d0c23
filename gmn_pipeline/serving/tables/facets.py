"""Facets: the values of a column, and how often each occurs among the rows that are asked for.

What belongs here: their queries and their part of the body. What does not: filters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.shapes import json_value

DEFAULT_SIZE = 30
MOST = 10


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


def facet_sql(of: Facet, relation: Relation, where: str, size: int) -> str:
    """The most frequent values, one more than asked for."""
    name = of.field.name
    value = {"array": f"unnest({name})", "date": f"CAST({name} AS DATE)"}.get(of.kind, name)
    if of.kind == "column" and of.field.kind is Kind.TEXT_LIST:
        value = f"array_to_string({name}, ',')"
    return (
        f"SELECT value, count(*) AS n FROM (SELECT {value} AS value FROM {relation.name} {where}) "
        f"WHERE value IS NOT NULL GROUP BY value ORDER BY n DESC, value LIMIT {size + 1:d}"
    )


def facet_result(
    of: Facet, found: pa.Table, size: int, path: str, given: Sequence[tuple[str, str]]
) -> dict[str, object]:
    """Its part of the body; a `toggle_url` adds the filter of a value, or takes it away."""
    results = []
    for row in found.to_pylist()[:size]:
        value = json_value(row["value"])
        text = str(int(value)) if isinstance(value, bool) else str(value)
        pair = (of.condition, text)
        selected = pair in given
        others = [one for one in given if one[0] != "_next" and one != pair]
        toggled = others if selected else [*others, pair]
        results.append({
            "value": value, "label": text, "count": row["n"],
            "toggle_url": f"{path}?{urlencode(toggled)}", "selected": selected,
        })  # fmt: skip
    return {
        "name": of.key, "type": of.kind, "results": results, "truncated": found.num_rows > size,
    }  # fmt: skip
