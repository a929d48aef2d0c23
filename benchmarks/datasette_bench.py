"""The server beside Datasette over SQLite, as the old platform had it: the same requests to both.

What belongs here: the old platform's tables with the same rows, and both servers in turns. What
does not: our server by itself (`serving_bench.py`).

The tables, their indexes and the view are those of gmn-data-store (`models.py`,
`setup_database.py`), the time limit of 10 s is that of its portal of 2022. Datasette may take the
file as one that does not change, so that it counts its rows once; it suggests facets beside each
page, and keeps no answers. Ours keeps them, so each request here has values of its own, but for the
first page.

    python -m benchmarks.datasette_bench --rows 1000000
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.http_load import CELLS, Load, load
from benchmarks.serving_bench import loaded
from gmn_pipeline.schemas.derive import sql_text
from gmn_pipeline.serving.by_key.keeper import FOLDER, NAME
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import serving

_DATASETTE = Path(sys.prefix) / "datasette"
_STORE = "/gmn_data_store"
_TIME_LIMIT_MS = 10_000
_CONNECTIONS = (1, 8, 64)
_OF_EACH = 8
_STARTS_WITHIN_S = 120.0
_WRITTEN_WITHIN_S = 3_600  # of 5 million rows, on a slow machine
_console = Console()

_TABLES = {
    "iau_shower": "id INTEGER PRIMARY KEY, code VARCHAR(3) NOT NULL, name VARCHAR NOT NULL, "
    "created_at DATETIME, updated_at DATETIME",
    "station": "id INTEGER PRIMARY KEY, code VARCHAR(255) NOT NULL, created_at DATETIME, "
    "updated_at DATETIME",
    "participating_station": "id INTEGER PRIMARY KEY, created_at DATETIME, updated_at DATETIME, "
    "meteor_id VARCHAR NOT NULL REFERENCES meteor (id), "
    "station_id INTEGER NOT NULL REFERENCES station (id)",
}
_INDEXES = (
    "meteor (schema_version)",
    "meteor (iau_shower_id)",
    "iau_shower (code)",
    "iau_shower (name)",
    "station (code)",
    "participating_station (meteor_id)",
    "participating_station (station_id)",
    "participating_station (meteor_id, station_id)",
)
_SUMMARY_COLUMNS = {
    "iau_no": "iau_shower.id AS iau_no",
    "iau_code": "iau_shower.code AS iau_code",
    "num_stat": "count(station.id) AS num_stat",
    "participating_stations": "GROUP_CONCAT(station.code) AS participating_stations",
    "unique_trajectory_identifier": "meteor.id AS unique_trajectory_identifier",
}


def bench(
    rows: Annotated[int, typer.Option(help="Rows of the archive.")] = 1_000_000,
    data_dir: Annotated[Path | None, typer.Option(help="A data folder that is there.")] = None,
    seconds: Annotated[float, typer.Option(help="Seconds of each measurement.")] = 10.0,
) -> None:
    """Measure both, in turns."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gmn-bench-")))
        if data_dir is None:
            _console.print(f"Loading {rows:,} rows ...")
            settings = loaded(folder, rows)
        else:
            settings = load_settings(data_dir=data_dir)
        _console.print("Writing the old platform's SQLite file ...")
        requests = _requests(settings)
        file = _sqlite_file(settings, folder)
        # What it asks first, it need not wait for; and neither is measured while the other works.
        old = opened.enter_context(_datasette(file))
        ours = opened.enter_context(serving(settings, serve_requests_per_minute=10**9)).port
        _wait_for(settings.data_dir / FOLDER / NAME)
        for paths in requests.values():
            for port in (old, ours):
                load(port, paths[:1], 1, 0.1)
        _compare(old, ours, requests, seconds)


def _wait_for(file: Path) -> None:
    """Until the server has written its rows by key."""
    _console.print("Waiting for rows by key ...")
    deadline = time.monotonic() + _WRITTEN_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"{file} was not written in {_WRITTEN_WITHIN_S} s.")
        time.sleep(0.5)


def _compare(old: int, ours: int, requests: dict[str, list[str]], seconds: float) -> None:
    table = Table("request", "connections", "server", *CELLS)
    table.title = "Datasette over SQLite, and gmn serve"

    def measure(name: str, paths: Sequence[str], connections: int) -> tuple[Load, Load]:
        _console.print(f"  {name}, {connections} connections ...")
        taken = []
        for server, port in (("Datasette", old), ("gmn serve", ours)):
            taken.append(load(port, paths, connections, seconds))
            table.add_row(name, str(connections), server, *taken[-1].cells())
        return taken[0], taken[1]

    for name, paths in requests.items():
        measure(name, paths, _OF_EACH)
    ratios = []
    for connections in _CONNECTIONS:
        mixed = [path for paths in zip(*_as_long(requests), strict=True) for path in paths]
        theirs, our = measure("all in turn", mixed, connections)
        ratios.append((connections, our.answers_a_second / max(theirs.answers_a_second, 1e-9)))
    _console.print(table)
    for connections, ratio in ratios:
        _console.print(f"All in turn at {connections} connections: {ratio:,.1f} times its answers.")


