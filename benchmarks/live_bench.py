"""From a station's datagram to the live page: how soon a number that was sent is seen.

    python -m benchmarks.live_bench --stations 500 --seconds 40

What belongs here: the whole road as `gmn stations all` starts it, with a broker of its own, and
Chromium with `/live` open. What does not: parts of the road (`stations_bench.py`,
`readings_bench.py`). Everything shares the machine's processors and its clock.

A reading says when it was sent, in its value: hundredths of a second since the sender began. The
page is asked after each paint what its list shows.
"""

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, TypeAlias
from urllib.request import urlopen

import orjson
import typer
from playwright.sync_api import Page
from rich.console import Console
from rich.table import Table

from benchmarks.stations_bench import LIBS
from gmn_pipeline.clock import from_timestamp
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline_tests.support.browser import chromium, visitor

_QUANTITY = "illuminance_lx"
_SHOWN_EXACTLY = 10_000
"""The page shows four digits."""
_PER_S = 100
_WARM_UP_S = 8.0
_AFTER_S = 5.0
_READY = "Readings of stations at"
_PROCESSES = multiprocessing.get_context("spawn")
_HEARD = f"""(() => {{
  window.heard = [];
  const Source = EventSource;
  window.EventSource = class extends Source {{
    constructor(...given) {{
      super(...given);
      this.addEventListener("message", ({{ data }}) => {{
        const now = Date.now();
        for (const [station, , , values] of JSON.parse(data).sensors ?? [])
          window.heard.push([station, values.{_QUANTITY}, now]);
      }});
    }}
  }};
}})()"""
_PAINTED = """() => {
  window.painted = [];
  const last = new Map();
  const table = document.querySelector("table[aria-label=Sensors]");
  let waits = false;
  const look = () => {
    waits = false;
    const now = Date.now();
    for (const { cells: [, station, value] } of table.tBodies[0].rows) {
      const [name, told] = [station.textContent.trim(), parseInt(value.textContent)];
      if (last.get(name) !== told) window.painted.push([name, told, now]);
      last.set(name, told);
    }
  };
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = look;
  new MutationObserver(() => {
    if (!waits) requestAnimationFrame(() => port2.postMessage(null));
    waits = true;
  }).observe(table, { subtree: true, childList: true, characterData: true });
}"""
_console = Console(width=100)

Reading: TypeAlias = tuple[str, int]
"""A station, and what it told."""


@dataclass(frozen=True)
class _Seen:
    """Of each reading when it was where, s since 1970."""

    stage: str
    at: dict[Reading, float]


# --- sender --------------------------------------------------------------------------------------


