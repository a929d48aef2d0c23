"""ECSV 1.0: CSV whose head says type, unit and meaning of each column; astropy's own text form.

What belongs here: any columns as ECSV. Comma between cells; a cell without anything is null, and
so is an empty text, which ECSV cannot tell from it. A line end within a text becomes a blank,
since readers take a row to be a line, and NUL becomes U+FFFD: NumPy loses it at a text's end.
"""

import io
import json
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import cell_text, frames

_TYPES = {
    Kind.TEXT: "string",
    Kind.TEXT_LIST: "string",
    Kind.TIMESTAMP: "string",
    Kind.DATE: "string",
    Kind.INTEGER: "int32",
    Kind.LONG: "int64",
    Kind.NUMBER: "float64",
    Kind.BOOLEAN: "bool",
}


def ecsv(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The head as YAML in comment lines, the names, the rows."""
    yield _head(export)
    cells = [_cell(field).alias(field.name) for field in export.fields]
    for frame in frames(export, batches):
        yield _csv(frame.select(cells))


def _head(export: Export) -> bytes:
    lines = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
    # JSON is YAML too.
    lines += [f"# - {json.dumps(_column(field))}" for field in export.fields]
    lines += [f"# meta: {json.dumps(export.about.pairs())}", "# schema: astropy-2.0"]
    names = _csv(pl.DataFrame([[_one_line(name)] for name in export.names]))
    return "\n".join(lines).encode() + b"\n" + names


def _column(field: Field) -> dict[str, str]:
    told = {"name": _one_line(field.name), "datatype": _TYPES[field.kind]}
    if field.unit:
        told["unit"] = field.unit
    if field.meaning:
        told["description"] = field.meaning
    return told


def _cell(field: Field) -> pl.Expr:
    text = cell_text(field, nan="nan", infinity="inf")
    if field.kind is Kind.BOOLEAN:
        return text.replace({"true": "True", "false": "False"})
    if field.kind in (Kind.TEXT, Kind.TEXT_LIST):
        return text.str.replace_all(_LINE_ENDS, " ").str.replace_all(
            "\0", "\N{REPLACEMENT CHARACTER}", literal=True
        )
    return text


_LINE_ENDS = r"[\n\r\x{0B}\x{0C}\x{1C}\x{1D}\x{1E}\x{85}\x{2028}\x{2029}]"


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _csv(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_csv(target, include_header=False)
    return target.getvalue()
