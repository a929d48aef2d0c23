"""A query in a process of its own, which is killed at the time limit whatever it does.

What belongs here: the side that asks. What does not: the other side (`worker.py`).

DuckDB cannot be interrupted within a call of a function, and such a call does not count towards
its memory limit: `repeat('x', 3e9)` takes 14 s and 6 GB. A process can be killed, and the
operating system limits its memory. Text that somebody typed is run here only.
"""

import json
import os
import pickle
import select
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from gmn_pipeline import errors
from gmn_pipeline.errors import GmnError, QueryFailed, QueryLimit
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.frames import BYTES, DONE, ERROR, HEADER, OPEN, Request, Visible
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.start import start_worker
from gmn_pipeline.settings import Settings, WarehouseSettings
from gmn_pipeline.storage.files import remove_leftovers
from gmn_pipeline.warehouse.lakes import WAREHOUSE, Lake

_STARTS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 2.0


def ask(
    settings: Settings,
    sql: str,
    parameters: Any = (),
    *,
    limits: Limits | None = None,
    exact_types: bool = False,
    snapshot: int | None = None,
    cancellation: Cancellation | None = None,
) -> Answer:
    """Run one SELECT over the warehouse in a process of its own.

    `parameters`: values of `?` in order, or of `$name` by name. Raises QueryRefused, QueryFailed
    or QueryLimit; the latter two also while the answer is read.
    """
    return QueryProcess().ask(
        settings, sql, parameters, limits=limits or Limits.of(settings), exact_types=exact_types,
        snapshot=snapshot, cancellation=cancellation,
    )  # fmt: skip


class QueryProcess:
    """A process that will answer a query. It takes a moment to start: do so ahead.

    It answers one, and ends with that answer; or one after the other, for whoever takes it back.
    """

    def __init__(self, process: subprocess.Popen[bytes] | None = None) -> None:
        self._process = process or start_worker()
        self._unfinished: Path | None = None
        self._reading = threading.Lock()
        self._frames: _Frames | None = None
        self._is_ready = False
        self.answered = 0

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def get_ready(self, settings: WarehouseSettings, lake: Lake = WAREHOUSE) -> None:
        """Let it open DuckDB and all that it needs but the lake, for a query to come."""
        self._say((_place_of_warehouse(settings), lake))
        self._is_ready = True

    def _say(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps(what))
        self._process.stdin.flush()

    def ask(
        self,
        settings: WarehouseSettings,
        sql: str,
        parameters: Any = (),
        *,
        limits: Limits,
        exact_types: bool = False,
        snapshot: int | None = None,
        hidden: frozenset[str] = frozenset(),
        lake: Lake = WAREHOUSE,
        with_objects: bool = False,
        visible: Visible | None = None,
        cancellation: Cancellation | None = None,
        take_back: Callable[["QueryProcess"], None] | None = None,
    ) -> Answer:
        """See the function of this name. `with_objects`: for who may see all projects' objects;
        `visible`: for who may see some of them. Such a process answers nobody else.

        `lake`: the one whose tables need no name before theirs, if it did not get ready before.
        `take_back` is called once, when the query is over, however it ended: with the process,
        which may answer another one if it `is_alive`. All queries of a process have the same limit
        of memory and the same kind of types.
        """
        cancellation = cancellation or Cancellation()
        self._unfinished = settings.data_dir / "tmp"
        request = Request(
            sql,
            parameters,
            limits,
            exact_types,
            snapshot,
            hidden,
            more_may_come=take_back is not None,
            with_objects=with_objects,
            visible=visible,
        )
        over = self.close if take_back is None else _Once(self._over, cancellation, take_back)
        try:
            cancellation.ends_with(self._process.kill)
            self._frames = frames = _Frames(self._process, limits, cancellation, self._reading)
            with suppress(BrokenPipeError):  # why it ended is told below
                if not self._is_ready:
                    self.get_ready(settings, lake)
                self._say(request)
            frames.wait_until_open(settings.warehouse_busy_timeout_s)
            stream = pa.ipc.open_stream(frames)
        except BaseException:
            over()
            raise
        return Answer(
            stream.schema, frames.batches(stream), truncated=lambda: frames.truncated, close=over
        )

    def _over(
        self, cancellation: Cancellation, take_back: Callable[["QueryProcess"], None]
    ) -> None:
        """A query has ended. The process is closed unless it waits for the next one."""
        cancellation.ends_with(lambda: None)  # its client may go away later, and has no part in it
        frames, self._frames = self._frames, None
        self.answered += 1
        if cancellation.cancelled or frames is None or not frames.waits_for_more:
            self.close()
        take_back(self)

    def close(self) -> None:
        """End the process, and remove what it left."""
        if self._frames is None or not self._frames.done:
            self._process.kill()
        try:
            self._process.wait(_ENDS_WITHIN_S)  # having answered, it closes what it opened
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._reading:  # which ends now, if another thread is at it
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
        if self._unfinished is not None and self._process.returncode:
            remove_leftovers(self._unfinished)


