"""The messages of trajectories, made from the one column definition.

What belongs here: which fields a message has, in which order, and names that the sender and the
reader of a message share. What does not: how a schema is written and published
(`message_schema.py`), and topics (`topics.py`).

Version 2.0 is what the old platform sends and existing consumers know.
"""

import polars as pl

from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS, Field, Kind
from gmn_pipeline.schemas.message_schema import MessageField, MessageSchema
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.schemas.trajectory_tables import BIN_FIELDS, QUALITY_FLAGS_FIELD, TRAJECTORIES

FIRST_VERSION, CURRENT_VERSION = "2.0", "2.1"

GENERATED_AT_HEADER = "summary_generated_at_utc"
"""Header of a tombstone, which has no value to say it: the generation that the withdrawal is of."""

KEY_FIELD = TRAJECTORY_FIELD["trajectory_identifier"]


def _later(field: Field) -> MessageField:
    return MessageField(field.name, field.name, field.kind, describe(field), CURRENT_VERSION)


_TRAJECTORY = {field.name: field for field in TRAJECTORIES.fields}

MESSAGE_FIELDS: tuple[MessageField, ...] = (
    *(
        MessageField(f.legacy_name or f.name, f.name, f.kind, describe(f), FIRST_VERSION)
        for f in TRAJECTORY_FIELDS
    ),
    MessageField(
        "schema_version", "schema_version", Kind.TEXT, "version of this schema", FIRST_VERSION
    ),
    _later(_TRAJECTORY["source_file_sha256"]),
    _later(_TRAJECTORY["summary_generated_at_utc"]),
    MessageField(
        "change", "change", Kind.TEXT, "why it was sent: inserted or revised", CURRENT_VERSION
    ),
    _later(QUALITY_FLAGS_FIELD),
    # The bin follows from the time only to some minutes; the file's name is the truth of it.
    _later(BIN_FIELDS[0]),
    _later(BIN_FIELDS[1]),
)
"""Every field of the current version, in order."""

TRAJECTORY_MESSAGES = MessageSchema(
    "trajectory_summary_raw",
    "A meteor trajectory of the Global Meteor Network (CC BY 4.0).",
    MESSAGE_FIELDS,
    CURRENT_VERSION,
)
"""The schema of the topic `trajectory_summary_raw`."""


def to_message_fields(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `trajectories`, with `change`, as fields of messages in their wire types."""
    rows = rows.with_columns(pl.lit(CURRENT_VERSION).alias("schema_version"))
    return to_fields(rows, TRAJECTORY_MESSAGES)
