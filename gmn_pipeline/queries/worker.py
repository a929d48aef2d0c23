"""The process of one query: reads it from its input, writes the answer to its output.

What belongs here: the other end of `process.py`. What does not: being imported by anything else;
it takes over the process.
"""

import io
import json
import os
import pickle
import struct
import sys
import threading
from typing import Any

import pyarrow as pa

from gmn_pipeline.errors import GmnError, QueryFailed
from gmn_pipeline.queries.frames import BYTES, DONE, ERROR, HEADER, OPEN, Request
from gmn_pipeline.queries.imports import without_pandas
from gmn_pipeline.queries.sandbox import limit_memory, limit_processor
from gmn_pipeline.queries.session import read_session
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.warehouse.connection import Standing, WarehouseConnection


def main() -> None:
    frames = _Frames(os.dup(1))
    os.dup2(2, 1)  # what a library prints is no part of the answer
    settings = WarehouseSettings(**_said())
    try:
        with without_pandas(), WarehouseConnection(settings).standing() as standing:
            # Ready: the query may come at once, or hours later, from where this process is kept.
            request: Request = _said()
            try:
                _answer(request, settings, standing, frames)
            except MemoryError:
                frames.error(request.limits.memory_reached())
    except GmnError as error:
        frames.error(error)
    except Exception as error:
        frames.error(QueryFailed(f"{type(error).__name__}: {error}"))
    os._exit(0)  # without waiting for what DuckDB may still be at


def _said() -> Any:
    """What comes next from the process that began this one, which ends when that does."""
    try:
        return pickle.load(sys.stdin.buffer)  # noqa: S301 - from that process
    except EOFError:
        os._exit(0)


def _answer(
    request: Request, settings: WarehouseSettings, standing: Standing, frames: "_Frames"
) -> None:
    limit_processor(request.limits.seconds * (os.cpu_count() or 1) + 10)
    session = read_session(
        settings, request.limits, alone=True, exact_types=request.exact_types,
        snapshot=request.snapshot, standing=standing,
    )  # fmt: skip
    with session as reading:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        limit_memory(request.limits.memory_mb)
        frames.send(OPEN)
        with reading.run(request.sql, request.parameters) as answer:
            with pa.ipc.new_stream(frames, answer.schema) as stream:
                frames.flush()
                for batch in answer:
                    stream.write_batch(batch)
                    frames.flush()
            frames.flush()
            frames.send(DONE, json.dumps({"truncated": answer.truncated}).encode())


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the other end is closed, be it that its process was killed
    os._exit(1)


class _Frames(io.RawIOBase):
    """Output in pieces with a kind and a length; a file for Arrow to write to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self.send(BYTES, b"".join(parts))

    def send(self, kind: bytes, data: bytes = b"") -> None:
        left = memoryview(struct.pack(HEADER, kind, len(data)) + data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def error(self, error: GmnError) -> None:
        told = {"kind": type(error).__name__, "message": error.message, "remedy": error.remedy}
        self.send(ERROR, json.dumps(told).encode())


if __name__ == "__main__":
    main()
