"""Tables and views in Datasette's grammar: filters, order, pages, shapes, facets."""

import json
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from gmn_pipeline.serving.tables.filters import OPERATORS
from gmn_pipeline.serving.tables.order import order_of, read, written
from gmn_pipeline.serving.tables.relations import RELATIONS
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.serving.conftest import PAGE_ROWS, Asking
from gmn_pipeline_tests.support.lake import fingerprints
from gmn_pipeline_tests.support.server import Server

T = "/gmn/trajectories.json"
ID = "trajectory_identifier"


def body(server: Server, path: str = T, *pairs: tuple[str, object]) -> Any:
    reply = server.get(f"{path}?{urlencode(pairs)}")
    assert reply.status == 200, reply.body
    return reply.json


def found(server: Server, *pairs: tuple[str, object], path: str = T) -> list[str]:
    """Identifiers of all rows, page by page."""
    link = f"{path}?{urlencode([*pairs, ('_shape', 'objects'), ('_col', ID), ('_nocount', 'on')])}"
    return [row[ID] for page in server.pages(link) for row in page.json["rows"]]


# Filters ------------------------------------------------------------------------------------------

SPEED, SHOWER, BEGIN, STATIONS = (
    "vgeo_km_s", "iau_shower_code", "beginning_utc_time", "participating_stations",
)  # fmt: skip
_TEXT = f"array_to_string({STATIONS}, ',')"
FILTERS = {
    (f"{SHOWER}", "FLO"): f"{SHOWER} = 'FLO'",
    (f"{SHOWER}__exact", "FLO"): f"{SHOWER} = 'FLO'",
    (f"{SHOWER}__not", "..."): f"{SHOWER} <> '...'",
    (f"{ID}__contains", "yrpts"): f"{ID} ILIKE '%yrpts%'",
    (f"{ID}__contains", "_"): "true",
    (f"{ID}__notcontains", "2022030522"): f"{ID} NOT LIKE '%2022030522%'",
    (f"{ID}__endswith", "s"): f"lower({ID}) LIKE '%s'",
    (f"{ID}__startswith", "2022030520"): f"{ID} LIKE '2022030520%'",
    (f"{SPEED}__gt", "65.5"): f"{SPEED} > 65.5",
    (f"{SPEED}__gte", "65"): f"{SPEED} >= 65",
    (f"{SPEED}__lt", "1.2e1"): f"{SPEED} < 12",
    ("iau_shower_number__lte", "10.5"): "iau_shower_number <= 10",
    (f"{BEGIN}__gte", "2022-03-05T20:00:00Z"): f"{BEGIN} >= TIMESTAMP '2022-03-05 20:00:00'",
    (f"{BEGIN}__lt", "2022-03-05 02:00:00+01:00"): f"{BEGIN} < TIMESTAMP '2022-03-05 01:00:00'",
    (f"{SHOWER}__like", "f_o"): f"{SHOWER} ILIKE 'f_o'",
    (f"{SHOWER}__notlike", "%.%"): f"{SHOWER} NOT LIKE '%.%'",
    (f"{ID}__glob", "*_[a-c]*"): f"{ID} GLOB '*_[a-c]*'",
    (f"{SHOWER}__in", "FLO, TSB"): f"{SHOWER} IN ('FLO', 'TSB')",
    (f"{SHOWER}__in", '["FLO", "TSB"]'): f"{SHOWER} IN ('FLO', 'TSB')",
    ("station_count__in", "[3, 4]"): "station_count IN (3, 4)",
    (f"{SHOWER}__notin", "..., FLO"): f"{SHOWER} NOT IN ('...', 'FLO')",
    (f"{STATIONS}__arraycontains", "UK0051"): f"list_contains({STATIONS}, 'UK0051')",
    (f"{STATIONS}__arraycontainsany", "UK0051,US0003"): f"list_has_any({STATIONS}, "
    "['UK0051', 'US0003'])",
    (f"{STATIONS}__arraynotcontains", "UK0051"): f"NOT list_contains({STATIONS}, 'UK0051')",
    (f"{STATIONS}__contains", "us000"): f"{_TEXT} ILIKE '%us000%'",
    (f"{BEGIN}__date", "2022-03-05"): f"{BEGIN}::DATE = '2022-03-05'",
    ("bin_date__date", "2022-03-04"): "bin_date = '2022-03-04'",
    ("begin_in_fov", "1"): "begin_in_fov",
    ("begin_in_fov__not", "true"): "NOT begin_in_fov",
    ("mean_anomaly_deg__isnull", "1"): "mean_anomaly_deg IS NULL",
    ("mean_anomaly_deg__notnull", ""): "mean_anomaly_deg IS NOT NULL",
    ("quality_flags__isblank", "1"): "coalesce(len(quality_flags), 0) = 0",
    ("quality_flags__notblank", "1"): "len(quality_flags) > 0",
    (f"{SHOWER}__contains", ""): "true",
}  # fmt: skip


