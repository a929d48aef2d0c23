"""Measure ways of objects: a bucket, from a file to its rows, and memory by size.

What belongs here: what `objects_bench.py` does not measure, each beside what it is compared with in
the same minutes. What does not: whether what comes out is right (the tests).

    python -m benchmarks.objects_ways_bench --bucket-mb 1000 --files 30 --largest-mb 2000
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated

import obstore
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.objects_bench import fill, get_all, put_all, timed
from benchmarks.programs import running, sensing
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.flows.object_processing import ObjectProcessing
from gmn_pipeline.flows.object_puts import Given, put_files
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.storage.buckets import open_bucket
from gmn_pipeline_tests.support.object_storage import own_object_storage
from gmn_pipeline_tests.support.server import serving

_BY = By("bench")
_ROUNDS = 3
_WITHIN_S = 60.0
_PIECE_BYTES = 1 << 20
_console = Console()


def bench(
    bucket_mb: Annotated[int, typer.Option(help="Size of the file into a bucket.")] = 1_000,
    files: Annotated[int, typer.Option(help="Files until their rows are there.")] = 30,
    largest_mb: Annotated[int, typer.Option(help="The larger of two files of memory.")] = 2_000,
) -> None:
    """Measure all three, and print the table."""
    table = Table("what", "figure")
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as folder:
        for what, figure in _all(Path(folder), bucket_mb, files, largest_mb):
            _console.print(f"{what}: {figure}", highlight=False)
            table.add_row(what, figure)
    _console.print(table)


def _all(folder: Path, bucket_mb: int, files: int, largest_mb: int) -> Iterator[tuple[str, str]]:
    if bucket_mb:
        yield from _bucket(folder / "bucket", bucket_mb)
    if files:
        yield from _until_rows(folder / "rows", files)
    if largest_mb:
        yield from _memory(folder / "memory", [largest_mb // 10, largest_mb])


def _made(settings: Settings) -> OpenedObjects:
    lake = opened_objects(settings)
    if "bench" not in lake.catalogue.projects():
        lake.catalogue.make_project("bench", _BY)
        lake.catalogue.make_container("bench", "files", _BY)
    return lake


def _bucket(folder: Path, size_mb: int) -> Iterator[tuple[str, str]]:
    """The same file by the bare client, and as an object. The server (moto) is slow itself."""
    file = folder / "in" / "large.bin"
    fill(file, size_mb)
    seconds: dict[str, list[float]] = {}
    with own_object_storage() as server:
        for number in range(_ROUNDS):
            url = f"s3://{server.new_bucket()}/lake"
            settings = load_settings(
                data_dir=folder / f"data{number}", objects_storage_url=url,
                s3_endpoint_url=server.url, s3_access_key_id="a", s3_secret_access_key="b",  # noqa: S106
            )  # fmt: skip
            lake, bare = _made(settings), open_bucket(url, settings)
            ways: list[tuple[str, Callable[[], object]]] = [
                ("bare put", partial(
                    obstore.put, bare, "bare", file, chunk_size=16 << 20, max_concurrency=4
                )),
                ("put", partial(put_all, lake, file.parent)),
                ("bare get", partial(_bare_get, bare, folder / "bare")),
                ("get", partial(get_all, lake, Search(), folder / "out")),
            ]  # fmt: skip
            for what, way in ways:
                seconds.setdefault(what, []).append(timed(way))
            shutil.rmtree(folder / "out")
            shutil.rmtree(settings.data_dir)
    medians = {what: statistics.median(taken) for what, taken in seconds.items()}
    for what in ("put", "get"):
        ratio = medians[f"bare {what}"] / medians[what]
        yield (
            f"{what} with a bucket, {size_mb:,} MB",
            f"{size_mb / medians[what]:,.0f} MB/s ({ratio:.2f} of the bare {what})",
        )


def _bare_get(store: obstore.store.ObjectStore, to: Path) -> None:
    with to.open("wb") as writing:
        for piece in obstore.get(store, "bare").stream(min_chunk_size=_PIECE_BYTES):
            writing.write(piece)


def _until_rows(folder: Path, number: int) -> Iterator[tuple[str, str]]:
    """One after the other: from the beginning of a put until its rows can be asked."""
    follow = ("objects", "process", "--follow")
    ways: dict[str, Callable[[Settings], AbstractContextManager[None]]] = {
        "gmn objects process --follow": lambda settings: running(settings, "gmn", *follow),
        "Dagster's sensor": lambda settings: sensing(settings, ["objects_sensor"]),
    }
    for at, (by, way) in enumerate(ways.items()):
        settings = load_settings(data_dir=folder / f"data{at}")
        _made(settings)
        with way(settings):
            ordered = sorted(_seconds_until_rows(settings, number)[1:])  # the first makes the lake
        p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        yield f"from a put to its row in the lake by {by}", f"p50 {p50:.2f} s, p95 {p95:.2f} s"


def _seconds_until_rows(settings: Settings, number: int) -> list[float]:
    lake, processing = _made(settings), ObjectProcessing(settings, _BY)
    taken = []
    for one in range(number + 1):
        path = settings.data_dir / "in" / f"notes{one}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# Night {one}\n\nclouds\n")
        began = time.perf_counter()
        source = FolderFiles(path.parent)
        found = source.look(path.name)
        assert found is not None
        put_files(lake, "bench", "files", [Given(source, found, path.name)], _BY)
        (stored,) = lake.search.find(Search(text=path.name), 1)
        while not _is_read(processing, stored.object_id):
            assert time.perf_counter() - began < _WITHIN_S
            time.sleep(0.02)
        taken.append(time.perf_counter() - began)
    with processing.lake.open(read_only=True) as connection:
        row = connection.execute("SELECT count(*) FROM documents").fetchone()
        assert row == (number + 1,), row
    return taken


def _is_read(processing: ObjectProcessing, object_id: int) -> bool:
    """Whether the run over it has ended, which it does when its rows can be asked."""
    runs = processing.runs.of_object(object_id)
    return any(run.processor == "documents" and run.state == "finished" for run in runs)


def _memory(folder: Path, sizes_mb: Sequence[int]) -> Iterator[tuple[str, str]]:
    """The most that a process takes for a small and for a large file."""
    settings = load_settings(data_dir=folder / "data")
    _made(settings)
    peaks: dict[str, list[str]] = {"put": [], "get": [], "upload by HTTP": []}
    with serving(settings) as server:
        for size_mb in sizes_mb:
            file = folder / "in" / f"{size_mb}.bin"
            fill(file, size_mb)
            name = f"bench/files/{size_mb}.bin"
            put_peak = _peak_of(settings, "put", str(file), "bench/files")
            peaks["put"].append(f"{put_peak:,.0f} MB")
            peaks["get"].append(f"{_peak_of(settings, 'get', name, str(folder / 'out')):,.0f} MB")
            (folder / "out").unlink()
            _upload(server.port, file, f"/objects/bench/files/http-{size_mb}.bin")
            peaks["upload by HTTP"].append(f"{_high_water_mb(server.process.pid):,.0f} MB")
            file.unlink()
    sizes = " and ".join(f"{one:,}" for one in sizes_mb)
    for what, found in peaks.items():
        yield f"{what}, peak memory at {sizes} MB", " and ".join(found)


def _peak_of(settings: Settings, *arguments: str) -> float:
    """Told by the process itself: what its parent counts begins with the parent's own memory."""
    code = (
        "import atexit, sys; from pathlib import Path; from gmn_pipeline.cli.main import main; "
        "atexit.register(lambda: sys.stderr.write(Path('/proc/self/status').read_text())); main()"
    )
    done = subprocess.run(  # noqa: S603 - itself
        [sys.executable, "-c", code, "objects", *arguments],
        env=os.environ | {"GMN_DATA_DIR": str(settings.data_dir)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return _high_water(done.stderr)


def _upload(port: int, file: Path, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    with file.open("rb") as reading:
        connection.request("PUT", path, reading, {"Content-Length": str(file.stat().st_size)})
        answer = connection.getresponse()
        said = answer.read()
    connection.close()
    assert answer.status == 201, said


def _high_water_mb(process: int) -> float:
    """Of a server: the process itself takes uploads."""
    return _high_water(Path(f"/proc/{process}/status").read_text())


def _high_water(status: str) -> float:
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    typer.run(bench)
