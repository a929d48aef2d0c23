"""The answer to a query: record batches as they come, up to the limits.

What belongs here: what a caller holds, whichever way the query runs. What does not: running it
(`session.py`, `process.py`), and forms of output (`formats.py`).
"""

import threading
from collections.abc import Callable, Iterator
from types import TracebackType

import pyarrow as pa

from gmn_pipeline.errors import GmnError


class Cancellation:
    """Ends a query from another thread, whether it has begun to answer or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self.cancelled = False

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            if self._end is not None:
                self._end()

    def ends_with(self, end: Callable[[], None]) -> None:
        """What a query under way is ended by; at once if it was cancelled before."""
        with self._lock:
            self._end = end
            if self.cancelled:
                end()


class Answer:
    """Record batches, to be read once; then the query is over.

    - Close it (or use it in `with`) where it may not be read to the end.
    - `truncated` is known when all has been read: there were more rows than the limit.
    - `close()` ends the query if it still runs; any thread may call it at any time.
    - An error ends the reading, is raised, and stays in `failure`: whoever reads through another
      library finds it there as it was.
    """

    def __init__(
        self,
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        *,
        truncated: Callable[[], bool],
        close: Callable[[], None],
    ) -> None:
        self.schema = schema
        self.rows = 0
        self.failure: GmnError | None = None
        self._batches = batches
        self._truncated = truncated
        self._close = close

    @property
    def truncated(self) -> bool:
        return self._truncated()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield batch
        except GmnError as error:
            self.failure = error
            raise
        finally:
            self.close()

    def reader(self) -> pa.RecordBatchReader:
        """The batches as Arrow's own reader, which libraries take (DuckDB, Polars, Arrow IPC)."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def close(self) -> None:
        self._close()

    def __enter__(self) -> "Answer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class UpTo:
    """Batches up to a number of rows, and whether there were more."""

    def __init__(self, batches: Iterator[pa.RecordBatch], rows: int) -> None:
        self._batches = batches
        self._left = rows
        self.truncated = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            if batch.num_rows > self._left:
                self.truncated = True
                if self._left:
                    yield batch.slice(0, self._left)
                return
            self._left -= batch.num_rows
            yield batch
