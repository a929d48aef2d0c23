"""The portal's linked views in a browser: how soon they are there, and how smoothly they move.

What belongs here: a real server on loopback over a generated archive, and Chromium dragging brushes
as somebody would. What does not: the server under load (`serving_bench.py`).

    python -m benchmarks.portal_bench --rows 1000000
    python -m benchmarks.portal_bench --data-dir data
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from playwright.sync_api import Browser, Locator, Page
from rich.console import Console
from rich.table import Table

from benchmarks.serving_bench import cpu_s, loaded
from gmn_pipeline.serving.cubes.ahead import PATH, VIEWS_SEEN_FIRST
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.browser import Visitor, chromium, visitor
from gmn_pipeline_tests.support.server import Server, serving

_MOVES = 200
_LOOKS_S, _IDLE = 3.0, 0.1
"""A server that uses less of a processor than that over so long has nothing to do."""
_MANY = {
    "serve_requests_per_minute": 10**9, "serve_query_timeout_s": 300,
    "serve_by_key_mb": 0,  # pages of linked views have no use for it, and it takes minutes to write
}  # fmt: skip
_WITHIN_MS = 300_000
_VIEWS = {
    "speed": "geocentric speed", "time": "beginning (UTC)", "ground": "where they began",
    "radiant_sun_centred": "radiants, Sun-centred ecliptic",
}  # fmt: skip
_FRAMES = """() => {
  window.frames_ms = []; let last = null; window.counts = window.counting = true;
  const frame = now => { if (last !== null) window.frames_ms.push(now - last); last = now;
    if (window.counting) requestAnimationFrame(frame); };
  requestAnimationFrame(frame); }"""
_BYTES = """() => { const of = performance.getEntriesByType("resource");
  const sum = some => some.reduce((all, one) => all + one.transferSize, 0);
  const isCode = one => one.name.includes("/portal/");
  return [sum(of.filter(isCode)), sum(of.filter(one => one.name.includes("cubes.arrow")))]; }"""
_console = Console()


def bench(
    rows: Annotated[int, typer.Option(help="Rows of the archive.")] = 200_000,
    data_dir: Annotated[Path | None, typer.Option(help="A data folder that is there.")] = None,
) -> None:
    """Measure the page of linked views."""
    with ExitStack() as opened:
        if data_dir is None:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="gmn-bench-"))
            settings = loaded(Path(folder), rows)
        else:
            settings = load_settings(data_dir=data_dir)
        _beside_the_lake(settings)
        browser = opened.enter_context(chromium())
        table = Table("first view", "s", "server's CPU, s", "code kB", "counts kB")
        never = 10**12
        with serving(settings, **_MANY, serve_count_ahead_rows=never) as server:
            _first_view(browser, server, table, "nothing asked before")
            _first_view(browser, server, table, "kept by the server")
        server = opened.enter_context(serving(settings, **_MANY, serve_count_ahead_rows=0))
        used_s = _cpu_s_until_idle(server)
        _first_view(browser, server, table, "counted ahead")
        _console.print(table)
        _console.print(f"Counting ahead took {used_s:.1f} s of processor time, with the start.")
        _brushes(browser, server)


def _beside_the_lake(settings: Settings) -> None:
    """The same counts of rows in memory, and by one query with GROUPING SETS each."""
    views = [name for names in VIEWS_SEEN_FIRST[:2] for name in names]
    speed, ground = [[one for one in views if one != name] for name in ("speed", "ground")]
    asked: dict[str, dict[str, object]] = {
        "reading the rows": {"_view": "station"},
        "all views": {"_view": views},
        "for a brush of speed": {
            "_view": speed, "_active": "speed", "_pixels": 320, "_cells": 90,
        },
        "for a brush of the ground": {
            "_view": ground, "_active": "ground", "_pixels": 72, "_cells": 60,
        },
    }  # fmt: skip
    used_s: dict[str, list[float]] = {name: [] for name in asked}
    for most_mb in (settings.serve_cubes_mb, 0):
        other = {"serve_count_ahead_rows": 10**12, "serve_cubes_mb": most_mb}
        with serving(settings, **_MANY, **other) as server:
            for name, query in asked.items():
                before_s = cpu_s(server)
                assert server.get(f"{PATH}?{urlencode(query, doseq=True)}").status == 200
                used_s[name].append(cpu_s(server) - before_s)
    table = Table("counts, server's CPU, s", "rows in memory", "asked of the lake", "ratio")
    for name, (memory_s, lake_s) in used_s.items():
        table.add_row(name, f"{memory_s:.2f}", f"{lake_s:.2f}", f"{lake_s / memory_s:.1f}")
    _console.print(table)


def _cpu_s_until_idle(server: Server) -> float:
    used_s = -1.0
    while cpu_s(server) - used_s > _IDLE * _LOOKS_S:
        used_s = cpu_s(server)
        time.sleep(_LOOKS_S)
    return used_s


def _first_view(browser: Browser, server: Server, table: Table, name: str) -> None:
    with visitor(browser, server.url) as guest:
        used_s = cpu_s(server)
        took = _open(guest)
        used_s = cpu_s(server) - used_s
        code, counts = guest.page.evaluate(_BYTES)
        table.add_row(
            name, f"{took:.2f}", f"{used_s:.2f}", f"{code / 1e3:,.0f}", f"{counts / 1e3:,.0f}"
        )


def _open(guest: Visitor) -> float:
    guest.page.set_default_timeout(_WITHIN_MS)
    begun = time.monotonic()
    guest.open("/explore")
    guest.page.locator(".count strong").wait_for()
    took = time.monotonic() - begun
    guest.page.locator(".planes:not(.waits)").wait_for(state="attached")
    return took


@dataclass(frozen=True)
class _Moved:
    frames_ms: list[float]
    seconds: float
    work_s: float

    def cells(self) -> tuple[str, str, str, str]:
        frames = sorted(self.frames_ms)
        return (
            f"{self.work_s / len(frames) * 1e3:.1f}", f"{len(frames) / self.seconds:.0f}",
            f"{statistics.median(frames):.0f}", f"{frames[int(len(frames) * 0.95)]:.0f}",
        )  # fmt: skip


def _brushes(browser: Browser, server: Server) -> None:
    table = Table(
        "brush in", "in sight, s", "all, s", "server's CPU, s", "kB", "CPU ms a frame", "frames/s",
        "median ms", "p95 ms", "requests in the drag",
    )  # fmt: skip
    for name, title in _VIEWS.items():
        with visitor(browser, server.url) as guest:
            _open(guest)
            _, before = guest.page.evaluate(_BYTES)
            found = guest.page.locator("figure", has=guest.page.get_by_text(title, exact=True))
            found.first.scroll_into_view_if_needed()
            used_s = cpu_s(server)
            in_sight, all_ = _hover(guest.page, found.first, name)
            used_s = cpu_s(server) - used_s
            _, after = guest.page.evaluate(_BYTES)
            asked = len(guest.addresses)
            moved = _drag(guest.page, found.first.locator(".plot, .plane"))
            asked = len(guest.addresses) - asked
            table.add_row(
                name, f"{in_sight:.2f}", f"{all_:.2f}", f"{used_s:.2f}",
                f"{(after - before) / 1e3:,.0f}", *moved.cells(), str(asked),
            )  # fmt: skip
            guest.page.mouse.up()
    _console.print(table)


def _hover(page: Page, found: Locator, name: str) -> tuple[float, float]:
    """Seconds until the cube is at hand of the views in sight, and of all."""
    begun = time.monotonic()
    found.hover()
    took = []
    for what in ("cube", "whole"):
        page.locator(f".planes[data-{what}={name}]").wait_for(state="attached")
        took.append(time.monotonic() - begun)
    return took[0], took[1]


def _drag(page: Page, plot: Locator) -> _Moved:
    """A brush drawn across the view, and its end moved to and fro, without letting it go."""
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] * 0.5
    page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    page.mouse.down()
    page.evaluate(_FRAMES)
    work_s = _main_thread(page)
    before_s, begun = work_s(), time.monotonic()
    for step in range(_MOVES):
        share = 0.35 + 0.4 * abs((step % 100) / 50 - 1)
        page.mouse.move(box["x"] + box["width"] * share, middle + box["height"] * 0.2)
    seconds = time.monotonic() - begun
    frames_ms = page.evaluate("() => { counting = false; return frames_ms; }")
    return _Moved(frames_ms, seconds, work_s() - before_s)


def _main_thread(page: Page) -> Callable[[], float]:
    """Seconds of processor time that the page has used, whatever else the machine does."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def used_s() -> float:
        told = session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in told if one["name"] == "TaskDuration")

    return used_s


if __name__ == "__main__":
    typer.run(bench)
