"""Processes kept ready for queries to come, so that nobody waits for one to start.

What belongs here: how many there are, taking them back, and replacing those that ended. What does
not: a process and its query (`process.py`), and how many queries may run at once, which is for
whoever serves (`serving/limits.py`).
"""

import threading
from collections import deque
from contextlib import suppress
from typing import Any

from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import QueryProcess
from gmn_pipeline.queries.statement import may_ask
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.warehouse.backend import open_backend
from gmn_pipeline.warehouse.lakes import READINGS

_MOST_QUERIES = 100
"""So many a process answers: what DuckDB and the allocator keep to themselves goes with it."""


class QueryPool:
    """So many processes for queries with the same limit of memory."""

    def __init__(
        self, settings: WarehouseSettings, processes: int, hidden: frozenset[str] = frozenset()
    ) -> None:
        """`hidden`: tables that nobody may ask here."""
        self._settings = settings
        self._hidden = hidden
        self._wanted = processes
        # Where the lake cannot be attached once more, a process answers once.
        self._takes_back = open_backend(settings).catalog.attaches_when_closed
        self._ready: deque[QueryProcess] = deque()
        self._at_work = 0
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Let them get ready. Without it a process is started when it is wanted."""
        while True:
            with self._lock:
                if self._closed or len(self._ready) + self._at_work >= self._wanted:
                    return
                self._ready.append(self._new())

    def ask(
        self,
        sql: str,
        parameters: Any = (),
        *,
        limits: Limits,
        snapshot: int | None = None,
        visible: Visible | None = None,
        cancellation: Cancellation | None = None,
    ) -> Answer:
        """See `QueryProcess.ask`. A process that answered before may have opened what is not there
        any more: then another one is asked, a new one in the end."""
        needs_new = visible is not None or may_ask(sql, READINGS.name)
        while True:
            process = self._take(is_new=needs_new)
            is_new = not process.answered
            try:
                return process.ask(
                    self._settings, sql, parameters, limits=limits, snapshot=snapshot,
                    hidden=self._hidden, visible=visible, cancellation=cancellation,
                    take_back=self._take_back,
                )  # fmt: skip
            except WarehouseBusy:
                if is_new:
                    raise

    def _take(self, *, is_new: bool) -> QueryProcess:
        """`is_new`: one that has not answered yet, and so is not closed to what else is asked."""
        with self._lock:
            self._at_work += 1
            for process in list(self._ready):
                if is_new and process.answered:
                    continue
                self._ready.remove(process)
                if process.is_alive:
                    return process
                process.close()
        return self._new()

    def _take_back(self, process: QueryProcess) -> None:
        with self._lock:
            self._at_work -= 1
            is_kept = (
                self._takes_back
                and not self._closed
                and process.is_alive
                and process.answered < _MOST_QUERIES
                and len(self._ready) + self._at_work < self._wanted
            )
            if is_kept:
                self._ready.appendleft(process)
        if not is_kept:
            process.close()
            threading.Thread(target=self.start, daemon=True).start()

    def _new(self) -> QueryProcess:
        process = QueryProcess()
        with suppress(BrokenPipeError):  # it has died: who asks it is told
            process.get_ready(self._settings)
        return process

    def close(self) -> None:
        """End those that stand ready. Queries under way end with their answers."""
        with self._lock:
            self._closed = True
            while self._ready:
                self._ready.popleft().close()