@pytest.mark.parametrize("given", FILTERS, ids="=".join)
def test_an_operator_finds_what_the_same_in_sql_does(
    server: Server, ours: Asking, given: tuple[str, str]
) -> None:
    expected = ours(f"SELECT {ID} FROM trajectories WHERE {FILTERS[given]} ORDER BY ALL")
    told = body(server, T, given, ("_size", "max"), ("_shape", "objects"), ("_col", ID))
    assert [(row[ID],) for row in told["rows"]] == expected[:PAGE_ROWS]
    assert told["filtered_table_rows_count"] == len(expected) > 0


def test_each_operator_is_tried() -> None:
    tried = {name.rpartition("__")[2] for name, _ in FILTERS}
    assert set(OPERATORS) <= tried


def test_showers_and_stations_are_searched(server: Server, ours: Asking) -> None:
    path, words = "/gmn/iau_showers", "PER seid"
    rows = body(server, f"{path}.json", ("_search", words), ("_shape", "array"), ("_size", "max"))
    assert "PER" in [row["iau_shower_code"] for row in rows]
    assert all("perseid" in json.dumps(row).lower() for row in rows)
    lines = server.get(f"{path}.ndjson", {"_search": words}).body.splitlines()
    assert len(lines) >= len(rows)
    ((some,),) = ours("SELECT count(*) FROM stations WHERE station_code ILIKE '%uk00%'")
    told = body(server, "/gmn_data_store/station.json", ("_search", "uk00"))
    assert told["filtered_table_rows_count"] == some > 0
    for text in NASTY:
        assert server.get("/gmn/station.json", {"_search": text}).status == 200


def test_all_filters_hold_also_two_of_one_column(server: Server, ours: Asking) -> None:
    given = [(f"{SPEED}__gt", 30), (f"{SPEED}__lt", 40), (f"{SPEED}__not", 38),
             (f"{ID}__contains", "a"), (f"{ID}__contains", "b")]  # fmt: skip
    expected = ours(
        f"SELECT {ID} FROM trajectories WHERE {SPEED} > 30 AND {SPEED} < 40 AND "
        f"{SPEED} <> 38 AND {ID} ILIKE '%a%' AND {ID} ILIKE '%b%' ORDER BY 1"
    )  # fmt: skip
    assert expected
    assert found(server, *given) == [identifier for (identifier,) in expected]


NASTY = ("' OR 1=1; DROP TABLE trajectories; --", "\\", '?$1"', "🌠%00" + "a" * 5_000)


def test_a_value_is_a_value_whatever_stands_in_it(server: Server, lake: Settings) -> None:
    before = fingerprints(lake)
    for text in NASTY:
        for name in OPERATORS:
            reply = server.get(T, {f"{SHOWER}__{name}": text, "_size": 1, "_nocount": "on"})
            assert reply.status == (400 if name.startswith(("array", "date")) else 200), reply.body
        assert body(server, T, (SHOWER, text))["rows"] == []
    assert fingerprints(lake) == before


