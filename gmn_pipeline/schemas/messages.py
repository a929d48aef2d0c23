"""The Avro schemas of the topic `trajectory_summary_raw`, made from the one column definition.

What belongs here: which field a message has, in which order and type, the published versions, and
names that the sender and the reader of a message share.
What does not: bytes (`kafka/avro/codec.py`, `kafka/framing.py`) and Kafka.

    avro/<version>/trajectory_summary_raw.avsc   the schema as it is published, frozen
    avro/<version>/sample.json, sample.avro      one real message: readable, and as it is sent

Version 2.0 is what the old platform sends and existing consumers know. A later version adds
optional fields at the end and changes nothing else, so that each version reads every other.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import polars as pl

from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS, Field, Kind
from gmn_pipeline.schemas.tables import BIN_FIELDS, QUALITY_FLAGS, TRAJECTORIES

SUBJECT = "trajectory_summary_raw"
"""Name of the schema files, whatever the topic is called."""

FIRST_VERSION, CURRENT_VERSION = "2.0", "2.1"

GENERATED_AT_HEADER = "summary_generated_at_utc"
"""Header of a tombstone, which has no value to say it: the generation that the withdrawal is of."""
_FOLDER = Path(__file__).parent / "avro"

# Items may be null in the old platform's schema too: `string` alone would not read its messages.
_TEXTS = {"type": "array", "items": ["null", "string"]}
_AVRO: dict[Kind, Any] = {
    Kind.TEXT: "string",
    Kind.TIMESTAMP: {"type": "long", "logicalType": "timestamp-micros"},
    Kind.DATE: {"type": "int", "logicalType": "date"},
    Kind.INTEGER: "long",
    Kind.NUMBER: "double",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT_LIST: _TEXTS,
}
_WIRE: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.TIMESTAMP: pl.Int64(),
    Kind.DATE: pl.Int32(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.TEXT_LIST: pl.List(pl.String()),
}


@dataclass(frozen=True)
class MessageField:
    """One field of a message: its name there, and the column it is."""

    name: str
    column: str
    kind: Kind
    doc: str
    since: str = FIRST_VERSION

    @property
    def wire_type(self) -> pl.DataType:
        """What it is without its meaning: a time is a number of microseconds."""
        return _WIRE[self.kind]


def _later(field: Field, since: str = CURRENT_VERSION) -> MessageField:
    return MessageField(field.name, field.name, field.kind, describe(field), since)


_TRAJECTORY = {field.name: field for field in TRAJECTORIES.fields}

MESSAGE_FIELDS: tuple[MessageField, ...] = (
    *(
        MessageField(field.legacy_name or field.name, field.name, field.kind, describe(field))
        for field in TRAJECTORY_FIELDS
    ),
    MessageField("schema_version", "schema_version", Kind.TEXT, "version of this schema"),
    _later(_TRAJECTORY["source_file_sha256"]),
    _later(_TRAJECTORY["summary_generated_at_utc"]),
    MessageField(
        "change", "change", Kind.TEXT, "why it was sent: inserted or revised", CURRENT_VERSION
    ),
    _later(QUALITY_FLAGS),
    # The bin follows from the time only to some minutes; the file's name is the truth of it.
    _later(BIN_FIELDS[0]),
    _later(BIN_FIELDS[1]),
)
"""Every field of the current version, in order."""

KEY_FIELD = TRAJECTORY_FIELD["trajectory_identifier"]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def message_fields(version: str = CURRENT_VERSION) -> tuple[MessageField, ...]:
    """The fields of a version."""
    return tuple(f for f in MESSAGE_FIELDS if _number(f.since) <= _number(version))


def generate(version: str = CURRENT_VERSION) -> dict[str, Any]:
    """The schema of a version as the definitions make it today; `schema_of` gives the published."""
    return {
        "type": "record",
        "name": "Root",
        "doc": "A meteor trajectory of the Global Meteor Network (CC BY 4.0).",
        "fields": [
            {"name": f.name, "type": ["null", _AVRO[f.kind]], "default": None, "doc": f.doc}
            for f in message_fields(version)
        ],
    }


def versions() -> list[str]:
    """The published versions, oldest first."""
    return sorted((folder.name for folder in _FOLDER.iterdir() if folder.is_dir()), key=_number)


def folder_of(version: str) -> Path:
    """Where a version's schema and sample lie."""
    return _FOLDER / version


@cache
def schema_text(version: str = CURRENT_VERSION) -> str:
    """The published schema of a version as JSON."""
    return (folder_of(version) / f"{SUBJECT}.avsc").read_text("utf-8")


@cache
def schema_of(version: str = CURRENT_VERSION) -> dict[str, Any]:
    """The published schema of a version."""
    schema: dict[str, Any] = json.loads(schema_text(version))
    return schema


def canonical(schema: dict[str, Any]) -> str:
    """Avro's parsing canonical form: what decides how bytes are read."""
    form: str = fastavro.schema.to_parsing_canonical_form(schema)
    return form


@cache
def version_of_canonical() -> dict[str, str]:
    """Canonical form -> version, of all published versions."""
    return {canonical(schema_of(version)): version for version in versions()}


def schema_file(schema: dict[str, Any]) -> str:
    """How a schema file is written."""
    return json.dumps(schema, indent=2) + "\n"
