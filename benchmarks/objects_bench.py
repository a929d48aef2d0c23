"""Measure the lake of objects: large and small files, by both servers, and searching among many.

What belongs here: files and rows of no meaning, and the table. What does not: whether what comes
out is right (the tests). A large file is compared with `cp` of it in the same minutes, with and
without having it on the disk, which an object is.

    python -m benchmarks.objects_bench --large-mb 1000 --small 10000 --objects 1000000
"""

import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.objects_by_network import by_network
from gmn_pipeline.database.object_search import Interval, Search
from gmn_pipeline.flows.object_gets import get_objects
from gmn_pipeline.flows.object_sync import sync
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    Link,
    LinkKind,
    NewVersion,
    ObjectName,
)
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources.files_in_folder import FolderFiles

_BY = By("bench")
_ROUNDS = 3
_ROWS_AT_ONCE = 10_000
_START = datetime(2022, 1, 1)
_console = Console()


def bench(
    large_mb: Annotated[int, typer.Option(help="Size of the large file.")] = 1_000,
    small: Annotated[int, typer.Option(help="Small files, of 5 kB.")] = 10_000,
    objects: Annotated[int, typer.Option(help="Objects to search among.")] = 1_000_000,
    network_mb: Annotated[int, typer.Option(help="Size of the file over HTTP and S3.")] = 500,
) -> None:
    """Measure all of it, and print the table."""
    table = Table("what", "figure", "peak memory so far, MB")
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as folder:
        for what, figure in _all(Path(folder), large_mb, small, objects, network_mb):
            _console.print(f"{what}: {figure}", highlight=False)
            peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            table.add_row(what, figure, f"{peak_kb / 1e3:,.0f}")
    _console.print(table)


def _all(
    folder: Path, large_mb: int, small: int, objects: int, network_mb: int
) -> Iterator[tuple[str, str]]:
    if large_mb:
        yield from _large(folder / "large", large_mb)
    if small:
        yield from _small(folder / "small", small)
    if network_mb:
        (folder / "network").mkdir()
        fill(folder / "network" / "large.bin", network_mb)
        yield from by_network(folder / "network", folder / "network" / "large.bin")
    if objects:
        yield from _many(folder / "many", objects)


def _lake(folder: Path) -> OpenedObjects:
    lake = opened_objects(load_settings(data_dir=folder / "data"))
    lake.catalogue.make_project("bench", _BY)
    lake.catalogue.make_container("bench", "files", _BY)
    return lake


def timed(work: Callable[[], object]) -> float:
    """Seconds that something took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def put_all(lake: OpenedObjects, folder: Path, to: str = "") -> None:
    """Put all of a folder."""
    counts, _ = sync(lake, FolderFiles(folder), ("bench", "files", to), _BY)
    assert counts.put == counts.given > 0, counts


def get_all(lake: OpenedObjects, search: Search, to: Path) -> None:
    """Get all that is found."""
    found = ((one, one.name.name) for one in lake.found(search))
    counts = get_objects(lake, found, to, _BY)
    assert counts.got == counts.wanted > 0, counts


def _large(folder: Path, size_mb: int) -> Iterator[tuple[str, str]]:
    """What each leaves is removed before the next: memory that a virtual machine touches for the
    first time costs more than all that is measured."""
    file = folder / "in" / "large.bin"
    file.parent.mkdir(parents=True)
    seconds: dict[str, list[float]] = {}

    processor: dict[str, list[float]] = {}

    def measure(what: str, work: Callable[[], object]) -> None:
        os.sync()
        before = os.times()
        seconds.setdefault(what, []).append(timed(work))
        processor.setdefault(what, []).append(sum(os.times()[:4]) - sum(before[:4]))

    fill(folder / "first", 3 * size_mb)
    fill(file, size_mb)
    (folder / "first").unlink()
    for _ in range(_ROUNDS):
        for what, copy in (("cp", _copy), ("cp, onto the disk", _copy_to_disk)):
            measure(what, partial(copy, file, folder / "copy"))
            (folder / "copy").unlink()
        lake = _lake(folder)
        measure("put", partial(put_all, lake, file.parent))
        measure("get", partial(get_all, lake, Search(), folder / "out"))
        shutil.rmtree(folder / "data")
        shutil.rmtree(folder / "out")
    medians = {what: statistics.median(taken) for what, taken in seconds.items()}
    for what, median in medians.items():
        ratios = ", ".join(
            f"{medians[cp] / median:.2f} of the speed of {cp}" for cp in list(medians)[:2]
        )
        busy = statistics.median(processor[what])
        said = f"{size_mb / median:,.0f} MB/s ({ratios}), {busy:.2f} s of processor"
        yield f"{what}, {size_mb:,} MB", said


def fill(file: Path, size_mb: int) -> None:
    """A file of bytes that nothing can make smaller."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as writing:
        for _ in range(size_mb):
            writing.write(os.urandom(1_000_000))
        os.fsync(writing.fileno())


