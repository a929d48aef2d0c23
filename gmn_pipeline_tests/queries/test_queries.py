"""What may be asked is answered: as it would be without the door, in batches, up to the limits."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest

from gmn_pipeline.errors import QueryFailed, QueryLimit, QueryRefused
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import QueryProcess, ask
from gmn_pipeline.queries.session import ReadSession, read_session
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.lake import WITHOUT_END, small_lake

LIMITS = Limits(seconds=30, memory_mb=500, disk_mb=0, rows=100_000)

ALLOWED = {
    "constant": "SELECT 1 AS one",
    "closing semicolon": "SELECT 1;",
    "comments around": "-- first\nSELECT /* inside */ 1 -- last",
    "values": "VALUES (1, 'a'), (2, 'b')",
    "from first": "FROM stations ORDER BY station_number LIMIT 3",
    "table": "TABLE stations ORDER BY station_number",
    "qualified": "SELECT count(*) FROM warehouse.trajectories",
    "qualified in full": "SELECT count(*) FROM warehouse.main.trajectories",
    "quoted and in capitals": 'SELECT count(*) FROM "Trajectories"',
    "filter and order": "SELECT trajectory_identifier, vgeo_km_s FROM trajectories "
    "WHERE vgeo_km_s > 20 AND iau_shower_code <> '...' ORDER BY ALL",
    "join": "SELECT s.country_code, count(*) FROM trajectory_stations JOIN stations s "
    "USING (station_code) GROUP BY 1 ORDER BY ALL",
    "join of showers": "SELECT iau_shower_name, count(*) FROM trajectories JOIN iau_showers "
    "USING (iau_shower_number) GROUP BY 1 ORDER BY ALL",
    "as-of join": "SELECT count(*) FROM trajectories a ASOF JOIN trajectories b "
    "ON a.beginning_utc_time > b.beginning_utc_time",
    "window": "SELECT trajectory_identifier, rank() OVER (PARTITION BY iau_shower_code "
    "ORDER BY vgeo_km_s) AS r FROM trajectories QUALIFY r = 1 ORDER BY ALL",
    "grouping sets": "SELECT iau_shower_code, count(*) FROM trajectories GROUP BY "
    "GROUPING SETS ((iau_shower_code), ()) ORDER BY ALL",
    "CTE": "WITH fast AS (SELECT * FROM trajectories WHERE vgeo_km_s > 50), "
    "named AS MATERIALIZED (SELECT * FROM fast WHERE iau_shower_number > 0) "
    "SELECT count(*) FROM fast, named",
    "CTE within a CTE": "WITH a AS (WITH b AS (SELECT 1 AS x) SELECT * FROM b) SELECT * FROM a",
    "CTE with the name of a table": "WITH stations AS (SELECT 7 AS n) SELECT * FROM stations",
    "recursion that ends": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r "
    "WHERE n < 100) SELECT sum(n) FROM r",
    "recursion by key": "WITH RECURSIVE r(a, b) USING KEY (a) AS (SELECT 1, 1 UNION "
    "SELECT a, b + 1 FROM recurring.r WHERE b < 5) SELECT * FROM r",
    "set operations": "SELECT station_code FROM stations EXCEPT "
    "(SELECT station_code FROM trajectory_stations INTERSECT SELECT 'UK0002')  ORDER BY 1",
    "lateral": "SELECT s.station_code, n.c FROM stations s, LATERAL (SELECT count(*) AS c "
    "FROM trajectory_stations t WHERE t.station_code = s.station_code) n ORDER BY ALL",
    "correlated subquery": "SELECT count(*) FROM stations s WHERE EXISTS "
    "(FROM trajectory_stations t WHERE t.station_code = s.station_code)",
    "unnest": "SELECT s, count(*) FROM (SELECT unnest(participating_stations) AS s "
    "FROM trajectories) GROUP BY 1 ORDER BY ALL",
    "unnest as a table": "SELECT t.trajectory_identifier, u.s FROM trajectories t, "
    "unnest(t.participating_stations) u(s) ORDER BY ALL LIMIT 50",
    "lists": "SELECT list_sort(list_distinct(flatten(list(participating_stations))))[1:5] "
    "FROM trajectories",
    "lambda": "SELECT list_filter([1, 2, 3], lambda x: x > 1), [x + 1 for x in [1, 2]]",
    "structs and maps": "SELECT s.a, m['k'], s, m FROM (SELECT {'a': 1, 'b': [2]} AS s, "
    "MAP {'k': 1} AS m)",
    "series": "SELECT * FROM generate_series(TIMESTAMP '2022-03-04', TIMESTAMP '2022-03-06', "
    "INTERVAL 1 hour)",
    "range": "SELECT r * 2 FROM range(10) t(r)",
    "dates": "SELECT date_trunc('hour', beginning_utc_time) AS h, strftime(h, '%H:%M'), "
    "count(*), max(age(beginning_utc_time, TIMESTAMP '2022-01-01')) FROM trajectories "
    "GROUP BY 1 ORDER BY 1",
    "statistics": "SELECT median(vgeo_km_s), stddev(vgeo_km_s), quantile_cont(vgeo_km_s, "
    "[0.1, 0.9]), histogram(station_count), corr(vgeo_km_s, eccentricity) FROM trajectories",
    "case and casts": "SELECT CASE WHEN vgeo_km_s > 40 THEN 'fast' ELSE 'slow' END AS c, "
    "sum(1::DECIMAL(5, 2)), try_cast('x' AS INTEGER) FROM trajectories GROUP BY 1 ORDER BY 1",
    "columns by pattern": "SELECT COLUMNS('.*_deg') FROM trajectories ORDER BY ALL LIMIT 3",
    "star with exceptions": "SELECT * EXCLUDE (quality_flags) REPLACE (round(vgeo_km_s) AS "
    "vgeo_km_s) FROM trajectories ORDER BY ALL LIMIT 3",
    "text": "SELECT regexp_extract(station_code, '[A-Z]+'), lower(station_code) || '-x', "
    "station_code LIKE 'UK%' FROM stations ORDER BY ALL",
    "JSON": "SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]') AS j, to_json(stations) "
    "FROM stations ORDER BY ALL LIMIT 2",
    "pivot": "PIVOT trajectories ON iau_shower_code IN ('FLO', 'TSB') USING count(*) "
    "GROUP BY station_count ORDER BY ALL",
    "pivot by the standard": "SELECT * FROM (SELECT iau_shower_code, vgeo_km_s FROM trajectories) "
    "PIVOT (avg(vgeo_km_s) FOR iau_shower_code IN ('FLO', 'TSB'))",
    "unpivot": "UNPIVOT (SELECT min(vgeo_km_s) AS low, max(vgeo_km_s) AS high FROM trajectories) "
    "ON low, high",
    "past states": "SELECT count(*) FROM trajectories_as_of(TIMESTAMP '2100-01-01')",
    "past states by name": "FROM warehouse.trajectories_as_of(utc_time := now()::TIMESTAMP) "
    "SELECT max(vgeo_km_s)",
    "version of the lake": "SELECT count(*) FROM trajectories AT (VERSION => VERSION_NOW)",
    "time of the lake": "SELECT count(*) FROM trajectories AT (TIMESTAMP => now())",
    "view": "SELECT id, iau_shower_id FROM meteor ORDER BY id LIMIT 3",
    "joined views": "SELECT s.code, count(*) FROM meteor m JOIN participating_station p "
    "ON p.meteor_id = m.id JOIN station s ON s.id = p.station_id GROUP BY 1 ORDER BY ALL",
    "sample": "SELECT count(*) FROM trajectories USING SAMPLE 100%",
    "describe": "DESCRIBE trajectories",
    "describe a query": "DESCRIBE SELECT vgeo_km_s AS v FROM trajectories",
    "summarize": "SELECT column_name, min, max FROM (SUMMARIZE stations)",
    "show": "SHOW TABLES",
    "comments": "SELECT column_name, comment FROM duckdb_columns() "
    "WHERE table_name = 'trajectories' ORDER BY ALL",
    "comments of tables": "SELECT table_name, comment FROM duckdb_tables() ORDER BY ALL",
    "standard catalogue": "SELECT table_name, column_name, data_type "
    "FROM information_schema.columns WHERE table_name = 'stations' ORDER BY ALL",
    "limit by a query": "SELECT 1 LIMIT (SELECT 1)",
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def session(lake: Settings) -> Iterator[ReadSession]:
    with read_session(lake, LIMITS) as reading:
        yield reading


def rows(answer: Answer) -> list[dict[str, Any]]:
    with answer:
        return [row for batch in answer for row in batch.to_pylist()]


@pytest.mark.parametrize("sql", ALLOWED.values(), ids=ALLOWED)
def test_what_analysts_ask_is_answered_as_without_the_door(
    lake: Settings, session: ReadSession, sql: str
) -> None:
    with WarehouseConnection(lake).open(read_only=True) as connection:
        now = connection.execute(f"FROM ducklake_current_snapshot('{CATALOG}')").fetchone()
        sql = sql.replace("VERSION_NOW", str((now or [0])[0]))
        expected = connection.execute(sql).to_arrow_table().to_pylist()
    assert expected
    assert rows(session.run(sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "FROM duckdb_columns()",
        "FROM duckdb_tables()",
        "FROM duckdb_views()",
        "FROM duckdb_functions()",
        "FROM information_schema.columns",
        "FROM information_schema.schemata",
        "FROM information_schema.tables",
        "FROM information_schema.views",
        "SHOW TABLES",
    ],
)
def test_what_there_is_shows_no_path_and_no_inside(
    lake: Settings, session: ReadSession, sql: str
) -> None:
    found = repr(rows(session.run(sql)))
    assert str(lake.data_dir) not in found
    assert "catalog.sqlite" not in found
    assert "ducklake_data_file" not in found


def test_a_process_of_its_own_answers_the_same(lake: Settings, session: ReadSession) -> None:
    query = "SELECT * FROM trajectories ORDER BY trajectory_identifier"
    assert rows(ask(lake, query)) == rows(session.run(query))


@pytest.mark.parametrize("alone", [False, True])
def test_values_are_bound_by_position_and_by_name(
    lake: Settings, session: ReadSession, alone: bool
) -> None:
    def run(sql: str, parameters: Any) -> list[dict[str, Any]]:
        return rows(ask(lake, sql, parameters) if alone else session.run(sql, parameters))

    query = "SELECT ? AS text, ?::DATE AS day, typeof(?) AS kind"
    values = ["'; DROP TABLE stations; --", date(2022, 3, 4), [1.5]]
    (row,) = run(query, values)
    assert row == {"text": values[0], "day": values[1], "kind": "DOUBLE[]"}
    named = run("SELECT count(*) AS n FROM trajectories WHERE iau_shower_code = $code "
                "AND vgeo_km_s < $most", {"code": "...", "most": 1000})  # fmt: skip
    assert named == [{"n": 486}]
    with pytest.raises(QueryFailed, match=r"(?i)parameter"):
        run("SELECT ?", [])


def test_an_answer_is_cut_off_at_the_limit_and_says_so(lake: Settings) -> None:
    few = replace(LIMITS, rows=7)
    with read_session(lake, few) as reading:
        for run in (reading.run, lambda sql: ask(lake, sql, limits=few)):
            whole, more = run("FROM range(7)"), run(WITHOUT_END)
            assert [len(rows(answer)) for answer in (whole, more)] == [7, 7]
            assert [answer.truncated for answer in (whole, more)] == [False, True]
            assert whole.rows == more.rows == 7


def test_many_threads_ask_one_session_at_once(session: ReadSession) -> None:
    def one(number: int) -> int:
        (row,) = rows(session.run("SELECT count(*) + ? AS n FROM trajectories", [number]))
        return int(row["n"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(40))) == [534 + number for number in range(40)]


@pytest.mark.parametrize("alone", [False, True])
def test_a_query_under_way_is_ended_by_another_thread(
    lake: Settings, session: ReadSession, alone: bool
) -> None:
    cancellation = Cancellation()
    endless = replace(LIMITS, rows=10**12)
    with read_session(lake, endless) as reading:
        answer = (
            ask(lake, WITHOUT_END, limits=endless, cancellation=cancellation)
            if alone
            else reading.run(WITHOUT_END, cancellation=cancellation)
        )
        batches = iter(answer)
        next(batches)
        thread = threading.Thread(target=cancellation.cancel)
        thread.start()
        with pytest.raises(QueryFailed, match="cancelled"):
            for _ in batches:
                pass
        thread.join()
        answer.close()
    assert rows(session.run("SELECT 1 AS one")) == [{"one": 1}]


def test_a_query_may_be_cancelled_at_any_moment(session: ReadSession) -> None:
    """While it begins as well, when it is not judged yet."""
    for number in range(300):
        cancellation = Cancellation()
        timer = threading.Timer(number * 1e-5, cancellation.cancel)
        timer.start()
        with suppress(QueryFailed):
            assert rows(session.run("SELECT 1 AS one", cancellation=cancellation)) == [{"one": 1}]
        timer.join()


def test_a_query_cancelled_before_it_began_does_not_begin(
    lake: Settings, session: ReadSession
) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(QueryFailed, match="cancelled"):
        session.run("SELECT 1", cancellation=cancellation)
    with pytest.raises(QueryFailed, match="cancelled"):
        ask(lake, "SELECT 1", cancellation=cancellation)


def test_the_time_limit_ends_a_query_in_a_shared_session(lake: Settings) -> None:
    with read_session(lake, replace(LIMITS, seconds=0.5)) as reading:
        with pytest.raises(QueryLimit, match=r"after 0\.5 s.*GMN_QUERY_TIMEOUT_S"):
            reading.run("SELECT sum(range) FROM range(1000000000000)")
        assert rows(reading.run("SELECT 1 AS one")) == [{"one": 1}]


def test_closing_an_answer_ends_its_process(lake: Settings) -> None:
    process = QueryProcess()
    pid = process._process.pid
    with process.ask(lake, WITHOUT_END, limits=LIMITS) as answer:
        next(iter(answer))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


_ASKS_AND_WAITS = f"""
import sys
from gmn_pipeline.settings import load_settings
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import QueryProcess
process = QueryProcess()
limits = Limits(seconds=600, memory_mb=500, disk_mb=0, rows=10**12)
answer = process.ask(load_settings(data_dir=sys.argv[1]), "{WITHOUT_END}", limits=limits)
print(process._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process by its descriptor")
def test_the_process_of_a_query_ends_with_the_one_that_asked(lake: Settings) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-c", _ASKS_AND_WAITS, str(lake.data_dir)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with asking:
        assert asking.stdout is not None
        worker = os.pidfd_open(int(asking.stdout.readline()))
        asking.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([worker], [], [], 30)
        os.close(worker)
    assert ended


def test_errors_of_duckdb_are_a_sentence_with_the_place(session: ReadSession) -> None:
    for query, message in {
        "SELECT vgeo FROM trajectories": r'"vgeo" not found.*Candidate.*vgeo_km_s.*\(Line 1, at: ',
        "SELECT 1\nFORM trajectories": r"syntax error.*\(Line 2, at: trajectories\)",
        "SELECT 1 +": "syntax error at end of input",
        "SELECT 'x'::INTEGER": "Could not convert string 'x'",
        "SELECT nothing()": "nothing does not exist",
    }.items():
        with pytest.raises(QueryFailed, match=message) as failed:
            rows(session.run(query))
        assert "\n" not in str(failed.value)


def test_a_misspelt_table_is_told_with_the_nearest(session: ReadSession) -> None:
    with pytest.raises(QueryRefused, match=r"'trajectorys'.*Did you mean trajectories"):
        session.run("SELECT * FROM trajectorys")


def test_sessions_are_in_utc_whatever_the_machine_is(
    lake: Settings, session: ReadSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    query = "SELECT TIMESTAMPTZ '2022-03-04 12:00:00+00'::TIMESTAMP::VARCHAR AS t"
    assert rows(session.run(query)) == rows(ask(lake, query)) == [{"t": "2022-03-04 12:00:00"}]


def test_a_session_beside_a_writer_in_one_process_cannot_write_either(lake: Settings) -> None:
    warehouse = WarehouseConnection(lake)
    with warehouse.session():
        with warehouse.open(read_only=True) as reading:
            assert reading.execute("SELECT count(*) FROM trajectories").fetchone() == (534,)
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                reading.execute("DELETE FROM trajectories")
        with warehouse.writing() as writing:
            writing.execute("BEGIN")
            writing.execute("DELETE FROM stations")
            with warehouse.open(read_only=True) as reading:
                assert reading.execute("SELECT count(*) > 0 FROM stations").fetchone() == (True,)
            writing.execute("ROLLBACK")


_IMPORTS = """
import sys
from contextlib import suppress
from gmn_pipeline.settings import load_settings
from gmn_pipeline.queries.limits import Limits
if sys.argv[2] == "command":
    from gmn_pipeline.cli.main import app
    with suppress(SystemExit):
        app(["sql", "SELECT * FROM trajectories"])
else:
    from gmn_pipeline.imports import without
    with without("numpy"):  # as the process of a query starts
        import gmn_pipeline.queries.worker
    from gmn_pipeline.queries.session import read_session
    limits = Limits(seconds=30, memory_mb=500, disk_mb=0, rows=10)
    with without("pandas"), read_session(load_settings(), limits, alone=True) as reading:
        list(reading.run("SELECT * FROM trajectories WHERE bin_date > ?", ["2020-01-01"]))
heavy = {"dagster", "pandera", "numpy", "pandas", "polars", "kafka", "fastavro"}
print(sorted(heavy & sys.modules.keys()))
"""


@pytest.mark.parametrize("side", ["command", "worker"])
def test_a_query_imports_nothing_that_takes_long(lake: Settings, side: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, "", side], capture_output=True, text=True,
        env={**os.environ, "GMN_DATA_DIR": str(lake.data_dir)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
