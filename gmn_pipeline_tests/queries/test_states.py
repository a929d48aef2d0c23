"""Several states of the lake at once, through loads and maintenance; processes that stand ready."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import QueryFailed, QueryLimit, QueryRefused, SnapshotGone
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.pool import QueryPool
from gmn_pipeline.queries.process import ask
from gmn_pipeline.queries.states import Snapshot, States, states_of
from gmn_pipeline.serving.tables.difference import changes_sql
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.places import catalog_of, placed
from gmn_pipeline_tests.support.postgres import PostgresServer
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import maintain

LIMITS = Limits(seconds=30, memory_mb=500, disk_mb=0, rows=100_000)
REFUSED = (
    "DELETE FROM trajectories",
    "FROM '/etc/passwd'",
    "SELECT * FROM warehouse.trajectories",
    "SELECT repeat('x', 9)",
)
COUNT = "SELECT count(*) AS n, round(sum(vgeo_km_s), 6) AS sum FROM trajectories"


def rows(answer: Answer) -> list[dict[str, Any]]:
    with answer:
        return [row for batch in answer for row in batch.to_pylist()]


def load(bench: Bench, settings: Settings, count: int, generated: str) -> None:
    changed = sample().first(count).stamped(generated).with_fields(1, vgeo_km_s=f"  {count}.00000")
    bench.put(DAILY, changed)
    load_days([DAY], settings)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def settings(request: pytest.FixtureRequest, bench: Bench) -> Settings:
    """A new warehouse, its catalogue in either."""
    if request.param == "SQLite":
        return bench.settings
    server: PostgresServer = request.getfixturevalue("postgres")
    return placed(bench, catalog_of(server))


def test_rows_that_came_later_are_all_that_changed_whatever_maintenance_did(
    bench: Bench, settings: Settings
) -> None:
    """What events look at, against what `/gmn/changes` looks at."""
    since = []
    with states_of(settings_loaded(bench, settings), LIMITS, kept=8) as states:
        for number, count in enumerate((60, 30, 45, 45, 80, 20)):
            since.append(states.look().id)
            load(bench, settings, count, f"2022-03-{17 + number} 00:00:00")
            if number in (1, 4):
                maintain(settings)
            newest = states.look()
            for state in since:
                everything, recent = (
                    rows(states.run(newest, changes_sql(state, is_recent=is_recent)))
                    for is_recent in (False, True)
                )
                assert everything == recent
                assert everything or count == 45


def settings_loaded(bench: Bench, settings: Settings) -> Settings:
    load(bench, settings, 50, "2022-03-16 00:00:00")
    return settings


def test_a_state_stays_as_it_was_until_it_is_given_up(bench: Bench, settings: Settings) -> None:
    load(bench, settings, 20, "2022-03-16 00:00:00")
    with states_of(settings, LIMITS, kept=2) as states:
        seen: dict[int, tuple[Snapshot, list[dict[str, Any]]]] = {}

        def look(states: States) -> None:
            newest = states.look()
            seen[newest.id] = (newest, rows(states.run(newest, COUNT)))
            for snapshot, was in seen.values():
                assert rows(states.run(snapshot, COUNT)) == was

        look(states)
        load(bench, settings, 30, "2022-03-17 00:00:00")
        look(states)
        maintain(settings)  # which finds no reader, though states are open
        for snapshot, was in list(seen.values()):
            assert rows(states.run(snapshot, COUNT)) == was
        look(states)
        assert [was[0]["n"] for _, was in seen.values()] == [20, 30, 30]
        first, was = next(iter(seen.values()))
        assert rows(ask(settings, COUNT, snapshot=first.id, limits=LIMITS)) == was

        maintain(settings, utc_now() + timedelta(days=30))
        for _ in range(2):
            with pytest.raises(SnapshotGone):
                rows(states.run(first, COUNT))
        with pytest.raises(SnapshotGone):
            states.snapshot(first.id)
        with pytest.raises(SnapshotGone):
            rows(ask(settings, COUNT, snapshot=first.id, limits=LIMITS))
        assert rows(states.run(states.look(), COUNT))[0]["n"] == 30


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    bench = Bench(tmp_path_factory.mktemp("pool"), run_retries=0)
    load(bench, bench.settings, 20, "2022-03-16 00:00:00")
    return bench.settings


def test_text_that_was_found_good_is_good_for_the_same_states_only(lake: Settings) -> None:
    with states_of(lake, LIMITS, kept=2) as states:
        newest = states.newest
        for _ in range(2):
            assert rows(states.run(newest, COUNT))[0]["n"] == 20
            for refused in REFUSED:
                with pytest.raises(QueryRefused):
                    states.run(newest, refused)


@pytest.fixture
def pool(lake: Settings) -> Iterator[QueryPool]:
    pool = QueryPool(lake, 2)
    pool.start()
    yield pool
    pool.close()


def children() -> set[int]:
    """Processes that wait for a query, or are at it."""
    me = f"PPid:\t{os.getpid()}\n"
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            if me in status.read_text() and b"gmn_pipeline.queries" in command:
                found.add(int(status.parent.name))
        except OSError:
            continue
    return found


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_stand_ready_and_others_take_their_place(pool: QueryPool) -> None:
    until(lambda: len(children()) == 2)
    ready = children()
    for _ in range(3):
        assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 20
    with pytest.raises(QueryFailed):
        rows(pool.ask("SELECT nothing", limits=LIMITS))
    assert children() == ready  # each answers one query after the other
    # What is anybody's is gone with a process that reached a limit.
    with pytest.raises(QueryLimit, match="memory"):
        rows(pool.ask("SELECT length(repeat('x', 3000000000))", limits=LIMITS))
    until(lambda: len(children() & ready) == 1)
    assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 20


def test_a_query_that_is_cancelled_takes_its_process_and_no_other(pool: QueryPool) -> None:
    done = Cancellation()
    assert rows(pool.ask(COUNT, limits=LIMITS, cancellation=done))[0]["n"] == 20
    until(lambda: len(children()) == 2)
    before = children()
    done.cancel()  # too late: the process has gone back
    assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 20
    assert before <= children()
    under_way = Cancellation()
    timer = threading.Timer(0.3, under_way.cancel)
    timer.start()
    with pytest.raises(QueryFailed, match="cancelled"):
        rows(pool.ask("SELECT count(*) FROM range(1000000000000)", limits=LIMITS,
                      cancellation=under_way))  # fmt: skip
    timer.join()
    assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 20


def test_one_that_was_killed_while_it_waited_is_passed_over(pool: QueryPool) -> None:
    for process in children():
        os.kill(process, signal.SIGKILL)
    until(lambda: not children())
    assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 20


def test_those_that_wait_end_with_the_pool(lake: Settings) -> None:
    before = children()
    pool = QueryPool(lake, 2)
    pool.start()
    pool.close()
    assert children() <= before


def test_a_process_whose_files_were_made_anew_gives_way_to_a_new_one(bench: Bench) -> None:
    """Who closes the catalogue last removes the files beside it, and a process that stands ready
    may write those only that were there when it began."""
    load(bench, bench.settings, 20, "2022-03-16 00:00:00")
    beside = bench.settings.data_dir / "warehouse" / "catalog.sqlite-shm"
    pool = QueryPool(bench.settings, 1)
    try:
        assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 20
        load(bench, bench.settings, 30, "2022-03-17 00:00:00")
        assert not beside.exists()
        assert rows(pool.ask(COUNT, limits=LIMITS))[0]["n"] == 30
    finally:
        pool.close()


HIDDEN = frozenset({"stream_offsets", "dead_letters"})
LISTS = (
    "SELECT table_name AS name FROM duckdb_tables()",
    "SELECT DISTINCT t.table_name AS name FROM DuckDB_Columns() AS t WHERE t.table_name > $low",
    "SELECT table_name AS name FROM information_schema.tables",
    "WITH c AS (FROM Information_Schema.Columns) SELECT DISTINCT table_name AS name FROM c",
    "SELECT name FROM (SHOW TABLES)",
    "SHOW TABLES",
    "SELECT a.table_name AS name FROM duckdb_tables() a "
    "JOIN information_schema.tables b USING (table_name) "
    "UNION SELECT table_name FROM information_schema.tables",
    "SELECT unnest((SELECT list(table_name) FROM duckdb_tables())) AS name",
)


def test_tables_that_are_hidden_are_named_in_no_list(lake: Settings) -> None:
    pool = QueryPool(lake, 1, HIDDEN)
    try:
        for sql in LISTS:
            given = {"low": ""} if "$low" in sql else ()
            named = {row["name"] for row in rows(pool.ask(sql, given, limits=LIMITS))}
            assert {"trajectories", "stations"} <= named, sql
            assert not named & HIDDEN, sql
        plan = str(rows(pool.ask("EXPLAIN FROM duckdb_tables()", limits=LIMITS)))
        assert "FILTER" in plan
    finally:
        pool.close()
