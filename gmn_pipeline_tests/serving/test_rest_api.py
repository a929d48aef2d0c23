"""The network's REST API keeps its contract, with its own client and by hand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.serving.conftest import PAGE_ROWS
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Reply, Server, client_says, serving
from gmn_pipeline_tests.support.warehouse import ask, frame

SUMMARY = "/gmn_rest_api/meteor_summary"
LEGACY = [f.legacy_name for f in TRAJECTORY_FIELDS]


def rows(server: Server, **parameters: object) -> list[dict[str, Any]]:
    reply = server.get(SUMMARY, parameters)
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json["rows"]
    return found


def contents(page: Reply) -> list[tuple[str, float]]:
    return [(row["unique_trajectory_identifier"], row["vgeo_km_s"]) for row in page.json["rows"]]


def identifiers(found: list[dict[str, Any]]) -> list[str]:
    return [row["unique_trajectory_identifier"] for row in found]


# The client itself -------------------------------------------------------------------------------


def test_the_networks_client_reads_everything_and_its_frame_is_ours(
    server: Server, lake: Settings
) -> None:
    found = client_says(
        server,
        """
rows = api.get_meteor_summary_data_all()
frame = read_data(rows, input_camel_case=True, output_camel_case=True)
pages = list(api.get_meteor_summary_data_iter(where="vgeo_km_s > 30"))
some, modified = api.get_data("SELECT * FROM meteor_summary LIMIT 7")
flat = frame.reset_index()
flat["beginning_utc_time"] = flat["beginning_utc_time"].astype(str)
print(json.dumps({
    "rows": rows, "frame": json.loads(flat.to_json(orient="records", double_precision=15)),
    "pages": [len(page) for page in pages], "some": len(read_data(some, input_camel_case=True)),
    "modified": modified,
}))
""",
    )
    ours = frame(lake, "FROM meteor_summary ORDER BY beginning_utc_time DESC, 1 DESC")
    assert identifiers(found["rows"]) == ours["unique_trajectory_identifier"].to_list()
    for name in LEGACY:
        column = [row[name] for row in found["rows"]]
        expected = ours[name].to_list()
        if name == "beginning_utc_time":
            expected = [time.isoformat(" ", "microseconds") for time in expected]
        assert column == expected, name
        if name in ("vgeo_km_s", "a_au", "sigma_12"):
            assert [row[name] for row in found["frame"]] == pytest.approx(expected), name
    stations = [row["participating_stations"] for row in found["frame"]]
    assert stations == [text.split(",") for text in ours["participating_stations"]]
    times = [row["beginning_utc_time"] for row in found["frame"]]
    assert [re.sub(r"\.0+$", "", time) for time in times] == [
        re.sub(r"\.0+$", "", str(time)) for time in ours["beginning_utc_time"]
    ]
    ((fast,),) = ask(lake, "SELECT count(*) FROM trajectories WHERE vgeo_km_s > 30")
    assert sum(found["pages"]) == fast
    assert found["some"] == 7
    assert found["modified"].isdigit()


def test_the_client_gets_each_trajectory_once_while_a_load_changes_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, run_retries=0)
    bench.put(DAILY, sample().first(300))
    load_days([DAY], bench.settings)
    before = ask(bench.settings, "SELECT trajectory_identifier, vgeo_km_s FROM trajectories")
    with serving(bench.settings, serve_page_rows=20) as server:
        first = server.snapshot
        pages = server.pages(SUMMARY)
        seen = [
            (r["unique_trajectory_identifier"], r["vgeo_km_s"]) for r in next(pages).json["rows"]
        ]
        changed = sample().with_fields(290, vgeo_km_s="  55.50000").stamped("2022-03-20 00:00:00")
        bench.put(DAILY, changed)
        load_days([DAY], bench.settings)
        server.wait_for(lambda: server.snapshot > first, within_s=2)
        for page in pages:
            assert page.headers["GMN-Snapshot"] == str(first)
            seen += [(r["unique_trajectory_identifier"], r["vgeo_km_s"]) for r in page.json["rows"]]
        assert sorted(seen) == sorted(before)
        now = client_says(
            server,
            "print(json.dumps([r['unique_trajectory_identifier'] for r in "
            "api.get_meteor_summary_data_all()]))",
        )
        assert len(now) == len(set(now)) == len(sample().rows)


# Item by item ------------------------------------------------------------------------------------


def test_a_row_has_exactly_the_86_columns_in_their_order(server: Server) -> None:
    reply = server.get(SUMMARY)
    assert list(reply.json["rows"][0]) == LEGACY
    assert reply.json["ok"] is True
    assert reply.json["truncated"] is False


def test_times_have_six_decimals_truths_are_numbers_and_sporadics_have_no_shower(
    server: Server,
) -> None:
    for row in rows(server):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", row["beginning_utc_time"])
        assert row["beg_in_fov"] in (0, 1)
        assert row["beg_in_fov"] is not True
        assert isinstance(row["participating_stations"], str)
        assert (row["iau_no"] is None) is (row["iau_code"] is None)
        assert row["iau_code"] != "..."


def test_empty_parameters_mean_their_defaults(server: Server) -> None:
    empty = "page=&where=&having=&order_by=&data_format=&data_shape=&snapshot=&after="
    assert server.get(f"{SUMMARY}?{empty}").json == server.get(SUMMARY).json


def test_the_link_is_a_path_and_carries_all_that_the_next_page_needs(server: Server) -> None:
    reply = server.get(SUMMARY, {"page": 1, "where": "vgeo_km_s > 20", "data_shape": "objects"})
    link = reply.link
    assert link is not None
    assert link.startswith(
        f"{SUMMARY}?page=2&where=vgeo_km_s+%3E+20&having=&order_by=&data_format="
    )
    assert f"snapshot={reply.headers['GMN-Snapshot']}" in link
    assert reply.headers["Link"].endswith('>; rel="next"')


@pytest.mark.parametrize("order_by", ["", "vgeo_km_s ASC", "e DESC"])
def test_links_lead_through_everything_once_and_end(server: Server, order_by: str) -> None:
    pages = list(server.pages(f"{SUMMARY}?order_by={order_by.replace(' ', '+')}"))
    found = [identifier for page in pages for identifier in identifiers(page.json["rows"])]
    assert len(found) == len(set(found)) == 534
    assert [len(page.json["rows"]) for page in pages] == [100] * 5 + [34]
    if order_by:
        values = [row["vgeo_km_s" if "vgeo" in order_by else "e"]
                  for page in pages for row in page.json["rows"]]  # fmt: skip
        assert values == sorted(values, reverse="DESC" in order_by)


def test_pages_by_number_are_those_of_the_links_and_one_past_the_end_is_empty(
    server: Server,
) -> None:
    by_link = [page.json["rows"] for page in server.pages(SUMMARY)]
    assert [rows(server, page=n) for n in range(1, 7)] == by_link
    past = server.get(SUMMARY, {"page": 99})
    assert (past.status, past.json["rows"], past.link) == (200, [], None)


def test_csv_is_as_the_old_platform_wrote_it(server: Server) -> None:
    reply = server.get(SUMMARY, {"data_format": "csv"})
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    text = reply.body.decode()
    head, first, *_ = text.split("\n")
    assert head.split(",") == LEGACY
    assert "\r" not in text
    assert text.endswith("\n")
    as_json = rows(server)[0]
    assert first.startswith(f"{as_json['unique_trajectory_identifier']},")
    assert first.endswith(f',"{as_json["participating_stations"]}"')
    assert ",,," in first  # neither number nor code of a shower
    assert json.dumps(as_json["vgeo_km_s"]) in first.split(",")


def test_rows_as_arrays_name_their_columns(server: Server) -> None:
    arrays = server.get(SUMMARY, {"data_shape": "arrays"}).json
    assert arrays["columns"] == LEGACY
    assert [dict(zip(LEGACY, row, strict=True)) for row in arrays["rows"]] == rows(server)


WHERE = {
    "the documented example": (
        "meteor.unique_trajectory_identifier = '20220304220741_yrPTs'",
        "trajectory_identifier = '20220304220741_yrPTs'",
    ),
    "a date": ("date(beginning_utc_time)='2022-03-05'", "bin_date >= '2022-03-01' AND "
               "beginning_utc_time::DATE = '2022-03-05'"),
    "alias": ("iau_code = 'FLO'", "iau_shower_code = 'FLO'"),
    "text in double quotes": ('iau_code = "FLO"', "iau_shower_code = 'FLO'"),
    "no shower": ("iau_code IS NULL", "iau_shower_number = -1"),
    "shower's table": ("iau_shower.code = 'FLO'", "iau_shower_code = 'FLO'"),
    "station's table": ("station.code = 'UK0051'", "list_contains(participating_stations, "
                        "'UK0051')"),
    "both": ("station.code LIKE 'us000_' AND iau_shower.id > 0",
             "iau_shower_number > 0 AND len(list_filter(participating_stations, "
             "lambda s: s ILIKE 'us000_')) > 0"),
    "flag": ("beg_in_fov = 1 AND NOT end_in_fov", "begin_in_fov AND NOT end_in_fov"),
    "comment at the end": ("vgeo_km_s > 50 -- fast", "vgeo_km_s > 50"),
    "or": ("vgeo_km_s > 50 OR vgeo_km_s < 12", "vgeo_km_s > 50 OR vgeo_km_s < 12"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHERE)
def test_conditions_find_what_they_found(server: Server, lake: Settings, name: str) -> None:
    where, ours = WHERE[name]
    expected = ask(
        lake, f"SELECT trajectory_identifier FROM trajectories WHERE {ours} "
        "ORDER BY beginning_utc_time DESC, 1 DESC LIMIT 100",
    )  # fmt: skip
    found = rows(server, where=where)
    assert identifiers(found) == [identifier for (identifier,) in expected]
    assert expected or name == "the documented example"
    assert all("," in row["participating_stations"] for row in found)


def test_having_sees_aliases_and_goes_with_where(server: Server, lake: Settings) -> None:
    found = rows(server, where="vgeo_km_s > 20", having="participating_stations LIKE '%us000%' AND "
                 "num_stat > 2")  # fmt: skip
    assert found
    assert all("US000" in row["participating_stations"] and row["num_stat"] > 2 for row in found)


WRONG = {
    "two expressions": {"where": "1 = 1) OR (1 = 1"},
    "a statement after it": {"where": "1 = 1; DROP TABLE trajectories"},
    "a bracket left open": {"having": "(num_stat > 3"},
    "a text without end": {"where": "iau_code = 'PER"},
    "no such column": {"where": "speed > 3"},
    "no such table": {"where": "camera.id = 3"},
    "a file": {"where": "EXISTS (FROM read_csv('/etc/passwd'))"},
    "another table's file": {"where": "EXISTS (FROM '/etc/passwd')"},
    "no order": {"order_by": "vgeo_km_s LIMIT 3"},
    "order by a station": {"order_by": "station.code"},
    "page of no number": {"page": "one"},
    "page zero": {"page": 0},
    "page too large": {"page": 10**15},
    "shape": {"data_shape": "spiral"},
    "format": {"data_format": "xml"},
    "key": {"after": "yesterday"},
    "state": {"snapshot": "new"},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_answered_is_an_error_in_the_old_form_too(server: Server, name: str) -> None:
    reply = server.get(SUMMARY, WRONG[name])
    assert reply.status == 400, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json["ok"] is False
    assert reply.json["error"] == reply.json["detail"]
    assert reply.json["status"] == 400
    assert "/" not in reply.json["detail"].replace("/etc/passwd", "")


# SQL of the client's own -------------------------------------------------------------------------


def test_sql_is_answered_up_to_a_page_and_says_if_there_was_more(server: Server) -> None:
    few = server.sql("SELECT code, id FROM station ORDER BY code LIMIT 3").json
    assert few["truncated"] is False
    assert [set(row) for row in few["rows"]] == [{"code", "id"}] * 3
    many = server.sql("SELECT * FROM meteor_summary").json
    assert (many["truncated"], len(many["rows"])) == (True, PAGE_ROWS)
    as_csv = server.sql("SELECT code, NULL AS n FROM station ORDER BY code LIMIT 2",
                        data_format="csv")  # fmt: skip
    assert as_csv.body.startswith(b"code,n\n")
    arrays = server.sql("SELECT 1 AS a, true AS b, 'x' AS c", data_shape="arrays").json
    assert (arrays["rows"], arrays["columns"]) == ([[1, 1, "x"]], ["a", "b", "c"])
    assert server.sql("SELECT 'NaN'::DOUBLE AS n, 1 / 0 AS i").json["rows"] == [
        {"n": None, "i": None}
    ]


HABITS = {
    "SELECT COUNT(*) FROM meteor": [{"COUNT(*)": 534}],
    "SELECT count(*) AS n, max(e) FROM meteor WHERE e < 0": [{"n": 0, "max(e)": None}],
    'SELECT name FROM iau_shower WHERE code = "PER"': [{"name": "Perseids"}],
    "SELECT [code] FROM iau_shower WHERE [code] LIKE 'per'": [{"code": "PER"}],
    "SELECT code FROM station ORDER BY code LIMIT 1,1": None,
    "SELECT round(julianday('2022-03-04 12:00:00'), 1) AS jd": [{"jd": 2459643.0}],
    "SELECT strftime('%Y-%m', beginning_utc_time) AS m FROM meteor GROUP BY m": [{"m": "2022-03"}],
    "SELECT total(e) AS t FROM meteor WHERE e < 0": [{"t": 0.0}],
    "SELECT list_contains(['a', 'b'], 'a') AS has": [{"has": 1}],
}


@pytest.mark.parametrize("sql", HABITS)
def test_what_people_write_for_sqlite_works(server: Server, sql: str) -> None:
    reply = server.sql(sql)
    assert reply.status == 200, reply.body
    if HABITS[sql] is not None:
        assert reply.json["rows"] == HABITS[sql]
    else:
        assert len(reply.json["rows"]) == 1


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT rowid FROM meteor", "unique_trajectory_identifier"),
        ("SELECT date(beginning_utc_time, '-12 hours') FROM meteor", "INTERVAL 12 HOURS"),
        ("SELECT e FROM meteor WHERE beginning_utc_time LIKE '2022%'", "date(beginning_utc_time)"),
    ],
)
def test_what_does_not_work_says_what_to_write_instead(server: Server, sql: str, told: str) -> None:
    reply = server.sql(sql)
    assert reply.status == 400
    assert told in reply.json["error"]


def test_sql_is_needed(server: Server) -> None:
    reply = server.get("/gmn_rest_api")
    assert (reply.status, reply.json["ok"]) == (400, False)
    assert "sql" in reply.json["error"]
