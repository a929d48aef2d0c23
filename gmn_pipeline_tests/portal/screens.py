"""`make screens`: the pictures of docs/portal/, of generated nights that are the same each time.

With names of pictures behind the module's, those alone are made.

Those of the live page are of the hours before they are made.
"""

import sys
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import ViewportSize

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.schemas.annotations import NewAnnotation
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.sources.simulated_stations import simulated
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline_tests.support.archive import generate
from gmn_pipeline_tests.support.browser import PHONE, ROOT, chromium, visitor
from gmn_pipeline_tests.support.readings import ReadingsLake
from gmn_pipeline_tests.support.server import Server, serving

PICTURES = ROOT / "docs" / "portal"
FIRST, LAST = date(2026, 8, 1), date(2026, 8, 14)
ROWS = 20_000
WINDOW = ViewportSize(width=960, height=680)
WIDE = ViewportSize(width=1200, height=860)
_SELECTED = (
    "/explore?_brush=speed:55:62&_brush=time:2026-08-11:2026-08-14&_sky=radiant_equatorial"
    "&_compare=_brush%3Dspeed:55:62%26_brush%3Dtime:2026-08-06:2026-08-09"
)
STATIONS, READINGS = 120, timedelta(hours=8)
_TO_THE_TOP = "heading => heading.scrollIntoView()"
MOST_BYTES = 200_000
TABLE = {
    "vgeo_km_s__gt": 58, "_sort_desc": "vgeo_km_s", "_facet": "iau_shower_code",
    "_facet_array": "participating_stations",
    "_col": ["beginning_utc_time", "iau_shower_code", "vgeo_km_s", "begin_height_km"],
}  # fmt: skip
SQL = """SELECT date_trunc('hour', beginning_utc_time) AS hour, count(*) AS trajectories
FROM trajectories
GROUP BY hour
ORDER BY hour"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        site, data = Path(folder) / "site", Path(folder) / "data"
        generate(site, ROWS, from_date=FIRST, to_date=LAST)
        settings = load_settings(data_dir=data, source_url=str(site))
        load_days([FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)], settings)
        load_showers(WarehouseConnection(settings), iau_showers.bundled())
        stations = _measure(settings)
        with serving(settings) as server:
            _take(server, stations, sys.argv[1:])


def _measure(settings: Settings) -> list[str]:
    """Let simulated stations measure, of whom the first was looked after; who they are."""
    now = utc_now()
    readings = simulated(STATIONS, now - READINGS, now, every_s=60)
    lake = ReadingsLake(settings)
    lake.take_in(readings.to_dicts())
    roll_up(lake.warehouse)
    codes = readings.get_column("station_code").unique(maintain_order=True).to_list()
    store, hour = AnnotationStore(open_database(settings)), timedelta(hours=1)
    for begin, lasted, text in (
        (5.1, 1.2, "heater off: power cut"),
        (3.4, None, "lens cleaned"),
        (1.2, None, "heater replaced"),
    ):
        until = None if lasted is None else now - (begin - lasted) * hour
        store.add(NewAnnotation(codes[0], None, now - begin * hour, until, text, "Ana"))
    return codes


def _take(server: Server, stations: Sequence[str], only: Sequence[str]) -> None:
    (row,) = server.get("/gmn/queries/newest_trajectories.json",
                        {"count": 1, "shower": "PER"}).json["rows"]  # fmt: skip
    chosen = [f"{code}/1" for code in stations[:3]]
    over = {
        "sensor": chosen,
        "last": 6 * 3600,
        "quantity": ["temperature_deg_c", "humidity_percent"],
    }
    live = f"/live?{urlencode(over, doseq=True)}"
    pictures = (
        ("home", "/", WINDOW, False), ("home-phone", "/", PHONE, True),
        ("trajectory", f"/gmn/trajectories/{row['trajectory_identifier']}", WINDOW, True),
        ("shower", "/gmn/showers/PER", WINDOW, False),
        ("station", "/gmn/stations/UK0003", WINDOW, False),
        ("country", "/gmn/countries/HR", WINDOW, True),
        ("explore", _SELECTED, WIDE, False),
        ("table", f"/gmn/trajectories?{urlencode(TABLE, doseq=True)}", WINDOW, False),
        ("live", live, WIDE, False), ("live-over-time", live, WIDE, True),
        ("live-phone", live, PHONE, True),
        ("dashboard", "/dashboards/shower-campaign", WIDE, False),
        ("dashboard-edit", "/dashboards/new?from=network-overview", WIDE, True),
        ("dashboard-phone", "/dashboards/network-overview", PHONE, True),
        ("sql", f"/sql?{urlencode({'sql': SQL})}", WINDOW, True),
    )  # fmt: skip
    with chromium() as browser:
        for name, path, size, is_light in pictures:
            if only and name not in only:
                continue
            with visitor(browser, server.url, size, is_light=is_light) as guest:
                guest.open(path)
                guest.page.locator(".waits").wait_for(state="detached")
                if name == "sql":
                    guest.page.locator(".cm-content").wait_for()
                if name == "dashboard-edit":
                    guest.page.get_by_role("button", name="Change Trajectories a night").click()
                if name == "live-over-time":
                    guest.page.get_by_role("heading", name="Over time").evaluate(_TO_THE_TOP)
                file = PICTURES / f"{name}.png"
                guest.page.screenshot(path=file)
                taken = file.stat().st_size
                print(f"{file.relative_to(ROOT)}: {taken:,} bytes")
                if taken > MOST_BYTES:
                    raise SystemExit(f"{name} is larger than {MOST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