def _send(port: int, stations: int, rate: float, seconds: float, began: float) -> None:
    """Readings of one station after the other, evenly over time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", port))
        for n in range(int(stations * rate * seconds)):
            time.sleep(max(0.0, began + n / (stations * rate) - time.time()))
            now = time.time()
            opened.send(
                orjson.dumps({
                    "timestamp": now, "sensor_id": 1, "station_code": f"LV{n % stations:04d}",
                    "temperature": 20.9, "humidity": 59.22,
                    _QUANTITY: int((now - began) * _PER_S) % _SHOWN_EXACTLY,
                    "location": {"lon": 5 + n % stations / 50, "lat": 42 + n % 40 / 4},
                })
            )  # fmt: skip


# --- the road ------------------------------------------------------------------------------------


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@contextmanager
def _road(folder: Path, servers: str) -> Iterator[tuple[int, int]]:
    """`gmn stations all` without stations; its HTTP port, and its UDP port."""
    port, udp_port = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
    environment = {
        **os.environ, "GMN_DATA_DIR": str(folder), "KAFKA_BOOTSTRAP_SERVERS": servers,
        "GMN_SERVE_REQUESTS_PER_MINUTE": "1000000", "GMN_STATIONS_SENDER_PER_S": "1e9",
    }  # fmt: skip
    code = "from gmn_pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", code, "stations", "all", "--stations", "0",
               "--port", str(port), "--udp-port", str(udp_port)]  # fmt: skip
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_READY):
                break
        else:
            raise SystemExit("gmn stations all ended by itself.")
        yield port, udp_port
    finally:
        process.terminate()
        process.communicate()


def _wait_for_readings(address: str) -> None:
    """Until the server answers, and has some."""
    while True:
        with suppress(OSError), urlopen(address):  # noqa: S310 - our own server
            return
        time.sleep(0.2)


def _taken_in(folder: Path) -> tuple[_Seen, _Seen]:
    """When each reading had come to the listener, and when the commit began that it came with."""
    settings = load_settings(data_dir=folder)
    with WarehouseConnection(settings, READINGS).open(read_only=True) as connection:
        rows = connection.execute(
            f"SELECT station_code, {_QUANTITY}::INTEGER, epoch(received_at_utc), "
            "epoch(taken_in_at_utc) FROM station_readings"
        ).fetchall()
    return (
        _Seen("received by the listener", {(code, told): at for code, told, at, _ in rows}),
        _Seen("its commit begins", {(code, told): at for code, told, _, at in rows}),
    )


def _in_page(page: Page, name: str, stage: str) -> _Seen:
    found: list[tuple[str, int | None, float]] = page.evaluate(f"window.{name}")
    at: dict[Reading, float] = {}
    for station, told, when_ms in found:
        if told is not None:
            at.setdefault((station, told), when_ms / 1000)
    return _Seen(stage, at)


# --- what is printed -----------------------------------------------------------------------------


def _print(title: str, began: float, painted: _Seen, before: list[_Seen]) -> None:
    """Of readings that the page has shown after the beginning, when they were where."""
    wanted = [one for one in painted.at if one[1] >= _WARM_UP_S * _PER_S]
    table = Table(title=title, title_justify="left")
    for column in (
        "since it was sent",
        "p50 s",
        "p95 s",
        "p99 s",
        "most s",
        "after the one before",
    ):
        table.add_column(column, justify="left" if column.startswith("since") else "right")
    earlier = {one: began + one[1] / _PER_S for one in wanted}
    sent = earlier
    for stage, at in ((one.stage, one.at) for one in (*before, painted)):
        there = [one for one in wanted if one in at]
        ages = sorted(at[one] - sent[one] for one in there)
        cuts = quantiles(ages, n=100)
        step = median(at[one] - earlier[one] for one in there)
        table.add_row(
            stage, *(f"{age:.2f}" for age in (cuts[49], cuts[94], cuts[98], ages[-1])),
            f"{step:.2f}",
        )  # fmt: skip
        earlier = at
    _console.print(table)
    _console.print(f"{len(wanted):,} numbers seen on the page.", highlight=False)


def main(
    stations: Annotated[int, typer.Option(help="So many stations ...")] = 500,
    rate: Annotated[float, typer.Option(help="... each with so many readings a second.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="For so long.", max=95)] = 40.0,
) -> None:
    """Measure from sending a datagram until its number is seen in Chromium."""
    with (
        tempfile.TemporaryDirectory(prefix="gmn-bench-") as name,
        brokers.own_broker(Path(name) / "kafka", libs_dir=LIBS) as broker,
        _road(Path(name) / "data", broker.bootstrap_servers) as (port, udp_port),
        chromium() as browser,
        visitor(browser, f"http://127.0.0.1:{port}") as guest,
    ):
        page = guest.page
        page.add_init_script(_HEARD)
        began = time.time() + 0.5
        sender = _PROCESSES.Process(target=_send, args=(udp_port, stations, rate, seconds, began))
        sender.start()
        _wait_for_readings(f"{guest.url}/readings/latest.json")
        guest.open(f"/live?colour={_QUANTITY}&sensor=LV0000%2F1&quantity={_QUANTITY}")
        page.get_by_role("row", name="LV0000").wait_for()
        page.evaluate(_PAINTED)
        while sender.is_alive():
            page.wait_for_timeout(500)
        page.wait_for_timeout(_AFTER_S * 1000)
        _print(
            f"{stations * rate:,.0f} readings/s, {from_timestamp(began):%Y-%m-%d %H:%M} UTC, "
            f"load {os.getloadavg()[0]:.1f}",
            began, _in_page(page, "painted", "seen on the page"),
            [*_taken_in(Path(name) / "data"), _in_page(page, "heard", "heard by the page")],
        )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
