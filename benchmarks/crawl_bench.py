"""Measure a crawl over many Parquet files against a bare DuckDB's read of the same files.

What belongs here: files of no meaning, and the table. What does not: whether what comes out is
right (the tests).

    python -m benchmarks.crawl_bench --files 1000
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from gmn_pipeline.database.crawls import Crawl, TableState
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.flows.object_processing import ObjectProcessing
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.settings import load_settings

_BY = By("bench")
_SCHEMAS = 4
_ALL = "SELECT count(*), sum(hash(COLUMNS(*)))"
_console = Console()


def bench(
    files: Annotated[int, typer.Option(help="Parquet files, of four schemas.")] = 1_000,
    rows: Annotated[int, typer.Option(help="Rows of each.")] = 1_000,
) -> None:
    """Measure, and print the table."""
    table = Table("what", "s", "of a bare read of all files")
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as folder:
        _write(Path(folder) / "in", files, rows)
        bare = _timed(lambda: _read_all(Path(folder) / "in"))
        for what, seconds in chain([("bare DuckDB reads all rows", bare)], _all(Path(folder))):
            _console.print(f"{what}: {seconds:.2f} s", highlight=False)
            table.add_row(what, f"{seconds:.2f}", f"{seconds / bare:.2f}")
    _console.print(table)


def _write(folder: Path, files: int, rows: int) -> None:
    columns = ["range AS n", "range * 1.5::DOUBLE AS temp_{0}", "'US0001' AS station_{0}",
               "range::VARCHAR AS note_{0}"]  # fmt: skip
    for one in range(files):
        kind = one % _SCHEMAS
        place = folder / f"table_{'abcd'[kind]}"
        place.mkdir(parents=True, exist_ok=True)
        chosen = ", ".join(column.format(kind) for column in columns)
        duckdb.sql(f"COPY (SELECT {chosen} FROM range({rows})) TO '{place}/{one:06}.parquet'")


def _read_all(folder: Path) -> None:
    for kind in range(_SCHEMAS):
        place = folder / f"table_{'abcd'[kind]}"
        with duckdb.connect() as db:
            db.execute(
                f"SELECT count(*), sum(hash(COLUMNS(*))) FROM '{place}/*.parquet'"
            ).fetchall()


def _all(folder: Path) -> Iterator[tuple[str, float]]:
    settings = load_settings(data_dir=folder / "data")
    crawling = Crawling(settings, _BY)
    crawling.objects.catalogue.make_project("bench", _BY)
    crawling.objects.catalogue.make_container("bench", "files", _BY)
    crawl = Crawl("bench", str(folder / "in"), "bench", "files")
    crawling.save(crawl)

    def look() -> None:
        with crawling.working() as workshop:
            done = crawling.crawl(crawl, workshop)
        assert not done.failures, done.failures

    with crawling.lake.writing():
        pass  # a lake is made once
    time.sleep(2.5)  # files that changed just now would be read again
    yield "crawl: schemas of all files, tables proposed", _timed(look)
    yield "crawl again: nothing changed", _timed(look)
    names = [one.name for one in crawling.crawls.tables("bench")]
    assert len(names) == _SCHEMAS, names
    for name in names:
        crawling.tables.decide(crawl, name, TableState.VIEW)
    yield "crawl: views in place", _timed(look)
    yield "all rows read by the views", _timed(lambda: _ask(crawling, names))
    some = Crawl(
        "some", crawl.url, "bench", "files", "table_a/0000*", accepted_as=TableState.LOADED
    )
    crawling.save(some)

    def put() -> None:
        with crawling.working() as workshop:
            assert crawling.crawl(some, workshop).put

    yield "crawl: one of forty files put as objects", _timed(put)
    processing = ObjectProcessing(settings, _BY)
    with processing.working() as workshop:
        yield "these loaded", _timed(lambda: processing.process_all(workshop))


def _ask(crawling: Crawling, names: list[str]) -> None:
    with crawling.lake.open(read_only=True) as lake:
        for name in names:
            lake.execute(f"{_ALL} FROM files_{name}").fetchall()


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(bench)
