"""A query cannot write, nor reach what is not the warehouse's, nor take all there is."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gmn_pipeline.errors import GmnError, QueryFailed, QueryLimit, QueryRefused
from gmn_pipeline.queries import functions
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import ask
from gmn_pipeline.queries.session import ReadSession, read_session
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.harm import ENDLESS, SELECTS, STATEMENTS
from gmn_pipeline_tests.support.lake import fingerprints, small_lake

SMALL = Limits(seconds=1, memory_mb=400, disk_mb=50, rows=100)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def session(lake: Settings) -> Iterator[ReadSession]:
    with read_session(lake, Limits(seconds=10, memory_mb=400, disk_mb=0, rows=100)) as reading:
        yield reading


def named(lake: Settings, sql: str) -> str:
    folder = lake.warehouse_dir
    return sql.format(lake=folder, catalog=folder / "catalog.sqlite")


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
def test_what_is_not_one_select_is_refused(lake: Settings, session: ReadSession, sql: str) -> None:
    before = fingerprints(lake)
    with pytest.raises((QueryRefused, QueryFailed)) as refused:
        session.run(named(lake, sql))
    assert "\n" not in str(refused.value)
    assert str(lake.data_dir) not in str(refused.value)
    assert fingerprints(lake) == before


@pytest.mark.parametrize("sql", SELECTS.values(), ids=SELECTS)
def test_a_select_of_anything_but_the_warehouse_is_refused(
    lake: Settings, session: ReadSession, sql: str
) -> None:
    before = fingerprints(lake)
    with pytest.raises((QueryRefused, QueryFailed)) as refused:
        list(session.run(named(lake, sql)))
    assert len(str(refused.value)) < 1_000
    assert "root:" not in str(refused.value)
    assert fingerprints(lake) == before


def test_explain_makes_nothing_allowed_that_is_not(lake: Settings, session: ReadSession) -> None:
    before = fingerprints(lake)
    for sql in (STATEMENTS | SELECTS).values():
        with pytest.raises((QueryRefused, QueryFailed)):
            list(session.run(f"EXPLAIN {named(lake, sql)}"))
    for way in ("EXPLAIN ANALYZE", "EXPLAIN (ANALYZE)", "EXPLAIN EXPLAIN", "EXPLAIN VERBOSE", "x"):
        with pytest.raises((QueryRefused, QueryFailed)):
            session.run(f"{way} SELECT 1")
    assert fingerprints(lake) == before


def test_a_plan_is_told_without_running_the_query(lake: Settings, session: ReadSession) -> None:
    asked = "EXPLAIN SELECT error('run') FROM trajectories WHERE vgeo_km_s > $speed"
    (batch,) = session.run(asked, {"speed": 60})
    (plan,) = batch.column("explain_value").to_pylist()
    assert "trajectories" in plan
    assert str(lake.data_dir) not in plan
    assert ".parquet" not in plan


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS)
def test_a_query_ends_at_its_limits_whatever_it_does(lake: Settings, sql: str) -> None:
    before = fingerprints(lake)
    begun = time.monotonic()
    with pytest.raises(QueryLimit):
        list(ask(lake, sql.format(), limits=SMALL))
    assert time.monotonic() - begun < 30  # most of it is the start of a process beside others
    assert fingerprints(lake) == before


_BEHIND_THE_GATE = """
import json, sys, duckdb
from gmn_pipeline.settings import load_settings
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import read_session

statements = json.load(sys.stdin)
limits = Limits(seconds=10, memory_mb=400, disk_mb=0, rows=100)
with read_session(load_settings(data_dir=sys.argv[1]), limits, alone=True) as reading:
    for sql in statements:
        cursor = reading._connection.cursor()
        cursor.execute("USE warehouse")
        try:
            if cursor.execute(sql):
                cursor.fetchall()
        except duckdb.Error:
            pass
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_were_a_statement_let_through_the_session_could_not_write_either(lake: Settings) -> None:
    before = fingerprints(lake)
    known = [
        named(lake, sql) for sql in (*STATEMENTS.values(), *SELECTS.values()) if len(sql) < 1_000
    ]
    done = subprocess.run(
        [sys.executable, "-c", _BEHIND_THE_GATE, str(lake.data_dir)],
        input=json.dumps(known), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.endswith("done\n"), done.stderr
    assert fingerprints(lake) == before


def test_files_of_a_query_that_was_killed_are_removed(lake: Settings) -> None:
    before = set((lake.data_dir / "tmp").glob("*"))
    sorting = "SELECT max(t) FROM (SELECT hash(range) h, repeat('x', 100) t FROM range(50000000) " \
        "ORDER BY h LIMIT 40000000)"  # fmt: skip
    with pytest.raises(QueryLimit):
        list(ask(lake, sorting, limits=SMALL))
    assert set((lake.data_dir / "tmp").glob("*")) == before


def test_functions_that_take_all_memory_are_for_a_process_of_its_own(
    lake: Settings, session: ReadSession
) -> None:
    query = "SELECT lpad('7', 3, '0') AS n"
    with pytest.raises(QueryRefused, match="lpad"):
        session.run(query)
    (batch,) = ask(lake, query)
    assert batch.to_pylist() == [{"n": "007"}]


def test_every_function_that_is_refused_or_allowed_is_there() -> None:
    with duckdb.connect() as connection:
        known = {name for (name,) in connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()}  # fmt: skip
    of_the_shell = {"getenv"}
    assert known >= functions.TABLE_FUNCTIONS
    assert known >= functions.HUNGRY
    assert set(functions.REFUSED) - of_the_shell <= known


def test_every_function_of_this_duckdb_was_looked_at() -> None:
    listed = (Path(__file__).parent / "functions.txt").read_text("utf-8").split()
    with duckdb.connect() as connection:
        known = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'macro') ORDER BY 1"
        ).fetchall()
    new = {name for (name,) in known} - set(listed)
    assert not new, "refuse what reads or writes (queries/functions.py), and list the others"


def test_an_error_names_what_to_do() -> None:
    for limit in (SMALL.time_reached(), SMALL.memory_reached()):
        assert isinstance(limit, GmnError)
        assert "GMN_QUERY_" in limit.remedy
