"""Queries of a request: ours in threads here, those of clients in processes of their own.

What belongs here: waiting for a turn, and ending a query when its client has gone. What does not:
SQL (the routes' own modules), and running it (`queries/`).
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.to_thread
import pyarrow as pa
from starlette.requests import Request

from gmn_pipeline.database.alerts import AlertStore
from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.database.dashboards import DashboardStore
from gmn_pipeline.database.ledger import Ledger
from gmn_pipeline.errors import GmnError, QueryLimit
from gmn_pipeline.landing.source_lines import LandedLines
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.limits import MANY_ROWS, Limits
from gmn_pipeline.queries.pool import QueryPool
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.tables import WORKING_TABLES
from gmn_pipeline.serving.by_key.keeper import Keeper
from gmn_pipeline.serving.cache import Cache, Once
from gmn_pipeline.serving.cubes.ahead import Ahead
from gmn_pipeline.serving.cubes.keeper import Keeper as RowsOfCubes
from gmn_pipeline.serving.events.hub import Hub
from gmn_pipeline.serving.events.listeners import Listeners
from gmn_pipeline.serving.lake import Lake, again_if_busy
from gmn_pipeline.serving.limits import Slots
from gmn_pipeline.serving.memory import Memory
from gmn_pipeline.serving.objects.service import ObjectService
from gmn_pipeline.serving.problems import problem_of, unavailable
from gmn_pipeline.serving.readings.arrivals import Arrivals
from gmn_pipeline.serving.readings.latest_held import LatestHeld
from gmn_pipeline.serving.streaming import Pieces, Streamed
from gmn_pipeline.serving.tap.jobs.runner import Runner
from gmn_pipeline.settings import ServingSettings, Settings
from gmn_pipeline.storage.object_store import ObjectStore
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS, READINGS, WAREHOUSE

T = TypeVar("T")

_DISCONNECT_POLL_S = 0.1
_MOST_BYTES = 32 << 20
"""Of an answer to a client's own query, in memory."""
_HIDDEN = frozenset(table.name for table in WORKING_TABLES)
"""What the pipeline keeps for itself, such as messages that could not be read."""


@dataclass(frozen=True)
class Fetched:
    """An answer that is wanted whole."""

    table: pa.Table
    truncated: bool


