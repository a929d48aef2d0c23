"""A session that reads the warehouse and could not change it if it tried, and queries in it.

What belongs here: DuckDB's settings that close it, and running one query up to its limits. What
does not: judging the query (`statement.py`), and the process that holds what DuckDB cannot
(`process.py`).

In this process only our own queries are to be run, with values bound as parameters: DuckDB's
interrupt and memory limit do not reach into a single call of a function, which is why those named
in `functions.HUNGRY` are refused here.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import duckdb
import pyarrow as pa

from gmn_pipeline.errors import (
    DatabaseUnavailable,
    DataDamaged,
    DiskFull,
    GmnError,
    QueryFailed,
    SnapshotGone,
    StorageUnavailable,
    WarehouseBusy,
)
from gmn_pipeline.queries.answer import Answer, Cancellation, UpTo
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.statement import Catalogue, failed, one_select
from gmn_pipeline.sandbox import confine
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.settings import WarehouseSettings, variable
from gmn_pipeline.storage.problems import explained, explaining
from gmn_pipeline.warehouse.backend import CATALOG, Reach
from gmn_pipeline.warehouse.connection import CATALOGUE_IS_AWAY, Standing, WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS, Lake

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]
"""Values of `?` or `$1` in order, or of `$name` by name."""

# A sum of so many terms, or queries so deep in one another; the process's stack holds more.
_DEPTH = 250
_MOST_JUDGED = 1_000
_VERSION = re.compile(r"No snapshot found at version (\d+)")

T = TypeVar("T")


@contextmanager
def read_session(
    settings: WarehouseSettings,
    limits: Limits,
    *,
    alone: bool = False,
    exact_types: bool = False,
    snapshot: int | None = None,
    standing: Standing | None = None,
) -> Iterator["ReadSession"]:
    """A session for queries of any number of threads. Readings are there too, if there are any:
    as `readings.<table>`, in their newest state.

    `alone`: the process runs nothing else, and is ended from outside. Then it gives up its right
    to write files, and functions that take much are allowed.
    `exact_types`: Arrow types that only DuckDB knows, instead of the nearest common ones.
    `snapshot`: the lake as it was then. `standing`: a DuckDB that was made ready before.
    """
    with ExitStack() as opened, explaining(settings.data_dir):
        if standing is None:
            standing = opened.enter_context(WarehouseConnection(settings).standing())
        beside = lakes_beside(settings)
        opened.enter_context(standing.reading(beside))
        with finding(snapshot):
            standing.attach(snapshot=snapshot)
            for other in beside:
                standing.attach_beside(other)
            session = confined(
                standing, limits, data_dir=settings.data_dir, alone=alone, exact_types=exact_types
            )
        yield session


def lakes_beside(
    settings: WarehouseSettings, lakes: Sequence[Lake] = (READINGS,)
) -> list[WarehouseConnection]:
    """Other lakes than the warehouse, those that there are: of everybody's, the readings."""
    connections = [WarehouseConnection(settings, lake) for lake in lakes]
    return [connection for connection in connections if connection.exists]


@contextmanager
def finding(snapshot: int | None) -> Iterator[None]:
    """Say that a snapshot is gone where DuckLake finds none, be it as late as in a query, or one
    that a query names beside its own."""
    try:
        yield
    except (duckdb.Error, QueryFailed) as error:
        if "No snapshot found" not in str(error):
            raise
        named = _VERSION.search(str(error))
        raise gone(int(named[1]) if named else snapshot) from error


def gone(snapshot: int | None) -> SnapshotGone:
    return SnapshotGone(
        f"There is no state {snapshot} of the warehouse: it is not kept any more, or never was.",
        remedy=f"Begin anew from the newest state. {variable('snapshot_keep_days')} says for how "
        "many days states are kept.",
    )


