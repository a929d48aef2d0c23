"""Readings over HTTP: tables, latest values, series, a histogram, and what comes as it comes."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.schemas.annotations import NewAnnotation
from gmn_pipeline.serving.readings.spans import span
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.serving.conftest import READINGS
from gmn_pipeline_tests.support.listeners import Event, Listener
from gmn_pipeline_tests.support.readings import NIGHT, ReadingsLake, night, reading
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.server import Server, serving

EVENTS = "/readings/events"
TEMPERATURE = "temperature_deg_c"


def at(seconds: float) -> str:
    return (NIGHT + timedelta(seconds=seconds)).isoformat() + "Z"


def of_station(code: str) -> list[tuple[datetime, float]]:
    return [
        (one["measured_at_utc"], one[TEMPERATURE])  # type: ignore[misc]
        for one in READINGS
        if one["station_code"] == code and one[TEMPERATURE] is not None
    ]


# Tables ------------------------------------------------------------------------------------------


def test_pages_of_readings_have_each_once_the_newest_first_and_are_not_counted(
    server: Server,
) -> None:
    seen = []
    for page in server.pages("/readings/station_readings.json?_size=31&_shape=objects"):
        assert page.json["filtered_table_rows_count"] is None
        assert page.json["database"] == "readings"
        seen += page.json["rows"]
    told = Counter((r["station_code"], r["measured_at_utc"], r[TEMPERATURE]) for r in seen)
    assert len(seen) == len(told) == len(READINGS)
    times = [row["measured_at_utc"] for row in seen]
    assert times == sorted(times, reverse=True)


def test_tables_of_readings_take_filters_facets_formats_and_states(server: Server) -> None:
    path = "/readings/station_readings"
    query = {"station_code": "HR0001", "temperature_deg_c__gt": 10.1, "_facet": "sensor_id"}
    page = server.get(f"{path}.json", query).json
    expected = sum(value > 10.1 for _, value in of_station("HR0001"))
    assert page["facet_results"]["sensor_id"]["results"][0]["count"] == expected
    assert page["query"]["sql"].startswith("SELECT * FROM readings.station_readings WHERE")
    rows = server.get(f"{path}.ndjson", {"station_code": "HR0001"}).body.splitlines()
    assert len(rows) == len(of_station("HR0001"))
    assert server.get(f"{path}.parquet", {"_col": TEMPERATURE}).body.startswith(b"PAR1")
    states = server.get("/readings/states.json").json["states"]
    first = states[-1]["snapshot"]
    assert server.get(f"{path}.json", {"_as_of": first, "_shape": "array"}).json == []
    assert server.get(f"{path}.json", {"_where": "1=1"}).status == 400
    assert server.get("/gmn/station_readings.json").status == 404
    assert server.get("/readings/trajectories.json").status == 404


def test_what_tables_of_readings_there_are_is_told(server: Server) -> None:
    told = {one["name"]: one for one in server.get("/readings/tables.json").json["tables"]}
    assert told["station_readings"]["rows"] is None
    assert told["sensors"]["rows"] == 5
    assert {"latest_readings", "station_readings_by_minute_now"} <= told.keys()
    assert not any("offset" in name or "roll_up" in name for name in told)


def test_sql_names_readings_beside_the_warehouse(server: Server) -> None:
    sql = (
        "SELECT (SELECT count(*) FROM trajectories) AS t, count(*) AS r "
        "FROM readings.station_readings"
    )
    (row,) = server.get("/gmn.json", {"sql": sql, "_shape": "array"}).json
    assert row["r"] == len(READINGS)
    assert row["t"] > 0


# Latest values, quantities -----------------------------------------------------------------------


def test_each_sensor_is_told_with_its_last_values_its_place_and_its_silence(
    server: Server,
) -> None:
    told = server.get("/readings/latest.json").json
    sensors = {one["station_code"]: one for one in told["sensors"]}
    assert len(sensors) == 5
    last = max(READINGS, key=lambda one: one["measured_at_utc"])  # type: ignore[arg-type, return-value]
    one = sensors[str(last["station_code"])]
    assert one["values"] == {TEMPERATURE: last[TEMPERATURE]}
    assert (one["latitude_deg"], one["longitude_deg"]) == (45.0, 15.0)
    assert one["last_measured_at_utc"] == at(199).replace("Z", ".000Z")
    committed = datetime.fromisoformat(told["committed_at_utc"].rstrip("Z"))
    assert one["silent_s"] == pytest.approx((committed - NIGHT).total_seconds(), abs=1)
    assert sensors["buoy-1"]["values"] == {"water_temperature_deg_c": 14.5, "salinity_psu": 35.1}
    assert sensors["buoy-1"]["latitude_deg"] is None
    few = {"station": "buoy-1", "quantity": "salinity_psu"}
    (only,) = server.get("/readings/latest.json", few).json["sensors"]
    assert only["values"] == {"salinity_psu": 35.1}


def test_quantities_have_units_and_those_that_nobody_knows_are_among_them(
    server: Server,
) -> None:
    told = server.get("/readings/quantities.json").json["quantities"]
    known = {one["name"]: one for one in told}
    assert (known[TEMPERATURE]["unit"], known[TEMPERATURE]["sensors"]) == ("deg C", 4)
    assert (known["salinity_psu"]["unit"], known["salinity_psu"]["sensors"]) == (None, 1)
    assert known["pressure_hpa"]["sensors"] == 0


# Over time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "source"), [(0.2, "reading"), (10, "minute"), (24 * 40, "hour"), (24 * 4000, "day")]
)
def test_a_series_is_what_the_readings_of_its_steps_say_whatever_it_is_summed_up_from(
    server: Server, hours: float, source: str
) -> None:
    begin, end = NIGHT - timedelta(hours=hours / 2), NIGHT + timedelta(hours=hours / 2)
    told = server.get("/readings/series.json", [  # type: ignore[arg-type]
        ("series", f"HR0000/1/{TEMPERATURE}"), ("series", "HR0001/1/temperature_deg_c"),
        ("from", begin.isoformat()), ("to", end.isoformat()), ("points", 720),
    ]).json  # fmt: skip
    assert told["source"] == source
    begin, end = (datetime.fromisoformat(told[name].rstrip("Z")) for name in ("from", "to"))
    assert (end - begin).total_seconds() / told["step_s"] <= 722
    for one in told["series"]:
        expected = of_station(one["station_code"])
        points = [dict(zip(told["columns"], point, strict=True)) for point in one["points"]]
        assert sum(point["reading_count"] for point in points) == len(expected)
        for point in points:
            since = datetime.fromisoformat(point["begin_utc"].rstrip("Z"))
            until = since + timedelta(seconds=told["step_s"])
            values = [value for when, value in expected if since <= when < until]
            assert point["minimum"] == min(values)
            assert point["maximum"] == max(values)
            assert point["mean"] == pytest.approx(sum(values) / len(values))
            assert point["last"] == max(one for one in expected if since <= one[0] < until)[1]


def test_a_series_of_a_quantity_without_a_column_and_one_that_is_not_there(
    server: Server,
) -> None:
    told = server.get("/readings/series.json", [  # type: ignore[arg-type]
        ("series", "buoy-1/a/b/salinity_psu"), ("series", "HR0000/1/nothing' OR '1"),
        ("from", at(-60)), ("to", at(60)),
    ]).json  # fmt: skip
    assert [len(one["points"]) for one in told["series"]] == [1, 0]
    assert told["series"][0]["points"][0][1:6] == [1, 35.1, 35.1, 35.1, 35.1]
    rows = server.get("/readings/series.csv", {"series": "buoy-1/a/b/salinity_psu",
                                               "from": at(-60), "to": at(60)})  # fmt: skip
    assert rows.body.decode().splitlines()[1].startswith("buoy-1,a/b,salinity_psu,2026-08-12")


@pytest.mark.parametrize(
    "query",
    ["", "series=HR0000", "series=a/b/c&from=x", "series=a/b/c&points=1", "series=a/b/c&points=1e9",
     "series=a/b/c&from=2026-08-13&to=2026-08-12", "series=a/b/c&from=0001-01-01&to=9999-12-31",
     "series=a/b/c&step=1"],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(server: Server, query: str) -> None:
    assert server.get(f"/readings/series.json?{query}").status == 400


def test_a_span_has_no_more_steps_than_asked_for_and_lies_on_whole_ones() -> None:
    for seconds in (1, 59, 3_600, 86_400, 10**7, 10**9):
        for points in (2, 100, 1_000):
            over = span(NIGHT, NIGHT + timedelta(seconds=seconds), points)
            steps = (over.end - over.begin) / timedelta(seconds=over.step_s)
            assert steps == int(steps)
            assert steps <= points + 1 or over.step_s == 365 * 86_400
            assert over.begin <= NIGHT < over.end


def test_a_histogram_counts_the_readings_that_filters_let_through(server: Server) -> None:
    span_ = {"from": at(-300), "to": at(300)}
    told = server.get("/readings/histogram.json", {**span_, "bins": 10}).json
    assert told["reading_count"] == sum(n for _, n in told["bins"]) == len(READINGS)
    assert len(told["bins"]) <= 11
    some = server.get("/readings/histogram.json", {**span_, "station_code": "HR0002"}).json
    assert some["reading_count"] == len(of_station("HR0002"))
    assert server.get("/readings/histogram.json", {"nothing": 1}).status == 400


# As it comes -------------------------------------------------------------------------------------


@pytest.fixture
def coming(tmp_path: Path) -> Iterator[tuple[Server, ReadingsLake]]:
    """A server whose lake of readings is still to come."""
    settings: Settings = Bench(tmp_path).settings
    with serving(settings, serve_poll_s=0.05) as server:
        yield server, ReadingsLake(settings)


def test_readings_are_told_as_they_are_committed_and_missed_ones_are_made_up_for(
    coming: tuple[Server, ReadingsLake],
) -> None:
    server, lake = coming
    reply = server.get("/readings/latest.json")
    assert reply.status == 503
    assert "No reading of a station has been taken in yet" in reply.json["detail"]
    assert "There is no warehouse yet" in server.get("/readyz").json["detail"]
    lake.take_in([reading()])
    server.wait_for(lambda: rows(server, "station_readings") == 1)
    with (
        Listener(server, path=EVENTS) as all_,
        Listener(server, path=EVENTS, station="HR0001", quantity="humidity_percent") as one,
    ):
        lake.take_in(night(6, stations=2, first=10))
        (told,) = all_.until(1)
        assert told.data["reading_count"] == 6
        assert sorted(told.data["sensors"]) == [
            ["HR0000", "1", at(14).replace("Z", ".000Z"), {TEMPERATURE: 10.014}],
            ["HR0001", "1", at(15).replace("Z", ".000Z"), {TEMPERATURE: 10.015}],
        ]
        lake.take_in([
            reading(station_code="HR0001", measured_at_utc=NIGHT + timedelta(minutes=n),
                    temperature_deg_c=1.0, humidity_percent=90.0 + n)
            for n in (1, 0)
        ])  # fmt: skip
        few = one.until(2)[-1]
        assert few.data["sensors"] == [
            ["HR0001", "1", at(60).replace("Z", ".000Z"), {"humidity_percent": 91.0}]
        ]
    missed = all_now(server, last=told.id)
    assert [one[0] for event in missed for one in event.data["sensors"]] == ["HR0001"]
    assert all_now(server, last=few.id) == []
    (anew,) = all_now(server, last="1")
    assert (anew.name, anew.data["fetch"]) == ("anew", "/readings/latest.json")
    late = lake.take_in([reading(station_code="HR0001", temperature_deg_c=99.0)])
    assert late.inserted == 1
    server.wait_for(lambda: rows(server, "station_readings", temperature_deg_c=99) == 1)
    values = server.get("/readings/latest.json", {"station": "HR0001"}).json["sensors"][0]
    assert values["values"][TEMPERATURE] == 1.0  # measured before what it told last


def test_what_is_noted_of_stations_is_told_to_who_listens_and_asks(
    coming: tuple[Server, ReadingsLake],
) -> None:
    server, lake = coming
    path = "/readings/annotations"
    assert server.get(f"{path}.json").json == {"annotations": []}  # before any reading came
    lake.take_in([reading()])
    server.wait_for(lambda: rows(server, "station_readings") == 1)
    store = AnnotationStore(open_database(lake.settings))
    with Listener(server, path=EVENTS, station="HR0001") as one:
        store.add(NewAnnotation("HR0010", None, NIGHT, None, "=lens, cleaned"))
        (told,) = one.until(1)
        assert (told.name, told.data) == ("annotations", {"fetch": f"{path}.json"})
        (noted,) = server.get(f"{path}.json", {"station": "HR0010", "from": at(0)}).json[
            "annotations"
        ]
        assert (noted["text"], noted["begin_utc"]) == ("=lens, cleaned", at(0)[:-1] + ".000Z")
        assert server.get(f"{path}.json", {"from": at(1)}).json == {"annotations": []}
        head, row = server.get(f"{path}.csv").body.decode().splitlines()
        assert head.startswith("station_code,sensor_id,begin_utc,end_utc,text")
        assert row.startswith("HR0010,,2026-08-12 22:00:00")
        assert '"\'=lens, cleaned"' in row
        store.withdraw(noted["number"])
        assert one.until(1)[0].name == "annotations"
    assert server.get(f"{path}.json").json == {"annotations": []}
    (gone,) = server.get(f"{path}.json", {"withdrawn": "on"}).json["annotations"]
    assert gone["withdrawn_at_utc"] is not None
    assert server.get(f"{path}.json", {"from": "x"}).status == 400


def rows(server: Server, table: str, **filters: object) -> int:
    """0 as long as there is no lake."""
    reply = server.get(f"/readings/{table}.json", {"_shape": "array", **filters})
    return len(reply.json) if reply.status == 200 else 0


def all_now(server: Server, last: str) -> list[Event]:
    with Listener(server, path=EVENTS, last=last, _seconds=0) as listener:
        assert listener.status == 200, listener.body()
        return list(listener.events())


def test_an_answer_is_of_one_state_and_is_kept_with_it(server: Server) -> None:
    reply = server.get("/readings/latest.json")
    again = server.get("/readings/latest.json", headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status == 304
    own = server.get("/gmn/tables.json?_nocount=on").headers["ETag"]
    assert own != server.get("/readings/tables.json?_nocount=on").headers["ETag"]
    state = json.loads(reply.body)["snapshot"]
    pinned: Any = server.get("/readings/latest.json", {"_as_of": state})
    assert pinned.json == reply.json
    assert utc_now() > datetime.fromisoformat(reply.json["committed_at_utc"].rstrip("Z"))
