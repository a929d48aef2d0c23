"""Open a lake: DuckDB with the DuckLake attached as `warehouse`, whichever of them it is.

What belongs here: extensions, session settings, who may write and read when. What does not: where
catalogue and data are (`backend.py`), tables (`ddl.py`) and rows (`trajectories/files.py`).
"""

import importlib.util
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import TypeVar

import duckdb

from gmn_pipeline.errors import SettingsError, WarehouseBusy
from gmn_pipeline.schemas.object_tables import FILES_IN_PLACE
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.storage.files import place_for_temporary_files, working_folder
from gmn_pipeline.storage.problems import explaining
from gmn_pipeline.warehouse.backend import CATALOG, Attach, Backend, Reach, open_backend
from gmn_pipeline.warehouse.buckets_in_place import (
    EXTENSION,
    BucketInPlace,
    buckets_in_place,
)
from gmn_pipeline.warehouse.lakes import OBJECTS, WAREHOUSE, Lake

METADATA = f"__ducklake_metadata_{CATALOG}"
"""DuckLake's own tables, to be read only."""
# The same lake once more, read-only: for those who read beside a writer in one DuckDB.
_READING = "warehouse_reading"
CATALOGUE_IS_AWAY = "unable to open database file"
"""What SQLite answers in the moment in which who closes it last removes its log; and who may not
open it, for good."""
_ATTEMPTS = {"database is locked": 20, "database is busy": 20, CATALOGUE_IS_AWAY: 4}
"""How often it is done again by what SQLite answers, while another process is at it."""
_FEW_ROWS = 10_000
"""Of fewer, threads wait for each other more than they work: a commit of 20 rows takes two thirds
of the processor time in one."""

T = TypeVar("T")