@pytest.mark.parametrize("name", [
    "1=1", "vgeo_km_s)__gt", "vgeo_km_s; DROP TABLE trajectories", "vgeo_km_s__gt__lt", "rowid",
    "VGEO_KM_S", "__gt", "vgeo_km_s__", "where", "_search", "vgeo_km_s__over", "snapshot",
    '"vgeo_km_s"',
])  # fmt: skip
def test_a_name_that_there_is_not_is_refused_and_what_there_is_is_said(
    server: Server, name: str
) -> None:
    reply = server.get(T, {name: "1"})
    assert reply.status == 400
    assert "vgeo_km_s, " in reply.json["detail"] or "notblank" in reply.json["detail"]


WRONG: dict[str, list[tuple[str, object]]] = {
    "no number": [(f"{SPEED}__gt", "fast")],
    "not finite": [(f"{SPEED}__gt", "nan")],
    "no time": [(f"{BEGIN}__gt", "yesterday")],
    "no date": [(f"{BEGIN}__date", "2022-03")],
    "no truth": [("begin_in_fov", "maybe")],
    "a list of text": [(f"{SHOWER}__arraycontains", "a")],
    "a date of text": [(f"{SHOWER}__date", "2022-03-05")],
    "no json": [(f"{SHOWER}__in", "[1")],
    "nested": [(f"{SHOWER}__in", "[[1]]")],
    "too many": [(f"{SPEED}__in", ",".join("1" * 1001))],
    "wildcards": [(f"{SHOWER}__glob", "*a*a*a*a*a*a")],
    "sort by nothing": [("_sort", "speed")],
    "sort twice": [("_sort", SPEED), ("_sort_desc", SPEED)],
    "no such column": [("_col", "speed")],
    "size": [("_size", "10001")],
    "no size": [("_size", "-1")],
    "next": [("_next", "a,b,c")],
    "next of bytes": [("_next", "~FF")],
    "next of a sort": [("_sort", SPEED), ("_next", "fast,x")],
    "shape": [("_shape", "spiral")],
    "facet": [("_facet", "speed")],
    "facet of no list": [("_facet_array", SHOWER)],
    "facet of no time": [("_facet_date", SHOWER)],
    "as of": [("_as_of", "then")],
    "NUL": [(f"{SHOWER}__like", "a\0")],
    "NUL in a link": [("_next", "a~00")],
    "last day": [(f"{BEGIN}__date", "9999-12-31")],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_answered_is_said(server: Server, name: str) -> None:
    reply = server.get(f"{T}?{urlencode(WRONG[name])}")
    assert reply.status == 400, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_where_there_is_no_table_there_is_nothing(server: Server) -> None:
    for path in ("/gmn/sqlite_master.json", "/gmn/publications.json", "/other/stations.json",
                 "/gmn/stations.xlsx", "/gmn/rejected_rows", "/gmn/stations.kml"):  # fmt: skip
        assert server.get(path).status == 404, path


# Pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_pages_of_everything_have_each_row_once(
    server: Server, ours: Asking, relation: Any
) -> None:
    ((expected,),) = ours(f"SELECT count(*) FROM {relation.name}")
    size = max(7, expected // 3)
    keys = [("_col", name) for name in relation.key]
    link = f"/gmn_data_store/{relation.name}.json?{urlencode([('_size', min(size, 100)), *keys])}"
    seen = []
    for page in server.pages(link):
        told = page.json
        assert told["filtered_table_rows_count"] == expected
        assert told["next_url"] == page.link
        seen += [json.dumps(row) for row in told["rows"]]
    assert len(seen) == len(set(seen)) == expected


def test_links_are_whole_addresses_where_the_old_platforms_were(server: Server) -> None:
    query = "_size=1&_facet=code&_facet_size=1"
    for host, base in ((None, server.url), ("example.org:8080", "http://example.org:8080"),
                       ("a b", ""), ("x\"><script>", ""), ("example.org/path?", "")):  # fmt: skip
        headers = {"Host": host} if host else {}
        old = server.get(f"/gmn_data_store/station.json?{query}", headers=headers)
        link = old.link or ""
        assert link == old.json["next_url"]
        assert link.startswith(f"{base}/gmn_data_store/station.json?"), host
        (one,) = old.json["facet_results"]["code"]["results"]
        assert one["toggle_url"].startswith(f"{base}/gmn_data_store/station.json?")
    ours = server.get(f"/gmn/station.json?{query}", headers={"Host": "example.org"})
    assert (ours.link or "").startswith("/gmn/station.json?")


@pytest.mark.parametrize("shape", ["arrays", "object"])
def test_pages_that_came_along_with_another_are_those_that_are_asked_for(
    server: Server, shape: str
) -> None:
    """Who goes on gets pages out of a longer stretch; an address in another order is asked anew."""
    first = server.get(f"{T}?{urlencode([('_size', 3), ('_sort', SPEED), ('_shape', shape)])}")
    pages = list(islice(server.pages(first.link or ""), 8))
    assert len(pages) == 8
    for page, link in zip(pages, [first.link, *(page.link for page in pages)], strict=False):
        path, _, query = (link or "").partition("?")
        anew = server.get(f"{path}?{'&'.join(reversed(query.split('&')))}")
        assert link is not None
        assert anew.headers["ETag"] != page.headers["ETag"]
        told, own = page.json, anew.json
        for one in (told, own):
            one.pop("next_url", None)
        assert told == own


@pytest.mark.parametrize(
    ("sort", "way"),
    [("mean_anomaly_deg", "_sort"), ("mean_anomaly_deg", "_sort_desc"), ("begin_in_fov", "_sort"),
     (STATIONS, "_sort_desc"), (BEGIN, "_sort"), ("bin_date", "_sort_desc"), (ID, "_sort_desc")],
)  # fmt: skip
def test_pages_in_any_order_are_the_query_in_that_order(
    server: Server, ours: Asking, sort: str, way: str
) -> None:
    column = _TEXT if sort == STATIONS else sort
    direction = "DESC" if way == "_sort_desc" else "ASC"
    expected = ours(f"SELECT {ID} FROM trajectories ORDER BY {column} {direction} NULLS LAST, {ID}")
    assert found(server, (way, sort), ("_size", 90)) == [identifier for (identifier,) in expected]


def test_a_row_in_a_link_is_read_as_it_was_written() -> None:
    relation = next(r for r in RELATIONS if r.name == "trajectories")
    for sort, value in ((SPEED, 0.1 + 0.2), (BEGIN, datetime(2022, 3, 5, 1, 2, 3, 4)),
                        (SHOWER, "a,b~$null é"), (SHOWER, "$null"), (SPEED, None),
                        ("begin_in_fov", False), ("bin_date", datetime(2022, 3, 5).date()),
                        (SPEED, -1e-300), ("iau_shower_number", -1)):  # fmt: skip
        terms = order_of(relation, sort)
        assert read(terms, written([value, "id,1"])) == [value, "id,1"]


# Shapes and columns -------------------------------------------------------------------------------


def test_the_body_has_datasettes_keys_and_our_snapshot(server: Server) -> None:
    told = body(server, T, (f"{SPEED}__gt", 30), ("_sort", SPEED), ("_size", 3))
    assert set(told) == {
        "database", "table", "is_view", "human_description_en", "rows", "truncated",
        "filtered_table_rows_count", "expanded_columns", "expandable_columns", "columns",
        "primary_keys", "units", "query", "facet_results", "suggested_facets", "next", "next_url",
        "private", "allow_execute_sql", "snapshot",
    }  # fmt: skip
    assert (told["database"], told["table"], told["is_view"]) == ("gmn", "trajectories", False)
    assert told["primary_keys"] == [ID]
    assert told["units"][SPEED] == "km/s"
    assert told["query"]["params"] == [30]
    assert told["human_description_en"] == f"where {SPEED} gt 30 sorted by {SPEED}"
    assert told["snapshot"] == server.snapshot
    assert [len(row) for row in told["rows"]] == [len(told["columns"])] * 3


def test_rows_come_in_each_shape_and_say_the_same(server: Server) -> None:
    given: list[tuple[str, object]] = [("_size", 5), ("_sort_desc", SPEED)]
    arrays = body(server, T, *given)
    objects = [dict(zip(arrays["columns"], row, strict=True)) for row in arrays["rows"]]
    assert body(server, T, *given, ("_shape", "objects"))["rows"] == objects
    assert body(server, T, *given, ("_shape", "array")) == objects
    first = body(server, T, *given, ("_shape", "arrayfirst"))
    assert first == [row[ID] for row in objects]
    keyed = body(server, T, *given, ("_shape", "object"))
    assert keyed == {row[ID]: row for row in objects}
    lines = server.get(T, {**dict(given), "_shape": "array", "_nl": "on"})
    assert lines.headers["Content-Type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines.body.splitlines()] == objects
    assert lines.link is not None
    assert server.get("/gmn/meteor.json?_shape=object").status == 400
    stations = body(server, "/gmn/trajectory_stations.json", ("_shape", "object"), ("_size", 1))
    ((key, row),) = stations.items()
    assert key == f"{row[ID]},{row['station_code']}"


def test_values_are_the_warehouses(server: Server, ours: Asking) -> None:
    (row,) = body(server, T, ("_shape", "array"), ("_size", 1))
    names = ", ".join(row)
    ((*expected,),) = ours(f"SELECT {names} FROM trajectories ORDER BY {ID} LIMIT 1")
    for (name, value), own in zip(row.items(), expected, strict=True):
        if isinstance(own, datetime):
            assert value == own.isoformat(timespec="microseconds") + "Z", name
        else:
            assert value == (str(own) if name == "bin_date" else own), name


def test_columns_are_chosen_and_left_out(server: Server) -> None:
    def columns(*pairs: tuple[str, object]) -> list[str]:
        told: list[str] = body(server, T, *pairs, ("_size", 0), ("_nocount", "on"))["columns"]
        return told

    assert columns(("_col", SPEED), ("_col", SHOWER), ("_col", SPEED)) == [ID, SPEED, SHOWER]
    assert SPEED not in columns(("_nocol", SPEED), ("_nocol", ID))
    assert columns(("_nocol", ID))[0] == ID
    assert body(server, T, ("_nocount", "on"))["filtered_table_rows_count"] is None
    assert server.get("/gmn/station.json?_nocol=id&_nocol=code&_nocol=created_at&"
                      "_nocol=updated_at").status == 400  # fmt: skip


def test_empty_parameters_mean_their_defaults(server: Server) -> None:
    empty = "_size=&_sort=&_next=&_shape=&_col=&_facet=&_as_of=&vgeo_km_s__gt=&iau_shower_code="
    assert server.get(f"{T}?{empty}").json["rows"] == server.get(T).json["rows"]
    assert len(server.get(f"{T}?_size=max").json["rows"]) == PAGE_ROWS


# As it was then -----------------------------------------------------------------------------------


def test_a_table_is_seen_as_it_was_then(server: Server, ours: Asking) -> None:
    newest = server.snapshot
    assert body(server, T, ("_as_of", newest))["snapshot"] == newest
    later = server.get(T, {"_as_of": "2100-01-01"})
    assert later.json["snapshot"] == newest
    assert "no-cache" in later.headers["Cache-Control"]
    loads = ours("SELECT loaded_at_utc FROM source_files ORDER BY 1")
    between = loads[-1][0].isoformat() + "Z"
    reply = server.get(T, {"_as_of": between, "_size": 0})
    assert reply.status == 200
    assert reply.json["snapshot"] < newest
    assert "max-age" in reply.headers["Cache-Control"]
    for gone in ("2000-01-01", "999999999", quote("2000-01-01T00:00:00Z")):
        assert server.get(f"{T}?_as_of={gone}").status == 410, gone


def test_who_has_a_page_already_is_told_so(server: Server) -> None:
    first = server.get(T)
    again = server.get(T, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    head = server.get(T, method="HEAD")
    assert (head.status, head.body) == (200, b"")
