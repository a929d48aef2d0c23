"""Rows kept in memory count as the lake does, whatever is loaded, filtered, brushed and zoomed."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from unittest.mock import patch

import anyio
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import QueryLimit
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.cubes import keeper as keeping
from gmn_pipeline.serving.cubes.basis import TABLE, Basis, span_of_time
from gmn_pipeline.serving.cubes.counting import NotByStep, counted, top
from gmn_pipeline.serving.cubes.keeper import Keeper
from gmn_pipeline.serving.cubes.query import Binned, Cube, binned
from gmn_pipeline.serving.cubes.rows import Kept, Layout, Rows, Texts, layout, read_rows
from gmn_pipeline.serving.cubes.selection import Brush, brushes, zooms
from gmn_pipeline.serving.cubes.views import VIEWS, View
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline_tests.support.rows_by_key import lake_of, newest
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import maintain

MOST_MB = 100
FAST = (Condition("vgeo_km_s > ?", (30.0,)),)
_NOON_S = datetime.combine(DAY, time(12), UTC).timestamp()
_TIME = span_of_time(_NOON_S, _NOON_S + 100_000)
"""The same of all states, as it is where years are there."""
BRUSHED = ("speed:30:45.5", "magnitude:-10:0", "station:UK0001,UK0003,none", "shower:...,none")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Its tests follow one another: each loads something else."""
    bench = Bench(tmp_path_factory.mktemp("cubes"), run_retries=0)
    load(bench, range(60), 0)
    return bench


@pytest.fixture(scope="module")
def lake(bench: Bench) -> Iterator[Lake]:
    with lake_of(bench.settings) as lake:
        yield lake


@pytest.fixture
def keeper(lake: Lake) -> Keeper:
    return Keeper(lake, MOST_MB)


def load(bench: Bench, rows: Iterable[int], hour: int, **fields: str) -> None:
    """Some rows of the sample as the whole truth of the day; `fields`: of the first one."""
    some = sample()
    loaded = replace(some, rows=tuple(some.rows[row] for row in rows))
    stamped = loaded.stamped(f"2022-04-01 {hour:02d}:00:00").with_fields(0, **fields)
    bench.put(DAILY, stamped)
    load_days([DAY], bench.settings)


def basis_of(lake: Lake, state: Snapshot, conditions: Sequence[Condition]) -> Basis:
    clause, values = where(conditions)
    found = lake.fetch(state, f"SELECT count(*) FROM {TABLE} {clause}", values)
    return Basis(found.column(0)[0].as_py(), _TIME, {})


def kept_of(
    keeper: Keeper, state: Snapshot, conditions: Sequence[Condition], of: Layout, count: int
) -> Kept | None:
    async def run(work: Callable[[Cancellation], Kept]) -> Kept:
        return work(Cancellation())

    return anyio.run(keeper.rows, run, state, conditions, of, count)


def assert_as_the_lake(
    lake: Lake, keeper: Keeper, state: Snapshot, conditions: Sequence[Condition] = (),
    zoomed: Mapping[str, View] = {}, selected: Mapping[str, Brush] = {},
    active: tuple[str | None, int | None] = ("speed", 320),
) -> None:  # fmt: skip
    basis = basis_of(lake, state, conditions)
    kept = kept_of(keeper, state, conditions, layout(basis, zoomed), basis.rows)
    assert kept is not None
    assert kept.count == basis.rows
    tops = {name: top(kept, name, (), 5) for name in ("shower", "station", "flag")}
    assert tops["station"] == _top(lake, state, conditions, VIEWS["station"])
    basis = replace(basis, tops=tops)
    clause, values = where(conditions)
    name, pixels = active
    views = tuple(
        binned(view, basis, zoomed, 60 if view.kind == "plane" else None)
        for view in VIEWS.values() if view.name != name
    )  # fmt: skip
    of = binned(VIEWS[name], basis, zoomed, pixels) if name else None
    cube = Cube(views, of, selected, clause, values)
    queries = [cube.sql(), *(cube.sql_of_members(v) for v in views if v.view.kind == "members")]
    there = pa.concat_tables([lake.fetch(state, *query) for query in queries])
    assert counted(kept, cube, lambda: None).equals(there)


def _top(
    lake: Lake, state: Snapshot, conditions: Sequence[Condition], view: View
) -> tuple[str, ...]:
    clause, values = where(conditions)
    each = f"unnest({view.column})" if view.kind == "members" else view.column
    found = lake.fetch(
        state, f"SELECT value FROM (SELECT {each} AS value FROM {TABLE} {clause}) "
        "WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, value LIMIT 5", values
    )  # fmt: skip
    return tuple(found.column(0).to_pylist())


