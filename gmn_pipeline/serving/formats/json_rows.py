"""JSON and newline-delimited JSON: a row is an object.

What belongs here: rows as JSON. What does not: JSON of other shapes (`geojson.py`). Times end in
Z; a number that is not finite is null, which JSON has no other word for.
"""

import io
import json as encoder
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.derive import duckdb_type
from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import frames, named, time_text


def ndjson(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """An object a line, and nothing else."""
    for frame in json_frames(export, batches):
        yield row_objects(frame)


def json(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """One object: what is said of the whole, the columns, and `rows`."""
    head = encoder.dumps(about(export), ensure_ascii=False)
    yield head[:-1].encode() + b',"rows":['
    before = b"\n"
    for frame in json_frames(export, batches):
        # Line feeds within a text are written as \n.
        yield before + row_objects(frame)[:-1].replace(b"\n", b",\n")
        before = b",\n"
    yield b"\n]}\n"


def about(export: Export) -> dict[str, object]:
    """What is said of the whole and of its columns."""
    columns = [
        {"name": field.name, "type": duckdb_type(field)}
        | {
            key: text
            for key, text in (
                ("unit", field.unit), ("description", field.meaning), ("ucd", field.ucd),
            )
            if text
        }
        for field in export.fields
    ]  # fmt: skip
    return {**export.about.pairs(), "columns": columns}


def json_frames(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    """The rows with times as JSON has them."""
    times = [
        time_text(named(field.name), "Z").alias(field.name)
        for field in export.fields
        if field.kind is Kind.TIMESTAMP
    ]
    for frame in frames(export, batches, nested=True):
        yield frame.with_columns(times)


def row_objects(frame: pl.DataFrame) -> bytes:
    """An object a line; each line has its end."""
    target = io.BytesIO()
    frame.write_ndjson(target)
    return target.getvalue()
