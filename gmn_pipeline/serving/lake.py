"""Which state of the lake is served: the newest that was committed, or the one that is asked for.

What belongs here: noticing commits, and what becomes of requests while the lake cannot be read.
What does not: how states are kept open (`queries/states.py`), waiting in turn (`work.py`).

A thread looks for the newest snapshot a few times a second (1.5 ms of processor time), so that no
request has to. Where looking fails everything is closed and opened anew until it works.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from gmn_pipeline.errors import (
    DataDamaged,
    QueryLimit,
    QueryRefused,
    RetryableError,
    SettingsError,
    SnapshotGone,
    WarehouseBusy,
)
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import FEW_ROWS, Limits
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.queries.states import Snapshot, States, states_of
from gmn_pipeline.serving.problems import Problem, unavailable
from gmn_pipeline.settings import ServingSettings, WarehouseSettings
from gmn_pipeline.warehouse import lakes
from gmn_pipeline.warehouse.connection import WarehouseConnection

T = TypeVar("T")

_log = logging.getLogger(__name__)
_TRIES = 3
_GIVES_WAY_AFTER_S = 5.0
"""Maintenance waits ten seconds, and new queries wait for it."""
_FORMER_S = 5.0
"""Who has just taken it to ask it has begun by then."""
# Rows are the caller's to limit: a page asks for its own, an export for all.
_ALL_ROWS = 1 << 62


_CALLED = {lakes.WAREHOUSE.name: "The warehouse", lakes.READINGS.name: "The lake of readings"}
_MISSING = {
    lakes.WAREHOUSE.name: "There is no warehouse yet.",
    lakes.READINGS.name: "No reading of a station has been taken in yet.",
}


def again_if_busy(ask: Callable[[], T]) -> T:
    """An answer that is read whole: once more if the lake was put in order just as it was read."""
    for _ in range(_TRIES - 1):
        with suppress(WarehouseBusy):
            return ask()
    return ask()


class Lake:
    """A lake as it is served. `start` it, and `stop` it at the end."""

    def __init__(
        self,
        warehouse: WarehouseSettings,
        serving: ServingSettings,
        which: lakes.Lake = lakes.WAREHOUSE,
    ) -> None:
        self._settings = warehouse
        self._which = which
        self._called = _CALLED[which.name]
        self._poll_s = serving.serve_poll_s
        self._kept = serving.serve_states
        self.limits = Limits(
            serving.serve_query_timeout_s, serving.serve_query_memory_mb, disk_mb=0,
            rows=_ALL_ROWS, threads=serving.serve_threads, batch_rows=FEW_ROWS,
        )  # fmt: skip
        self._opened: AbstractContextManager[States] | None = None
        self._states: States | None = None
        self._former: tuple[AbstractContextManager[States], States, float] | None = None
        """What was open before, for queries under way."""
        self._why = "The server is starting."
        self._is_suspect = False
        self._adding = threading.Lock()
        self._long: weakref.WeakSet[Answer] = weakref.WeakSet()
        self._awaited_since_s: float | None = None
        self._told: Snapshot | None = None
        self._tell: list[Callable[[], None]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=which.name, daemon=True)

    def start(self) -> None:
        """Begin to look. A lake that cannot be read, or is not there yet, is waited for."""
        self._look()
        self._thread.start()

    def tell(self, whom: Callable[[], None]) -> None:
        """Call it, in the thread that looks, whenever another state has become the newest."""
        self._tell.append(whom)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._close()
        if self._former is not None:
            self._former[0].__exit__(None, None, None)

    def _watch(self) -> None:
        while not self._ended.wait(self._poll_s):
            self._look()
            newest = self._states.newest if self._states else None
            if newest != self._told:
                self._told = newest
                for tell in self._tell:
                    tell()

    def _look(self) -> None:
        try:
            if self._is_suspect:
                self._close()
            if self._states is None:
                self._open()
            else:
                self._states.look()
                self._give_way(self._states)
                self._renew(self._states)
        except Exception as error:
            self._unreadable(error)

    def _give_way(self, states: States) -> None:
        """End long queries where maintenance has waited for them: clients may take them as slowly
        as they like, and it would never get its turn while others begin."""
        if not self._long or not states.is_awaited:
            self._awaited_since_s = None
            return
        now = time.monotonic()
        self._awaited_since_s = self._awaited_since_s or now
        if now - self._awaited_since_s >= _GIVES_WAY_AFTER_S:
            with self._adding:
                answers = list(self._long)
            for answer in answers:
                answer.close()

    def _open(self) -> None:
        if not WarehouseConnection(self._settings, self._which).exists:
            raise SettingsError(_MISSING[self._which.name])
        opened = states_of(self._settings, self.limits, self._kept, self._which)
        states = opened.__enter__()
        self._opened, self._states, self._is_suspect = opened, states, False

    def _renew(self, states: States) -> None:
        """Open it anew once it was used for long, and close what was open when nobody uses it."""
        now = time.monotonic()
        if self._former is not None:
            former, worn, since_s = self._former
            if now - since_s >= _FORMER_S and not worn.is_used:
                self._former = None
                former.__exit__(None, None, None)
        elif states.is_worn:
            assert self._opened is not None
            self._former = self._opened, states, now
            self._open()

    def _unreadable(self, error: Exception) -> None:
        why = error.message if isinstance(error, SettingsError) else "It cannot be read just now."
        if why != self._why or self._states is not None:
            self._warn(error)
        self._why = why
        self._close()

    def _warn(self, error: Exception) -> None:
        if self._which == lakes.READINGS and isinstance(error, SettingsError):
            return  # most have none
        _log.warning("%s cannot be read: %s", self._called, error)

    def _close(self) -> None:
        """Queries under way keep what they have open."""
        opened, self._opened, self._states = self._opened, None, None
        self._is_suspect = False
        if opened is not None:
            opened.__exit__(None, None, None)

    def _readable(self) -> States:
        states = self._states
        if states is None:
            raise unavailable(f"{self._called}: {self._why}")
        return states

    @property
    def is_there(self) -> bool:
        """Whether it can be read."""
        return self._states is not None

    def snapshot(self, number: int | None = None) -> Snapshot:
        """The newest state, or one by its number.

        Raises Problem (503) where the lake cannot be read, SnapshotGone (410) for no such state.
        """
        states = self._readable()
        if number is None:
            return states.newest
        with self._noticing():
            return states.snapshot(number)

    def snapshot_at(self, when: datetime) -> Snapshot:
        """The one that was the newest at a time (UTC). Raises as `snapshot` does."""
        with self._noticing():
            return self._readable().snapshot_at(when)

    def kept(self, most: int) -> list[Snapshot]:
        """The states that can be asked, the newest first. Raises as `snapshot` does."""
        with self._noticing():
            return self._readable().kept(most)

    def verify(self, snapshot: Snapshot) -> None:
        """Look at the lake as it is now. Raises as `States.verify` does."""
        with self._noticing():
            states = self._readable()
            states.look()
            states.verify(snapshot)

    def run(
        self,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters = (),
        *,
        limits: Limits | None = None,
        cancellation: Cancellation | None = None,
    ) -> Answer:
        """Begin to ask a state by one of our own queries; close the answer."""
        with self._noticing(cancellation):
            return self._readable().run(
                snapshot, sql, parameters, limits=limits, cancellation=cancellation
            )

    def run_long(
        self,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters,
        *,
        limits: Limits,
        cancellation: Cancellation,
    ) -> Answer:
        """The same for one that may take any time. It ends with an error where maintenance waits
        for it too long."""
        answer = self.run(snapshot, sql, parameters, limits=limits, cancellation=cancellation)
        with self._adding:
            self._long.add(answer)
        return answer

    def fetch(
        self,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters = (),
        *,
        limits: Limits | None = None,
        cancellation: Cancellation | None = None,
    ) -> pa.Table:
        """All of an answer that is small, such as a page."""

        def fetch() -> pa.Table:
            with (
                self._noticing(cancellation),
                self.run(
                    snapshot, sql, parameters, limits=limits, cancellation=cancellation
                ) as answer,
            ):
                return pa.Table.from_batches(list(answer), answer.schema)

        return again_if_busy(fetch)

    @contextmanager
    def _noticing(self, cancellation: Cancellation | None = None) -> Iterator[None]:
        """Let everything be opened anew where a file or another machine could not be read.

        Our own queries do not fail by themselves: if one does, it was closed under it, or DuckDB
        came to harm.
        """
        states = self._states
        try:
            yield
        except (WarehouseBusy, SnapshotGone, QueryLimit, QueryRefused, Problem):
            raise
        except (DataDamaged, RetryableError):
            self._is_suspect = True
            raise
        except Exception as error:
            if cancellation is not None and cancellation.cancelled:
                raise
            if states is self._states:
                _log.exception("A query of the server's own failed")
                self._is_suspect = True
            raise unavailable(f"{self._called} cannot be read just now.") from error
