"""What one listener is told, pulled one by one: what else happens meanwhile is up to the test."""

import asyncio
import ctypes
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import anyio.to_thread
import pyarrow as pa
import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import SnapshotGone
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.queries.held_rows import Asked, HeldRows
from gmn_pipeline.serving.events import positions
from gmn_pipeline.serving.events.batches import Batch, choose, fetch_batch
from gmn_pipeline.serving.events.hub import Hub
from gmn_pipeline.serving.events.listening import Bulk, Changes, Gone, Still, Told, listen
from gmn_pipeline.serving.events.positions import Position
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.tables.difference import changes_sql
from gmn_pipeline.serving.work import Work
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.absent import not_run
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import maintain


def load(bench: Bench, number: int, rows: int = 30) -> None:
    some = sample().first(rows).with_fields(3, vgeo_km_s=f"{30 + number:9.5f}")
    bench.put(DAILY, some.stamped(f"2022-04-{number + 1:02d} 00:00:00"))
    load_days([DAY], bench.settings)


@asynccontextmanager
async def hub_of(settings: Settings, **others: object) -> AsyncIterator[Hub]:
    """What listeners share, in this process."""
    work = Work(settings.model_copy(update=others))
    work.hub.open()
    await anyio.to_thread.run_sync(work.start)
    try:
        yield work.hub
    finally:
        work.hub.close()
        await anyio.to_thread.run_sync(work.stop)


async def newest(hub: Hub) -> int:
    found = await hub.after(-1, 10)
    assert found is not None
    return found.id


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within())


async def commit(hub: Hub, bench: Bench, number: int, rows: int = 30) -> int:
    """Load, and wait until it is seen; the state."""
    before = await newest(hub)
    await asyncio.to_thread(load, bench, number, rows)
    found = await hub.after(before, 20)
    assert found is not None
    return found.id


def test_a_slow_one_whose_state_expired_is_told_so(bench: Bench) -> None:
    async def test() -> None:
        load(bench, 0)
        async with hub_of(bench.settings) as hub:
            start = await newest(hub)
            slow = listen(hub, Position(start), None, None)
            assert await anext(slow) == Still(Position(start))
            await commit(hub, bench, 1)
            await asyncio.to_thread(maintain, bench.settings, utc_now() + timedelta(days=30))
            gone = await anext(slow)
            assert isinstance(gone, Gone)
            assert gone.problem.status == 410
            assert "since=0" in gone.problem.detail
            assert [one async for one in slow] == []

    run(test)


def test_one_of_another_lake_is_told_so(bench: Bench) -> None:
    async def test() -> None:
        load(bench, 0)
        folder = bench.settings.warehouse_dir
        shutil.copytree(folder, folder.with_name("older"))
        async with hub_of(bench.settings) as hub:
            await commit(hub, bench, 1)
            last = await commit(hub, bench, 2)
            listener = listen(hub, Position(last), None, None)
            await anext(listener)
            folder.rename(folder.with_name("newer"))
            folder.with_name("older").rename(folder)
            assert isinstance(await said(listener), Gone)

    run(test)


def test_a_state_that_a_query_compares_with_may_expire_as_it_is_asked(bench: Bench) -> None:
    load(bench, 0)
    work = Work(bench.settings)
    work.start()
    try:
        now = work.lake.snapshot()
        with pytest.raises(SnapshotGone, match="no state 99 "):
            work.lake.fetch(now, changes_sql(99))
        assert work.lake.fetch(now, changes_sql(now.id)).num_rows == 0  # nothing was closed
    finally:
        work.stop()


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]  # fmt: skip


def in_use_bytes() -> int:
    """Memory that glibc has given out (malloc.h)."""
    system = ctypes.CDLL(None)
    if not hasattr(system, "mallinfo2"):
        not_run("this C library does not tell how much memory is in use")
    system.mallinfo2.restype = _Mallinfo
    told = system.mallinfo2()
    return int(told.uordblks + told.hblkhd)


def test_a_batch_that_is_kept_takes_about_as_much_as_it_says(bench: Bench) -> None:
    load(bench, 0)
    load(bench, 1)
    work = Work(bench.settings)
    work.start()
    try:
        now = work.lake.snapshot()

        def made(_: int) -> Batch:
            batch = fetch_batch(partial(work.lake.fetch, now), now.id - 1, now, 100)
            choose(batch, partial(work.lake.fetch, now), held, [Asked("vgeo_km_s > 1", ())])
            return batch

        held = HeldRows()
        made(0)  # what is there once and for all
        before = in_use_bytes()
        batches = list(map(made, range(20)))
        taken = in_use_bytes() - before
    finally:
        work.stop()
    assert {len(batch.lines) for batch in batches} == {1}
    assert taken < 3 * sum(batch.size_bytes for batch in batches) + (4 << 20)


