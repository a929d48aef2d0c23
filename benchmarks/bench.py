"""Measure the pipeline as ratios against references taken in the same run.

What belongs here: what is measured on which archive, and the tables. What does not: the timed
work itself (`tasks.py`), and assertions. Seconds differ from machine to machine; what counts are
the ratios: of loads to a bare DuckDB load of the same rows, of queries to the same rows in a plain
DuckDB file.

    python -m benchmarks.bench --rows 100000 --rows 1000000 --runs 3
"""

import json
import shutil
import statistics
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import tasks
from gmn_pipeline_tests.support.archive import (
    FIRST_DATE,
    LAST_DATE,
    Shares,
    generate,
    next_generation,
)

_REFRESHED_FROM = LAST_DATE - timedelta(days=9)
_REFRESHED_ROWS = 20_000  # in the ten days, whatever the size of the rest
_BACKFILL_DAYS = (500, 2_890)
_ONE_IN_TWENTY = Shares(resolved=0.05, reidentified=0, withdrawn=0, duplicated=0, corrupted=0,
                        added=0)  # fmt: skip
_STEPS = ("land", "parse", "check", "write", "merge")
_console = Console()
Results = dict[str, Any]


def bench(
    rows: Annotated[list[int] | None, typer.Option(help="Rows of an archive; several.")] = None,
    runs: Annotated[int, typer.Option(help="Runs of each load; the median counts.")] = 3,
    commits: Annotated[int, typer.Option(help="Small commits; 0 leaves them out.")] = 1_000,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = Path(
        "benchmarks/results.json"
    ),
) -> None:
    """Generate archives, measure loads, Dagster's bookkeeping and queries on them."""
    results: list[Results] = []
    for size in rows or [100_000, 1_000_000, 3_000_000]:
        with tempfile.TemporaryDirectory(prefix="gmn-bench-") as temporary:
            results.append(_measure(Path(temporary), size, runs, commits))
        _print(results[-1])
        out.write_text(json.dumps(results, indent=2) + "\n")
    _print_refreshes(results)
    _console.print(f"Written to {out}.")


def _measure(work: Path, rows: int, runs: int, commits: int) -> Results:
    _console.print(f"Generating {rows:,} rows and their next generation ...")
    source, solved_again = work / "source", work / "next"
    generate(source, rows, to_date=_REFRESHED_FROM - timedelta(days=1), kinds=("daily", "all"))
    next_generation(source, solved_again, shares=_ONE_IN_TWENTY)
    newest, refreshed = work / "newest", work / "refreshed"
    generate(newest, _REFRESHED_ROWS, seed=3, from_date=_REFRESHED_FROM, kinds=("daily",))
    next_generation(newest, refreshed)
    loads: dict[str, list[Results]] = {}

    def measure(what: str, task: Any, *arguments: object) -> None:
        _console.print(f"  {what} ...")
        loads.setdefault(what, []).append(tasks.run(task, *arguments))

    first, last = FIRST_DATE, _REFRESHED_FROM - timedelta(days=1)
    for number in range(runs):
        bare, ours = work / "bare", work / "ours"
        for folder in (bare, ours):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        measure("bare DuckDB load", tasks.bare, source, bare)
        measure("first load, from the all-file", tasks.load, source, ours, first, last, "all")
        shutil.rmtree(ours)
        measure("first load, from daily files", tasks.load, source, ours, first, last)
        measure("nothing changed", tasks.load, source, ours, first, last)
        if number == runs - 1:
            fresh = _queries(ours)
        measure("5 % re-solved", tasks.load, solved_again, ours, first, last)
        measure("ten more days", tasks.load, newest, ours, _REFRESHED_FROM, LAST_DATE)
        measure("ten-day refresh", tasks.load, refreshed, ours, _REFRESHED_FROM, LAST_DATE)
    results: Results = {
        "rows": rows,
        "loads": loads,
        "bookkeeping": [_bookkeeping(solved_again, work / "ours", days) for days in _BACKFILL_DAYS],
        "queries": fresh,
    }
    if commits:
        _commit(work / "ours", commits, results)
    return results


