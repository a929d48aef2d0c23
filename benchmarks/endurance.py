"""The server over an hour of mixed requests with loads going on: is memory flat, does all go well?

What belongs here: requests of all kinds at a low rate, loads now and then, looking at memory.
What does not: how fast it is (`serving_bench.py`).

Memory is that of the server's process, resident, once in ten seconds; beside it that of its
processes for clients' SQL, which come and go. The former is called flat if its median over the last
quarter of the time is at most a tenth, and at most 50 MB, above that over the second one: the first
is left out, in which caches fill. Nothing may fail: each answer is 200 or 304, and loads and
maintenance come to their end; but a row may be gone that a load withdrew.

    python -m benchmarks.endurance --minutes 60
    python -m benchmarks.endurance --minutes 20 --data-dir data
"""

import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.reloading import Reloading
from benchmarks.serving_bench import identifiers_of, loaded
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.archive import FIRST_DATE, LAST_DATE
from gmn_pipeline_tests.support.server import Reply, Server, serving

_LOOKS_S = 10.0
_LOAD_S = 60.0
_FLAT_SHARE, _FLAT_MB = 1.1, 50.0
_GOOD = (200, 304)
_ROW = "/gmn_data_store/meteor/"
_console = Console()


@dataclass
class Seen:
    """What came of it."""

    answers: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    with_processes_mb: list[float] = field(default_factory=list)
    loads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, what: str) -> None:
        with self.lock:
            self.failed.append(what)

    def medians_mb(self) -> list[float]:
        """Of the four quarters of the time."""
        size = max(1, len(self.memory_mb) // 4)
        values = self.memory_mb
        quarters = [values[at * size : (at + 1) * size] for at in range(3)]
        return [statistics.median(some) for some in (*quarters, values[3 * size :]) if some]

    @property
    def is_flat(self) -> bool:
        medians = self.medians_mb()
        if len(medians) < 4:
            return False
        second, last = medians[1], medians[3]
        return last <= min(second * _FLAT_SHARE, second + _FLAT_MB)


def endure(
    minutes: Annotated[float, typer.Option(help="How long.")] = 60.0,
    rows: Annotated[int, typer.Option(help="Rows of the archive.")] = 100_000,
    data_dir: Annotated[Path | None, typer.Option(help="A data folder of such a bench.")] = None,
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 8.0,
    load_s: Annotated[float, typer.Option(help="Seconds from load to load.")] = _LOAD_S,
    only: Annotated[list[str] | None, typer.Option(help="Kinds of requests.")] = None,
) -> None:
    """Ask, load and look; ends with 1 if something failed or memory grew."""
    with ExitStack() as opened:
        if data_dir is None:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gmn-bench-")))
            settings = loaded(folder, rows)
        else:
            source = data_dir.parent / "source"
            settings = load_settings(data_dir=data_dir, source_url=str(source), history="all")
        server = opened.enter_context(serving(settings, serve_requests_per_minute=10**9))
        first, seen, ends = server.snapshot, Seen(), time.monotonic() + minutes * 60
        work: list[Callable[[], None]] = [
            lambda: _ask(server, settings, only, seen, ends, rate / 2, 1),
            lambda: _ask(server, settings, only, seen, ends, rate / 2, 2),
            lambda: _listen(server, seen, ends),
            lambda: _load(settings, seen, ends, load_s),
            lambda: _look(server, seen, ends),
        ]
        threads = [threading.Thread(target=one) for one in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _console.print(f"States {first} to {server.snapshot} were served.")
    _tell(seen, minutes)
    if seen.failed or not seen.is_flat:
        sys.exit(1)


def _ask(
    server: Server, settings: Settings, only: list[str] | None, seen: Seen, ends: float,
    rate: float, seed: int,
) -> None:  # fmt: skip
    """Requests of all kinds in turns of chance; one in five is asked again, as it is known."""
    chance = random.Random(seed)
    requests = _requests(settings, chance, only)
    tag = path = ""
    while time.monotonic() < ends:
        begun = time.monotonic()
        headers = {}
        if tag and chance.random() < 0.2:
            kind, headers = "known", {"If-None-Match": tag}
        else:
            kind, path = next(requests)
        try:
            reply = server.get(path, headers=headers)
            tag = reply.headers.get("ETag", "")
            if reply.status not in _GOOD and not _is_withdrawn(server, reply, path):
                seen.fail(f"{reply.status} {path}: {reply.body[:300]!r}")
        except OSError as error:
            seen.fail(f"{error!r} {path}")
        with seen.lock:
            seen.answers[kind] += 1
        time.sleep(max(0.0, begun + 1 / rate - time.monotonic()))


def _is_withdrawn(server: Server, reply: Reply, path: str) -> bool:
    """Whether there is no row since a load left it out, as some do."""
    if reply.status != 404 or not path.startswith(_ROW):
        return False
    told = server.get(f"/gmn/trajectories/{path.removeprefix(_ROW)}")
    return told.status == 200 and told.json["current"] is None


def _requests(
    settings: Settings, chance: random.Random, only: list[str] | None
) -> Iterator[tuple[str, str]]:
    identifiers = identifiers_of(settings)
    days = (LAST_DATE - FIRST_DATE).days

    def night() -> dict[str, object]:
        first = FIRST_DATE + timedelta(days=chance.randrange(days))
        return {"beginning_utc_time__gte": first, "beginning_utc_time__lt": _after(first)}

    def one() -> str:
        return chance.choice(identifiers)

    kinds: dict[str, Callable[[], str]] = {
        "first page": lambda: "/gmn/trajectories.json",
        "page": lambda: f"/gmn/trajectories.json?{urlencode({'_next': one()})}",
        "night": lambda: f"/gmn/trajectories.json?{urlencode(night())}",
        "trajectory": lambda: f"/gmn/trajectories/{one()}.json",
        "row": lambda: f"{_ROW}{one()}.json",
        "links": lambda: "/gmn/participating_station.json?"
        f"{urlencode({'station_id': chance.randint(1, 300)})}",
        "facets": lambda: "/gmn/trajectories.json?_size=0&_facet=iau_shower_code&"
        f"{urlencode(night())}",
        "rest": lambda: f"/gmn_rest_api/meteor_summary?page={chance.randint(1, 20)}",
        "sql": lambda: "/gmn.json?"
        + urlencode({"sql": f"SELECT count(*) FROM meteor WHERE id > '{one()}'"}),
        "tap": lambda: "/tap/sync?"
        + urlencode({
            "LANG": "ADQL", "REQUEST": "doQuery",
            "QUERY": f"SELECT TOP 10 * FROM trajectories WHERE trajectory_identifier > '{one()}'",
        }),
        "export": lambda: f"/gmn/trajectories.{chance.choice(('csv', 'parquet', 'summary.txt'))}?"
        f"{urlencode(night())}",
        "feed": lambda: f"/gmn/feeds/fireballs.atom?magnitude=-{chance.randint(0, 3)}",
    }  # fmt: skip
    while True:
        kind = chance.choice(only or list(kinds))
        yield kind, kinds[kind]()


def _after(day: date) -> date:
    return day + timedelta(days=1)


def _listen(server: Server, seen: Seen, ends: float) -> None:
    """Somebody who follows live events, for half a minute at a time."""
    while (left := ends - time.monotonic()) > 0:
        reply = server.get(f"/gmn/events?_seconds={int(min(left, 30)) + 1}")
        if reply.status not in _GOOD:
            seen.fail(f"{reply.status} events")
        with seen.lock:
            seen.answers["events"] += 1


def _load(settings: Settings, seen: Seen, ends: float, load_s: float) -> None:
    """A day whose file says something else each time; the warehouse is put in order at times."""
    reloading = Reloading(settings)
    while time.monotonic() < ends:
        begun = time.monotonic()
        try:
            reloading.load()
        except Exception as error:
            seen.fail(f"load: {error!r}")
        seen.loads = reloading.loads
        while time.monotonic() < min(ends, begun + load_s):
            time.sleep(0.5)


def _look(server: Server, seen: Seen, ends: float) -> None:
    begun = time.monotonic()
    while (now := time.monotonic()) < ends:
        mb, with_processes_mb = _memory_mb(server)
        seen.memory_mb.append(mb)
        seen.with_processes_mb.append(with_processes_mb)
        if len(seen.memory_mb) % 12 == 1:
            answers = seen.answers.total()
            _console.print(
                f"  {(now - begun) / 60:5.1f} min {mb:7,.0f} MB, with processes "
                f"{with_processes_mb:,.0f}, {answers:7,} answers "
                f"{seen.loads:4} loads {len(seen.failed)} failed"
            )
        time.sleep(min(_LOOKS_S, max(0.0, ends - time.monotonic())))


def _memory_mb(server: Server) -> tuple[float, float]:
    """Resident memory of the process, and with those that it started."""
    pages: list[int] = []
    started: list[int] = []
    for children in Path(f"/proc/{server.process.pid}/task").glob("*/children"):  # of each thread
        with suppress(FileNotFoundError):  # which has ended
            started += map(int, children.read_text().split())
    for process in (server.process.pid, *started):
        try:
            pages.append(int(Path(f"/proc/{process}/statm").read_text().split()[1]))
        except FileNotFoundError:
            continue  # it has ended
    page_mb = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    return pages[0] * page_mb, sum(pages) * page_mb


def _tell(seen: Seen, minutes: float) -> None:
    table = Table("answers", "number")
    for kind, number in seen.answers.most_common():
        table.add_row(kind, f"{number:,}")
    _console.print(table)
    for failed in seen.failed[:20]:
        _console.print(f"FAILED: {failed}")
    medians = ", ".join(f"{mb:,.0f}" for mb in seen.medians_mb())
    _console.print(
        f"{minutes:g} minutes, {seen.loads} loads, {seen.answers.total():,} answers, "
        f"{len(seen.failed)} failed. Memory by quarters of the time (medians, MB): {medians}; at "
        f"most {max(seen.memory_mb):,.0f}, with processes {max(seen.with_processes_mb):,.0f}: "
        f"{'flat' if seen.is_flat else 'NOT FLAT'}."
    )


if __name__ == "__main__":
    typer.run(endure)