def _as_long(requests: dict[str, list[str]]) -> list[list[str]]:
    most = max(len(paths) for paths in requests.values())
    return [[paths[n % len(paths)] for n in range(most)] for paths in requests.values()]


def _requests(settings: Settings) -> dict[str, list[str]]:
    """What both are asked: a name, and addresses in turn."""
    with WarehouseConnection(settings).open(read_only=True) as connection:
        identifiers = [
            identifier
            for (identifier,) in connection.execute(
                "SELECT id FROM meteor USING SAMPLE reservoir(20000 ROWS) REPEATABLE (1)"
            ).fetchall()
        ]
        stations = [
            number
            for (number,) in connection.execute(
                "SELECT station_id FROM participating_station GROUP BY 1 ORDER BY count(*) DESC, 1 "
                "LIMIT 2000"
            ).fetchall()
        ]
    nights = [date(2021, 1, 1) + timedelta(days=day) for day in range(1_000)]
    shown = {"_shape": "objects", "_size": 100}

    def page(table: str, **parameters: object) -> str:
        return f"{_STORE}/{table}.json?{urlencode({**parameters, **shown})}"

    return {
        "first page": [page("meteor")],
        "one trajectory": [f"{_STORE}/meteor/{_coded(one)}.json" for one in identifiers],
        "a night": [
            page("meteor", beginning_utc_time__gte=f"{night} 12:00:00",
                 beginning_utc_time__lt=f"{night + timedelta(days=1)} 12:00:00")
            for night in nights
        ],
        "a station's trajectories": [
            page("participating_station", station_id=number) for number in stations
        ],
        "fastest of a night": [
            page("meteor", beginning_utc_time__gte=f"{night} 12:00:00", vgeo_km_s__gt=60,
                 beginning_utc_time__lt=f"{night + timedelta(days=1)} 12:00:00",
                 _sort_desc="vgeo_km_s")
            for night in nights
        ],
        "showers of fast ones": [
            page("meteor", vgeo_km_s__gt=f"{55 + n / 100:.2f}", _facet="iau_shower_id")
            for n in range(1_000)
        ],
    }  # fmt: skip


def _coded(identifier: str) -> str:
    return identifier.replace("~", "~7E")  # underscores stay


# The old platform's ------------------------------------------------------------------------------


def _sqlite_file(settings: Settings, folder: Path) -> Path:
    """The old platform's tables with the rows of the warehouse."""
    file = folder / "gmn_data_store.db"
    with WarehouseConnection(settings).open(read_only=True) as lake:
        described = lake.execute("DESCRIBE meteor").fetchall()
        columns = [
            (name, "VARCHAR PRIMARY KEY" if name == "id" else kind.replace("TIMESTAMP", "DATETIME"))
            for name, kind, *_ in described
            if name != "unique_trajectory_identifier"
        ]
        with sqlite3.connect(file) as old:
            old.execute(f"CREATE TABLE meteor ({', '.join(f'{n} {kind}' for n, kind in columns)})")
            for table, declared in _TABLES.items():
                old.execute(f"CREATE TABLE {table} ({declared})")
        old.close()
        lake.execute(f"ATTACH {sql_text(str(file))} AS old (TYPE sqlite)")
        for table in ("meteor", *_TABLES):
            names = ", ".join(
                f"strftime({name}, '%Y-%m-%d %H:%M:%S.%f') AS {name}" if kind == "TIMESTAMP"
                else name
                for name, kind, *_ in lake.execute(f"DESCRIBE {table}").fetchall()
                if name != "unique_trajectory_identifier"
            )  # fmt: skip
            lake.execute(f"INSERT INTO old.{table} BY NAME SELECT {names} FROM {table}")
        lake.execute("DETACH old")
        shown = [name for name, *_ in lake.execute("DESCRIBE meteor_summary").fetchall()]
    with sqlite3.connect(file) as old:
        for number, index in enumerate(_INDEXES):
            old.execute(f"CREATE INDEX ix_{number} ON {index}")
        names = ", ".join(_SUMMARY_COLUMNS.get(n, n) for n in shown)
        old.execute(
            f"CREATE VIEW meteor_summary AS SELECT {names} FROM meteor "
            "LEFT JOIN iau_shower ON meteor.iau_shower_id = iau_shower.id "
            "LEFT JOIN participating_station ON participating_station.meteor_id = meteor.id "
            "LEFT JOIN station ON participating_station.station_id = station.id "
            "GROUP BY meteor.id ORDER BY beginning_utc_time DESC"
        )
        old.execute("ANALYZE")
    old.close()
    return file


@contextmanager
def _datasette(file: Path) -> Iterator[int]:
    """Datasette of its own environment; its port."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own words and a path
        [sys.executable, "-S", "-m", "datasette", "serve", "--immutable", str(file),
         "--port", str(port), "--setting", "sql_time_limit_ms", str(_TIME_LIMIT_MS)],
        env={"PYTHONPATH": str(_DATASETTE), "PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("Datasette did not start: make bench-datasette installs it.")
            time.sleep(0.1)
        yield port
    finally:
        process.kill()  # it does not end before its queries have
        process.wait(30)


def _answers(port: int) -> bool:
    with suppress(OSError):
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/-/versions.json")
        return connection.getresponse().status == 200
    return False


if __name__ == "__main__":
    typer.run(bench)
