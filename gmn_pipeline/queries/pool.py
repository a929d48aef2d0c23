"""Processes kept ready for queries to come, so that nobody waits for one to start.

What belongs here: how many stand ready, and replacing those that were taken. What does not: a
process and its query (`process.py`), and how many queries may run at once, which is for whoever
serves (`serving/limits.py`).
"""

import threading
from collections import deque
from contextlib import suppress
from typing import Any

from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import QueryProcess
from gmn_pipeline.settings import WarehouseSettings


class QueryPool:
    """So many processes that each will answer one query."""

    def __init__(self, settings: WarehouseSettings, ready: int) -> None:
        self._settings = settings
        self._wanted = ready
        self._ready: deque[QueryProcess] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Let them get ready. Without it a process is started when it is wanted."""
        self._refill()

    def ask(
        self,
        sql: str,
        parameters: Any = (),
        *,
        limits: Limits,
        snapshot: int | None = None,
        exact_types: bool = False,
        cancellation: Cancellation | None = None,
    ) -> Answer:
        """See `process.ask`. Another one gets ready meanwhile."""
        process = self._take() or self._start()
        threading.Thread(target=self._refill, daemon=True).start()
        return process.ask(
            self._settings, sql, parameters, limits=limits, snapshot=snapshot,
            exact_types=exact_types, cancellation=cancellation,
        )  # fmt: skip

    def _take(self) -> QueryProcess | None:
        with self._lock:
            while self._ready:
                process = self._ready.popleft()
                if process.is_alive:
                    return process
                process.close()
        return None

    def _start(self) -> QueryProcess:
        process = QueryProcess()
        with suppress(BrokenPipeError):  # it has died: who asks it is told
            process.get_ready(self._settings)
        return process

    def _refill(self) -> None:
        while True:
            with self._lock:
                if self._closed or len(self._ready) >= self._wanted:
                    return
                self._ready.append(self._start())

    def close(self) -> None:
        """End those that stand ready. Queries under way end with their answers."""
        with self._lock:
            self._closed = True
            while self._ready:
                self._ready.popleft().close()
