"""Parquet files whose columns say what they are.

What belongs here: writing a table to a Parquet file, with units and meanings where readers look
for them. What does not: which tables are written (`snapshot.py`).

Units and meanings stand in the file
- per field, as `unit` and `description`: pyarrow's `schema.field(name).metadata` (and R's arrow);
- as `table_meta_yaml`: astropy's `Table.read` gives its columns unit and description;
- as `PANDAS_ATTRS`: pandas' `read_parquet` puts them into `DataFrame.attrs`;
- as key-value metadata of the file: DuckDB's `parquet_kv_metadata`.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as arrow

from gmn_pipeline.schemas.derive import sql_text
from gmn_pipeline.schemas.fields import Field, Kind

_ASTROPY_TYPES = {
    Kind.TEXT: "string",
    Kind.TIMESTAMP: "datetime64",
    Kind.DATE: "datetime64",
    Kind.INTEGER: "int32",
    Kind.LONG: "int64",
    Kind.NUMBER: "float64",
    Kind.BOOLEAN: "bool",
    Kind.TEXT_LIST: "object",
}


def write_parquet(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    target: Path,
    fields: Sequence[Field],
    about: dict[str, str],
) -> None:
    """Write a table or view to a Parquet file; `about` is what to say of the whole file.

    DuckDB writes it, in all its threads. What it knows nothing of, metadata of a field, is in the
    Arrow schema that Arrow's readers look for in the metadata of the file.
    """
    query = f"SELECT {', '.join(field.name for field in fields)} FROM {relation}"
    schema = connection.execute(f"{query} LIMIT 0").to_arrow_table().schema
    metadata = file_metadata(fields, about)
    schema = arrow.schema(
        [
            column.with_metadata(field_metadata(field))
            for column, field in zip(schema, fields, strict=True)
        ],
        metadata=metadata,
    )
    metadata["ARROW:schema"] = base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")
    pairs = ", ".join(f"{sql_text(key)}: {sql_text(text)}" for key, text in metadata.items())
    connection.execute(
        f"COPY ({query}) TO {sql_text(str(target))} "
        f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{pairs}}})"
    )


def file_metadata(fields: Sequence[Field], about: dict[str, str]) -> dict[str, str]:
    """What a file says of itself and of its columns, for those who look there."""
    return {**about, **_for_pandas(fields, about), **_for_astropy(fields, about)}


def field_metadata(field: Field) -> dict[str, str]:
    """What a column says of itself."""
    return {"description": field.meaning} | ({"unit": field.unit} if field.unit else {})


def _for_pandas(fields: Sequence[Field], about: dict[str, str]) -> dict[str, str]:
    attributes = {
        **about,
        "units": {field.name: field.unit for field in fields if field.unit},
        "descriptions": {field.name: field.meaning for field in fields},
    }
    return {"PANDAS_ATTRS": json.dumps(attributes)}


def _for_astropy(fields: Sequence[Field], about: dict[str, str]) -> dict[str, str]:
    columns = [
        {"name": field.name, "datatype": _ASTROPY_TYPES[field.kind], "description": field.meaning}
        | ({"unit": field.unit} if field.unit else {})
        for field in fields
    ]
    # JSON is YAML too.
    return {"table_meta_yaml": json.dumps({"datatype": columns, "meta": about})}
