"""How soon listeners to live events hear of a commit: one, a thousand, with filters, by WebSocket.

What belongs here: a real server on loopback, listeners in this process, small commits. What does
not: other requests (`serving_bench.py`).

    python -m benchmarks.events_bench --rows 1000000
"""

import statistics
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.serving_bench import loaded
from gmn_pipeline.clock import utc_now
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline_tests.support.many_listeners import let_many_open, seconds_until_all_heard
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving

_CHANGES = 20
_AIM_S = 1.0
_STEP = timedelta(seconds=2)
_console = Console()


def bench(
    rows: Annotated[int, typer.Option(help="Rows of the archive.")] = 1_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="A folder with such an archive in data; it is changed.")
    ] = None,
    listeners: Annotated[int, typer.Option(help="Listeners at once.")] = 1_000,
    repeats: Annotated[int, typer.Option(help="Commits of each measurement.")] = 5,
) -> None:
    """Measure how soon listeners hear of a commit."""
    let_many_open()
    with ExitStack() as opened:
        if folder is None:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gmn-bench-")))
            loaded(folder, rows)
        commits = _Commits(Bench(folder, run_retries=0))
        commits.commit()  # newer than what the archive has of that day, which goes
        server = opened.enter_context(
            serving(
                commits.bench.settings, serve_listeners=listeners + 10,
                serve_listeners_per_address=listeners + 10, serve_requests_per_minute=10**9,
            )
        )  # fmt: skip
        table = Table("listeners", "median s", "slowest s", "server MB", title=_title())
        for name, many, filters, is_websocket in (
            ("one", 1, 0, False),
            (f"{listeners:,}", listeners, 0, False),
            (f"{listeners:,} with a filter each", listeners, listeners, False),
            (f"{listeners:,} by WebSocket", listeners, 0, True),
        ):
            took = [
                seconds_until_all_heard(
                    server, commits.bench.settings, commits.commit, many, filters=filters,
                    is_websocket=is_websocket,
                )
                for _ in range(repeats)
            ]  # fmt: skip
            mark = "" if max(took) < _AIM_S else " (!)"
            table.add_row(
                name, f"{statistics.median(took):.2f}", f"{max(took):.2f}{mark}",
                f"{_memory_mb(server):,.0f}",
            )  # fmt: skip
        _console.print(table)


def _title() -> str:
    return f"From a commit of {_CHANGES} changes until the last listener heard (aim: {_AIM_S:g} s)"


class _Commits:
    """One small commit after the other: the same trajectories, solved anew."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._numbers = count()
        self._begun = utc_now()

    def commit(self) -> None:
        # Newer than the archive and any run before, with other values.
        generated = self._begun + next(self._numbers) * _STEP
        speed = 30 + generated.timestamp() % 100_000 / 1_000
        some = sample()
        for row in range(_CHANGES):
            some = some.with_fields(row, vgeo_km_s=f"{speed:11.5f}")
        self.bench.put(DAILY, some.stamped(f"{generated:%Y-%m-%d %H:%M:%S}"))
        report = load_days([DAY], self.bench.settings)
        assert report.days[DAY].went_through, report


def _memory_mb(server: Server) -> float:
    """Most that the server's process has taken."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    typer.run(bench)
