"""The first view of linked views: counted before somebody asks, of one state until the next is."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast
from unittest.mock import patch

import anyio
import pyarrow as pa
import pytest

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.cubes import ahead
from gmn_pipeline.serving.cubes.ahead import MOST_BEHIND_S, PATH, QUERIES, Ahead
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.problems import unavailable
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.server import serving


class States:
    """A lake with trajectories enough, of which another state is the newest at times."""

    def __init__(self) -> None:
        self.newest = state(1)

    def snapshot(self) -> Snapshot:
        return self.newest


def state(number: int) -> Snapshot:
    return Snapshot(number, datetime(2026, 1, 1), f"mark {number}")


def run(lake: States, count: Callable[[Ahead, Snapshot, str], Awaitable[None]]) -> Ahead:
    """Until `count` ends it."""
    one = Ahead(cast(Lake, lake), 0)

    async def main() -> None:
        with anyio.fail_after(20):
            await one.run(lambda snapshot, query: count(one, snapshot, query))

    with (
        patch.object(Ahead, "_is_worth_it", lambda *_: True),
        patch.multiple(ahead, _LOOKS_S=0.01, _AGAIN_S=0.01),
    ):
        anyio.run(main)
    return one


def test_a_state_is_shown_once_all_of_it_is_counted_and_until_the_next_one_is() -> None:
    lake, seen = States(), list[tuple[int, int]]()

    async def count(one: Ahead, snapshot: Snapshot, query: str) -> None:
        seen.append((snapshot.id, one.state().id))
        if len(seen) == 4:  # just as the first one is looked at again
            lake.newest = state(2)
        if len(seen) == 10:
            one.end()

    run(lake, count)
    assert seen[:6] == [(1, 1)] * 6
    assert seen[6:9] == [(2, 1)] * 3
    assert seen[9] == (2, 2)


def test_a_state_that_is_behind_for_too_long_is_shown_no_more() -> None:
    lake = States()

    async def count(one: Ahead, snapshot: Snapshot, query: str) -> None:
        if query == QUERIES[-1]:
            one.end()

    one = run(lake, count)
    lake.newest = state(2)
    assert one.state().id == 1
    with patch.object(time, "monotonic", return_value=time.monotonic() + MOST_BEHIND_S + 1):
        assert one.state().id == 2
    lake.newest = state(0)  # of a backup
    assert one.state().id == 0


@pytest.mark.parametrize("error", [unavailable("The warehouse is away."), ValueError("odd")])
def test_it_goes_on_after_whatever_goes_wrong(error: Exception) -> None:
    lake, tried = States(), list[str]()

    async def count(one: Ahead, snapshot: Snapshot, query: str) -> None:
        tried.append(query)
        if len(tried) == 1:
            raise error
        if len(tried) == 4:
            one.end()

    run(lake, count)
    assert tried == [QUERIES[0], *QUERIES]


def test_a_small_lake_is_asked_once_for_each_state() -> None:
    asked = list[int]()

    class Small(States):
        def fetch(self, snapshot: Snapshot, _: str) -> pa.Table:
            asked.append(snapshot.id)
            return pa.table({"n": [9 if snapshot.id < 3 else 10]})

    lake = Small()
    one = Ahead(cast(Lake, lake), 10)
    for number, is_worth_it in ((1, False), (1, False), (2, False), (2, False), (3, True)):
        assert one._is_worth_it(state(number)) is is_worth_it
    assert asked == [1, 2, 3]


def test_a_server_has_it_for_who_comes_first(lake: Settings) -> None:
    with serving(lake, serve_count_ahead_rows=1) as server:
        asked = [server.get(f"{PATH}?{query}") for query in QUERIES]
        newest = [server.get(f"{PATH}?{query.replace('&_counted=on', '')}") for query in QUERIES]
    assert [one.status for one in asked] == [200] * 3
    assert [one.body for one in asked] == [one.body for one in newest]
