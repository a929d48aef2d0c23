"""Open the operational database: a SQLite file of the data folder, or PostgreSQL.

What belongs here: connections, transactions, who brings the tables up to date and when. What does
not: tables (`tables.py`) and what is asked of them (`ledger.py`).

Each transaction has a connection of its own, so that threads and processes can share a database,
and a forked process finds none open; unless a server holds the database open (`hold_open`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    QueuePool,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.exc import DisconnectionError, OperationalError, ProgrammingError

from gmn_pipeline.addresses import described
from gmn_pipeline.database import migrations
from gmn_pipeline.database.postgres import connect, unavailable
from gmn_pipeline.database.tables import METADATA
from gmn_pipeline.errors import NotPermitted
from gmn_pipeline.settings import DatabaseSettings
from gmn_pipeline.storage import sqlite
from gmn_pipeline.storage.files import (
    exclusive,
    identity,
    is_writable,
    place_for_temporary_files,
    working_folder,
)
from gmn_pipeline.storage.problems import explaining

_BUSY_TIMEOUT_S = 60.0
_MIGRATION_LOCK = 0x676D6E64  # any number that nobody else locks in this database
_ROWS_AT_ONCE = 10_000
_EACH = {"poolclass": NullPool}
_HELD = {"poolclass": QueuePool, "pool_size": 4, "max_overflow": -1}  # no thread waits for one
_TO_WRITE = "BEGIN IMMEDIATE"
_INSUFFICIENT_PRIVILEGE = "42501"


class Database(Protocol):
    """What is asked of either kind."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction, in a database of this version's tables."""

    def reading(self) -> AbstractContextManager[Connection | None]:
        """A transaction that only reads; None if there is no database yet."""

    def hold_open(self) -> None:
        """From now on, since it is asked again and again. For a process that does not fork."""

    def let_go(self) -> None:
        """Not any more."""


def open_database(settings: DatabaseSettings) -> Database:
    """The database that the settings name; nothing is opened before it is used."""
    sqlite_file = SqliteDatabase(settings.data_dir)
    if not settings.database_url:
        return sqlite_file
    secret = settings.database_password
    return PostgresDatabase(
        settings.database_url, secret.get_secret_value() if secret else None, sqlite_file
    )


class SqliteDatabase:
    """A file. Reading it needs no permission to write."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / "ledger.sqlite"  # as it is called since it held nothing else
        self._is_current = False
        self._reader, self._writer = self._engines(_EACH)

    def hold_open(self) -> None:
        """See Database. When the last connection is closed SQLite writes its log back, forces that
        onto the disk and removes it: with opening the next one, most of a small transaction."""
        self._reader, self._writer = self._engines(_HELD)
        event.listen(self._reader, "checkout", self._check_file)

    def let_go(self) -> None:
        """See Database."""
        held = self._reader
        self._reader, self._writer = self._engines(_EACH)
        held.dispose()

    def _engines(self, pool: Mapping[str, Any]) -> tuple[Engine, Engine]:
        """With the same connections: for who only reads, and for who writes, who waits for their
        turn when they begin and not at their first change."""
        engine = _sqlite_engine(partial(_connected, self._path), pool)
        return engine, engine.execution_options(begin=_TO_WRITE)

    def _check_file(self, connection: sqlite3.Connection, *_: object) -> None:
        """A connection that is held may be to a file that another one has taken the place of."""
        assert isinstance(connection, _Connection)
        if connection.file != identity(self._path):
            raise DisconnectionError("another file is there by now")  # connects anew

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See Database."""
        with explaining(self._data_dir):
            self._make()
            with self._writer.begin() as connection:
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """See Database. Where it may not write, an older database is read through a copy."""
        with explaining(self._data_dir):
            if not self._path.is_file():
                yield None
            elif is_writable(self._path) and is_writable(self._data_dir):
                self._make()
                with self._reader.begin() as connection:
                    yield connection
            else:
                with self._reading_only() as connection:
                    yield connection

    @contextmanager
    def _reading_only(self) -> Iterator[Connection]:
        only = _sqlite_engine(lambda: sqlite.open_to_read(self._path))
        with only.begin() as connection:
            if migrations.is_current(connection):
                yield connection
                return
        with working_folder(place_for_temporary_files(self._data_dir / "tmp")) as folder:
            copy = folder / self._path.name
            sqlite.copy(self._path, copy)
            engine = _sqlite_engine(lambda: _connected(copy))
            with engine.begin() as connection:
                migrations.upgrade(connection)
                yield connection

    def _make(self) -> None:
        """Make or upgrade it, by one process; a new file has all its tables at once."""
        if self._is_current:
            return
        with exclusive(self._data_dir / "ledger.lock"):
            if self._path.is_file():
                with self._writer.begin() as connection:
                    migrations.upgrade(connection)
            else:
                with working_folder(self._data_dir / "tmp") as unfinished:
                    new = unfinished / self._path.name
                    # Without a log beside it, which would be left behind when it gets its name: on
                    # a full disk SQLite commits into that, and says nothing of what stays there.
                    engine = _sqlite_engine(lambda: sqlite3.connect(new))
                    with engine.begin() as connection:
                        migrations.upgrade(connection)
                    new.replace(self._path)
        self._is_current = True


