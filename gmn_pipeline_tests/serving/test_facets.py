"""Facets: values of columns with their numbers, and which are suggested."""

from typing import Any
from urllib.parse import urlencode

from gmn_pipeline_tests.serving.conftest import Asking
from gmn_pipeline_tests.support.server import Server

T = "/gmn/trajectories.json"
ID = "trajectory_identifier"
SPEED, SHOWER, BEGIN, STATIONS = (
    "vgeo_km_s", "iau_shower_code", "beginning_utc_time", "participating_stations",
)  # fmt: skip


def body(server: Server, path: str, *pairs: tuple[str, object]) -> Any:
    reply = server.get(f"{path}?{urlencode(pairs)}")
    assert reply.status == 200, reply.body
    return reply.json


def test_facets_count_what_the_filters_let_through(server: Server, ours: Asking) -> None:
    told = body(
        server, T, (f"{SPEED}__gt", 30), ("_facet", SHOWER), ("_facet", "begin_in_fov"),
        ("_facet_array", STATIONS), ("_facet_date", BEGIN), ("_facet_size", 4), ("_size", 0),
    )  # fmt: skip
    values = {
        SHOWER: SHOWER, "begin_in_fov": "begin_in_fov",
        f"{STATIONS}_array": f"unnest({STATIONS})", f"{BEGIN}_date": f"{BEGIN}::DATE::VARCHAR",
    }  # fmt: skip
    assert list(told["facet_results"]) == list(values)
    for name, value in values.items():
        result = told["facet_results"][name]
        expected = ours(
            f"SELECT v, count(*) FROM (SELECT {value} AS v FROM trajectories WHERE "
            f"{SPEED} > 30) WHERE v IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )  # fmt: skip
        assert [(r["value"], r["count"]) for r in result["results"]] == expected[:4], name
        assert result["truncated"] is (len(expected) > 4), name
        for one in result["results"][-1:]:
            assert server.get(one["toggle_url"]).json["filtered_table_rows_count"] == one["count"]


def test_all_values_of_a_facet_can_be_had(server: Server, ours: Asking) -> None:
    told = body(server, T, ("_facet", ID), ("_facet", SHOWER), ("_facet_size", "max"), ("_size", 0))
    assert told["filtered_table_rows_count"] == 534
    results = told["facet_results"]
    assert [one["value"] for one in results[ID]["results"]] == [
        name for (name,) in ours(f"SELECT {ID} FROM trajectories ORDER BY 1")
    ]
    assert results[ID]["truncated"] is results[SHOWER]["truncated"] is False
    assert body(server, T, ("_facet", ID), ("_nofacet", "on"))["facet_results"] == {}


def test_a_facet_passes_over_null_even_where_it_is_the_most_frequent_value(
    server: Server, ours: Asking
) -> None:
    told = body(server, "/gmn/meteor_summary.json", ("_facet", "iau_code"), ("_facet_size", 3))
    expected = ours("SELECT iau_code, count(*) FROM meteor_summary WHERE iau_code IS NOT NULL "
                    "GROUP BY 1 ORDER BY 2 DESC, 1")  # fmt: skip
    found = told["facet_results"]["iau_code"]
    assert [(one["value"], one["count"]) for one in found["results"]] == expected[:3]
    assert found["truncated"] is (len(expected) > 3)
    assert told["filtered_table_rows_count"] == 534
    nothing = body(server, T, (SHOWER, "nothing"), ("_facet", SHOWER))
    assert (nothing["filtered_table_rows_count"], nothing["rows"]) == (0, [])
    assert nothing["facet_results"][SHOWER]["results"] == []


def test_facets_that_might_be_of_use_are_suggested_on_the_first_page(server: Server) -> None:
    told = body(server, T, ("_facet", "begin_in_fov"), ("_size", 3))
    suggested = {(one["name"], one.get("type")): one for one in told["suggested_facets"]}
    assert {("station_count", None), (STATIONS, "array"), (BEGIN, "date")} <= set(suggested)
    names = {name for name, _ in suggested}
    assert not names & {"begin_in_fov", ID, SPEED}
    for one in suggested.values():
        result = server.get(one["toggle_url"])
        assert result.status == 200
        assert len(result.json["facet_results"]) == 2
    assert server.get(told["next_url"]).json["suggested_facets"] == []
    for name in ("_nosuggest", "_nofacet"):
        assert body(server, T, (name, "on"))["suggested_facets"] == []


def test_a_facets_link_takes_its_filter_away_again(server: Server) -> None:
    told = body(server, T, (SHOWER, "FLO"), ("_facet", SHOWER), ("_size", 0))
    (only,) = told["facet_results"][SHOWER]["results"]
    assert only["selected"] is True
    assert server.get(only["toggle_url"]).json["filtered_table_rows_count"] == 534
