"""A lake of one night, whose file may come again; a server and a browser for each file of tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline_tests.support.browser import Visitor, chromium, visitor
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving

ROWS = 200


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The first trajectories of the sample; the first of all was solved anew."""
    bench = Bench(tmp_path_factory.mktemp("portal"), run_retries=0)
    first = sample().first(ROWS)
    bench.put(DAILY, first)
    load_days([DAY], bench.settings)
    solved_anew = first.with_fields(0, vgeo_km_s="   38.00000")
    bench.put(DAILY, solved_anew.stamped("2022-03-20 00:00:00"))
    load_days([DAY], bench.settings)
    load_showers(WarehouseConnection(bench.settings), iau_showers.bundled())
    return bench


@pytest.fixture(scope="module")
def server(night: Bench) -> Iterator[Server]:
    with serving(night.settings, serve_requests_per_minute=100_000) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def guest(browser: Browser, server: Server) -> Iterator[Visitor]:
    with visitor(browser, server.url) as one:
        yield one


@pytest.fixture(scope="module")
def pages(server: Server) -> dict[str, str]:
    """An address of every page there is."""
    asked = {"_size": 1, "_shape": "objects"}
    (row,) = server.get("/gmn/trajectories.json", asked).json["rows"]
    showers = server.get("/gmn/queries/showers.json").json["rows"]
    code = next(row["iau_shower_code"] for row in showers if row["iau_shower_number"] != -1)
    (station,) = (r["station_code"] for r in server.get("/gmn/stations.json", asked).json["rows"])
    return {
        "home": "/",
        "night": f"/gmn/nights/{DAY}",
        "trajectory": f"/gmn/trajectories/{row['trajectory_identifier']}",
        "showers": "/gmn/showers",
        "shower": f"/gmn/showers/{code}",
        "stations": "/gmn/stations",
        "station": f"/gmn/stations/{station}",
        "explore": "/explore?_brush=speed:20:60&_brush=shower:...&_compare=_brush%3Dspeed:0:20",
        "countries": "/gmn/countries",
        "country": f"/gmn/countries/{station[:2]}",
        "seen": "/seen",
        "data": "/data",
        "objects": "/objects",
        "dashboards": "/dashboards",
        "tables": "/gmn",
        "table": "/gmn/trajectories?iau_shower_code=...&_facet_array=participating_stations&_size=3"
        "&_col=vgeo_km_s&_col=quality_flags",
        "row": "/gmn_data_store/stations/5",
        "question": "/gmn/queries/heights_by_speed",
        "sql": "/sql?sql=SELECT+iau_shower_code%2C+count%28*%29+AS+n+FROM+trajectories+GROUP+BY+1",
    }
