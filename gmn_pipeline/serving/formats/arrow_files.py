"""Parquet, and the stream of Arrow's IPC format: the columns as they come, exactly.

What belongs here: the two binary formats. Units, descriptions, UCDs, licence and snapshot are
metadata of the schema (see `releases/parquet.py` for who finds what where).
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from gmn_pipeline.releases.parquet import field_metadata, file_metadata
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import renamed, same_types

# A row group is kept in memory: 65,536 rows of all columns of a trajectory are 50 MB.
_GROUP_ROWS = 65_536


def parquet(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A Parquet file, a row group at a time."""
    schema = _described(export)
    # Numbers hardly repeat: to try a dictionary for them takes as long as writing them.
    repeating = [column.name for column in schema if not pa.types.is_floating(column.type)]
    sink = _Sink()
    writer = pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"), schema, compression="zstd", use_dictionary=repeating
    )
    try:
        for group in _groups(same_types(export, batches)):
            writer.write_table(pa.Table.from_batches(group, renamed(export)).cast(schema))
            yield sink.taken()
    except BaseException:
        sink.is_open = False  # the writer puts the end of a file there as it closes
        raise
    finally:
        writer.close()
    yield sink.taken()


def arrow(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A stream of record batches, not compressed: what carries it may do so."""
    schema = _described(export)
    sink = _Sink()
    writer = pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema)
    try:
        # A reader is to know the columns before the first row is found, and the writer puts them
        # there with the first batch.
        writer.write_batch(pa.RecordBatch.from_pylist([], schema=schema))
        yield sink.taken()
        for batch in same_types(export, batches):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            yield sink.taken()
    except BaseException:
        sink.is_open = False
        raise
    finally:
        writer.close()
    yield sink.taken()


class _Sink:
    """What a writer of Arrow's writes to; bytes are taken out as they come."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.is_open = True

    def write(self, data: pa.Buffer | bytes) -> int:
        copy = bytes(data)  # the buffer is used again
        if self.is_open:
            self._parts.append(copy)
        return len(copy)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _described(export: Export) -> pa.Schema:
    metadata = file_metadata(export.fields, export.about.pairs())
    columns = [
        column.with_metadata(field_metadata(field) | ({"ucd": field.ucd} if field.ucd else {}))
        for column, field in zip(renamed(export), export.fields, strict=True)
    ]
    return pa.schema(columns, metadata=metadata)


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        for first in range(0, batch.num_rows, _GROUP_ROWS):
            part = batch.slice(first, _GROUP_ROWS)
            if rows + part.num_rows > _GROUP_ROWS:
                yield group
                group, rows = [], 0
            group.append(part)
            rows += part.num_rows
    if group:
        yield group
