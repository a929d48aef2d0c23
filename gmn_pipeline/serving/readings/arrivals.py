"""What came with the last commits: asked once, told to all who listen.

What belongs here: one query for each commit, what it says in the words of each filter, and the news
that there is more. What does not: sending it (`events.py`).

Each commit's readings have one `taken_in_at_utc`, later than that of all before: it is where a
listener goes on from. A state's own time is when its commit began, a moment earlier.
Of each sensor the last value of each quantity is told, so that what is told is bounded by how many
sensors there are, however fast they send.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import orjson

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.station_readings import READINGS_TO_ROLL_UP, STATION_READINGS, TAKEN_IN_AT
from gmn_pipeline.serving.events.listeners import Listeners
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.readings.last_values import Row, last_of, rows_of, told_by
from gmn_pipeline.serving.readings.times import in_sql, precisely, shown

T = TypeVar("T")

_KEPT = 8
MOST_SENSORS = 20_000
"""Of more that told something at once it is said where to ask."""
LONGEST = timedelta(minutes=10)
"""Who was away for longer begins anew."""


class InTurn(Protocol):
    """Does work on the lake in a thread, when it is its turn. Raises Problem."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


@dataclass(frozen=True)
class Wanted:
    """What a listener wants to hear of: all stations, all quantities where none are named."""

    stations: frozenset[str] = frozenset()
    quantities: tuple[str, ...] = ()


@dataclass
class Arrived:
    """What came between two states. `rows`: of each sensor, as `last_of` has them."""

    until: datetime
    """All that was taken in up to then has been told with it."""
    rows: list[Row]
    written: dict[Wanted, str | None] = field(default_factory=dict)

    def told(self, wanted: Wanted) -> str | None:
        """As JSON, made once for all who want the same; None for nothing."""
        if wanted not in self.written:
            self.written[wanted] = self._write(wanted)
        return self.written[wanted]

    def _write(self, wanted: Wanted) -> str | None:
        sensors, readings = [], 0
        for row in self.rows:
            if wanted.stations and row["station_code"] not in wanted.stations:
                continue
            values = {
                name: value
                for name, value, _ in told_by(row)
                if not wanted.quantities or name in wanted.quantities
            }
            readings += row["reading_count"]
            sensors.append(
                [row["station_code"], row["sensor_id"], shown(row["last_measured_at_utc"]), values]
            )
        if not sensors:
            return None
        return orjson.dumps({
            "taken_in_until_utc": precisely(self.until), "reading_count": readings,
            "columns": ["station_code", "sensor_id", "measured_at_utc", "values"],
            "sensors": sensors,
        }).decode()  # fmt: skip


class Arrivals:
    """`open` it in the event loop that serves, `end` it when the server is to stop."""

    def __init__(self, lake: Lake, in_turn: InTurn, listeners: Listeners) -> None:
        self._lake = lake
        self._in_turn = in_turn
        self.listeners = listeners
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._kept: OrderedDict[tuple[datetime, str], Arrived] = OrderedDict()
        self._making: dict[tuple[datetime, str], asyncio.Task[Arrived]] = {}
        self._positions: OrderedDict[str, datetime] = OrderedDict()
        self.annotated = 0
        """What people noted of stations has changed where this is another number."""
        self.is_ended = False

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lake.tell(self._tell)

    def _tell(self) -> None:
        """Of the thread that looks at the lake."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def tell_annotated(self, revision: int) -> None:
        """Let every listener know where what people noted is in another revision."""
        if revision != self.annotated:
            self.annotated = revision
            self._wake()

    def end(self) -> None:
        """Let every listener come to its end."""
        self.is_ended = True
        self._wake()

    def close(self) -> None:
        self.end()
        for task in self._making.values():
            task.cancel()

    def newest(self) -> Snapshot | None:
        """None while the lake cannot be read."""
        try:
            return self._lake.snapshot()
        except Problem:
            return None

    async def other_than(self, mark: str, annotated: int, within_s: float) -> Snapshot | None:
        """The newest state once it is another than this; None if there is none in time, something
        was annotated, or the server ends."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            news = self._news  # before looking, so that none is missed
            if self.is_ended or self.annotated != annotated:
                return None
            newest = self.newest()
            if newest is not None and newest.mark != mark:
                return newest
            try:
                async with asyncio.timeout_at(deadline):
                    await news.wait()
            except TimeoutError:
                return None

    async def between(self, after: datetime, newest: Snapshot) -> Arrived:
        """What came since. Raises Problem."""
        key = (after, newest.mark)
        if (found := self._kept.get(key)) is not None:
            return found
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(after, newest))
            self._making[key] = task
            task.add_done_callback(lambda done: self._made(key, done))
        return await asyncio.shield(task)

    async def _make(self, after: datetime, newest: Snapshot) -> Arrived:
        sql = last_of(
            f"(SELECT * FROM {STATION_READINGS.name} WHERE {TAKEN_IN_AT.name} > {in_sql(after)})"
        )

        def make() -> Arrived:
            rows = rows_of(self._lake.fetch(newest, sql))
            return Arrived(max([after, *(row["taken_in_until_utc"] for row in rows)]), rows)

        return await self._in_turn(make)

    async def position(self, state: Snapshot) -> datetime:
        """Up to when a state has all that was taken in. Raises Problem."""
        if (known := self._positions.get(state.mark)) is not None:
            return known
        sql = f"SELECT max({TAKEN_IN_AT.name}) AS at FROM {READINGS_TO_ROLL_UP.name}"
        found = await self._in_turn(lambda: self._lake.fetch(state, sql)["at"].to_pylist())
        # Where all is rolled up, the commit that did that began after all others.
        until: datetime = max([state.committed_at_utc, *(at for at in found if at is not None)])
        self._positions[state.mark] = until
        while len(self._positions) > _KEPT:
            self._positions.popitem(last=False)
        return until

    def _made(self, key: tuple[datetime, str], task: "asyncio.Task[Arrived]") -> None:
        del self._making[key]
        if task.cancelled() or task.exception() is not None:
            return  # told to those who wait for it
        self._kept[key] = task.result()
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
