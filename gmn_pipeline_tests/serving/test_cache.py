"""Answers that are kept, and those who ask the same at the same time."""

import anyio
import pytest

from gmn_pipeline.serving.cache import Cache, Kept, Once
from gmn_pipeline.serving.problems import Problem, bad_request

KEY = ("1", "/gmn/trajectories.json", "")


def kept(text: str = "x") -> Kept:
    return Kept(text.encode(), "application/json", {})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_those_that_nobody_asks_for_go_first() -> None:
    cache = Cache(10_000)
    for number in range(20):
        cache.put((str(number), "/", ""), kept("x" * 1_000))
        cache.get(("0", "/", ""))
    assert cache.get(("0", "/", "")) is not None
    assert cache.get(("1", "/", "")) is None
    cache.put(("50", "/", ""), kept("x" * 2_000))
    assert cache.get(("50", "/", "")) is None  # it would take too much of it all


@pytest.mark.anyio
async def test_of_those_who_ask_the_same_one_does_the_work() -> None:
    once, asked, go_on = Once(Cache(1 << 20)), [], anyio.Event()
    found: list[bytes] = []

    async def ask() -> Kept:
        asked.append("x")
        await go_on.wait()
        return kept()

    async def one() -> None:
        found.append((await once.answer(KEY, ask)).body)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert (len(asked), found) == (1, [b"x"] * 5)


@pytest.mark.anyio
async def test_an_error_of_the_request_is_that_of_all_who_ask_the_same() -> None:
    once, asked, go_on = Once(Cache(1 << 20)), [], anyio.Event()
    found: list[Problem] = []

    async def ask() -> Kept:
        asked.append("x")
        await go_on.wait()
        raise bad_request("It takes too much.")

    async def one() -> None:
        try:
            await once.answer(KEY, ask)
        except Problem as problem:
            found.append(problem)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert (len(asked), [problem.status for problem in found]) == (1, [400] * 5)


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["fails", "goes away"])
async def test_if_that_one_fails_or_goes_away_the_next_one_does_it(how: str) -> None:
    once, asked, ends = Once(Cache(1 << 20)), [], anyio.Event()
    found: list[bytes] = []
    first = anyio.CancelScope()

    async def ask() -> Kept:
        asked.append("x")
        if len(asked) == 1:
            await ends.wait()
            raise ValueError
        return kept()

    async def one() -> None:
        with first:
            try:
                await once.answer(KEY, ask)
            except ValueError:
                found.append(b"failed")

    async def other() -> None:
        found.append((await once.answer(KEY, ask)).body)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            tasks.start_soon(other)
        await anyio.wait_all_tasks_blocked()
        if how == "fails":
            ends.set()
        else:
            first.cancel()
    assert len(asked) == 2
    assert found.count(b"x") == 3
