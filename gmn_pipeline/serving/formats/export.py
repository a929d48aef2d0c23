"""What is exported: its columns, what is said of the whole, and where its rows' lines are.

What belongs here: what every format is given. What does not: the formats, and reading rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Protocol

import pyarrow as pa

from gmn_pipeline.errors import FormatRefused, QueryLimit
from gmn_pipeline.queries.answer import Answer
from gmn_pipeline.releases.snapshot import LICENCE
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.warehouse.views import VIEWS

_NUMBERS = (Kind.INTEGER, Kind.LONG, Kind.NUMBER)


class SourceLines(Protocol):
    """The lines of trajectories as they stood in the files that they came in."""

    def has_lines(self, source_file_sha256: str) -> bool:
        """Whether there is a line of 86 fields for each trajectory from this source."""
        ...

    def head_lines(self, source_file_sha256: str) -> Sequence[bytes]:
        """The three lines that name the columns, as they stood in the file."""
        ...

    def lines(
        self, source_file_sha256: str, identifiers: Sequence[str]
    ) -> Mapping[str, Sequence[bytes]]:
        """The lines of a file that begin with each identifier, in its order, without line ends."""
        ...


@dataclass(frozen=True)
class About:
    """What an export says of itself, in every format that can carry it."""

    title: str
    """Name of the table or query."""
    description: str
    snapshot: str
    """Which state of the warehouse it is."""
    made_at_utc: datetime
    licence: str = LICENCE
    address: str | None = None
    """Where the same is to be had again."""

    def pairs(self) -> dict[str, str]:
        """The same as texts, under the names that the snapshot's files use."""
        told = {
            "table": self.title,
            "description": self.description,
            "licence": self.licence,
            "warehouse_snapshot_id": self.snapshot,
            "created_at_utc": self.made_at_utc.isoformat(),
        }
        return told | ({"address": self.address} if self.address else {})


@dataclass(frozen=True)
class Export:
    """Columns and what is said of the whole. Make it by `Export.of`."""

    about: About
    schema: pa.Schema
    """Of the batches as they come."""
    fields: tuple[Field, ...]
    """A field for each column, in order; names differ."""
    lines: SourceLines | None = None

    @classmethod
    def of(
        cls,
        about: About,
        schema: pa.Schema,
        known: Iterable[Field] | None = None,
        lines: SourceLines | None = None,
    ) -> "Export":
        """An export of batches with this schema.

        A column with the name and the kind of one of `known` (or of `known_fields`) is taken to be
        that one; of any other nothing is known but its type.
        """
        by_name = {field.name: field for field in (known_fields() if known is None else known)}
        names = _distinct(schema.names)
        fields = (
            _field(name, kind_of(column.type), by_name.get(name))
            for name, column in zip(names, schema, strict=True)
        )
        return cls(about, schema, tuple(fields), lines)

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    def names_of(self, wanted: Iterable[str]) -> dict[str, str]:
        """Columns of a trajectory by their own names -> how they are called here.

        They may have their own names or all have legacy ones. Columns that are not here are
        missing.
        """
        wanted = set(wanted)
        here = {field.name for field in self.fields}
        own = {name: name for name in wanted if name in here}
        legacy = {
            field.name: field.legacy_name
            for field in TRAJECTORY_FIELDS
            if field.legacy_name in here and field.name in wanted
        }
        return own if len(own) >= len(legacy) else legacy

    def need(self, wanted: Iterable[str], format_name: str) -> dict[str, str]:
        """The same, of columns that must be here. Raises FormatRefused."""
        wanted = list(wanted)
        found = self.names_of(wanted)
        if missing := [name for name in wanted if name not in found]:
            raise FormatRefused(
                f"{format_name} is made of columns that are not here: {', '.join(missing)}.",
                remedy="Ask for them too, or for another format.",
            )
        return found


@cache
def known_fields() -> tuple[Field, ...]:
    """The columns of all tables and views that analysts get, by whose names a column of any query
    is known: those of trajectories, and of the others what is the same wherever it occurs."""
    found: dict[str, Field] = {}
    several: set[str] = set()
    of_all = [field for table in WAREHOUSE_TABLES for field in table.fields]
    of_all += [field for view in VIEWS for field in view.fields]
    for field in of_all:
        known = found.setdefault(field.name, field)
        if known.unit != field.unit or (known.ucd or known.meaning) != (field.ucd or field.meaning):
            several.add(field.name)
    own = {field.name: field for field in TRAJECTORY_FIELDS}
    return tuple(({n: f for n, f in found.items() if n not in several} | own).values())


def whole(answer: Answer) -> Iterator[pa.RecordBatch]:
    """The batches of an answer; raises QueryLimit at its end if it was cut off.

    So a writer that is given these does not end what it writes.
    """
    yield from answer
    if answer.truncated:
        raise QueryLimit(f"The answer was cut off after {answer.rows:,} rows.")


def kind_of(column: pa.DataType) -> Kind:
    """What a column is, for formats that know few types; what they do not know is text."""
    types = pa.types
    if types.is_dictionary(column):
        return kind_of(column.value_type)
    if types.is_boolean(column):
        return Kind.BOOLEAN
    if types.is_floating(column) or types.is_decimal(column):
        return Kind.NUMBER
    if types.is_integer(column) and not types.is_uint64(column):
        wide = types.is_int64(column) or types.is_uint32(column)
        return Kind.LONG if wide else Kind.INTEGER
    if types.is_timestamp(column):
        return Kind.TIMESTAMP
    if types.is_date(column):
        return Kind.DATE
    is_list = types.is_list(column) or types.is_large_list(column)
    if is_list and (types.is_string(column.value_type) or types.is_large_string(column.value_type)):
        return Kind.TEXT_LIST
    return Kind.TEXT


def _field(name: str, kind: Kind, known: Field | None) -> Field:
    if known is None or (known.kind is not kind and not {known.kind, kind} <= {*_NUMBERS}):
        return Field(name, "", kind, null=Null.UNDEFINED)
    return replace(known, kind=kind)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that stand there a second time with a number."""
    found: list[str] = []
    for name in names:
        number, new = 1, name
        while new in found or (number > 1 and new in names):
            new, number = f"{name}_{number}", number + 1
        found.append(new)
    return found
