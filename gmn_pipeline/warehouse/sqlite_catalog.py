"""The lake's catalogue in a SQLite file, with lock files beside it: what one machine needs.

What belongs here: the file and its locks. What does not: rows, and the data files' place.

The file names no place: each session says where the data files lie, so that the folder may be
moved and copied (docs/decisions/0013-the-data-folder-can-be-moved.md).
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import duckdb

from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.storage import sqlite
from gmn_pipeline.storage.files import (
    exclusive,
    identity,
    is_locked,
    is_writable,
    shared,
    try_lock,
    working_folder,
)
from gmn_pipeline.warehouse.backend import CATALOG, Attach, Reach, attach_sql
from gmn_pipeline.warehouse.data_storage import DataStorage

_GATE, _READERS = "gate.lock", "readers.lock"
_POLL_S = 0.05


class SqliteCatalog:
    """`catalog.sqlite` of a folder."""

    extensions: tuple[str, ...] = ("sqlite_scanner",)
    attaches_when_closed = True

    def __init__(self, folder: Path, storage: DataStorage) -> None:
        self._folder = folder
        self._storage = storage
        self._path = folder / "catalog.sqlite"

    @property
    def exists(self) -> bool:
        """See Catalog: once it has its name."""
        return self._path.is_file()

    def make(self, fill: Callable[[Attach], None]) -> None:
        """See Catalog."""
        with (
            exclusive(self._folder / "making.lock"),
            working_folder(self._folder / ".making") as folder,
        ):
            if self.exists:
                return
            new = folder / self._path.name
            fill(lambda connection: self._attach(connection, CATALOG, new, read_only=False))
            self._finish(new)
            new.replace(self._path)

    def _finish(self, new: Path) -> None:
        """Let a new catalogue name its data files' place as it is seen from there; one file."""
        with closing(sqlite3.connect(new)) as db:
            if self._storage.in_catalog is not None:
                with db:
                    db.execute(
                        "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'",
                        [self._storage.in_catalog],
                    )
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def held_open(self) -> AbstractContextManager[None]:
        """See Catalog."""
        return sqlite.held_open(self._path)

    def identity(self) -> object:
        """See Catalog."""
        return identity(self._path)

    def attach(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        folder: Path,
        *,
        read_only: bool,
        snapshot: int | None = None,
    ) -> None:
        """See Catalog."""
        path = self._readable(folder) if read_only else self._path
        self._attach(connection, name, path, read_only=read_only, snapshot=snapshot)

    def _attach(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        path: Path,
        *,
        read_only: bool,
        snapshot: int | None = None,
    ) -> None:
        options: dict[str, str | None] = {
            "DATA_PATH": sql_text(self._storage.path),
            "OVERRIDE_DATA_PATH": "TRUE",
            # Who meets the moment of a commit waits.
            "META_BUSY_TIMEOUT": "30000",
        }
        if read_only:
            options["READ_ONLY"] = None
        else:
            # A write-ahead log lets readers work beside a writer. The file remembers it.
            options["META_JOURNAL_MODE"] = "'WAL'"
        if snapshot is not None:
            options["SNAPSHOT_VERSION"] = str(snapshot)
        connection.execute(attach_sql(sql_text(f"ducklake:sqlite:{path}"), name, options))

    def _readable(self, folder: Path) -> Path:
        """The file, or a copy of it: SQLite writes beside a file even to read it."""
        if is_writable(self._folder) and is_writable(self._path):
            return self._path
        copy = folder / f"{self._folder.name}.sqlite"
        sqlite.copy(self._path, copy)
        return copy

    def reach(self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG) -> Reach:
        """See Catalog: the file that is attached; readers write beside it that they read."""
        row = connection.execute(
            "SELECT path FROM duckdb_databases() WHERE database_name = ?", [name]
        ).fetchone()
        assert row is not None
        path = str(row[0]).removeprefix("sqlite:")
        log, shared_memory = f"{path}-wal", f"{path}-shm"
        return Reach((path, log, shared_memory), (Path(log), Path(shared_memory)))

    @contextmanager
    def writing(self, timeout_s: float) -> Iterator[None]:
        """See Catalog."""
        with exclusive(self._folder / "writer.lock", timeout_s):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See Catalog."""
        with shared(self._folder / _GATE):
            pass  # closed as long as somebody waits for the readers to be gone
        with shared(self._folder / _READERS):
            yield

    @contextmanager
    def without_readers(self, patience_s: float) -> Iterator[None]:
        """See Catalog."""
        with exclusive(self._folder / _GATE), (self._folder / _READERS).open("a") as readers:
            deadline = time.monotonic() + patience_s
            while not try_lock(readers):
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(_POLL_S)
            yield

    @property
    def is_awaited(self) -> bool:
        """See Catalog."""
        return is_locked(self._folder / _GATE)
