"""How smoothly the portal's map moves with many tracks, in Chromium without a graphics card.

    python -m benchmarks.map_bench --tracks 50000

What belongs here: a page with made-up tracks, somebody who drags and zooms, and frames counted.
"""

import json
import random
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import typer
from playwright.sync_api import Route

from gmn_pipeline.settings import load_settings
from gmn_pipeline_tests.support.browser import Visitor, chromium, visitor
from gmn_pipeline_tests.support.server import serving

_DRAG = """async ([x, y]) => {
  const canvas = [...document.querySelectorAll("[role=application] canvas")].at(-1);
  const frames_ms = []; let last = performance.now();
  for (let n = 0; n < 120; n++) {
    canvas.dispatchEvent(new PointerEvent("pointermove", {
      pointerId: 1, clientX: x + 3 * (n % 40), clientY: y + 2 * (n % 30), bubbles: true}));
    const now = await new Promise(requestAnimationFrame);
    frames_ms.push(now - last); last = now; }
  return frames_ms.slice(5); }"""
_ZOOM = """async ([x, y]) => {
  const map = document.querySelector("[role=application]");
  const frames_ms = []; let last = performance.now();
  for (let n = 0; n < 120; n++) {
    map.querySelector("canvas").dispatchEvent(new WheelEvent("wheel", {
      clientX: x, clientY: y, deltaY: n % 60 < 30 ? -20 : 20, bubbles: true, cancelable: true}));
    const now = await new Promise(requestAnimationFrame);
    frames_ms.push(now - last); last = now; }
  return frames_ms.slice(5); }"""
_COLUMNS = ("trajectory_identifier", "beginning_utc_time", "iau_shower_code", "vgeo_km_s",
            "peak_absolute_magnitude", "begin_latitude_deg", "begin_longitude_deg",
            "end_latitude_deg", "end_longitude_deg")  # fmt: skip


def main(tracks: Annotated[int, typer.Option(help="How many.")] = 50_000) -> None:
    """Print frames a second while the map is dragged at several zooms, and while it is zoomed."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        settings = load_settings(data_dir=Path(folder))
        with serving(settings) as server, visitor(browser, server.url) as guest:
            answer = json.dumps({"rows": _rows(tracks), "columns": [{"name": n} for n in _COLUMNS]})
            guest.page.route("**/gmn/queries/seen_from.json*", lambda one: _fulfil(one, answer))
            _open(guest)
            _measure(guest)


def _rows(count: int) -> list[dict[str, object]]:
    """Over Europe, as dense as the network is where it is densest."""
    rng = random.Random(1)
    rows = []
    for n in range(count):
        lat, lon = rng.gauss(50, 5), rng.gauss(8, 9)
        rows.append({
            "trajectory_identifier": f"{n}", "beginning_utc_time": "2026-08-13T00:00:00",
            "iau_shower_code": "PER", "vgeo_km_s": rng.uniform(11, 72),
            "peak_absolute_magnitude": rng.gauss(0, 1.5), "begin_latitude_deg": lat,
            "begin_longitude_deg": lon, "end_latitude_deg": lat + rng.gauss(0, 0.15),
            "end_longitude_deg": lon + rng.gauss(0, 0.2),
        })  # fmt: skip
    return rows


def _fulfil(route: Route, answer: str) -> None:
    route.fulfill(body=answer, content_type="application/json")


def _open(guest: Visitor) -> None:
    guest.open("/seen")
    page = guest.page
    page.get_by_label("Date and time").fill("2026-08-13T00:00:00")
    page.get_by_label("latitude").fill("50")
    page.get_by_label("longitude").fill("10")
    page.get_by_role("button", name="Look for it").click()
    page.get_by_role("application").wait_for()
    page.get_by_role("application").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)


def _measure(guest: Visitor) -> None:
    page = guest.page
    canvas = page.get_by_role("application").locator("canvas").last
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.get_by_role("application").focus()
    for name, keys in (("the world", ["0"]), ("Europe", ["f"]), ("Germany", ["f", "+", "+", "+"]),
                       ("a town", ["+"] * 8)):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(500)
        page.mouse.move(x, y)
        page.mouse.down()
        _tell(f"dragged, {name}", page.evaluate(_DRAG, [x, y]))
        page.mouse.up()
    page.keyboard.press("f")
    _tell("zoomed by the wheel from Europe", page.evaluate(_ZOOM, [x, y]))


def _tell(what: str, frames_ms: list[float]) -> None:
    worst = quantiles(frames_ms, n=20)[-1]
    print(f"{what}: {1000 / median(frames_ms):.0f} frames a second, of the slowest twentieth "
          f"{1000 / worst:.0f} ({len(frames_ms)} frames)")  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