class _Connection(sqlite3.Connection):
    """A connection that knows which file it is to."""

    file: tuple[int, int] | None = None


def _connected(path: Path) -> _Connection:
    file = identity(path)  # before: if it is another one by now, that is noticed next time
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False, factory=_Connection
    )
    connection.file = file
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def _sqlite_engine(
    connect: Callable[[], sqlite3.Connection], pool: Mapping[str, Any] = _EACH
) -> Engine:
    """An engine whose transactions are SQLite's, with changes of tables in them; the option
    `begin` says how they begin.

    The driver by itself begins none before it is too late for a lock, and none for tables.
    """

    def connected() -> sqlite3.Connection:
        connection = connect()
        connection.isolation_level = None
        return connection

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    engine = create_engine("sqlite://", creator=connected, **pool)
    event.listen(engine, "begin", begin)
    return engine


class PostgresDatabase:
    """A database of a server, for more than one machine."""

    def __init__(self, url: str, password: str | None, before: SqliteDatabase) -> None:
        """`before`: the database of the data folder, whose rows a new database takes over."""
        self._url = url
        self._before = before
        self._is_current = False

        self._connected = partial(connect, url, password)
        self._engine = self._engine_of(_EACH)

    def hold_open(self) -> None:
        """See Database. A connection is asked whether it is still there before it is used."""
        self._engine = self._engine_of(_HELD | {"pool_pre_ping": True})

    def let_go(self) -> None:
        """See Database."""
        held, self._engine = self._engine, self._engine_of(_EACH)
        held.dispose()

    def _engine_of(self, pool: Mapping[str, Any]) -> Engine:
        return create_engine("postgresql+psycopg://", creator=self._connected, **pool)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See Database."""
        with self._explaining():
            self._make()
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """See Database."""
        with self.writing() as connection:
            yield connection

    def _make(self) -> None:
        """Make or upgrade it in one transaction, by one process; the others wait for it."""
        if self._is_current:
            return
        with self._engine.begin() as connection:
            if not migrations.is_current(connection):
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
                is_new = migrations.revision(connection) is None
                migrations.upgrade(connection)
                if is_new:
                    self._take_over(connection)
        self._is_current = True

    def _take_over(self, connection: Connection) -> None:
        with self._before.reading() as before:
            if before is None:
                return
            for table in METADATA.sorted_tables:
                for rows in before.execute(select(table)).mappings().partitions(_ROWS_AT_ONCE):
                    connection.execute(table.insert(), [dict(row) for row in rows])
                number = table.autoincrement_column
                if number is not None:  # the next one follows those that came along
                    connection.execute(
                        text("SELECT setval(pg_get_serial_sequence(:name, :number), :next, false)"),
                        {
                            "name": table.name, "number": number.name,
                            "next": (connection.scalar(select(func.max(number))) or 0) + 1,
                        },
                    )  # fmt: skip

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise unavailable(self._url, error.orig or error) from error
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
                raise
            raise NotPermitted(
                f"{described(self._url)}, refuses: {' '.join(str(error.orig).split())}.",
                remedy="The user of GMN_DATABASE_URL has to own its tables: the schema is brought "
                "up to date when it is opened.",
            ) from error