class Work:
    """All that a request needs to be answered. `lake` is the warehouse, `readings` the other."""

    def __init__(self, settings: Settings, *, is_on_loopback: bool = False) -> None:
        self.settings: ServingSettings = settings
        self._memory = Memory()
        self.lake = Lake(settings, settings)
        self.ahead = Ahead(self.lake, settings.serve_count_ahead_rows)
        self.rows_of_cubes = RowsOfCubes(self.lake, settings.serve_cubes_mb)
        self.readings = Lake(settings, settings, READINGS)
        self._lakes = {WAREHOUSE.name: self.lake, READINGS.name: self.readings}
        self.cache = Cache(settings.serve_cache_mb << 20)
        self.once = Once(self.cache)
        waiting, patience_s = settings.serve_queue, settings.serve_queue_s
        self._own = Slots(settings.serve_queries, waiting, patience_s)
        self._free = Slots(settings.serve_sql_queries, waiting, patience_s)
        self._exports = Slots(settings.serve_exports, waiting, patience_s)
        self._export_threads = anyio.CapacityLimiter(settings.serve_exports)
        self.published_dir = settings.snapshot_dir
        self.objects = ObjectService(settings, is_on_loopback=is_on_loopback)
        database = self.objects.lake.database
        self.ledger = Ledger(database)
        self.alerts = AlertStore(database)
        self.annotations = AnnotationStore(database)
        self.dashboards = DashboardStore(database)
        self.object_tables = WarehouseConnection(settings, OBJECTS)
        self.lines = LandedLines(ObjectStore(settings.landing_dir))
        self._threads = anyio.CapacityLimiter(settings.serve_queries + settings.serve_sql_queries)
        self._pool = QueryPool(settings, settings.serve_sql_queries, _HIDDEN)
        self.tap = Runner(settings, self.lake.snapshot, self.ask_free)
        self._keeper = Keeper(settings.data_dir, self.lake, settings.serve_by_key_mb)
        self.by_key = self._keeper.reading
        listeners = Listeners(settings)
        self.hub = Hub(self.lake, settings, self._for_all, listeners)
        self.arrivals = Arrivals(self.readings, self._for_all, listeners)
        self.latest = LatestHeld(self.readings, self._for_all, self.arrivals)

    def start(self) -> None:
        self._memory.start()
        self.objects.open()
        self._pool.start()
        self.lake.start()
        self.readings.start()
        self._keeper.start()
        self.tap.start()

    def stop(self) -> None:
        self.tap.stop()
        self._pool.close()
        self._keeper.stop()
        self.lake.stop()
        self.readings.stop()
        self.objects.close()
        self._memory.stop()

    async def snapshot(self, number: int | None, of: str = WAREHOUSE.name) -> Snapshot:
        """The newest state of a lake, or one by its number. See `Lake.snapshot`."""
        lake = self._lakes[of]
        if number is None:
            return lake.snapshot()
        # The catalogue is asked, which may take a moment.
        return await anyio.to_thread.run_sync(lake.snapshot, number, limiter=self._threads)

    async def snapshot_at(self, when: datetime, of: str = WAREHOUSE.name) -> Snapshot:
        """The one that was the newest at a time (UTC)."""
        lake = self._lakes[of]
        return await anyio.to_thread.run_sync(lake.snapshot_at, when, limiter=self._threads)

    async def kept(self, most: int, of: str = WAREHOUSE.name) -> list[Snapshot]:
        """The states that can be asked, the newest first."""
        lake = self._lakes[of]
        return await anyio.to_thread.run_sync(lake.kept, most, limiter=self._threads)

    async def fetch(
        self,
        request: Request,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters = (),
        *,
        seconds: float | None = None,
    ) -> pa.Table:
        """All rows of a query of ours, that may work so long. Raises Problem (503: it takes too
        long)."""
        lake = self._lakes[snapshot.lake]
        limits = lake.limits
        if seconds is not None:
            limits = replace(limits, seconds=seconds)

        def ask(cancellation: Cancellation) -> pa.Table:
            return lake.fetch(snapshot, sql, parameters, limits=limits, cancellation=cancellation)

        return await self._work(request, self._own, ask, of_client=False)

    async def compute(self, request: Request, work: Callable[[Cancellation], T]) -> T:
        """Work of our own in a thread, when it is its turn. Raises Problem."""
        return await self._work(request, self._own, work, of_client=False)

    async def fetch_free(
        self,
        request: Request,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters = (),
        *,
        rows: int,
        visible: Visible | None = None,
    ) -> Fetched:
        """Up to so many rows of a query that holds text of a client. Raises Problem.

        `visible`: which objects it may ask; without it there are none. What is answered
        then is for who asked, and nobody else.
        """
        limits = Limits(
            self.settings.serve_sql_timeout_s, self.settings.serve_sql_memory_mb, disk_mb=0,
            rows=rows,
        )  # fmt: skip

        def ask(cancellation: Cancellation) -> Fetched:
            with self.ask_free(snapshot, sql, parameters, limits, cancellation, visible) as answer:
                table = pa.Table.from_batches(list(_not_too_much(answer)), answer.schema)
                return Fetched(table, answer.truncated)

        return await self.in_turn(request, lambda one: again_if_busy(lambda: ask(one)))

    def ask_free(
        self,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters,
        limits: Limits,
        cancellation: Cancellation,
        visible: Visible | None = None,
    ) -> Answer:
        """Begin to answer a query that holds text of a client; close the answer.

        For a thread, in its turn (`in_turn`). At its end it raises SnapshotGone if the state is not
        there any more: then something may have been missing.
        """
        answer = self._pool.ask(
            sql, parameters, limits=limits, snapshot=snapshot.id, visible=visible,
            cancellation=cancellation,
        )  # fmt: skip

        def batches() -> Iterator[pa.RecordBatch]:
            yield from answer
            self.lake.verify(snapshot)

        return Answer(
            answer.schema, batches(), truncated=lambda: answer.truncated, close=answer.close
        )

    async def in_turn(self, request: Request, ask: Callable[[Cancellation], T]) -> T:
        """Let a thread ask a query of a client when it is its turn. Raises Problem."""
        return await self._work(request, self._free, ask, of_client=True)

    async def stream(
        self,
        request: Request,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters,
        write: Callable[[Answer], Iterator[bytes]],
    ) -> Streamed:
        """An answer of any length as it comes, in whatever it is written as.

        Raises Problem for what goes wrong before the first piece; later it breaks the transfer.
        """
        lake = self._lakes[snapshot.lake]
        seconds = self.settings.serve_export_timeout_s
        limits = replace(lake.limits, seconds=seconds, batch_rows=MANY_ROWS)
        cancellation = Cancellation()

        def begin(_: Cancellation) -> Pieces:
            answer = lake.run_long(
                snapshot, sql, parameters, limits=limits, cancellation=cancellation
            )
            return Pieces(answer, write, cancellation)

        async with AsyncExitStack() as held:
            await held.enter_async_context(self._exports.turn())
            pieces = await self._in_thread(
                request, cancellation, begin, of_client=True, threads=self._export_threads
            )
            return Streamed(pieces, held.pop_all(), self._export_threads)
        raise AssertionError("unreachable")

    async def stream_free(
        self,
        request: Request,
        found: Callable[[], Awaitable[Fetched]],
        write: Callable[[Answer], Iterator[bytes]],
    ) -> Streamed:
        """An answer that is here whole, in whatever it is written as. Raises Problem.

        Its query is over by then, so who takes it slowly keeps no process from others; so many are
        in memory as there may be exports.
        """

        def begin(cancellation: Cancellation) -> Pieces:
            batches = iter(table.to_batches())
            answer = Answer(table.schema, batches, truncated=lambda: False, close=lambda: None)
            return Pieces(answer, write, cancellation)

        async with AsyncExitStack() as held:
            await held.enter_async_context(self._exports.turn())
            table = (await found()).table
            pieces = await self._in_thread(
                request, Cancellation(), begin, of_client=True, threads=self._export_threads
            )
            return Streamed(pieces, held.pop_all(), self._export_threads)
        raise AssertionError("unreachable")

    async def _for_all(self, work: Callable[[], T]) -> T:
        """Work on the lake that no single client waits for, when it is its turn."""
        async with self._own.turn():
            try:
                return await anyio.to_thread.run_sync(work, limiter=self._threads)
            except GmnError as error:
                raise problem_of(error, of_client=False) from error

    async def _work(
        self,
        request: Request,
        slots: Slots,
        ask: Callable[[Cancellation], T],
        *,
        of_client: bool,
    ) -> T:
        """Ask in a thread, when it is our turn; ended when the client goes away."""
        async with slots.turn():
            return await self._in_thread(
                request, Cancellation(), ask, of_client=of_client, threads=self._threads
            )

    @staticmethod
    async def _in_thread(
        request: Request,
        cancellation: Cancellation,
        ask: Callable[[Cancellation], T],
        *,
        of_client: bool,
        threads: anyio.CapacityLimiter,
    ) -> T:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_if_gone, request, cancellation)
                try:
                    done = await anyio.to_thread.run_sync(ask, cancellation, limiter=threads)
                except GmnError as error:
                    if cancellation.cancelled:
                        raise unavailable("The client has gone.") from error
                    raise problem_of(error, of_client=of_client) from error
                finally:
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _only(group) from None
        return done


def _not_too_much(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Raises QueryLimit: what a process may find would be too much here."""
    taken = 0
    for batch in batches:
        taken += batch.nbytes
        if taken > _MOST_BYTES:
            raise QueryLimit(f"The answer has more than {_MOST_BYTES >> 20} MB.")
        yield batch


async def _cancel_if_gone(request: Request, cancellation: Cancellation) -> None:
    while not await request.is_disconnected():
        await anyio.sleep(_DISCONNECT_POLL_S)
    cancellation.cancel()


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of a group of one: the tasks beside the query have none of their own."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