def _copy(file: Path, copy: Path) -> None:
    subprocess.run(["cp", "-r", file, copy], check=True)  # noqa: S603, S607


def _copy_to_disk(file: Path, copy: Path) -> None:
    _copy(file, copy)
    with copy.open("rb") as copied:
        os.fsync(copied.fileno())


def _small(folder: Path, number: int) -> Iterator[tuple[str, str]]:
    lake = _lake(folder)
    for one in range(number):
        path = folder / "in" / f"{one // 1000}" / f"{one}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(5_000))
    os.sync()
    copied = timed(partial(_copy, folder / "in", folder / "copy"))
    yield f"cp -r, {number:,} files", f"{number / copied:,.0f}/s"
    yield "put", f"{number / timed(lambda: put_all(lake, folder / 'in')):,.0f}/s"
    sync_again = timed(lambda: sync(lake, FolderFiles(folder / "in"), ("bench", "files", ""), _BY))
    yield "sync, nothing changed", f"{number / sync_again:,.0f}/s"
    yield "get", f"{number / timed(lambda: get_all(lake, Search(), folder / 'out')):,.0f}/s"


def _many(folder: Path, number: int) -> Iterator[tuple[str, str]]:
    lake = _lake(folder)
    named = timed(lambda: _name(lake, number))
    yield f"{number:,} objects named in the catalogue", f"{number / named:,.0f}/s"
    middle = _START + timedelta(minutes=number // 2)
    hour = {"observed_from_utc": middle, "observed_until_utc": middle + timedelta(hours=1)}
    searches = {
        "text in the name": Search(text=f"_{number - 10:07}"),
        "text in no name": Search(text="nowhere"),
        "text in all names": Search(text=".fits"),
        "text in the newest names": Search(text=f"_{(number - 1) // 100_000:02}"),
        "words in documents": Search(words="nowhere"),
        "a tag (1 in 1,000)": Search(tags=frozenset({"fireball"})),
        "a link (1 in 500)": Search(links=frozenset({Link(LinkKind.STATION, "US0001")})),
        "metadata, a range (1 in 100)": Search(metadata={"gain": Interval(50, 50.5)}),
        "metadata, a range (1 in 2)": Search(metadata={"gain": Interval(50, 100)}),
        "time and box": Search(box_deg=(10, 10, 30, 30), **hour),  # type: ignore[arg-type]
        "box alone": Search(box_deg=(10, 10, 30, 30)),
        "box of a fiftieth": Search(box_deg=(-170, -80, -165, -75)),
        "the newest by time": Search(observed_from_utc=_START + timedelta(minutes=number - 99)),
        "type and size": Search(content_type="image/*", size_bytes=Interval(10, 20)),
    }
    asked: dict[str, Callable[[], object]] = {
        what: partial(lake.search.find, search, 100) for what, search in searches.items()
    }
    level = partial(lake.search.level, "bench", "files")
    asked |= {"level: folders": partial(level, "", 100), "level: files": partial(level, "0/", 100)}
    for what, ask in asked.items():
        taken = statistics.median(timed(ask) for _ in range(_ROUNDS))
        yield what, f"{taken * 1e3:,.0f} ms"


def _name(lake: OpenedObjects, number: int) -> None:
    """Objects whose bytes are nowhere, half of them in one folder."""
    for first in range(0, number, _ROWS_AT_ONCE):
        news = [_new(one, number) for one in range(first, min(first + _ROWS_AT_ONCE, number))]
        lake.catalogue.claim([new.content for new in news])
        lake.catalogue.name(news, _BY)


def _new(one: int, number: int) -> NewVersion:
    folder = 0 if one % 2 else one // 1_000
    at = _START + timedelta(minutes=one)
    said = Description(
        content_type="image/png" if one % 10 == 0 else "application/fits",
        metadata={"gain": float(one % 100), "camera": f"cam{one % 20}"},
        links=frozenset({Link(LinkKind.STATION, f"US{one % 500:04}")}),
        observed_from_utc=at, observed_until_utc=at + timedelta(seconds=10),
        latitude_deg=one % 180 - 90, longitude_deg=one % 360 - 180,
    )  # fmt: skip
    if one % 1_000 == number % 7:
        said = replace(said, tags=frozenset({"fireball"}))
    name = ObjectName("bench", "files", f"{folder}/ff_{one:07}.fits")
    return NewVersion(name, Content(f"{one:064x}", one % 5_000), said)


if __name__ == "__main__":
    typer.run(bench)