def _place_of_warehouse(settings: WarehouseSettings) -> dict[str, Any]:
    """The settings that say where it is and let in there, and no other secret. They go through a
    pipe: neither arguments nor environment of a process are private."""
    return settings.model_dump(include=set(WarehouseSettings.model_fields))


class _Once:
    """Something that is done the first time that it is called for."""

    def __init__(
        self,
        what: Callable[[Cancellation, Callable[[QueryProcess], None]], None],
        cancellation: Cancellation,
        take_back: Callable[[QueryProcess], None],
    ) -> None:
        self._what = what
        self._with = (cancellation, take_back)
        self._lock = threading.Lock()
        self._is_done = False

    def __call__(self) -> None:
        with self._lock:
            was_done, self._is_done = self._is_done, True
        if not was_done:
            self._what(*self._with)


class _Frames:
    """The pieces that come from the process, waited for no longer than the limit."""

    closed = False

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limits: Limits,
        cancellation: Cancellation,
        reading: threading.Lock,
    ) -> None:
        self._process = process
        self._limits = limits
        self._cancellation = cancellation
        self._reading = reading
        self._left_s = limits.seconds
        self._bytes = b""
        self.done = False
        self.truncated = False
        self.waits_for_more = False
        assert process.stdout is not None
        self._pipe = process.stdout
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    def wait_until_open(self, patience_s: float) -> None:
        """Wait until it has the warehouse open: maintenance may hold it."""
        counted, self._left_s = self._left_s, patience_s + _STARTS_WITHIN_S
        kind, _ = self._next()
        assert kind == OPEN, kind
        self._left_s = counted

    def batches(self, stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        yield from stream
        while not self.done:  # the stream has an end of its own before that of the answer
            self._more()

    def read(self, size: int = -1) -> bytes:
        """For Arrow: bytes of its stream."""
        while (size < 0 or len(self._bytes) < size) and not self.done:
            self._more()
        size = len(self._bytes) if size < 0 else size
        found, self._bytes = self._bytes[:size], self._bytes[size:]
        return found

    def _more(self) -> None:
        kind, data = self._next()
        if kind == BYTES:
            self._bytes += data
        elif kind == DONE:
            told = json.loads(data)
            self.done, self.truncated = True, told["truncated"]
            self.waits_for_more = told["more"]

    def _next(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack(HEADER, self._exactly(struct.calcsize(HEADER)))
        data = self._exactly(size)
        if kind == ERROR:
            told = json.loads(data)
            self.waits_for_more = told["more"]
            raise _told(told)
        return kind, data

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            with self._reading:
                if self._pipe.closed:
                    raise QueryFailed("The query was cancelled.")
                self._wait()
                part = os.read(self._pipe.fileno(), min(size, 1 << 20))
            if not part:
                raise self._died()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self) -> None:
        begun = time.monotonic()
        ready = self._poll.poll(max(self._left_s, 0) * 1000)
        self._left_s -= time.monotonic() - begun
        if not ready:
            self._process.kill()
            raise self._limits.time_reached()

    def _died(self) -> GmnError:
        ended = self._process.wait()
        if self._cancellation.cancelled:
            return QueryFailed("The query was cancelled.")
        if ended == -signal.SIGXCPU:
            return self._limits.time_reached()
        if ended in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGKILL):
            return self._limits.memory_reached()
        return QueryFailed(f"The process of the query ended with {ended}.")


def _told(error: dict[str, Any]) -> GmnError:
    kind = getattr(errors, error["kind"], QueryFailed)
    assert issubclass(kind, GmnError | QueryLimit)
    told: GmnError = kind(error["message"], remedy=error["remedy"])
    return told
