"""The lake's catalogue in PostgreSQL, with its locks there too: for more than one machine.

What belongs here: the schema that holds it, sessions' way to it, and its locks. What does not:
rows, and the data files' place.

A new lake is made in a schema of another name, which is then renamed: it is there with all its
tables or not at all. Locks are advisory, of a connection of their own: they go with its process.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pydantic import SecretStr

from gmn_pipeline.addresses import described
from gmn_pipeline.database.postgres import connect, keywords, ports
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.warehouse.backend import CATALOG, Attach, Reach, attach_sql
from gmn_pipeline.warehouse.data_storage import DataStorage
from gmn_pipeline.warehouse.lakes import WAREHOUSE, Lake

if TYPE_CHECKING:
    from psycopg import Connection

_SECRET = "catalog"  # noqa: S105 - its name
# Numbers of locks: of this program, and of what each is for, in each lake.
_OURS = 0x676D6E
_MAKER, _WRITER, _READERS = 1, 2, 3
_LOCKS_OF_A_LAKE = 10
# So that the locks of a machine that is gone are free in a minute, not after hours.
_KEEPALIVE = {"idle": 30, "interval": 10, "count": 3}


class PostgresCatalog:
    """A schema of a database."""

    extensions: tuple[str, ...] = ("postgres_scanner",)
    attaches_when_closed = False

    def __init__(
        self,
        url: str,
        password: SecretStr | None,
        storage: DataStorage,
        lake: Lake = WAREHOUSE,
    ) -> None:
        self._schema = f"gmn_{lake.name}"
        self._making = f"{self._schema}_making"
        self._first_lock = lake.number * _LOCKS_OF_A_LAKE
        self._url = url
        self._password = password.get_secret_value() if password else None
        self._storage = storage
        self._is_there = False
        self.place = described(url)

    @property
    def exists(self) -> bool:
        """See Catalog: once its schema has its name."""
        if not self._is_there:
            with self._connected() as connection:
                self._is_there = _is_made(connection, self._schema)
        return self._is_there

    def make(self, fill: Callable[[Attach], None]) -> None:
        """See Catalog."""
        with self._locked(_MAKER) as connection:
            if _is_made(connection, self._schema):
                return
            connection.execute(f"DROP SCHEMA IF EXISTS {self._making} CASCADE")  # a killed maker's
            connection.execute(f"CREATE SCHEMA {self._making}")
            fill(lambda session: self._attach(session, CATALOG, self._making, read_only=False))
            with connection.transaction():
                if self._storage.in_catalog is not None:
                    connection.execute(
                        f"UPDATE {self._making}.ducklake_metadata SET value = %s "
                        "WHERE key = 'data_path'",
                        [self._storage.in_catalog],
                    )
                # Somebody may have made an empty one, as DuckLake's manual says.
                connection.execute(f"DROP SCHEMA IF EXISTS {self._schema}")
                connection.execute(f"ALTER SCHEMA {self._making} RENAME TO {self._schema}")

    def held_open(self) -> AbstractContextManager[None]:
        """See Catalog."""
        return nullcontext()

    def identity(self) -> object:
        """See Catalog: a schema is not put in another's place unseen."""
        return self.place

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
        del folder
        self._attach(connection, name, self._schema, read_only=read_only, snapshot=snapshot)

    def _attach(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        schema: str,
        *,
        read_only: bool,
        snapshot: int | None = None,
    ) -> None:
        """The password is in a secret of the session only while it attaches: DuckDB shows the
        address of an attached database to everybody, and a failed one in its message."""
        options: dict[str, str | None] = {
            "DATA_PATH": sql_text(self._storage.path),
            "OVERRIDE_DATA_PATH": "TRUE",
            "META_SCHEMA": sql_text(schema),
        }
        more = {"application_name": "gmn_pipeline"}
        if read_only:
            options["READ_ONLY"] = None
            # The server refuses too, whatever a session should find to write with.
            more["options"] = "-c default_transaction_read_only=on"
        if snapshot is not None:
            options["SNAPSHOT_VERSION"] = str(snapshot)
        target = sql_text(f"ducklake:postgres:{keywords(self._url, **more)}")
        if self._password is None:
            connection.execute(attach_sql(target, name, options))
            return
        connection.execute(
            f"CREATE OR REPLACE TEMPORARY SECRET {_SECRET} "
            f"(TYPE postgres, PASSWORD {sql_text(self._password)})"
        )
        try:
            options["META_SECRET"] = sql_text(_SECRET)
            connection.execute(attach_sql(target, name, options))
        finally:
            connection.execute(f"DROP SECRET {_SECRET}")

    def reach(self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG) -> Reach:
        """See Catalog: DuckDB opens further connections as it needs them."""
        del connection, name
        return Reach(ports=tuple(ports(self._url)))

    @contextmanager
    def writing(self, timeout_s: float) -> Iterator[None]:
        """See Catalog."""
        with self._locked(_WRITER, timeout_s):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See Catalog: who wants to be without readers stands in the queue before those who come
        after."""
        with self._locked(_READERS, how="_shared"):
            yield

    @contextmanager
    def without_readers(self, patience_s: float) -> Iterator[None]:
        """See Catalog."""
        with self._locked(_READERS, patience_s):
            yield

    @property
    def is_awaited(self) -> bool:
        """See Catalog."""
        lock = self._first_lock + _READERS
        with self._connected() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = "
                f"'ExclusiveLock' AND (classid, objid, objsubid) = ({_OURS}, {lock}, 2)"
            ).fetchone()
        assert row is not None
        return bool(row[0])

    @contextmanager
    def _connected(self) -> Iterator["Connection"]:
        connection = connect(self._url, self._password, autocommit=True)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _locked(
        self, what: int, timeout_s: float | None = None, *, how: str = ""
    ) -> Iterator["Connection"]:
        """Hold a lock as long as the connection lives. Raises TimeoutError, if a time is given."""
        from psycopg.errors import LockNotAvailable

        with self._connected() as connection:
            for name, value in _KEEPALIVE.items():
                connection.execute(f"SET tcp_keepalives_{name} = {value}")
            timeout_ms = 0 if timeout_s is None else max(1, round(timeout_s * 1000))
            connection.execute(f"SET lock_timeout = {timeout_ms}")
            try:
                connection.execute(
                    f"SELECT pg_advisory_lock{how}({_OURS}, {self._first_lock + what})"
                )
            except LockNotAvailable as error:
                raise TimeoutError from error
            yield connection


def _is_made(connection: "Connection", schema: str) -> bool:
    row = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL", [f"{schema}.ducklake_metadata"]
    ).fetchone()
    assert row is not None
    return bool(row[0])
