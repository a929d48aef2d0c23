"""The server under load: how long answers take, and the network's client over everything.

What belongs here: a real server on loopback over a generated archive, asked by several connections
at once; the client's own function over all rows. What does not: comparisons with other platforms.

    python -m benchmarks.serving_bench --rows 1000000
    python -m benchmarks.serving_bench --data-dir data
"""

import json
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.http_load import CELLS, load
from benchmarks.reloading import Reloading
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline_tests.support.archive import FIRST_DATE, LAST_DATE, generate
from gmn_pipeline_tests.support.server import Server, client_says, serving

_SUMMARY = "/gmn_rest_api/meteor_summary"
_TABLE = "/gmn/trajectories"
_TURNING = "table, pages in turn"
_MOST_ASKED = 20_000
_CONNECTIONS = (1, 8, 64)
_CLIENT_WITHIN_S = 3_600.0
_LOAD_S = 20.0
_console = Console()


def bench(
    rows: Annotated[int, typer.Option(help="Rows of the archive.")] = 1_000_000,
    data_dir: Annotated[Path | None, typer.Option(help="A data folder that is there.")] = None,
    seconds: Annotated[float, typer.Option(help="Seconds of each measurement.")] = 10.0,
    client: Annotated[bool, typer.Option(help="Whether the client reads everything.")] = True,
    only: Annotated[str, typer.Option(help="Requests whose names have this in them.")] = "",
) -> None:
    """Measure the server."""
    with ExitStack() as opened:
        if data_dir is None:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="gmn-bench-"))
            settings = loaded(Path(folder), rows)
        else:
            settings = load_settings(data_dir=data_dir)
        server = opened.enter_context(serving(settings, serve_requests_per_minute=10**9))
        table = Table("request", "connections", "CPU ms", *CELLS)
        for name, paths in _requests(server, settings).items():
            if only not in name:
                continue
            for connections in _CONNECTIONS:
                begun_s = cpu_s(server)
                taken = load(
                    server.port, paths, connections, seconds, follows_links=name == _TURNING
                )
                cpu_ms = (cpu_s(server) - begun_s) / max(1, len(taken.seconds)) * 1e3
                table.add_row(name, str(connections), f"{cpu_ms:,.1f}", *taken.cells())
        _console.print(table)
        if client:
            _read_everything(server, settings)


def loaded(folder: Path, rows: int) -> Settings:
    source = folder / "source"
    generate(source, rows, kinds=("daily", "all"))
    settings = load_settings(data_dir=folder / "data", source_url=str(source), history="all")
    days = (LAST_DATE - FIRST_DATE).days + 1
    load_days([FIRST_DATE + timedelta(days=day) for day in range(days)], settings)
    load_showers(WarehouseConnection(settings), iau_showers.bundled())
    return settings


def _requests(server: Server, settings: Settings) -> dict[str, list[str]]:
    """What is asked: a name, and addresses in turn. None is asked twice but where that is meant."""
    identifiers = identifiers_of(settings)
    pages = [f"{_TABLE}.json?{urlencode({'_next': one})}" for one in identifiers]
    first = server.get(_SUMMARY)
    tag = first.headers["GMN-Snapshot"]
    day = [f"2022-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    return {
        "first page, kept": [_SUMMARY],
        "table, first page, kept": [f"{_TABLE}.json"],
        "table, page of its own": pages,
        _TURNING: pages[::-1],
        "table, first page of a filter": [
            f"{_TABLE}.json?{urlencode({'vgeo_km_s__gt': 20 + at / 100, 'mass_kg__lt': 0.01})}"
            for at in range(4_000)
        ],
        "trajectory of its own": [f"{_TABLE}/{one}.json" for one in identifiers],
        "page of its own": [
            f"{_SUMMARY}?{urlencode({'page': 1, 'snapshot': tag, 'after': _key(date)})}"
            for date in day
        ],
        "a row by key": [f"/gmn_data_store/meteor/{one}.json" for one in identifiers],
        "links of a station": [
            f"/gmn/participating_station.json?station_id={number}&_size={size}"
            for size in range(100, 120)
            for number in range(1, 301)
        ],
        "a night, by its address": [
            f"{_TABLE}.json?{urlencode({'bin_date': one, '_size': 100, '_nocount': 'on'})}"
            for one in day
        ],
        "a night, by TAP": [f"/tap/sync?{urlencode({**_TAP, 'QUERY': _adql(one)})}" for one in day],
        "where": [f"{_SUMMARY}?{urlencode({'where': _of(date)})}" for date in day],
        "sql": [
            f"/gmn_rest_api?{urlencode({'sql': f'SELECT count(*) FROM meteor WHERE {_of(date)}'})}"
            for date in day
        ],
    }


def identifiers_of(settings: Settings) -> list[str]:
    """Some trajectories, always the same."""
    with WarehouseConnection(settings).open(read_only=True) as connection:
        found = connection.execute(
            "SELECT trajectory_identifier FROM trajectories ORDER BY hash(trajectory_identifier) "
            f"LIMIT {_MOST_ASKED}"
        ).fetchall()
    return [identifier for (identifier,) in found]


_TAP = {"LANG": "ADQL", "REQUEST": "doQuery"}


def _adql(date: str) -> str:
    return (
        f"SELECT TOP 100 * FROM gmn.trajectories WHERE bin_date = '{date}' "
        "ORDER BY trajectory_identifier"
    )


def _of(date: str) -> str:
    return f"date(beginning_utc_time) = '{date}' AND vgeo_km_s > 60"


def _key(date: str) -> str:
    seconds = time.mktime(time.strptime(date, "%Y-%m-%d"))
    return f"{int(seconds) * 1_000_000}_z"


def cpu_s(server: Server) -> float:
    """Seconds of processor time that the server has used, without its processes for SQL."""
    told = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _read_everything(server: Server, settings: Settings) -> None:
    """The network's own client, from the first page to the last, while loads go on."""
    begun, first = time.monotonic(), server.snapshot
    reloading, ended = Reloading(settings), threading.Event()

    def reload() -> None:
        while not ended.is_set():
            reloading.load()
            ended.wait(_LOAD_S)

    loads = threading.Thread(target=reload)
    loads.start()
    script = (
        "names = [row['unique_trajectory_identifier'] for page in "
        "api.get_meteor_summary_data_iter() for row in page]\n"
        "print(json.dumps([len(names), len(set(names))]))"
    )
    try:
        rows, different = client_says(server, script, within_s=_CLIENT_WITHIN_S)
    finally:
        ended.set()
        loads.join()
    took = time.monotonic() - begun
    asked = "SELECT count(*) AS n FROM meteor"
    counts = {
        json.loads(reply.body)["rows"][0]["n"]
        for state in range(first, server.snapshot + 1)
        if (reply := server.sql(asked, snapshot=state)).status == 200
    }
    is_all = rows == different and rows in counts
    _console.print(
        f"The network's client read {rows:,} rows, {different:,} of them different, in {took:,.0f} "
        f"s ({rows / took:,.0f} rows/s) beside {reloading.loads} loads: "
        f"{'each row of one state once' if is_all else f'WRONG, there were {counts}'}."
    )
    if not is_all:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(bench)
