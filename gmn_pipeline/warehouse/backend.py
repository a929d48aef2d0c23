"""Where the warehouse is: its catalogue and its data, each by an address.

What belongs here: what a session has to know of the place, and choosing the place by the settings.
What does not: how a catalogue is attached, made and locked (`sqlite_catalog.py`,
`postgres_catalog.py`), and sessions (`connection.py`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import duckdb

from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.warehouse.data_storage import DataStorage, open_storage
from gmn_pipeline.warehouse.lakes import WAREHOUSE, Lake

CATALOG = "warehouse"
"""The name, in a session, of the lake that it is for."""

Attach: TypeAlias = Callable[[duckdb.DuckDBPyConnection], None]
"""Attach a lake that is being made as `CATALOG`, to write."""


@dataclass(frozen=True)
class Reach:
    """What a session that is closed to everything else still needs."""

    files: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()
    """Files that it has to write, though it only reads."""
    ports: tuple[int, ...] = ()
    """TCP ports that it connects to."""

    def __add__(self, other: "Reach") -> "Reach":
        return Reach(
            self.files + other.files, self.written + other.written, self.ports + other.ports
        )


class Catalog(Protocol):
    """DuckLake's own tables: where they are, and the locks that go with them."""

    extensions: tuple[str, ...]
    """DuckDB's extensions that they need beside DuckLake."""
    attaches_when_closed: bool
    """Whether a session that is closed to all else can still attach another state of it."""

    @property
    def exists(self) -> bool:
        """Whether there is a lake: with all its tables, since it is made as a whole."""

    def make(self, fill: Callable[[Attach], None]) -> None:
        """Let `fill` make a lake if there is none, by one process; who comes meanwhile waits."""

    def attach(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        folder: Path,
        *,
        read_only: bool,
        snapshot: int | None = None,
    ) -> None:
        """Attach the lake under a name. `folder` is for what the session does not keep in
        memory; `snapshot`: as it was then, which reads only."""

    def held_open(self) -> AbstractContextManager[None]:
        """For who works with a lake for long: others need not wait when it opens or closes the
        catalogue, nor it for them."""

    def identity(self) -> object:
        """Differs once another catalogue is in its place (a folder restored from a copy)."""

    def reach(self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG) -> Reach:
        """What a session needs in which it is attached under a name to be read."""

    def writing(self, timeout_s: float) -> AbstractContextManager[None]:
        """The turn of a writer. Raises TimeoutError."""

    def reading(self) -> AbstractContextManager[None]:
        """The presence of a reader, who waits while somebody else is `without_readers`."""

    def without_readers(self, patience_s: float) -> AbstractContextManager[None]:
        """Nobody reads, and nobody begins to. Raises TimeoutError."""

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits just now for the readers to be gone, or is without them."""


@dataclass(frozen=True)
class Backend:
    """A catalogue and the place of the data files, which is its own setting."""

    catalog: Catalog
    storage: DataStorage
    place: str
    """For messages: the place of both, without secrets."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """DuckDB's extensions to load, in order."""
        return (*self.catalog.extensions, *self.storage.extensions, "ducklake")

    def reach(self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG) -> Reach:
        """See Catalog; with the data."""
        of_catalog = self.catalog.reach(connection, name)
        ports = (*of_catalog.ports, *self.storage.ports)
        return Reach(of_catalog.files, of_catalog.written, ports)


def open_backend(settings: WarehouseSettings, lake: Lake = WAREHOUSE) -> Backend:
    """The place of a lake that the settings name; nothing is opened or made yet."""
    from gmn_pipeline.warehouse.postgres_catalog import PostgresCatalog
    from gmn_pipeline.warehouse.sqlite_catalog import SqliteCatalog

    storage = open_storage(settings, lake)
    url = settings.warehouse_catalog_url
    if url is None:
        folder = lake.folder(settings)
        place = str(folder)
        if settings.warehouse_storage_url is not None:
            place += f" (data in {storage.path})"
        return Backend(SqliteCatalog(folder, storage), storage, place)
    catalog = PostgresCatalog(url, settings.warehouse_catalog_password, storage, lake)
    return Backend(catalog, storage, f"{catalog.place}, data in {storage.path}")


def attach_sql(target: str, name: str, options: dict[str, str | None]) -> str:
    """DuckLake's ATTACH; options with their values in SQL, or None for none."""
    given = ", ".join(f"{key} {value}" if value else key for key, value in options.items())
    return f"ATTACH {target} AS {name} ({given})"
