"""Measure the pipeline as ratios against references taken in the same run.

What belongs here: timed loads and queries, each in a process of its own so that its memory is its
own. What does not: assertions; absolute seconds differ from machine to machine, so what counts is
the ratio to a bare DuckDB load of the same rows.

    python -m benchmarks.bench all --rows 100000 --runs 3
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import duckdb
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.archive import FIRST_DATE, LAST_DATE, Shares, generate, next_generation
from gmn_pipeline.automation import range_tags, trajectory_days_job
from gmn_pipeline.cli import prepare_dagster_home
from gmn_pipeline.config import load_settings
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.schemas.derive import sql_text
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Kind
from gmn_pipeline.trajectory_days import load_days
from gmn_pipeline.warehouse.connection import WarehouseConnection

app = typer.Typer(add_completion=False)
_NULLS = [f"'{word:>{width}}'" for word in ("None", "nan") for width in range(6, 12)]
_BACKFILL_DAYS = (500, 2_900)
_QUERIES = {
    "shower counts": "SELECT iau_shower_code, count(*) FROM trajectories GROUP BY 1",
    "one date": "SELECT * FROM trajectories WHERE bin_date = DATE '{day}' ORDER BY vgeo_km_s",
    "one station": "SELECT t.* FROM trajectory_stations s JOIN trajectories t "
    "USING (trajectory_identifier) WHERE station_code = '{station}'",
    "radiant histogram": "SELECT floor(rageo_deg / 5), floor(decgeo_deg / 5), count(*) "
    "FROM trajectories GROUP BY 1, 2",
    "first page, legacy view": "FROM meteor_summary ORDER BY beginning_utc_time LIMIT 1000",
    "one trajectory": "FROM trajectories WHERE trajectory_identifier = '{identifier}'",
    "as of now": "SELECT count(*) FROM trajectories_as_of(now()::TIMESTAMP)",
}


# --- What is timed, each in its own process -------------------------------------------------


def bare_duckdb_load(source: Path, folder: Path) -> dict[str, Any]:
    """The reference: one CREATE TABLE AS SELECT of the all-file into a DuckDB file on disk."""
    kinds = {Kind.NUMBER: "DOUBLE", Kind.INTEGER: "INTEGER"}
    columns = ", ".join(
        f"'{field.name}': '{kinds.get(field.kind, 'VARCHAR')}'" for field in TRAJECTORY_FIELDS
    )
    file = sql_text(str(source / "traj_summary_all.txt"))
    with duckdb.connect(str(folder / "bare.duckdb")) as connection:
        connection.execute(
            f"CREATE TABLE t AS SELECT * FROM read_csv({file}, delim=';', header=false, "
            f"comment='#', quote='', auto_detect=false, strict_mode=false, "
            f"nullstr=[{', '.join(_NULLS)}], columns={{{columns}}})"
        )
        connection.execute("CHECKPOINT")
        rows = connection.execute("SELECT count(*) FROM t").fetchone()
    assert rows is not None
    return {"rows": rows[0]}


def load(source: Path, folder: Path, first: str, last: str) -> dict[str, Any]:
    """Days from the source to the warehouse: all the work of a run but Dagster's own events."""
    settings = load_settings(source_url=str(source), data_dir=folder / "data")
    report = load_days(_days(first, last), settings)
    assert not report.failed
    names = ("read", "accepted", "inserted", "revised", "unchanged", "withdrawn")
    return {
        "rows": report.total("read"),
        "counts": {name: report.total(name) for name in names},
        "stages": {str(stage): round(spent, 2) for stage, spent in report.seconds.items()},
    }


