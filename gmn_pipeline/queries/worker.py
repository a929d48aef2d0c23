"""The process of queries: reads one from its input, writes the answer to its output.

What belongs here: the other end of `process.py`. What does not: being imported by anything
else than `__main__.py`, which starts it; it takes over the process.
"""

import io
import json
import os
import pickle
import select
import struct
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from gmn_pipeline.errors import GmnError, NotPermitted, QueryFailed, QueryRefused, WarehouseBusy
from gmn_pipeline.imports import without
from gmn_pipeline.queries.frames import BYTES, DONE, ERROR, HEADER, OPEN, Request
from gmn_pipeline.queries.session import ReadSession, confined, finding, lakes_beside
from gmn_pipeline.queries.statement import may_ask
from gmn_pipeline.sandbox import (
    BESIDE_MB,
    address_space,
    limit_memory,
    limit_processor,
)
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.storage.files import identity
from gmn_pipeline.storage.problems import explaining
from gmn_pipeline.warehouse.connection import Standing, WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS, READINGS


def main() -> None:
    frames = _Frames(os.dup(1))
    os.dup2(2, 1)  # what a library prints is no part of the answer
    place, lake = _said()
    settings = WarehouseSettings(**place)
    try:
        with without("pandas"), WarehouseConnection(settings, lake).standing() as standing:
            # Ready: a query may come at once, or hours later, from where this process is kept.
            queries = _Queries(settings, standing, frames)
            while queries.answer(_said()):
                pass
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


class _Queries:
    """One query after the other, each with the lake attached anew."""

    def __init__(self, settings: WarehouseSettings, standing: Standing, frames: "_Frames") -> None:
        self._settings = settings
        self._standing = standing
        self._frames = frames
        self._session: ReadSession | None = None
        self._written: Mapping[Path, object] = {}
        self._space = 0

    def answer(self, request: Request) -> bool:
        """Answer one; whether another may come."""
        limit_processor(request.limits.seconds * (os.cpu_count() or 1) + 10)
        more = False
        try:
            beside, objects = self._beside(request), self._objects(request)
            present = [*beside, *objects]
            with self._standing.reading(present), explaining(self._settings.data_dir):
                truncated = self._answer(self._opened(request, beside, objects), request)
            more = self._may_go_on(request)
            self._frames.send(DONE, json.dumps({"truncated": truncated, "more": more}).encode())
        except (QueryRefused, QueryFailed, NotPermitted) as error:
            self._must_be_in_reach()
            if isinstance(error, NotPermitted):
                raise
            more = self._may_go_on(request)
            self._frames.error(error, more=more)
        except MemoryError:
            self._frames.error(request.limits.memory_reached())
        return more

    def _beside(self, request: Request) -> list[WarehouseConnection]:
        """The other lakes that the query may be about."""
        lakes = (READINGS, OBJECTS) if request.with_objects else (READINGS,)
        named = [lake for lake in lakes if may_ask(request.sql, lake.name)]
        return lakes_beside(self._settings, named)

    def _objects(self, request: Request) -> list[WarehouseConnection]:
        """The lake of objects, if the query may be about some of them."""
        if request.visible is None or not may_ask(request.sql, OBJECTS.name):
            return []
        return lakes_beside(self._settings, (OBJECTS,))

    def _may_go_on(self, request: Request) -> bool:
        """Not if so much is not given back that the next query could not have all of its memory;
        nor with other lakes attached, which change by the second and cannot be attached anew here:
        their catalogue's log may be another file by then. And never with what somebody else may
        not see."""
        kept_mb = (address_space() - self._space) >> 20
        is_for_all = request.visible is None and not self._standing.beside
        return request.more_may_come and is_for_all and kept_mb < BESIDE_MB

    def _opened(
        self, request: Request, beside: list[WarehouseConnection],
        objects: list[WarehouseConnection],
    ) -> ReadSession:  # fmt: skip
        """The session, with the lake as it is asked for. What is allowed to be opened, and how much
        memory there is, is settled by the first query."""
        if self._session is None:
            with finding(request.snapshot):
                self._standing.attach(snapshot=request.snapshot)
                for other in beside:
                    self._standing.attach_beside(other)
                if request.visible is not None and objects:
                    # Not for everybody's queries: it imports what takes a moment.
                    from gmn_pipeline.queries.visible import copy_visible

                    (lake,) = objects
                    copy_visible(self._standing, lake, request.visible, request.sql, request.limits)
                written = self._standing.reach().written
                self._written = {path: identity(path) for path in written}
                self._session = confined(
                    self._standing, request.limits, data_dir=self._settings.data_dir,
                    alone=True, exact_types=request.exact_types,
                )  # fmt: skip
            threading.Thread(target=_end_with_parent, daemon=True).start()
            self._space = address_space()
            limit_memory(request.limits.memory_mb)
        elif request.visible is not None:
            raise WarehouseBusy("What one may see is copied into a process that is new.")
        else:
            self._must_be_in_reach()
            with finding(request.snapshot):
                self._standing.attach_instead(request.snapshot)
        return self._session

    def _must_be_in_reach(self) -> None:
        """The files that readers of the catalogue write are those that this process may write.

        A writer that closes it while nobody reads removes them, and the next one makes them anew:
        what is allowed is allowed of a file, not of its name.
        """
        if any(identity(path) != known for path, known in self._written.items()):
            raise WarehouseBusy("The catalogue was closed by all since it was opened here.")

    def _answer(self, session: ReadSession, request: Request) -> bool:
        """Send all of an answer but its end; whether it is cut off."""
        self._frames.send(OPEN)
        with session.run(
            request.sql, request.parameters, limits=request.limits, hidden=request.hidden
        ) as answer:
            with pa.ipc.new_stream(self._frames, answer.schema) as stream:
                self._frames.flush()
                for batch in answer:
                    stream.write_batch(batch)
                    self._frames.flush()
            self._frames.flush()
            return answer.truncated


def _end_with_parent() -> None:
    poll = select.poll()
    poll.register(0, 0)  # no input is waited for but its end, be it that its process was killed
    poll.poll()
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

    def error(self, error: GmnError, *, more: bool = False) -> None:
        told = {
            "kind": type(error).__name__, "message": error.message, "remedy": error.remedy,
            "more": more,
        }  # fmt: skip
        self.send(ERROR, json.dumps(told).encode())
