"""SQL of clients over HTTP: whole queries, conditions on tables, and what neither can do."""

import csv
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest

from gmn_pipeline.schemas.tables import WORKING_TABLES
from gmn_pipeline.serving.rest_api.habits import named_parameters
from gmn_pipeline.serving.tables.questions import ANY_COLUMNS
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.serving.conftest import PAGE_ROWS
from gmn_pipeline_tests.support.harm import SELECTS, STATEMENTS
from gmn_pipeline_tests.support.lake import fingerprints
from gmn_pipeline_tests.support.server import Reply, Server
from gmn_pipeline_tests.support.warehouse import ask

T = "/gmn/trajectories"
KEY = "trajectory_identifier"
DATASETTE = {"ok", "database", "query_name", "rows", "truncated", "columns", "query", "error",
             "private", "allow_execute_sql"}  # fmt: skip
FAST = "SELECT trajectory_identifier, vgeo_km_s FROM trajectories WHERE vgeo_km_s > 65 ORDER BY 1"


def sql(server: Server, text: str, path: str = "/gmn_data_store.json", **more: object) -> Reply:
    return server.get(path, {"sql": text, **more})


# Whole queries ------------------------------------------------------------------------------------


def test_a_plan_is_asked_with_values_as_the_query_is(server: Server) -> None:
    text = "EXPLAIN SELECT [iau_code] FROM meteor_summary WHERE vgeo_km_s > :speed"
    told = sql(server, text, speed=60).json
    assert told["columns"] == ["explain_key", "explain_value"]
    assert "60.0" in told["rows"][0][1]
    assert server.sql("EXPLAIN SELECT 1").json["rows"][0]["explain_value"] != ""
    assert sql(server, "EXPLAIN SELECT 1 FROM t WHERE x = :speed", speed=1).status == 400


def test_an_answer_has_datasettes_keys_and_our_snapshot(server: Server, lake: Settings) -> None:
    told = sql(server, FAST).json
    assert set(told) == DATASETTE | {"snapshot"}
    assert told["ok"] is True
    assert told["database"] == "gmn_data_store"
    assert told["columns"] == [KEY, "vgeo_km_s"]
    assert told["query"] == {"sql": FAST, "params": {}}
    assert [tuple(row) for row in told["rows"]] == ask(lake, FAST)
    for path in ("/gmn_data_store", "/gmn", "/gmn.json"):
        assert sql(server, FAST, path).json["rows"] == told["rows"]


