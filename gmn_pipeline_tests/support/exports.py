"""Exports for tests: rows of the real sample, and rows of anything."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from astropy.io.votable import parse as parse_votable

from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES, VALIDATED_TRAJECTORIES
from gmn_pipeline.serving.formats.export import About, Export, SourceLines

ABOUT = About(
    "trajectories",
    'one row per trajectory: <current> & "whole"',
    snapshot="17",
    made_at_utc=datetime(2026, 9, 1, 12, 30, 15, 250),
    address="https://example.org/gmn/trajectories?_as_of=17",
)
FIELDS = VALIDATED_TRAJECTORIES.fields
KML = "{http://www.opengis.net/kml/2.2}"
Writer = Callable[[Export, Iterable[pa.RecordBatch]], Iterator[bytes]]


def export_of(
    table: pa.Table,
    fields: Sequence[Field] = TRAJECTORIES.fields,
    lines: SourceLines | None = None,
) -> Export:
    return Export.of(ABOUT, table.schema, fields, lines)


def written(
    write: Writer,
    table: pa.Table,
    fields: Sequence[Field] = TRAJECTORIES.fields,
    *,
    batch_rows: int = 100,
    lines: SourceLines | None = None,
) -> bytes:
    """What a writer makes of a table that comes in batches."""
    pieces = list(write(export_of(table, fields, lines), table.to_batches(batch_rows)))
    assert all(type(piece) is bytes for piece in pieces)
    return b"".join(pieces)


def votable_of(data: bytes) -> Any:
    """Read so that whatever is against the standard is an error."""
    return parse_votable(io.BytesIO(data), verify="exception")
