"""From the one definition of a column to Arrow, for processes that import no Polars.

What belongs here: that. What does not: the forms of other libraries (`derive.py`).
"""

from collections.abc import Iterable

import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind

_ARROW: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.DATE: pa.date32(),
    Kind.INTEGER: pa.int32(),
    Kind.LONG: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TEXT_LIST: pa.list_(pa.string()),
}


def arrow_schema(fields: Iterable[Field]) -> pa.Schema:
    """The Arrow schema, in order."""
    return pa.schema([pa.field(field.name, _ARROW[field.kind]) for field in fields])