def confined(
    standing: Standing,
    limits: Limits,
    *,
    data_dir: Path,
    alone: bool = False,
    exact_types: bool = False,
    is_for_states: bool = False,
) -> "ReadSession":
    """Close a DuckDB with the lake attached to all else; the session. See `read_session`.

    `is_for_states`: states of the lake will be attached to it. DuckDB attaches no PostgreSQL where
    access to the outside is off, so there it stays on: what is asked is our own text, and judged.
    """
    connection, backend = standing.connection, standing.backend
    standing.use()
    beside = [*(other.lake.name for other in standing.beside), *standing.copied]
    catalogue = Catalogue.of(connection, CATALOG, beside)
    reach = standing.reach()
    if alone:
        _give_up_writing(connection, reach)
    for statement in _confinement(reach, standing.data, limits):
        connection.execute(statement)
    if is_for_states:  # for days: what DuckDB does not use is given back meanwhile
        connection.execute("SET allocator_background_threads = true")
    if backend.catalog.attaches_when_closed or not is_for_states:
        connection.execute("SET enable_external_access = false")
    exact = "true" if exact_types else "false"
    connection.execute(f"SET GLOBAL arrow_lossless_conversion = {exact}")
    connection.execute("SET lock_configuration = true")
    return ReadSession(connection, catalogue, limits, hungry=alone, data_dir=data_dir)


def _confinement(reach: Reach, data: Sequence[str], limits: Limits) -> Iterator[str]:
    yield "SET GLOBAL TimeZone = 'UTC'"  # that of a session is not its cursors'
    yield f"SET memory_limit = '{limits.memory_mb}MB'"
    if limits.threads is not None:
        yield f"SET threads = {limits.threads:d}"
    if not limits.disk_mb:
        yield "SET temp_directory = ''"
    yield f"SET max_temp_directory_size = '{limits.disk_mb}MB'"
    yield f"SET max_expression_depth = {_DEPTH}"
    yield "SET python_enable_replacements = false"
    yield "SET autoinstall_known_extensions = false"
    yield "SET autoload_known_extensions = false"
    yield "SET allow_community_extensions = false"
    yield "SET allow_unredacted_secrets = false"
    # Folders in this list may be written to as well: only the lakes' own are there.
    yield f"SET allowed_directories = [{', '.join(map(sql_text, data))}]"
    yield f"SET allowed_paths = [{', '.join(map(sql_text, reach.files))}]"


def _give_up_writing(connection: duckdb.DuckDBPyConnection, reach: Reach) -> None:
    """Only threads that begin from now on are bound by it: DuckDB begins them anew."""
    row = connection.execute(
        "SELECT current_setting('threads'), current_setting('temp_directory')"
    ).fetchone()
    assert row is not None
    threads, temporary = row
    connection.execute("SET threads = 1")
    # With the place around it, in which the session removes its folder when it ends.
    unfinished = Path(temporary).parent
    confine([*reach.written, unfinished], reach.ports)
    connection.execute(f"SET threads = {threads}")


class ReadSession:
    """One DuckDB that threads share: each query has a cursor of its own."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        limits: Limits,
        *,
        hungry: bool,
        data_dir: Path,
    ) -> None:
        self._data_dir = data_dir
        self._connection = connection
        self._catalogue = catalogue
        self._limits = limits
        self._hungry = hungry
        self._good: set[str] = set()

    def run(
        self,
        sql: str,
        parameters: Parameters = (),
        *,
        limits: Limits | None = None,
        cancellation: Cancellation | None = None,
        catalog: str = CATALOG,
        hidden: frozenset[str] = frozenset(),
        afterwards: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Begin to answer a query.

        `limits`: others than the session's, in time and rows. `catalog`: the name under which the
        lake is asked; `hidden`: tables that are not there for this query; `afterwards` is called
        when the answer is closed, once or more.

        Raises QueryRefused, QueryFailed or QueryLimit; the latter two also while it is read, as
        are DataDamaged, DiskFull, WarehouseBusy (put in order since it was opened here),
        DatabaseUnavailable and StorageUnavailable.
        """
        limits = limits or self._limits
        query = _Query(self._connection.cursor(), limits, self._data_dir, afterwards)
        if cancellation is not None:
            cancellation.ends_with(query.interrupt)
        try:
            query.cursor.execute(f"USE {catalog}")
            reader = query.begin(self._judged(query.cursor, sql, catalog, hidden), parameters)
        except BaseException as error:
            query.cursor.close()
            afterwards()
            if isinstance(error, duckdb.InterruptException):  # before it was under way
                raise _cancelled() from error
            if CATALOGUE_IS_AWAY in str(error):
                raise _away() from error
            raise
        up_to = UpTo(query.batches(reader), limits.rows)
        return Answer(
            reader.schema, iter(up_to), truncated=lambda: up_to.truncated, close=query.close
        )

    def _judged(
        self, cursor: duckdb.DuckDBPyConnection, sql: str, catalog: str, hidden: frozenset[str]
    ) -> duckdb.Statement:
        """The statement. Text that was found good before is not looked at again: our own queries
        have the same text each time, and that takes 10 ms where there are many columns."""
        if sql in self._good:
            return cursor.extract_statements(sql)[0]
        catalogue = replace(self._catalogue.without(hidden), name=catalog)
        statement = one_select(cursor, sql, catalogue, hungry=self._hungry, hidden=hidden)
        if catalog not in sql and not self._hungry:
            if len(self._good) >= _MOST_JUDGED:
                self._good.clear()  # filters make ever new texts: those in use come back
            self._good.add(sql)
        return statement


