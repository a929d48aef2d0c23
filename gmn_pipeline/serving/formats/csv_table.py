"""CSV for people and spreadsheets: the columns under their names, one row a line.

What belongs here: CSV of any columns. What does not: CSV in the columns of another program
(`ufo_csv.py`, `ukmon_csv.py`, `mdc_csv.py`). UTF-8, comma, LF, no byte order mark; null is
nothing and an empty text is `""`; a list is its members between commas. CSV has no place for
units, licence and snapshot: `metadata` makes the file that the W3C's "CSV on the Web" wants beside
it.
"""

import io
import json
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import empty, frames, list_text, named

# What spreadsheets take for a formula, also in full width; a number is none.
_FORMULA = r"^(?:\s*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|[\t\r\n])"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_XSD = {
    Kind.TEXT: "string",
    Kind.TIMESTAMP: "dateTime",
    Kind.DATE: "date",
    Kind.INTEGER: "integer",
    Kind.LONG: "integer",
    Kind.NUMBER: "double",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT_LIST: "string",
}


def csv(
    export: Export, batches: Iterable[pa.RecordBatch], *, exact: bool = False
) -> Iterator[bytes]:
    """CSV with a head line.

    A text that a spreadsheet would run as a formula gets an apostrophe in front, which tells it
    that it is text; with `exact` all texts stay as they are, for readers that are programs.
    """
    cells = [_cell(field, exact=exact) for field in export.fields]
    names = pl.Series(export.names) if exact else harmless_names(export)
    yield _bytes(empty(export).rename(dict(zip(export.names, names, strict=True))), head=True)
    for frame in frames(export, batches):
        yield _bytes(frame.select(cells))


def csv_exact(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The same with all texts as they are."""
    return csv(export, batches, exact=True)


def harmless(text: pl.Expr) -> pl.Expr:
    """A text that no spreadsheet takes for a formula."""
    is_formula = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    return pl.when(is_formula).then("'" + text).otherwise(text)


def harmless_names(export: Export) -> pl.Series:
    return pl.DataFrame({"name": export.names}).select(harmless(pl.col("name"))).to_series()


def write_csv(frame: pl.DataFrame, *, head: bool = False) -> bytes:
    """Rows of a frame without lists as CSV."""
    target = io.BytesIO()
    frame.write_csv(target, include_header=head, datetime_format="%Y-%m-%d %H:%M:%S%.6f")
    return target.getvalue()


def metadata(export: Export, csv_name: str) -> bytes:
    """What `<csv_name>-metadata.json` says of a CSV file of this name."""
    about = export.about
    columns = [
        {"titles": field.name, "datatype": _XSD[field.kind]}
        | ({"dc:description": field.meaning} if field.meaning else {})
        | ({"schema:unitText": field.unit} if field.unit else {})
        | ({"separator": ","} if field.kind is Kind.TEXT_LIST else {})
        for field in export.fields
    ]
    told = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": csv_name,
        "dc:title": about.title,
        "dc:description": about.description,
        "dc:license": about.licence,
        "dc:identifier": about.snapshot,
        "tableSchema": {"columns": columns},
    }
    return json.dumps(told, indent=1, ensure_ascii=False).encode()


def _cell(field: Field, *, exact: bool) -> pl.Expr:
    column = named(field.name)
    if field.kind is Kind.TEXT_LIST:
        column = list_text(column)
    if exact or field.kind not in (Kind.TEXT, Kind.TEXT_LIST):
        return column
    return harmless(column).alias(field.name)


def _bytes(frame: pl.DataFrame, *, head: bool = False) -> bytes:
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return write_csv(frame.with_columns(pl.lit("").alias(name) for name in lists), head=head)