def test_it_counts_as_the_lake_whatever_is_loaded_and_put_in_order(
    bench: Bench, lake: Lake, keeper: Keeper
) -> None:
    """Each load inserts, revises and withdraws; the state before is asked again after it."""
    read: list[str] = []

    def reading(way: str, act: Any) -> Any:
        def acting(*of: Any) -> Any:
            read.append(way)
            return act(*of)

        return acting

    of = keeping._Reading
    states = [newest(lake)]
    with (
        patch.object(of, "all", reading("all", of.all)),
        patch.object(of, "chosen", reading("chosen", of.chosen)),
        patch.object(of, "moved", reading("moved", of.moved)),
    ):
        for number, rows in enumerate((range(5, 70), range(30, 75)), start=1):
            assert_as_the_lake(lake, keeper, states[-1], selected=brushes(BRUSHED))
            load(bench, rows, number, vgeo_km_s=f"  {number + 20:2d}.50000")
            if number == 1:
                maintain(bench.settings)
            states.append(newest(lake))
        for state in reversed(states):
            assert_as_the_lake(lake, keeper, state)
            assert_as_the_lake(lake, keeper, state, FAST, selected=brushes(["end_height:20:90"]))
    # All rows are read once, of the first state that is asked for; those of a filter are chosen.
    assert (read.count("all"), read.count("chosen")) == (1, 1)
    assert read.count("moved") == 2 * len(states) - 1

    # A state that is not kept any more is nothing to move on from.
    load(bench, range(3, 44), 5)
    maintain(bench.settings, utc_now() + timedelta(days=30))
    assert_as_the_lake(lake, keeper, newest(lake), FAST)
    assert_as_the_lake(lake, keeper, newest(lake))


def test_it_counts_what_is_zoomed_and_brushed_there(lake: Lake, keeper: Keeper) -> None:
    zoomed = zooms(["speed:20:60", "ground:-10:20:40:60", "time:2022-03-04T18:00:00:2022-03-05"])
    selected = brushes(["speed:30:45", "solar_longitude:340:10"])
    for active in ((None, None), ("time", None), ("ground", 36)):
        assert_as_the_lake(
            lake, keeper, newest(lake), zoomed=zoomed, selected=selected, active=active
        )
    for between, over in (("speed:30.01:45.02", {}), ("speed:10:45", zoomed)):
        with pytest.raises(NotByStep):  # ends between steps, or beyond what they are of
            assert_as_the_lake(
                lake, keeper, newest(lake), zoomed=over, selected=brushes([between]),
                active=(None, None),
            )  # fmt: skip


NOBODY = (Condition("vgeo_km_s > ?", (1e6,)),)
SEEN_BY = (Condition("list_contains(participating_stations, ?)", ("UK0001",)),)


def test_filters_and_zooms_are_chosen_of_all_rows(bench: Bench, lake: Lake, keeper: Keeper) -> None:
    """Whatever became of their files, and of the rows themselves, since all were read."""
    zoomed = zooms(["speed:20:60", "time:2022-03-04T18:00:00:2022-03-05"])
    load(bench, range(10, 80), 6)
    first = newest(lake)
    assert_as_the_lake(lake, keeper, first)
    load(bench, range(20, 90), 7, vgeo_km_s="  33.50000")
    maintain(bench.settings)
    with patch.object(keeping._Reading, "all", side_effect=AssertionError("all were read")):
        for state in (first, newest(lake)):
            for over in ({}, zoomed):
                for conditions in ((), NOBODY, SEEN_BY, FAST, (*FAST, *SEEN_BY)):
                    assert_as_the_lake(
                        lake, keeper, state, conditions, over, brushes(["end_height:20:90"]),
                        active=("time", None),
                    )  # fmt: skip


def test_what_cannot_be_chosen_is_read(lake: Lake, keeper: Keeper) -> None:
    """Rows that are kept and not those of the lake: such as of a lake that was restored."""
    state = newest(lake)
    assert_as_the_lake(lake, keeper, state)
    (kept,) = keeper._kept.values()
    rows = kept.signed[0][1]
    other = replace(kept, signed=((1, replace(rows, numbers=rows.numbers + 1_000_000)),))
    keeper._kept.update(dict.fromkeys(keeper._kept, other))
    assert_as_the_lake(lake, keeper, state, FAST)


def test_memory_is_bounded_and_what_was_asked_for_longest_ago_goes(lake: Lake) -> None:
    state = newest(lake)
    of = layout(basis_of(lake, state, ()), {})
    assert kept_of(Keeper(lake, 0), state, (), of, 1) is None
    assert kept_of(Keeper(lake, 1), state, (), of, 10**6) is None
    keeper = Keeper(lake, MOST_MB)
    some = [(Condition("vgeo_km_s > ?", (float(speed),)),) for speed in range(20, 40)]
    one = kept_of(keeper, state, some[0], of, 50)
    assert one is not None
    with patch.object(keeper, "_most_bytes", 10_000):
        for conditions in some:
            kept_of(keeper, state, conditions, of, 50)
            assert keeper.nbytes <= 10_000
    with patch.object(keeping, "_MOST_KEPT", 3):
        for conditions in some:
            kept_of(keeper, state, conditions, of, 50)
            assert len(keeper) <= 3
    again = kept_of(keeper, state, some[-1], of, 50)
    assert again is kept_of(keeper, state, some[-1], of, 50)
    assert kept_of(keeper, state, some[0], of, 50) is not one