class _Query:
    """A query under way, and the time that it has left."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        limits: Limits,
        data_dir: Path,
        afterwards: Callable[[], None],
    ) -> None:
        self.cursor = cursor
        self._afterwards = afterwards
        self._data_dir = data_dir
        self._limits = limits
        self._left_s = limits.seconds
        self._ended = False
        self._working = threading.Lock()
        self._run: Callable[[], pa.RecordBatchReader]

    def begin(self, statement: duckdb.Statement, parameters: Parameters) -> pa.RecordBatchReader:
        values = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
        self._run = lambda: self.cursor.execute(statement, values).to_arrow_reader(
            self._limits.batch_rows
        )
        return self._in_time(self._run)

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while (batch := self._in_time(lambda: next(reader, None))) is not None:
            yield batch

    def interrupt(self) -> None:
        self._ended = True
        self._out_of_time()

    def _out_of_time(self) -> None:
        with suppress(duckdb.ConnectionException):  # closed by now
            self.cursor.interrupt()

    def close(self) -> None:
        """End it; what another thread is just waiting for ends with an error there."""
        self.interrupt()
        with self._working:
            self.cursor.close()
        self._afterwards()

    def _in_time(self, work: Callable[[], T]) -> T:
        timer = threading.Timer(max(self._left_s, 0), self._out_of_time)
        timer.daemon = True
        with self._working:
            if self._ended:
                raise _cancelled()
            begun = time.monotonic()
            timer.start()
            try:
                return work()
            except _ERRORS as error:
                raise self._reason(error, begun + self._left_s) from error
            finally:
                timer.cancel()
                self._left_s -= time.monotonic() - begun

    def _reason(self, error: BaseException, deadline: float, tries: int = 3) -> GmnError:
        text = str(error)
        if isinstance(error, MemoryError) or any(word in text for word in _MEMORY):
            return self._limits.memory_reached()
        if CATALOGUE_IS_AWAY in text:
            return _away()
        if "INTERRUPT" not in text:
            known = explained(error, self._data_dir)
            return known if isinstance(known, _OF_THE_MACHINE) else failed(text)
        if self._ended:
            return _cancelled()
        if time.monotonic() >= deadline:
            return self._limits.time_reached()
        # One of DuckDB's threads failed, and what is left is that it interrupted the others:
        # so it was for one of twenty queries with an error in a late row. Look for it again.
        if tries:
            try:
                for _ in self._run():
                    pass
            except _ERRORS as again:
                return self._reason(again, deadline, tries - 1)
        return QueryFailed("A row of the answer cannot be computed, and DuckDB does not say why.")


def _away() -> WarehouseBusy:
    return WarehouseBusy("The catalogue was just being opened or closed by another.")


_OF_THE_MACHINE = (DataDamaged, DiskFull, WarehouseBusy, DatabaseUnavailable, StorageUnavailable)
_ERRORS = (duckdb.Error, pa.ArrowException, MemoryError, OSError)
_MEMORY = ("Out of Memory", "bad_alloc", "could not allocate", "Cannot allocate memory")


def _cancelled() -> QueryFailed:
    return QueryFailed("The query was cancelled.")