class WarehouseConnection:
    """Connections to one lake. Many readers may work while one writer does."""

    def __init__(self, settings: WarehouseSettings, lake: Lake = WAREHOUSE) -> None:
        self.lake = lake
        self._settings = settings
        self._data_dir = settings.data_dir
        self._busy_timeout_s = settings.warehouse_busy_timeout_s
        # Extensions come like DuckDB itself, in wheels whose hashes are pinned. To check their
        # signatures too would take 0.2 s (docs/decisions/0033).
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "allow_unsigned_extensions": "true"
        }
        self._threads = settings.warehouse_threads
        if self._threads is not None:
            self._config["threads"] = self._threads
        self.backend = open_backend(settings, lake)
        self._kept: duckdb.DuckDBPyConnection | None = None
        self.small_commits = 0
        """So many were made here, by whom counts them."""

    @property
    def exists(self) -> bool:
        """Whether there is a warehouse: with all its tables, since it is made as a whole."""
        with explaining(self._data_dir):
            return self.backend.catalog.exists

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB session in UTC with the DuckLake attached and in use.

        One that only reads needs no permission to write in the data folder. Raises DiskFull,
        NotPermitted, DataDamaged or DatabaseUnavailable if the machine refuses, or another does.
        """
        with explaining(self._data_dir):
            if not read_only:
                self._make()
            with self.backend.catalog.reading() if read_only else nullcontext():
                if self._kept is not None:
                    with closing(self._kept.cursor()) as connection:
                        _use(connection, _READING if read_only else CATALOG)
                        yield connection
                else:
                    with self._session() as (connection, folder):
                        self._attach(connection, folder, read_only=read_only)
                        self.admit_in_place(connection)
                        _use(connection)
                        yield connection

    @contextmanager
    def _session(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
        """A DuckDB with its extensions, and the folder for what it does not keep in memory."""
        with (
            working_folder(place_for_temporary_files(self._data_dir / "tmp")) as folder,
            duckdb.connect(":memory:", config=self._config) as connection,
        ):
            connection.execute(f"SET temp_directory = {sql_text(str(folder))}")
            connection.execute("SET allow_persistent_secrets = false")  # nobody's own are wanted
            for name in self.backend.extensions:
                connection.execute(f"LOAD {sql_text(str(extension_path(name)))}")
            connection.execute("SET allow_unsigned_extensions = false")
            self.backend.storage.admit(connection)
            yield connection, folder

    @contextmanager
    def standing(self) -> Iterator["Standing"]:
        """A DuckDB to read in, to which the lake is attached when it is wanted: now or as it was
        at a snapshot, under one name or several; and other lakes beside it."""
        with explaining(self._data_dir), self._session() as (connection, folder):

            def attach(name: str, snapshot: int | None) -> None:
                self._attach(connection, folder, read_only=True, name=name, snapshot=snapshot)

            def attach_beside(other: WarehouseConnection, name: str) -> None:
                other.backend.storage.admit(connection)
                other._attach(connection, folder, read_only=True, name=name)

            yield Standing(connection, self.backend, attach, attach_beside)

    def _attach(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        *,
        read_only: bool = False,
        name: str = CATALOG,
        snapshot: int | None = None,
    ) -> None:
        attach = self.backend.catalog.attach
        retry_while_busy(
            lambda: attach(connection, name, folder, read_only=read_only, snapshot=snapshot)
        )

    def in_place(self, connection: duckdb.DuckDBPyConnection, name: str) -> Reach:
        """What a session needs for what views of this lake read beside it, attached as `name`."""
        if self.lake != OBJECTS:
            return Reach()
        buckets = buckets_in_place(connection, name)
        ports = tuple(bucket.port(self._settings) for bucket in buckets)
        return Reach(files_in_place(connection, name), ports=ports)

    def admit_in_place(
        self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG,
        *more: BucketInPlace,
    ) -> None:  # fmt: skip
        """Let a session in where views of this lake read beside it."""
        if self.lake != OBJECTS:
            return
        for bucket in (*buckets_in_place(connection, name), *more):
            connection.execute(f"LOAD {sql_text(str(extension_path(EXTENSION)))}")
            connection.execute(bucket.secret(self._settings))

    def _make(self) -> None:
        """Make the warehouse if there is none: with all its tables or not at all."""
        if self.backend.catalog.exists:
            return
        # Which knows this module: the tables of a new lake belong to making it nevertheless.
        from gmn_pipeline.warehouse import ddl

        def fill(attach: Attach) -> None:
            with self._session() as (connection, _):
                retry_while_busy(lambda: attach(connection))
                _use(connection)
                ddl.create(connection, self.lake)

        self.backend.storage.prepare()
        self.backend.catalog.make(fill)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Open sessions inside as further ones of one DuckDB.

        To load the extensions and attach the lake takes 50 ms for a session of its own; a further
        one takes less than a millisecond. They may be used in several threads.
        Those opened to read cannot write here either.
        """
        with self.open() as self._kept:
            try:
                self._attach(self._kept, self._data_dir, read_only=True, name=_READING)
                yield
            finally:
                self._kept = None

    def renew(self) -> None:
        """Let those who read in a session kept open see what maintenance made of the lake's files
        (duckdb/ducklake#1305)."""
        if self._kept is not None:
            with closing(self._kept.cursor()) as connection:
                connection.execute(f"DETACH {_READING}")
                self._attach(connection, self._data_dir, read_only=True, name=_READING)

    @contextmanager
    def writing(self, rows: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session that is the only one to write. The lock goes with its process, come what may.

        `rows`: so many are to come, if that is known; few are written by one thread.
        DuckLake commits both of two concurrent inserts of the same bin, since neither touches
        the other's files: writers have to take turns. Readers do not wait for them.
        """
        with explaining(self._data_dir), self._turn(), self.open() as connection:
            if rows is not None and self._threads is None:
                connection.execute("SET threads = 1" if rows < _FEW_ROWS else "RESET threads")
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with ExitStack() as held:
            try:
                held.enter_context(self.backend.catalog.writing(self._busy_timeout_s))
            except TimeoutError as error:
                raise WarehouseBusy(
                    f"Another process has been writing to {self.backend.place} for "
                    f"{self._busy_timeout_s:g} s.",
                    remedy="Wait for it ('gmn status' tells), or raise "
                    "GMN_WAREHOUSE_BUSY_TIMEOUT_S.",
                ) from error
            yield

    @contextmanager
    def without_readers(self, patience_s: float) -> Iterator[None]:
        """Wait until no session reads, and let none begin: they wait in turn.

        For what DuckLake does to rows and files that a query may just be looking up
        (docs/decisions/0009-maintenance-beside-readers.md).
        """
        with ExitStack() as held:
            try:
                held.enter_context(self.backend.catalog.without_readers(patience_s))
            except TimeoutError as error:
                raise WarehouseBusy(
                    f"A query has been reading {self.backend.place} for {patience_s:g} s.",
                    remedy="Nothing was done, and the query goes on. Try again later.",
                ) from error
            yield


class Standing:
    """See `WarehouseConnection.standing`. Whoever asks in it holds `reading()` meanwhile: nothing
    else keeps maintenance from what a query is just looking up."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        backend: Backend,
        attach: Callable[[str, int | None], None],
        attach_beside: Callable[[WarehouseConnection, str], None],
    ) -> None:
        self.connection = connection
        self.backend = backend
        self._attach = attach
        self._attach_beside = attach_beside
        self.beside: list[WarehouseConnection] = []
        self.copied: list[str] = []
        """Lakes of which there is a part in memory instead, under their names."""

    def attach(self, name: str = CATALOG, snapshot: int | None = None) -> None:
        """Attach the lake under a name, as it is or as it was at a snapshot."""
        self._attach(name, snapshot)

    def attach_instead(self, snapshot: int | None) -> None:
        """Attach the lake in place of the one that is: out of date maybe, or another state."""
        self.connection.execute("USE memory")
        self.connection.execute(f"DETACH DATABASE IF EXISTS {CATALOG}")
        self.attach(snapshot=snapshot)

    def attach_beside(self, other: WarehouseConnection) -> None:
        """Attach another lake, which is there, as it is, under its own name. It is to be of the
        same settings, so that no other extension is wanted."""
        self._attach_beside(other, other.lake.name)
        other.admit_in_place(self.connection, other.lake.name)
        self.beside.append(other)

    def attach_as(self, other: WarehouseConnection, name: str) -> None:
        """Attach another lake for a while: nothing that is asked later is to reach it, so whoever
        calls this detaches it."""
        self._attach_beside(other, name)

    def reach(self) -> Reach:
        """What the session needs of what is attached."""
        all_of_it = self.backend.reach(self.connection)
        for beside in self.beside:
            all_of_it += beside.backend.reach(self.connection, beside.lake.name)
            all_of_it += beside.in_place(self.connection, beside.lake.name)
        return all_of_it

    @property
    def data(self) -> list[str]:
        """Where the data files of what is attached lie."""
        backends = [self.backend, *(beside.backend for beside in self.beside)]
        return [backend.storage.path for backend in backends]

    def use(self) -> None:
        """Let names in SQL be those of the lake as it is."""
        _use(self.connection)

    @contextmanager
    def reading(self, beside: Sequence[WarehouseConnection] = ()) -> Iterator[None]:
        """The presence of a reader; of other lakes too."""
        with ExitStack() as present:
            for backend in (self.backend, *(other.backend for other in beside)):
                present.enter_context(backend.catalog.reading())
            yield


def files_in_place(connection: duckdb.DuckDBPyConnection, lake: str) -> tuple[str, ...]:
    """Files beside a lake that its views read; none of a lake of an earlier version."""
    try:
        rows = connection.execute(f"SELECT DISTINCT path FROM {lake}.{FILES_IN_PLACE.name}")
        return tuple(path for (path,) in rows.fetchall())
    except duckdb.CatalogException:
        return ()


def _use(connection: duckdb.DuckDBPyConnection, catalog: str = CATALOG) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"USE {catalog}")


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


def retry_while_busy(act: Callable[[], T]) -> T:
    """Do it again while SQLite, which holds the catalogue, is busy for a moment."""
    for attempt in count(1):
        try:
            return act()
        except duckdb.Error as error:
            most = next((n for said, n in _ATTEMPTS.items() if said in str(error)), 0)
            if attempt >= most:
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
