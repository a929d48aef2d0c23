"""Record batches as frames of few types, and texts of their cells.

What belongs here: what the formats that are text have in common. What does not: how any of them
looks. Frames are small, so that memory stays bounded however large the batches are.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
from polars import selectors

from gmn_pipeline.schemas.derive import polars_type
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats.export import Export

_ROWS = 4_096
# XML 1.0 has no way to write these.
_NO_XML = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
_NO_XML_IN_PYTHON = r"[\x00-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]"
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def frames(
    export: Export, batches: Iterable[pa.RecordBatch], *, nested: bool = False
) -> Iterator[pl.DataFrame]:
    """The rows, some thousand at a time; each column of the type that its field's kind has.

    Lists of anything but texts, structs and maps are JSON in a text, or stay as they are with
    `nested`.
    """
    for batch in batches:
        for first in range(0, batch.num_rows, _ROWS):
            yield _frame(export, batch.slice(first, _ROWS), nested)


def empty(export: Export) -> pl.DataFrame:
    """A frame of these columns without rows."""
    return pl.DataFrame(schema={field.name: polars_type(field) for field in export.fields})


def _frame(export: Export, batch: pa.RecordBatch, nested: bool) -> pl.DataFrame:
    if batch.schema.types != export.schema.types:
        raise TypeError(f"A batch has columns {batch.schema}, not {export.schema}.")
    columns = [
        _series(field, column, nested)
        for field, column in zip(export.fields, batch.columns, strict=True)
    ]
    return pl.DataFrame(columns)


def _series(field: Field, column: pa.Array, nested: bool) -> pl.Series:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if field.kind is Kind.TIMESTAMP:
        # Those with a zone are in UTC already; nanoseconds are cut.
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        column = column.cast(pa.timestamp("us"))
    elif field.kind is Kind.TEXT:
        if nested and pa.types.is_nested(column.type) and not pa.types.is_union(column.type):
            return pl.Series(field.name, pl.from_arrow(column))
        column = _as_text(column)
    series = pl.Series(field.name, pl.from_arrow(column))
    return series.cast(polars_type(field))


def _as_text(column: pa.Array) -> pa.Array:
    types = pa.types
    if types.is_string(column.type) or types.is_large_string(column.type):
        return column
    if types.is_integer(column.type) or types.is_time(column.type):
        return column.cast(pa.string())
    return pa.array([None if v is None else _text(v) for v in column.to_pylist()], pa.string())


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def same_types(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches under the export's names, of the types that they came with."""
    for batch in batches:
        yield pa.RecordBatch.from_arrays(batch.columns, schema=renamed(export))


def renamed(export: Export) -> pa.Schema:
    """The schema with names that differ."""
    return pa.schema([c.with_name(n) for c, n in zip(export.schema, export.names, strict=True)])


# --- texts ---------------------------------------------------------------------------------------


def named(name: str) -> pl.Expr:
    """The column of just this name: Polars takes `*` and `^...$` for several ones."""
    return selectors.by_name(name).as_expr()


def number_text(column: pl.Expr, nan: str, infinity: str) -> pl.Expr:
    """The shortest text from which the same number is read again."""
    return (
        pl.when(column.is_nan()).then(pl.lit(nan))
        .when(column == float("inf")).then(pl.lit(infinity))
        .when(column == float("-inf")).then(pl.lit(f"-{infinity.lstrip('+')}"))
        .otherwise(column.cast(pl.String))
    )  # fmt: skip


def time_text(column: pl.Expr, end: str = "") -> pl.Expr:
    """ISO 8601 with a T, always with six decimals."""
    text = column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    return text + end if end else text


def list_text(column: pl.Expr, separator: str = ",") -> pl.Expr:
    """The members between separators; of one that is null, nothing."""
    return column.list.eval(pl.element().fill_null("")).list.join(separator)


def cell_text(field: Field, *, nan: str, infinity: str) -> pl.Expr:
    """A column as text, null where it is."""
    column = named(field.name)
    match field.kind:
        case Kind.NUMBER:
            return number_text(column, nan, infinity)
        case Kind.TIMESTAMP:
            return time_text(column)
        case Kind.TEXT_LIST:
            return list_text(column)
        case _:
            return column.cast(pl.String)


def xml_text(column: pl.Expr) -> pl.Expr:
    """A text as it may stand in XML; what XML cannot say becomes U+FFFD."""
    return column.str.replace_all(_NO_XML, "\N{REPLACEMENT CHARACTER}").str.replace_many(_XML)


def xml(text: str) -> str:
    """The same of one text."""
    kept = re.sub(_NO_XML_IN_PYTHON, "\N{REPLACEMENT CHARACTER}", text)
    return "".join(_XML.get(character, character) for character in kept)


def joined(parts: Iterable[pl.Expr | str]) -> pl.Expr:
    """Texts put together; null counts as nothing."""
    return pl.concat_str(
        [pl.lit(part) if isinstance(part, str) else part.fill_null("") for part in parts]
    )


def lines_of(rows: pl.Series) -> bytes:
    """Texts put one after the other, as bytes."""
    return "".join(rows.to_list()).encode()
