"""Measure an export of all trajectories in each format, as ratios to DuckDB's own COPY.

What belongs here: exports of one lake, each in a process of its own, and the table. What does
not: whether they are right (the tests).

    python -m benchmarks.formats_bench --rows 1000000
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.landing.source_lines import LandedLines
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import read_session
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.formats.export import About, Export, whole
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.storage.object_store import ObjectStore
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.archive import FIRST_DATE, LAST_DATE, generate

_ALL = "FROM trajectories"
_THREADS = 2
_COPIES = {
    "COPY csv": "FORMAT csv, HEADER true",
    "COPY parquet": "FORMAT parquet, COMPRESSION zstd",
    "COPY json": "FORMAT json",
}
_REFERENCE = {"csv": "COPY csv", "parquet": "COPY parquet", "ndjson": "COPY json",
              "json": "COPY json"}  # fmt: skip
_console = Console()


def bench(
    rows: Annotated[int, typer.Option(help="Rows of the lake.")] = 100_000,
    runs: Annotated[int, typer.Option(help="Runs of each; the median counts.")] = 3,
    suffix: Annotated[list[str] | None, typer.Option(help="Only this format; several.")] = None,
) -> None:
    """Load a lake, export it in every format, and print the table."""
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as temporary:
        folder = Path(temporary)
        generate(folder / "site", rows, kinds=("daily", "all"))
        days = [FIRST_DATE + timedelta(days=n) for n in range((LAST_DATE - FIRST_DATE).days + 1)]
        load_days(days, _settings(folder))
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(runs):  # in turns: the machine is not the same from minute to minute
            for name in (*_COPIES, *(suffix or FORMATS)):
                found.setdefault(name, []).append(_in_a_process(name, folder))
    _print(rows, found)


def _settings(folder: Path) -> Settings:
    return load_settings(source_url=str(folder / "site"), data_dir=folder / "data", history="all")


def _in_a_process(name: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.formats_bench", "--one", name, str(folder)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    measured: dict[str, float] = json.loads(out.splitlines()[-1])
    return measured


def one(name: str, folder: Path) -> dict[str, float]:
    """Export everything once, into a file, and what it took."""
    settings, target = _settings(folder), folder / "out"
    measure = _copy if name in _COPIES else _export
    seconds = measure(name, settings, target)
    size = target.stat().st_size
    target.unlink()
    return {"seconds": seconds, "mb": size / 1e6, "memory_mb": _peak_memory_mb()}


def _peak_memory_mb() -> float:
    """Of this process, libraries and all (Linux)."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _copy(name: str, settings: Settings, target: Path) -> float:
    with WarehouseConnection(settings).open(read_only=True) as connection:
        connection.execute(f"SET threads = {_THREADS}")
        begun = time.perf_counter()
        connection.execute(f"COPY ({_ALL}) TO {sql_text(str(target))} ({_COPIES[name]})")
        return time.perf_counter() - begun


def _export(suffix: str, settings: Settings, target: Path) -> float:
    limits = Limits(seconds=3600, memory_mb=1024, disk_mb=0, rows=1 << 40)
    about = About("trajectories", TRAJECTORIES.meaning, "1", datetime.now(UTC).replace(tzinfo=None))
    lines = LandedLines(ObjectStore(settings.landing_dir))
    with read_session(settings, limits) as session, target.open("wb") as file:
        begun = time.perf_counter()
        answer = session.run(_ALL)
        export = Export.of(about, answer.schema, TRAJECTORIES.fields, lines)
        for piece in FORMATS[suffix].write(export, whole(answer)):
            file.write(piece)
        return time.perf_counter() - begun


def _print(rows: int, found: dict[str, list[dict[str, float]]]) -> None:
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    table = Table(title=f"Exports of {rows:,} trajectories")
    for head in ("format", "seconds", "rows/s", "MB", "memory, MB", "of COPY's time"):
        table.add_column(head, justify="right" if head != "format" else "left")
    for name, median in medians.items():
        reference = medians.get(_REFERENCE.get(name, ""))
        table.add_row(
            name, f"{median['seconds']:.2f}", f"{rows / median['seconds']:,.0f}",
            f"{median['mb']:.0f}", f"{median['memory_mb']:.0f}",
            f"{median['seconds'] / reference['seconds']:.2f}" if reference else "",
        )  # fmt: skip
    _console.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], Path(sys.argv[3]))))
    else:
        typer.run(bench)