async def said(listener: AsyncIterator[Told]) -> Told:
    """The next that is more than that nothing is new."""
    async for one in listener:
        if not isinstance(one, Still):
            return one
    raise AssertionError("it ended")


def test_batches_that_are_not_kept_are_made_anew(bench: Bench) -> None:
    async def test() -> None:
        load(bench, 0)
        async with hub_of(bench.settings) as hub:
            hub._most_bytes = 0  # each forgets the one before
            start = await newest(hub)
            quick, slow = (listen(hub, Position(start), None, None) for _ in range(2))
            await anext(quick), await anext(slow)
            told = []
            for number in range(1, 4):
                await commit(hub, bench, number, 30 + number)
                told.append(await said(quick))
            assert [len(one.chosen) for one in told if isinstance(one, Changes)] == [2, 2, 2]
            late = await said(slow)
            assert isinstance(late, Changes)
            assert (late.batch.before, late.batch.after) == (start, told[-1].batch.after)
            assert len(late.chosen) == 4  # one row three times, and three that came

    run(test)


def test_many_at_one_state_ask_once(bench: Bench) -> None:
    async def test() -> None:
        load(bench, 0)
        async with hub_of(bench.settings) as hub:
            start = await newest(hub)
            some = [listen(hub, Position(start), None, None) for _ in range(50)]
            for one in some:
                await anext(one)
            waiting = [asyncio.create_task(said(one)) for one in some]
            await commit(hub, bench, 1, 35)
            told = await asyncio.gather(*waiting)
            assert len({id(one.batch) for one in told if isinstance(one, Changes)}) == 1

    run(test)


def test_how_many_may_listen_is_counted_by_customer(bench: Bench) -> None:
    async def test() -> None:
        load(bench, 0)
        limits = {"serve_listeners": 3, "serve_listeners_per_address": 2}
        async with hub_of(bench.settings, **limits) as hub:
            with hub.listener("2001:db8::1", None), hub.listener("2001:db8::2", None):
                with pytest.raises(Problem) as refused, hub.listener("2001:db8::3", None):
                    pass
                assert refused.value.status == 429
                with hub.listener("192.0.2.1", None):
                    with pytest.raises(Problem) as refused, hub.listener("192.0.2.2", None):
                        pass
                    assert refused.value.status == 503
            with hub.listener("2001:db8::3", None):
                pass
            hub.end()
            with pytest.raises(Problem), hub.listener("192.0.2.1", None):
                pass

    run(test)


def test_so_much_that_it_is_to_be_fetched(bench: Bench) -> None:
    async def test() -> None:
        load(bench, 0, 10)
        async with hub_of(bench.settings, serve_event_changes=20) as hub:
            start = await newest(hub)
            listener = listen(hub, Position(start), None, None)
            after = await commit(hub, bench, 1, 40)
            bulk = await said(listener)
            assert isinstance(bulk, Bulk)
            assert bulk == Bulk(start, after)
            within = listen(hub, Position(start, after, 3), None, 0)
            assert await said(within) == bulk

    run(test)


def test_held_rows_are_asked_as_the_lake_is() -> None:
    rows = pa.table({"a": [1, 2, None, 4], "b": [["x"], ["x", "y"], [], None]})
    held = HeldRows()
    some = [Asked("a > ?", (1,)), Asked("list_contains(b, ?)", ("x",)), Asked("a IS NULL", ()),
            Asked("a > ? AND a < ?", (9, 9))]  # fmt: skip
    found = held.matching(rows, [0, 1, 2, 1], some * 30)
    assert [list(one) for one in found] == [[1], [0, 1], [2], []] * 30
    assert [list(one) for one in held.matching(rows.slice(0, 0), [], some)] == [[]] * 4
    held.close()


def test_positions_are_read_as_they_are_written() -> None:
    for position in (Position(5), Position(5, 9, 0), Position(5, 9, 120)):
        assert positions.read(str(position)) == position
    assert replace(Position(5), state=6) == positions.read("6")
