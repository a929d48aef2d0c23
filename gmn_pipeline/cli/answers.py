"""How `gmn sql` and `gmn query` print an answer.

What belongs here: what a terminal or a file shows of an answer. What does not: running the query
(`queries/`), and its CSV and JSON (`queries/formats.py`).
"""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

import duckdb
import pyarrow as pa

from gmn_pipeline.cli.console import console, errors
from gmn_pipeline.errors import QueryRefused, SettingsError, WarehouseBusy
from gmn_pipeline.imports import without
from gmn_pipeline.queries import formats
from gmn_pipeline.queries.answer import Answer
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import QueryProcess
from gmn_pipeline.settings import QuerySettings, WarehouseSettings, load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS, READINGS, WAREHOUSE, Lake

_ATTEMPTS = 3
"""Others may close the catalogue just as a process has opened it: then a new one is asked."""
_TABLE_ROWS = 5_000
_BOX_ROWS = 40
_LIST_ROWS = 20


def print_answer(
    worker: subprocess.Popen[bytes],
    query: str,
    output: str,
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Ask by this process, and print what comes; how it was cut off goes to the error output."""
    process = QueryProcess(worker)
    try:
        settings = load_settings()
        limits = _limits(settings, output)
        for again in reversed(range(_ATTEMPTS)):
            lake = _lake(settings)
            try:
                with _saying_which(lake):
                    answer = process.ask(
                        settings, query, parameters or (), limits=limits, exact_types=True,
                        lake=lake, with_objects=True,
                    )  # fmt: skip
                break
            except WarehouseBusy:
                if not again:
                    raise
                process.close()
                process = QueryProcess()
        with without("pandas", "numpy"):
            if output == "table":
                _print_table(answer)
            else:
                formats.write(answer, formats.Format(output), sys.stdout.buffer)
        if answer.truncated:
            more = " '--format csv' gives all." if limits.rows == _TABLE_ROWS else ""
            errors.print(limits.rows_reached() + more, style="yellow", markup=False)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        process.close()


def _lake(settings: WarehouseSettings) -> Lake:
    """The warehouse; where there is none, that of readings or objects, which can be there
    before."""
    for lake in (WAREHOUSE, READINGS, OBJECTS):
        if WarehouseConnection(settings, lake).exists:
            return lake
    raise SettingsError("There is no warehouse yet.", remedy="'make run' (or 'gmn run') makes one.")


_ONLY = {READINGS.name: "readings of stations", OBJECTS.name: "tables of objects"}


@contextlib.contextmanager
def _saying_which(lake: Lake) -> Iterator[None]:
    try:
        yield
    except QueryRefused as error:
        if lake == WAREHOUSE:
            raise
        raise QueryRefused(
            f"{error.message} There is no warehouse yet, only {_ONLY[lake.name]}.",
            remedy=error.remedy,
        ) from error


def _limits(settings: QuerySettings, output: str) -> Limits:
    limits = Limits.of(settings)
    return replace(limits, rows=min(limits.rows, _TABLE_ROWS)) if output == "table" else limits


def _print_table(answer: Answer) -> None:
    rows = pa.Table.from_batches(list(answer), answer.schema)
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("answer", rows)
        box = _box(connection)
        if rows.num_rows == 0 or _width(box) <= console.width:
            sys.stdout.write(box)
        else:
            _print_lists(connection, rows.num_rows)


def _box(connection: duckdb.DuckDBPyConnection) -> str:
    """DuckDB's own table, as wide as it needs to be."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        connection.sql("FROM answer").show(max_width=1_000_000, max_rows=_BOX_ROWS)
    return text.getvalue()


def _width(box: str) -> int:
    return max(map(len, box.splitlines()), default=0)


def _print_lists(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    """Each row as a list of its columns: what does not fit into the width would be left out."""
    relation = connection.sql(f"SELECT COLUMNS(*)::VARCHAR FROM answer LIMIT {_LIST_ROWS}")
    names = connection.sql("FROM answer").columns
    width = max(map(len, names))
    for number, row in enumerate(relation.fetchall(), start=1):
        sys.stdout.write(f"{f'── row {number} ':─<{min(console.width, width + 24)}}\n")
        for name, value in zip(names, row, strict=True):
            sys.stdout.write(f"{name:<{width}}  {'NULL' if value is None else value}\n")
    if count > _LIST_ROWS:
        sys.stdout.write(f"({count:,} rows, {_LIST_ROWS} shown; '--format csv' gives all)\n")
