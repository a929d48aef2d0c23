"""Rows that are wanted whole, but not in memory.

What belongs here: where batches wait until all have come. What does not: fetching them
(`flows.py`).

What is more than some megabytes goes to a temporary file, and the table is that file mapped into
memory: the system reads what is looked at, and lets it go again.
"""

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

MOST_BYTES = 32 << 20
"""Kept in memory."""


class Spool:
    """`add` batches, then take the `table`; `close` it in any case."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._path: Path | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            self._bytes += batch.nbytes
            self._batches.append(batch)
        if self._bytes > self._most_bytes and self._batches:
            self._write()

    def _write(self) -> None:
        if self._writer is None:
            with tempfile.NamedTemporaryFile(suffix=".arrow", delete=False) as file:
                self._path = Path(file.name)
            self._writer = pa.ipc.new_stream(str(self._path), self._batches[0].schema)
        for batch in self._batches:
            self._writer.write_batch(batch)
        self._batches.clear()

    def table(self, schema: pa.Schema) -> pa.Table:
        if self._writer is None:
            return pa.Table.from_batches(self._batches, schema)
        self._write()
        self._writer.close()
        return pa.ipc.open_stream(pa.memory_map(str(self._path))).read_all()

    def close(self) -> None:
        """The file goes; what is mapped stays there for who has the table."""
        if self._writer is not None:
            self._writer.close()
        if self._path is not None:
            with suppress(PermissionError):  # Windows keeps what is mapped
                self._path.unlink(missing_ok=True)