def test_shapes_are_datasettes(server: Server) -> None:
    rows = sql(server, FAST).json["rows"]
    objects = [dict(zip((KEY, "vgeo_km_s"), row, strict=True)) for row in rows]
    assert sql(server, FAST, _shape="objects").json["rows"] == objects
    assert sql(server, FAST, _shape="array").json == objects
    assert sql(server, FAST, _shape="arrayfirst").json == [row[0] for row in rows]
    lines = sql(server, FAST, _shape="array", _nl="on")
    assert lines.headers["Content-Type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines.body.splitlines()] == objects
    assert sql(server, FAST, _shape="object").status == 400


def test_up_to_a_page_of_rows_come_and_more_are_told(server: Server) -> None:
    told = sql(server, "SELECT * FROM range(500)").json
    assert (len(told["rows"]), told["truncated"]) == (PAGE_ROWS, True)
    told = sql(server, f"SELECT * FROM range({PAGE_ROWS})").json
    assert (len(told["rows"]), told["truncated"]) == (PAGE_ROWS, False)


def test_values_of_any_type_can_be_told(server: Server) -> None:
    text = (
        "SELECT 'NaN'::DOUBLE, '-inf'::FLOAT, 1.5::DECIMAL(9,2), "
        "[1, NULL], {'a': '2022-03-05'::DATE},"
        " '\\x41'::BLOB, INTERVAL 3 DAY, TIMESTAMP '2022-03-05 01:02:03', 2::HUGEINT, true, NULL"
    )
    (row,) = sql(server, text).json["rows"]
    assert row[:6] == [None, None, 1.5, [1, None], {"a": "2022-03-05"}, "41"]
    assert row[7:] == ["2022-03-05T01:02:03.000000Z", 2, True, None]
    for suffix in ANY_COLUMNS:
        if suffix != "json":
            reply = sql(server, text, f"/gmn.{suffix}")
            # Parquet has no interval.
            assert reply.status == (400 if suffix == "parquet" else 200), (suffix, reply.body)


@pytest.mark.parametrize("suffix", [one for one in ANY_COLUMNS if one != "json"])
def test_an_answer_can_be_had_in_each_format_that_takes_any_columns(
    server: Server, lake: Settings, suffix: str
) -> None:
    reply = sql(server, FAST, f"/gmn_data_store.{suffix}")
    assert reply.status == 200, reply.body
    expected = ask(lake, FAST)
    if suffix == "csv":
        head, *rows = csv.reader(io.StringIO(reply.body.decode()))
        assert head == [KEY, "vgeo_km_s"]
        assert [(name, float(speed)) for name, speed in rows] == expected
    if suffix == "arrow":
        rows = pa.ipc.open_stream(reply.body).read_all().to_pylist()
        assert [tuple(row.values()) for row in rows] == expected
    many = "SELECT * FROM range(3000)"
    if suffix == "ndjson":
        assert len(sql(server, many, "/gmn.ndjson").body.splitlines()) == 3_000


def test_a_file_is_whole_or_none(server: Server) -> None:
    reply = sql(server, "SELECT * FROM range(100001)", "/gmn.csv")
    assert (reply.status, reply.json["type"]) == (400, "urn:gmn:problem:query-limit")
    wide = sql(server, "SELECT repeat('x', 1000000) FROM range(50)", "/gmn.csv")
    assert (wide.status, wide.json["type"]) == (400, "urn:gmn:problem:query-limit")


def test_parameters_have_their_values_from_the_address(server: Server, lake: Settings) -> None:
    text = "SELECT count(*) FROM trajectories WHERE vgeo_km_s > :speed AND iau_shower_code = :code"
    told = sql(server, text, speed="30.5", code="...").json
    expected = ask(lake, "SELECT count(*) FROM trajectories WHERE vgeo_km_s > 30.5 AND "
                   "iau_shower_code = '...'")  # fmt: skip
    assert told["rows"] == [list(expected[0])]
    assert told["query"]["params"] == {"speed": 30.5, "code": "..."}
    nasty = sql(server, "SELECT :a, ':a', 1::INTEGER", a="'; DROP TABLE stations; --")
    assert nasty.json["rows"] == [["'; DROP TABLE stations; --", ":a", 1]]
    assert sql(server, "SELECT :missing").status == 400
    assert sql(server, "SELECT ?").status == 400


def test_only_names_that_are_given_are_parameters() -> None:
    given = frozenset({"a", "b1"})
    assert named_parameters("x = :a AND y=:b1", given) == ("x = $a AND y=$b1", given)
    for text in ("':a' || x::a", "-- :a", "{a: 1}", ":c", "x : a"):
        assert named_parameters(text, given) == (text, frozenset())


def test_what_was_written_for_sqlite_is_understood(server: Server) -> None:
    told = sql(server, 'SELECT COUNT(*) FROM [iau_shower] WHERE code LIKE "per" LIMIT 0,10').json
    assert (told["columns"], told["rows"]) == (["COUNT(*)"], [[1]])


def test_only_tables_that_may_be_asked_are_shown(server: Server) -> None:
    for text in ("SHOW TABLES", " show tables; "):
        shown = [name for (name,) in sql(server, text).json["rows"]]
        assert [row["name"] for row in server.sql(text).json["rows"]] == shown
        assert {"trajectories", "meteor_summary"} <= set(shown)
        assert not {table.name for table in WORKING_TABLES} & set(shown)
        for name in shown:
            assert sql(server, f"SELECT * FROM {name} LIMIT 1").status == 200, name
    assert sql(server, "DESCRIBE trajectories").json["rows"][0][0] == KEY


def test_an_error_has_datasettes_keys_in_the_body_of_all_errors(server: Server) -> None:
    for text, title in (("SELECT nothing FROM stations", "Bad Request"),
                        ("DELETE FROM stations", "Invalid SQL"), ("SELEC 1", "Bad Request"),
                        ("SELECT count(*) FROM range(1000000000000)", "SQL Interrupted"),
                        ("SELECT 1; SELECT 2", "Invalid SQL"), (" ", "Invalid SQL")):  # fmt: skip
        reply = sql(server, text)
        told = reply.json
        assert (reply.status, told["status"], told["title"]) == (400, 400, title), text
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert told.keys() >= DATASETTE, text
        assert (told["ok"], told["rows"], told["error"]) == (False, [], told["detail"])
    assert server.get("/gmn.json").status == 400


def test_it_is_asked_as_it_was_then(server: Server, lake: Settings) -> None:
    ((loaded,),) = ask(lake, "SELECT max(loaded_at_utc) FROM source_files")
    text = "SELECT max(revision) AS n FROM trajectories"
    assert sql(server, text).json["rows"] == [[2]]
    former = sql(server, text, _as_of=loaded.isoformat())
    assert former.json["rows"] == [[1]]
    assert former.json["snapshot"] < server.snapshot
    assert sql(server, text, _as_of="2001-01-01").status == 410
    again = server.get(
        f"/gmn.json?{urlencode({'sql': text})}",
        headers={"If-None-Match": sql(server, text, "/gmn.json").headers["ETag"]},
    )
    assert again.status == 304


def test_no_cell_of_a_csv_for_people_begins_a_formula_and_numbers_stay(server: Server) -> None:
    text = "SELECT '=1+1' AS \"=cmd\", '+1+1' a, '-1+1' b, '@x' c, ['=1'] d, -1.5 e, '-1.5' f"
    told = sql(server, text, "/gmn.csv").body.decode()
    assert told == "'=cmd,a,b,c,d,e,f\n'=1+1,'+1+1,'-1+1,'@x,'=1,-1.5,-1.5\n"


def test_no_text_is_too_large_and_none_gets_into_a_header(server: Server) -> None:
    bad = "true /*\r\nX-Bad: 1\r\n\r\n*/"
    for reply in (sql(server, f"SELECT {bad}", "/gmn.json"), where(server, bad, _size=1),
                  sql(server, f"SELECT {bad}", "/gmn.csv"),
                  where(server, bad, path=f"{T}.arrow")):  # fmt: skip
        assert reply.status == 200, reply.body
        assert "X-Bad" not in reply.headers
    assert where(server, "x" * 30_000).status == 400
    assert sql(server, "SELECT '" + "x" * 30_000 + "'").status == 400
    assert where(server, *["true"] * 5_000).status in (400, 414)
    assert sql(server, "SELECT :a", a="x" * 63_000).status in (200, 414)


# Conditions on tables -----------------------------------------------------------------------------


def where(server: Server, *conditions: str, path: str = f"{T}.json", **more: object) -> Reply:
    pairs = [("_where", one) for one in conditions] + list(more.items())
    return server.get(f"{path}?{urlencode(pairs)}")


def test_conditions_hold_beside_filters_on_all_pages(server: Server, lake: Settings) -> None:
    condition = "vgeo_km_s * 2 > 60 -- fast"
    link = f"{T}.json?{urlencode({'_where': condition, 'iau_shower_code': '...', '_size': 40})}"
    told = [page.json for page in server.pages(link)]
    expected = ask(lake, f"SELECT {KEY} FROM trajectories WHERE vgeo_km_s * 2 > 60 AND "
                   "iau_shower_code = '...' ORDER BY 1")  # fmt: skip
    assert [(row[0],) for page in told for row in page["rows"]] == expected
    assert {page["filtered_table_rows_count"] for page in told} == {len(expected)}
    assert len(told) > 2
    assert condition in told[0]["human_description_en"]
    lines = where(server, condition, path=f"{T}.ndjson", iau_shower_code="...")
    assert {json.loads(line)[KEY] for line in lines.body.splitlines()} == {n for (n,) in expected}


def test_two_conditions_a_facet_and_another_table(server: Server, lake: Settings) -> None:
    told = where(
        server, "iau_shower_code IN (SELECT code FROM iau_shower WHERE name LIKE '%leon%')",
        "vgeo_km_s > 10", _facet="iau_shower_code", _size=0,
    )  # fmt: skip
    expected = ask(lake, "SELECT iau_shower_code, count(*) FROM trajectories WHERE "
                   "vgeo_km_s > 10 AND iau_shower_code IN (SELECT code FROM iau_shower WHERE name "
                   "ILIKE '%leon%') GROUP BY 1 ORDER BY 2 DESC, 1")  # fmt: skip
    results = told.json["facet_results"]["iau_shower_code"]["results"]
    assert [(one["value"], one["count"]) for one in results] == expected


@pytest.mark.parametrize("text", [
    "true) OR (true", "true; DROP TABLE stations", "1=1 /*", "'", "true LIMIT 1", "true ORDER BY 1",
    "true UNION SELECT 1", "x = 1", "?", "$1", "$name", "true) --", "true GROUP BY ALL",
    "count(*) > 1",
])  # fmt: skip
def test_a_condition_cannot_leave_its_place(server: Server, text: str) -> None:
    reply = where(server, text, vgeo_km_s__gt=30)
    assert reply.status == 400, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert where(server, text, path=f"{T}.csv").status == 400


# What neither can do ------------------------------------------------------------------------------


def test_nothing_can_be_written_and_nothing_else_be_read(server: Server, lake: Settings) -> None:
    """Whatever is refused where clients are not known yet is refused here."""
    before = fingerprints(lake)
    folder = lake.warehouse_dir
    texts = [text.format(lake=folder, catalog=folder / "catalog.sqlite")
             for text in (*STATEMENTS.values(), *SELECTS.values())]  # fmt: skip

    def refused(text: str) -> tuple[str, Any]:
        whole = sql(server, text, "/gmn.json")
        assert whole.status == 400, (text, whole.body)
        return text, whole.body + where(server, f"EXISTS ({text})", _size=1).body

    with ThreadPoolExecutor(3) as threads:
        for text, told in threads.map(refused, [one for one in texts if len(one) < 15_000]):
            assert b'"status":400' in told.replace(b" ", b""), text
            assert str(lake.data_dir) in text or str(lake.data_dir) not in told.decode(), text
            assert b"root:" not in told
    assert fingerprints(lake) == before


def test_a_query_without_end_is_ended_and_keeps_nobody(server: Server) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        ends = [
            threads.submit(where, server, "length(repeat('x', 3000000000)) > vgeo_km_s"),
            threads.submit(sql, server, "SELECT count(*) FROM range(1000000000000)", "/gmn.csv"),
        ]
        assert server.get(f"{T}.json?_size=1").status == 200
        assert [one.result().status for one in ends] == [400, 400]
    assert time.monotonic() - begun < 60
