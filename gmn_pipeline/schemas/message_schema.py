"""The Avro schema of a topic's messages: its fields, and its published versions.

What belongs here: what the schemas of all topics share. What does not: which fields a topic's
messages have (`messages.py`), bytes (`kafka/avro/`, `kafka/framing.py`) and Kafka.

    avro/<version>/<name>.avsc                the schema as it is published, frozen
    avro/<version>/sample.json, sample.avro   one real message: readable, and as it is sent

A later version adds optional fields at the end and changes nothing else, so that each version reads
every other.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import polars as pl

from gmn_pipeline.schemas.fields import Kind

_FOLDER = Path(__file__).parent / "avro"

# Items may be null in the old platform's schema too: `string` alone would not read its messages.
_TEXTS = {"type": "array", "items": ["null", "string"]}
_AVRO: dict[Kind, Any] = {
    Kind.TEXT: "string",
    Kind.TIMESTAMP: {"type": "long", "logicalType": "timestamp-micros"},
    Kind.DATE: {"type": "int", "logicalType": "date"},
    Kind.INTEGER: "long",
    Kind.LONG: "long",
    Kind.NUMBER: "double",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT_LIST: _TEXTS,
    Kind.BYTES: "bytes",
}
_WIRE: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.TIMESTAMP: pl.Int64(),
    Kind.DATE: pl.Int32(),
    Kind.INTEGER: pl.Int64(),
    Kind.LONG: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.TEXT_LIST: pl.List(pl.String()),
    Kind.BYTES: pl.Binary(),
}


@dataclass(frozen=True)
class MessageField:
    """One field of a message: its name there, and the column it is."""

    name: str
    column: str
    kind: Kind
    doc: str
    since: str

    @property
    def wire_type(self) -> pl.DataType:
        """What it is without its meaning: a time is a number of microseconds."""
        return _WIRE[self.kind]


@dataclass(frozen=True, eq=False)
class MessageSchema:
    """The record of a topic's messages, in all its versions; there is one of each.

    `name` is that of its files, whatever the topic is called; `fields` are those of the current
    version, in order.
    """

    name: str
    doc: str
    fields: tuple[MessageField, ...]
    current_version: str

    def fields_of(self, version: str) -> tuple[MessageField, ...]:
        """The fields of a version."""
        return tuple(f for f in self.fields if _number(f.since) <= _number(version))

    def generate(self, version: str) -> dict[str, Any]:
        """A version as the definitions make it today; `published` gives it as it is published."""
        return {
            "type": "record",
            "name": "Root",
            "doc": self.doc,
            "fields": [
                {"name": f.name, "type": ["null", _AVRO[f.kind]], "default": None, "doc": f.doc}
                for f in self.fields_of(version)
            ],
        }

    @cache  # noqa: B019 - there is one of each schema, as long as the process lives
    def versions(self) -> tuple[str, ...]:
        """The published versions, oldest first."""
        found = (path.parent.name for path in _FOLDER.glob(f"*/{self.name}.avsc"))
        return tuple(sorted(found, key=_number))

    def path(self, version: str) -> Path:
        """Where a version's schema lies, and its samples beside it."""
        return _FOLDER / version / f"{self.name}.avsc"

    @cache  # noqa: B019
    def text(self, version: str) -> str:
        """The published schema of a version as JSON."""
        return self.path(version).read_text("utf-8")

    @cache  # noqa: B019
    def published(self, version: str) -> dict[str, Any]:
        """The published schema of a version."""
        schema: dict[str, Any] = json.loads(self.text(version))
        return schema

    def version_of(self, schema: dict[str, Any]) -> str | None:
        """Which version reads bytes as a schema does, if one does."""
        return self._version_of_canonical().get(canonical(schema))

    @cache  # noqa: B019
    def _version_of_canonical(self) -> dict[str, str]:
        return {canonical(self.published(version)): version for version in self.versions()}


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def canonical(schema: dict[str, Any]) -> str:
    """Avro's parsing canonical form: what decides how bytes are read."""
    form: str = fastavro.schema.to_parsing_canonical_form(schema)
    return form


def schema_file(schema: dict[str, Any]) -> str:
    """How a schema file is written."""
    return json.dumps(schema, indent=2) + "\n"
