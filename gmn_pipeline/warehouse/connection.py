"""Open the warehouse: DuckDB with the DuckLake attached as `warehouse`.

What belongs here: extensions, ATTACH, session settings, the writers' lock. What does not: tables
(`layout.py`) and rows (`store.py`).
"""

import fcntl
import importlib.util
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TextIO, TypeVar

import duckdb
from dagster_duckdb import DuckDBResource
from filelock import FileLock, Timeout

from gmn_pipeline.config import Settings
from gmn_pipeline.errors import SettingsError, WarehouseBusy
from gmn_pipeline.schemas.derive import sql_text

CATALOG = "warehouse"
METADATA = f"__ducklake_metadata_{CATALOG}"
"""DuckLake's own tables, to be read only."""
_EXTENSIONS = ("sqlite_scanner", "ducklake")
# A write-ahead log lets readers of the catalogue work beside a writer; who meets the moment of a
# commit waits.
_CATALOG_OPTIONS = "META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 30000"
# What SQLite answers while another process holds its lock for a moment.
_BUSY = ("database is locked", "database is busy")
_ATTEMPTS = 20

T = TypeVar("T")


class WarehouseConnection:
    """Connections to one warehouse. Many readers may work while one writer does."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.warehouse_dir
        self._busy_timeout_s = settings.warehouse_busy_timeout_s
        self.catalog_path = self._folder / "catalog.sqlite"
        self.data_path = self._folder / "data"
        self._readers_lock = self._folder / "readers.lock"
        self._kept: duckdb.DuckDBPyConnection | None = None

    @property
    def exists(self) -> bool:
        return self.catalog_path.is_file()

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB session in UTC with the DuckLake attached and in use."""
        self.data_path.mkdir(parents=True, exist_ok=True)
        with self._reading() if read_only else nullcontext():
            if self._kept is not None:
                with closing(self._kept.cursor()) as connection:
                    self._use(connection)
                    yield connection
            else:
                with DuckDBResource(database=":memory:").get_connection() as connection:
                    self._attach(connection, read_only=read_only)
                    self._use(connection)
                    yield connection

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        for name in _EXTENSIONS:
            connection.execute(f"LOAD {sql_text(str(extension_path(name)))}")
        options = f"DATA_PATH {sql_text(str(self.data_path))}, {_CATALOG_OPTIONS}"
        options += ", READ_ONLY" if read_only else ""
        target = sql_text(f"ducklake:sqlite:{self.catalog_path}")
        patiently(lambda: connection.execute(f"ATTACH {target} AS {CATALOG} ({options})"))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Open sessions inside as further ones of one DuckDB, which may write.

        DuckDB checks the signature of each extension that it loads, 0.2 s for a session of its
        own; a further one takes less than a millisecond. They may be used in several threads.
        """
        with self.open() as self._kept:
            try:
                yield
            finally:
                self._kept = None

    @staticmethod
    def _use(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"USE {CATALOG}")

    def confine(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a session reach no file but the warehouse's: for queries that people type."""
        connection.execute(f"SET allowed_directories = [{sql_text(str(self._folder))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session that is the only one to write. The lock goes with its process, come what may.

        DuckLake commits both of two concurrent inserts of the same bin, since neither touches
        the other's files: writers have to take turns. Readers do not wait for them.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / "writer.lock")
        try:
            held = lock.acquire(timeout=self._busy_timeout_s)
        except Timeout as error:
            raise WarehouseBusy(
                f"Another process has been writing to {self._folder} for "
                f"{self._busy_timeout_s:g} s.",
                remedy="Wait for it ('gmn status' tells), or raise GMN_WAREHOUSE_BUSY_TIMEOUT_S.",
            ) from error
        with held, self.open() as connection:
            yield connection

    @contextmanager
    def without_readers(self, patience_s: float) -> Iterator[None]:
        """Wait until no session reads, and let none begin: they wait in turn.

        For what DuckLake does to rows and files that a query may just be looking up
        (docs/decisions/0009-maintenance-beside-readers.md).
        """
        with self._gate(fcntl.LOCK_EX), self._readers_lock.open("a") as readers:
            deadline = time.monotonic() + patience_s
            while not _taken(readers):
                if time.monotonic() > deadline:
                    raise WarehouseBusy(
                        f"A query has been reading {self._folder} for {patience_s:g} s.",
                        remedy="Nothing was done, and the query goes on. Try again later.",
                    )
                time.sleep(0.05)
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._gate(fcntl.LOCK_SH):
            pass  # closed as long as somebody waits for the readers to be gone
        with self._readers_lock.open("a") as readers:
            fcntl.flock(readers, fcntl.LOCK_SH)
            yield

    @contextmanager
    def _gate(self, how: int) -> Iterator[None]:
        with (self._folder / "gate.lock").open("a") as gate:
            fcntl.flock(gate, how)
            yield


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def extension_path(name: str) -> Path:
    """The file of an extension that came as a wheel of exactly DuckDB's version."""
    module = f"duckdb_extension_{name}"
    spec = importlib.util.find_spec(module)
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.is_file():
            return path
    raise SettingsError(
        f"The DuckDB extension {name} is not installed for DuckDB {duckdb.__version__}.",
        remedy=f"Install {module.replace('_', '-')} of the same version ('make setup' does).",
    )


def patiently(act: Callable[[], T]) -> T:
    """Do it again while SQLite, which holds the catalogue, is busy for a moment."""
    for attempt in range(_ATTEMPTS):
        try:
            return act()
        except duckdb.Error as error:
            if attempt == _ATTEMPTS - 1 or not any(word in str(error) for word in _BUSY):
                raise
            time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - jitter
    raise AssertionError("unreachable")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