def test_who_want_the_same_wait_for_one_reading_and_go_on_if_it_was_given_up(
    lake: Lake, keeper: Keeper
) -> None:
    state = newest(lake)
    basis = basis_of(lake, state, ())
    read: list[int] = []

    async def main() -> None:
        async def run(work: Callable[[Cancellation], Kept]) -> Kept:
            read.append(1)
            await anyio.sleep(0)
            if len(read) == 1:
                raise QueryLimit("Its client has gone.")
            return work(Cancellation())

        async def ask() -> None:
            try:
                assert await keeper.rows(run, state, (), layout(basis, {}), basis.rows)
            except QueryLimit:
                read.append(-1)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(ask)

    anyio.run(main)
    assert read == [1, -1, 1]


# By steps ----------------------------------------------------------------------------------------

_AXES = [axis for view in VIEWS.values() for axis in view.axes if axis.column and not axis.is_time]


def rows_of(of: Layout, table: pa.Table) -> Rows:
    """The rows of a table, in which they are numbered from zero."""
    numbers = pa.array(range(table.num_rows), pa.int64())
    return read_rows(of, Texts(), table.add_column(0, "row_number", numbers).to_batches())


def _values(low: float, high: float, steps: int) -> list[float | None]:
    edges = [low + (high - low) * at / steps for at in range(steps + 1)]
    near = [math.nextafter(edge, way) for edge in edges for way in (-math.inf, math.inf)]
    odd = [None, math.nan, math.inf, -math.inf, -0.0, 1e300, 5e-324, -5e-324]
    return [*odd, *edges, *near, *(float(f"{edge:.9g}") for edge in edges)]


@pytest.mark.parametrize("axis", _AXES, ids=lambda axis: axis.column)
def test_steps_are_those_of_sql_to_the_last_digit(axis: Any) -> None:
    """On the very borders of steps, beside them, and of what is no number."""
    view = View("one", axis.title, "interval", (replace(axis, bins=axis.steps),))
    of = Layout((Binned(view),))
    values = pa.table({axis.column: pa.array(_values(axis.low, axis.high, axis.steps))})
    with duckdb.connect() as db:
        db.register("there", values)
        sql = of.views[0].sql()
        expected = db.execute(f"SELECT {sql} AS step FROM there").to_arrow_table()
        coarse = replace(axis, bins=axis.steps // 4)
        quarter = Binned(replace(view, axes=(coarse,)))
        bins = db.execute(f"SELECT {quarter.sql()} AS bin FROM there").to_arrow_table()
    steps = rows_of(of, values).steps["one"]
    assert steps.tolist() == expected.column(0).to_pylist()
    outside = steps.astype(int) - axis.steps
    of_steps = np.where(outside < 0, steps // 4, quarter.bins + outside)
    assert of_steps.tolist() == bins.column(0).to_pylist()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_brush_lets_through_what_its_ends_do_or_is_not_told_by_steps(data: st.DataObject) -> None:
    axis = data.draw(st.sampled_from(_AXES))
    shares = data.draw(st.lists(st.integers(0, 72), min_size=2, max_size=2, unique=True))
    low, high = (float(f"{axis.low + (axis.high - axis.low) * n / 72:.9g}") for n in sorted(shares))
    name = next(v.name for v in VIEWS.values() if v.axes == (axis,)) if _is_view(axis) else None
    if name is None:
        return
    values = _values(axis.low, axis.high, axis.steps)
    of = Layout((Binned(replace(VIEWS[name], axes=(replace(axis, bins=axis.steps),))),))
    table = pa.table({axis.column: pa.array(values)})
    kept = Kept(of, Texts(), None, ((1, rows_of(of, table)),))  # type: ignore[arg-type]
    (brush,) = brushes([f"{name}:{low}:{high}"]).values()
    condition = brush.condition()
    with duckdb.connect() as db:
        db.register("there", table)
        counts = db.execute(
            f"SELECT count(*) FROM there WHERE {condition.sql}", condition.values
        ).fetchone()
    try:
        found = counted(kept, Cube((), None, {name: brush}, "", ()), lambda: None)
    except NotByStep:
        return
    assert counts is not None
    assert sum(found.column("n").to_pylist()) == counts[0]


def _is_view(axis: Any) -> bool:
    return any(view.axes == (axis,) for view in VIEWS.values())