def dagster_overhead(source: Path, folder: Path, first: str, last: str) -> dict[str, Any]:
    """What a Dagster run over loaded days costs beyond the same days without Dagster."""
    overrides = {"source_url": str(source), "data_dir": folder / "data", "run_retries": 0}
    settings = load_settings(**overrides)
    days = _days(first, last)
    began = time.perf_counter()
    load_days(days, settings)
    without = time.perf_counter() - began
    began = time.perf_counter()
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        result = (
            build_defs(overrides)
            .resolve_job_def(trajectory_days_job.name)
            .execute_in_process(
                instance=instance,
                tags=range_tags(days[0], days[-1]),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )
    assert result.success
    spent = time.perf_counter() - began - without
    return {"rows": 0, "days": len(days), "ms_a_day": spent * 1000 / len(days)}


def _days(first: str, last: str) -> list[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "bare": bare_duckdb_load,
    "load": load,
    "dagster": dagster_overhead,
}


@app.command()
def task(name: str, arguments: list[str]) -> None:
    """One timed task; prints what it measured as JSON."""
    source, folder, *rest = arguments
    began = time.perf_counter()
    measured = TASKS[name](Path(source), Path(folder), *rest)
    measured["seconds"] = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    measured["cpu_seconds"] = usage.ru_utime + usage.ru_stime
    measured["peak_memory_mb"] = usage.ru_maxrss / 1024
    print("\n" + json.dumps(measured))


def run_task(name: str, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench", "task", name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


# --- The bench ------------------------------------------------------------------------------


@app.command(name="all")
def bench(
    rows: Annotated[int, typer.Option(help="Rows of the archive.")] = 1_000_000,
    runs: Annotated[int, typer.Option(help="Runs of each load; the median counts.")] = 3,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = Path(
        "benchmarks/results.json"
    ),
) -> None:
    """Generate an archive and measure loads and queries on it."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as temporary:
        work = Path(temporary)
        console.print(f"Generating {rows:,} rows and their next generation ...")
        source, solved_again = work / "source", work / "next"
        generate(source, rows, kinds=("daily", "all"))
        shares = Shares(resolved=0.05, reidentified=0, withdrawn=0, duplicated=0, corrupted=0,
                        added=0)  # fmt: skip
        next_generation(source, solved_again, shares=shares)
        console.print(f"Measuring, {runs} runs of each ...")
        results = _measure(work, source, solved_again, runs)
    _print(console, results)
    out.write_text(json.dumps({"rows": rows, "runs": runs, **results}, indent=2) + "\n")
    console.print(f"Written to {out}.")


def _measure(work: Path, source: Path, solved_again: Path, runs: int) -> dict[str, Any]:
    first, last = FIRST_DATE.isoformat(), LAST_DATE.isoformat()
    ten_days = (LAST_DATE - timedelta(days=9)).isoformat()
    timed: dict[str, list[dict[str, Any]]] = {}

    def measure(what: str, name: str, *arguments: object) -> None:
        timed.setdefault(what, []).append(run_task(name, *arguments))

    for number in range(runs):
        bare, ours = work / f"bare{number}", work / f"ours{number}"
        bare.mkdir()
        ours.mkdir()
        measure("bare DuckDB load", "bare", source, bare)
        measure("first load", "load", source, ours, first, last)
        measure("nothing changed", "load", source, ours, first, last)
        measure("ten-day refresh", "load", solved_again, ours, ten_days, last)
        measure("after 5 % re-solved", "load", solved_again, ours, first, last)
        if number < runs - 1:
            shutil.rmtree(ours)
        shutil.rmtree(bare)
    kept = work / f"ours{runs - 1}"
    overhead = [
        run_task("dagster", solved_again, kept, LAST_DATE - timedelta(days=days - 1), last)
        for days in _BACKFILL_DAYS
    ]
    return {"loads": timed, "dagster": overhead, "queries_ms": _queries(kept / "data")}


def _queries(data: Path) -> dict[str, float]:
    """Median latency of each query, in a session that is open."""
    found = {}
    with WarehouseConnection(load_settings(data_dir=data)).open(read_only=True) as connection:
        station = _one(connection, "SELECT station_code FROM trajectory_stations GROUP BY 1 "
                                   "ORDER BY count(*) DESC LIMIT 1")  # fmt: skip
        identifier = _one(connection, "SELECT median(trajectory_identifier) FROM trajectories")
        day = _one(connection, "SELECT max(bin_date) FROM trajectories")
        for name, query in _QUERIES.items():
            sql = query.format(station=station, identifier=identifier, day=day)
            times = []
            for _ in range(7):
                began = time.perf_counter()
                connection.execute(sql).to_arrow_table()
                times.append((time.perf_counter() - began) * 1000)
            found[name] = round(statistics.median(times), 1)
    return found


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def _print(console: Console, results: dict[str, Any]) -> None:
    loads = results["loads"]
    reference = [run["seconds"] for run in loads["bare DuckDB load"]]
    table = Table(title="Loads", title_justify="left")
    for column in ("what", "rows", "seconds", "rows/s", "ratio to bare DuckDB", "peak MB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, taken in loads.items():
        seconds = statistics.median(run["seconds"] for run in taken)
        # Paired run by run: the machine's speed drifts.
        ratio = statistics.median(
            run["seconds"] / base for run, base in zip(taken, reference, strict=True)
        )
        rows = taken[-1]["rows"]
        peak = max(run["peak_memory_mb"] for run in taken)
        table.add_row(what, f"{rows:,}", f"{seconds:.2f}", f"{rows / seconds:,.0f}",
                      f"{ratio:.2f}", f"{peak:,.0f}")  # fmt: skip
    console.print(table)
    console.print("Seconds in each stage of the first load:", loads["first load"][-1]["stages"])
    for backfill in results["dagster"]:
        console.print(
            f"Dagster's own work in a backfill of {backfill['days']:,} days: "
            f"{backfill['ms_a_day']:.1f} ms a day."
        )
    queries = Table(title="Queries on the warehouse just loaded", title_justify="left")
    queries.add_column("query")
    queries.add_column("ms", justify="right")
    for name, milliseconds in results["queries_ms"].items():
        queries.add_row(name, f"{milliseconds:.1f}")
    console.print(queries)


if __name__ == "__main__":
    app()
