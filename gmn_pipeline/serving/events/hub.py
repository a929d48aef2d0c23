"""What all listeners share: the changes of each commit, and the news that there is one.

What belongs here: one look at the lake for all, batches made once. What does
not: what a single listener is told (`listening.py`).

A listener holds its position and nothing else. The batches that it reads are everybody's; a slow
one finds those gone that it has not come to, and has them made anew, or several in one.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

import pyarrow as pa

from gmn_pipeline.queries.held_rows import HeldRows
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.events.batches import Batch, Fetch, Filter, choose, fetch_batch
from gmn_pipeline.serving.events.listeners import Listeners, leave
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import ServingSettings

T = TypeVar("T")


class InTurn(Protocol):
    """Does work on the lake in a thread, when it is its turn. Raises Problem."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


class Hub:
    """`open` it in the event loop that serves, `end` it when the server is to stop."""

    def __init__(
        self, lake: Lake, settings: ServingSettings, in_turn: InTurn, listeners: Listeners
    ) -> None:
        self._lake = lake
        self._most_changes = settings.serve_event_changes
        self._most_bytes = settings.serve_events_mb << 20
        self._in_turn = in_turn
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._held: HeldRows | None = None
        self._kept: OrderedDict[tuple[int, int], Batch] = OrderedDict()
        self._from: dict[int, int] = {}
        self._making: dict[tuple[int, int], asyncio.Task[Batch]] = {}
        self._told: int | None = None
        self._in_order = asyncio.Lock()
        self._preparing: set[asyncio.Task[None]] = set()
        self._listeners = listeners
        self._heard = 0
        self._filters: Counter[Filter] = Counter()
        self.is_ended = False

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._held = HeldRows()
        self._lake.tell(self._tell)

    def _tell(self) -> None:
        """Of the thread that looks at the lake."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._news_of_commit)

    def _news_of_commit(self) -> None:
        task = asyncio.create_task(self._prepare())
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def _prepare(self) -> None:
        """Make what nearly all will ask for at once, then wake them."""
        async with self._in_order:
            newest, before = self._newest(), self._told
            try:
                if newest is not None and before is not None and self._heard:
                    batch = await self.batch(before, newest) if newest.id > before else None
                    if batch is not None and self._filters:
                        async with batch.choosing:
                            await self._choose(batch, self._filters)
            except Problem:
                pass  # told to those who ask themselves
            finally:
                self._told = None if newest is None else newest.id
                self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def end(self) -> None:
        """Let every listener come to its end."""
        self.is_ended = self._listeners.are_ended = True
        self._wake()

    def close(self) -> None:
        self.end()
        for task in (*self._making.values(), *self._preparing):
            task.cancel()
        if self._held is not None:
            self._held.close()

    # Who listens -------------------------------------------------------------------------------

    @contextmanager
    def listener(self, address: str, filter_: Filter | None) -> Iterator[None]:
        """For as long as somebody listens. Raises Problem where too many do."""
        with self._listeners.one(address):
            self._heard += 1
            if filter_ is not None:
                self._filters[filter_] += 1
            try:
                yield
            finally:
                self._heard -= 1
                if filter_ is not None:
                    leave(self._filters, filter_)

    # What there is -----------------------------------------------------------------------------

    async def after(self, state: int, within_s: float) -> Snapshot | None:
        """The newest state, as soon as it is another than this one; None if it is not in time, or
        the server ends."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            news = self._news  # before looking, so that none is missed
            newest = self._newest()
            if self.is_ended:
                return None
            if newest is not None and newest.id != state:
                return newest
            try:
                async with asyncio.timeout_at(deadline):
                    await news.wait()
            except TimeoutError:
                return None

    def _newest(self) -> Snapshot | None:
        """None while the lake cannot be read."""
        try:
            return self._lake.snapshot()
        except Problem:
            return None

    async def step(self, before: int, newest: Snapshot) -> Batch:
        """The changes from a state on, as far as they were asked for before, or to the newest.

        Raises Problem, 410 if the state is not kept any more.
        """
        after = self._from.get(before)
        if after is not None and (found := self._kept.get((before, after))) is not None:
            return found
        return await self.batch(before, newest)

    async def between(self, before: int, after: int) -> Batch:
        """The changes from one state to another. Raises Problem, 410 if one is not kept."""
        if (before, after) in self._kept:
            return self._kept[before, after]
        return await self.batch(before, await self._in_turn(lambda: self._lake.snapshot(after)))

    async def pause(self, seconds: float) -> None:
        """For so long, or until there is news."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def batch(self, before: int, after: Snapshot) -> Batch:
        """The changes between two states. Raises Problem."""
        key = (before, after.id)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found

        def make() -> Batch:
            self._lake.snapshot(before)
            made = fetch_batch(self._fetch_of(after), before, after, self._most_changes)
            self._lake.snapshot(before)  # still there: nothing was missed
            return made

        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(make))
            self._making[key] = task
            task.add_done_callback(lambda done: self._made(key, done))
        return await asyncio.shield(task)

    async def _make(self, make: Callable[[], Batch]) -> Batch:
        return await self._in_turn(make)

    def _made(self, key: tuple[int, int], task: "asyncio.Task[Batch]") -> None:
        del self._making[key]
        if task.cancelled() or task.exception() is not None:
            return  # told to those who wait for it
        batch = task.result()
        self._kept[key] = batch
        self._from[key[0]] = key[1]
        while (
            len(self._kept) > 1
            and sum(b.size_bytes for b in self._kept.values()) > self._most_bytes
        ):
            (before, after), _ = self._kept.popitem(last=False)
            if self._from.get(before) == after:
                del self._from[before]

    def _fetch_of(self, snapshot: Snapshot) -> Fetch:
        def fetch(sql: str, values: Parameters) -> pa.Table:
            return self._lake.fetch(snapshot, sql, values)

        return fetch

    async def chosen(self, batch: Batch, filter_: Filter) -> Sequence[int]:
        """Numbers of the changes that a filter lets through; those of all who listen are found out
        together. Raises Problem."""
        async with batch.choosing:
            if filter_ not in batch.chosen:
                await self._choose(batch, {**self._filters, filter_: 1})
        return batch.chosen[filter_]

    async def _choose(self, batch: Batch, filters: Iterable[Filter]) -> None:
        some = [one for one in filters if one not in batch.chosen]
        held = self._held
        assert held is not None

        def work() -> None:
            after = self._lake.snapshot(batch.after)
            choose(batch, self._fetch_of(after), held, some)
            self._lake.snapshot(batch.before)

        await self._in_turn(work)
