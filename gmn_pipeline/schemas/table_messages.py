"""Messages whose fields are the columns of a table.

What belongs here: their schema from the table's declaration, and rows to fields and back. What does
not: the messages of trajectories, which have the names of the old platform (`messages.py`).
"""

import polars as pl

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import describe, polars_schema
from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.schemas.message_schema import MessageField, MessageSchema

FIRST_VERSION = "1.0"


def messages_of(table: Table) -> MessageSchema:
    """The schema, in its first version, of messages that carry the rows of a table."""
    fields = [
        MessageField(f.name, f.name, f.kind, describe(f), FIRST_VERSION) for f in table.fields
    ]
    return MessageSchema(table.name, table.meaning, tuple(fields), FIRST_VERSION)


def to_fields(rows: pl.DataFrame, messages: MessageSchema) -> pl.DataFrame:
    """Rows as fields of messages in their wire types."""
    return rows.select(
        pl.col(f.column).to_physical().cast(f.wire_type).alias(f.name)
        if f.kind in (Kind.TIMESTAMP, Kind.DATE)
        else pl.col(f.column).cast(f.wire_type).alias(f.name)
        for f in messages.fields
    )


def to_rows(fields: pl.DataFrame, messages: MessageSchema, table: Table) -> pl.DataFrame:
    """Fields of messages as rows of a table: what the checks take. A column without a field is
    null; so is a value that its column cannot hold."""
    named = {f.column: f.name for f in messages.fields}
    return fields.select(
        pl.col(named[name]).cast(kind, strict=False).alias(name)
        if name in named
        else pl.lit(None, kind).alias(name)
        for name, kind in polars_schema(table.fields).items()
    )
