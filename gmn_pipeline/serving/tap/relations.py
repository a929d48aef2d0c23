"""What there is to ask, as the protocol describes it: schemas, tables, columns.

What belongs here: what a table is to ADQL and to TAP_SCHEMA. What does not: which tables of the
warehouse there are (`schemas/`, `warehouse/views.py`).

ADQL has no lists: a column of texts is one text here, its members between commas, as it is in a
VOTable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.tables import relations as warehouse

OURS = "gmn"
"""The schema of the network's tables."""


@dataclass(frozen=True)
class Relation:
    """A table. `source` is DuckDB's SQL as it stands behind FROM.

    `parameters` are values that `source` names; `standard` are columns that a standard defines, and
    `xtypes` says more of what a text holds than its type.
    """

    schema: str
    name: str
    meaning: str
    fields: tuple[Field, ...]
    source: str
    is_view: bool = True
    utype: str | None = None
    standard: frozenset[str] = frozenset()
    xtypes: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        return MappingProxyType({one.name: one for one in self.fields})


@dataclass(frozen=True)
class Catalogue:
    """Tables by schema and name, both in lower case; `former`: by names that are not shown."""

    relations: tuple[Relation, ...]
    former: Mapping[tuple[str, str], Relation] = field(default_factory=dict)

    @cached_property
    def _found(self) -> Mapping[tuple[str, str], Relation]:
        # A name alone is the network's table before it is one of the protocol's.
        alone = {("", one.name): one for one in reversed(self.relations)}
        return alone | dict(self.former) | {(one.schema, one.name): one for one in self.relations}

    def find(self, schema: str, name: str) -> Relation | None:
        return self._found.get((schema.lower(), name.lower()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.full_name for one in self.relations)


def as_text(one: Field) -> Field:
    """A list as the text that it is here."""
    if one.kind is not Kind.TEXT_LIST:
        return one
    return replace(one, kind=Kind.TEXT, meaning=f"{one.meaning}, with commas between", pattern=None)


def _of_warehouse(one: warehouse.Relation) -> Relation:
    lists = [f.name for f in one.fields if f.kind is Kind.TEXT_LIST]
    source = f"main.{one.name}"
    if lists:
        texts = ", ".join(f"array_to_string({name}, ',') AS {name}" for name in lists)
        source = f"(SELECT * REPLACE ({texts}) FROM {source})"
    fields = tuple(map(as_text, one.fields))
    return Relation(OURS, one.name, one.meaning, fields, source, one.is_view)


def of_warehouse() -> Iterable[Relation]:
    """Every table and view that analysts get."""
    return map(_of_warehouse, warehouse.RELATIONS)