def _commit(folder: Path, commits: int, results: Results) -> None:
    _console.print(f"  {commits:,} small commits and maintenance ...")
    results["commits"] = tasks.run(tasks.commits, folder, commits)
    results["queries"][f"after {commits:,} commits"] = tasks.run(tasks.queries, folder)
    results["maintenance"] = tasks.run(tasks.maintenance, folder)
    results["queries"]["after maintenance"] = tasks.run(tasks.queries, folder)


def _bookkeeping(source: Path, folder: Path, days: int) -> Results:
    last = _REFRESHED_FROM - timedelta(days=1)
    _console.print(f"  backfill of {days:,} loaded days ...")
    return tasks.run(tasks.bookkeeping, source, folder, last - timedelta(days=days - 1), last)


def _queries(folder: Path) -> dict[str, Results]:
    _console.print("  queries ...")
    found = {
        "plain DuckDB file": tasks.run(tasks.plain_queries, folder),
        "just loaded": tasks.run(tasks.queries, folder),
    }
    (folder / "plain.duckdb").unlink()
    return found


# --- Tables -----------------------------------------------------------------------------------


def _print(results: Results) -> None:
    loads = results["loads"]
    reference = [run["seconds"] for run in loads["bare DuckDB load"]]
    table = _table(
        f"Loads of {results['rows']:,} rows, median of {len(reference)}, through Dagster",
        "load", "rows", "seconds", "rows/s", "ratio to bare DuckDB", "peak MB",
    )  # fmt: skip
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
    _console.print(table)
    _print_steps(results)
    for backfill in results["bookkeeping"]:
        _console.print(
            f"Dagster's own work in a backfill of {backfill['days']:,} days: "
            f"{backfill['ms_a_day']:.1f} ms a day."
        )
    _print_queries(results["queries"])
    if commits := results.get("commits"):
        files = results["maintenance"]
        _console.print(
            f"Small commits of 20 rows: {commits['first_ms']:.0f} ms each at first, "
            f"{commits['last_ms']:.0f} at last; maintenance made {files['files_before']:,} files "
            f"{files['files_after']:,} in {files['seconds']:.1f} s."
        )


def _print_steps(results: Results) -> None:
    table = _table(
        "Each step in seconds, and to the bare load (merging and fetching run beside the others)",
        "load", "waiting for files", *_STEPS[1:], "the rest: Dagster",
    )  # fmt: skip
    bare = results["loads"]["bare DuckDB load"][-1]["seconds"]
    for what, taken in results["loads"].items():
        if steps := taken[-1].get("steps"):
            spent = [steps.get(name, 0.0) for name in _STEPS]
            spent.append(taken[-1]["seconds"] - steps["total"])
            table.add_row(what, *(f"{s:.2f} ({s / bare:.2f})" for s in spent))
    _console.print(table)


def _print_queries(queries: dict[str, Results]) -> None:
    table = _table("Queries, median of 9, ms", "query", *queries)
    for name in tasks.QUERIES:
        table.add_row(name, *(f"{times[name]:.1f}" for times in queries.values()))
    _console.print(table)


def _print_refreshes(results: list[Results]) -> None:
    table = _table(
        f"Ten-day refresh of {_REFRESHED_ROWS:,} rows into warehouses of different sizes",
        "rows in the warehouse", "seconds", "to the smallest",
    )  # fmt: skip
    seconds = {
        r["rows"]: statistics.median(run["seconds"] for run in r["loads"]["ten-day refresh"])
        for r in results
    }
    for rows, taken in seconds.items():
        table.add_row(f"{rows:,}", f"{taken:.2f}", f"{taken / seconds[min(seconds)]:.2f}")
    _console.print(table)


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in others:
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    typer.run(bench)
