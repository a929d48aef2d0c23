"""A station's own database: a table of readings in MySQL or MariaDB, asked without disturbing it.

What belongs here: the connection, which rows are asked for, and values as a record of JSON can have
them. What does not: what a record means (`readers/station_readings/`), and up to where a table was
taken (`flows/station_database.py`).

Such a database is slow and busy with its own work. It is asked page by page along an index (by the
column that grows, then by the key), each page a short read of what is committed: no lock is taken,
none is waited for, and a page that takes too long is given up and asked for again.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pymysql
from pymysql.constants import CLIENT

from gmn_pipeline.errors import SettingsError, SourceUnavailable

Value: TypeAlias = int | float | str | datetime
"""What a column that grows has: a number that is counted up, or a time of change."""
Record: TypeAlias = dict[str, Any]

_CONNECT_S = 10
_PORT = 3306
_REREAD_S, _REREAD_NUMBERS = 300.0, 1_000
_UNKNOWN_COLUMN, _UNKNOWN_TABLE, _DENIED, _NO_DATABASE = 1054, 1146, {1044, 1045, 1142, 1143}, 1049


@dataclass(frozen=True)
class StationTable:
    """Which table has readings, and what its columns are.

    `columns` says of a record's fields (timestamp, station_code, sensor_id, location, and names of
    quantities) which column has each; every other column goes along under its own name.
    `grows` is a column that has an index and is never set to less than what others have: a number
    that is counted up, or a time of change. Since transactions end in another order than they
    began in, what lies up to `reread` below what was reached (in seconds, if it is a time) is
    asked for once more each time (300 s, or 1,000 numbers, if it is not said); readings that are
    there already change nothing.
    """

    address: str
    name: str
    key: str
    grows: str
    columns: Mapping[str, str]
    reread: float | None = None
    time_zone: str = "UTC"
    station_code: str | None = None
    sensor_id: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """For messages, and to remember it by: no password is in it."""
        return f"{self.address}#{self.name}"


def station_table(path: Path) -> StationTable:
    """Read the file that describes a table. Raises SettingsError, naming what is wrong in it."""
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, f"it cannot be read: {error}") from error
    columns = said.pop("columns", None)
    if not isinstance(columns, dict) or "timestamp" not in columns:
        raise _wrong(path, "[columns] has to say which column is the timestamp")
    known = set(StationTable.__dataclass_fields__) - {"columns"} | {"table"}
    if unknown := sorted(set(said) - known):
        raise _wrong(path, f"{unknown[0]} is no setting of it")
    for name in ("address", "table", "key", "grows"):
        if not isinstance(said.get(name), str):
            raise _wrong(path, f"{name} is missing")
    if any(not isinstance(column, str) for column in columns.values()):
        raise _wrong(path, "[columns] names columns, each by a text")
    left_out = tuple(said.pop("left_out", ()))
    table = StationTable(name=said.pop("table"), columns=columns, left_out=left_out, **said)
    _zone(path, table.time_zone)
    _parts(path, table.address)
    return table


def _wrong(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path} does not describe a table of readings: {why}.",
        remedy="docs/station-databases.md has an example.",
    )


def _zone(path: Path | str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"{path} names the time zone {name!r}, which is none.",
            remedy="Name one as Europe/Madrid.",
        ) from error


@dataclass(frozen=True)
class DatabasePlace:
    """Where a database is, and who asks it."""

    host: str
    port: int
    user: str
    database: str


def place_of(table: StationTable) -> DatabasePlace:
    """The place that the address of a table names. Raises SettingsError."""
    return _parts(table.place, table.address)


def _parts(path: Path | str, address: str) -> DatabasePlace:
    parts = urlsplit(address)
    database = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("mysql", "mariadb") or not parts.hostname or not database:
        raise SettingsError(
            f"{path} has the address {parts.scheme}://..., of no MySQL or MariaDB database.",
            remedy="It is written mysql://user@host:3306/database.",
        )
    if parts.password:
        raise SettingsError(
            f"{path} has a password in it.",
            remedy="Leave it out there, and set GMN_STATION_DATABASE_PASSWORD.",
        )
    return DatabasePlace(
        parts.hostname, parts.port or _PORT, unquote(parts.username or ""), database
    )


@dataclass(frozen=True)
class Page:
    """Rows of a table as records, in the order of the column that grows, and where they end."""

    records: list[Record]
    last: Value


@dataclass
class StationDatabase:
    """An open connection to the database of a table."""

    table: StationTable
    connection: Any
    page_rows: int
    _columns: dict[str, str] = field(init=False)
    """Each column with its type, but for those left out."""

    def __post_init__(self) -> None:
        self._columns = self._find_columns()
        self._zone = _zone(self.table.place, self.table.time_zone)

    def highest(self) -> Value | None:
        """What the column that grows has at most; None of an empty table."""
        rows = self._ask(f"SELECT max({_name(self.table.grows)}) FROM {_name(self.table.name)}")
        return rows[0][0] if rows else None

    def out_of_reach(self) -> int:
        """How many rows have nothing in the column that grows: they are not taken."""
        grows, name = _name(self.table.grows), _name(self.table.name)
        return int(self._ask(f"SELECT count(*) FROM {name} WHERE {grows} IS NULL")[0][0])

    def after(self, reached: Value | None, highest: Value) -> Iterator[Page]:
        """Pages of the rows beyond what was reached (and what is read again), up to `highest`."""
        begin = None if reached is None else self._before(reached)
        yield from self._pages(self.table.grows, begin, highest, "<=")

    def between(self, begin_utc: datetime, end_utc: datetime) -> Iterator[Page]:
        """Pages of the rows that were measured from one time (UTC) until before another."""
        column = self.table.columns["timestamp"]
        stored = [self._as_stored(when, column) for when in (begin_utc, end_utc)]
        yield from self._pages(column, stored[0], stored[1], "<", from_equal=True)

    def _before(self, reached: Value) -> Value:
        said = self.table.reread
        if isinstance(reached, datetime):
            return reached - timedelta(seconds=_REREAD_S if said is None else said)
        return (
            reached
            if isinstance(reached, str)
            else reached - (_REREAD_NUMBERS if said is None else int(said))
        )

    def _as_stored(self, when_utc: datetime, column: str) -> datetime:
        """A time as a column has it: the session is in UTC, and so is TIMESTAMP."""
        if self._columns[column] == "timestamp":
            return when_utc
        return when_utc.replace(tzinfo=UTC).astimezone(self._zone).replace(tzinfo=None)

    def _pages(
        self, column: str, begin: Value | None, end: Value, until: str, *, from_equal: bool = False
    ) -> Iterator[Page]:
        by, key = _name(column), _name(self.table.key)
        head = f"SELECT {by}, {key}, {self._selected()} FROM {_name(self.table.name)} WHERE {by} "
        tail = f" ORDER BY {by}, {key} LIMIT {self.page_rows:d}"
        beyond = ">=" if from_equal else ">"
        where, values = f"{until} %s", [end]
        if begin is not None:
            where, values = f"{until} %s AND {by} {beyond} %s", [end, begin]
        while rows := self._ask(f"{head}{where}{tail}", values):
            yield Page([self._record(row[2:]) for row in rows], rows[-1][0])
            if len(rows) < self.page_rows:
                return
            where = f"{until} %s AND ({by} > %s OR ({by} = %s AND {key} > %s))"
            values = [end, rows[-1][0], rows[-1][0], rows[-1][1]]

    def _selected(self) -> str:
        """The columns; of a place its longitude and latitude."""
        return ", ".join(
            f"ST_X({_name(name)}), ST_Y({_name(name)})" if kind == "point" else _name(name)
            for name, kind in self._columns.items()
        )

    def _record(self, row: tuple[Any, ...]) -> Record:
        """A row under the names of a record, in types that JSON has."""
        names = {column: name for name, column in self.table.columns.items()}
        record: Record = {}
        if self.table.station_code is not None:
            record["station_code"] = self.table.station_code
        if self.table.sensor_id is not None:
            record["sensor_id"] = self.table.sensor_id
        values = iter(row)
        for column, kind in self._columns.items():
            name = names.get(column, column)
            if kind == "point":
                lon, lat = next(values), next(values)
                if lon is not None:
                    record[name] = {"lon": lon, "lat": lat}
            elif (value := next(values)) is not None:
                record[name] = self._as_json(value, kind)
        return record

    def _as_json(self, value: Any, kind: str) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, datetime):
            zone = UTC if kind == "timestamp" else self._zone
            return value.replace(tzinfo=zone).astimezone(UTC).isoformat()
        if isinstance(value, bytes):
            return int.from_bytes(value) if kind == "bit" else value.decode("utf-8", "replace")
        if isinstance(value, timedelta):
            return value.total_seconds()
        return value.isoformat() if isinstance(value, date) else value

    def _find_columns(self) -> dict[str, str]:
        rows = self._ask(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = database() AND table_name = %s ORDER BY ordinal_position",
            [self.table.name],
        )
        found = {str(name): str(kind).lower() for name, kind in rows}
        if not found:
            raise SettingsError(
                f"{self.table.place} is not there, or may not be read.",
                remedy="Grant SELECT on it to the user of the address, or correct the name.",
            )
        wanted = {self.table.key, self.table.grows, *self.table.columns.values()}
        if missing := sorted(wanted - set(found)):
            raise SettingsError(
                f"{self.table.place} has no column {missing[0]}.",
                remedy=f"It has {', '.join(found)}.",
            )
        sent = set(self.table.columns.values())
        own = {self.table.key, self.table.grows, *self.table.left_out} - sent
        return {name: kind for name, kind in found.items() if name not in own}

    def _ask(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with _errors(self.table), closing(self.connection.cursor()) as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())


@contextmanager
def station_database(
    table: StationTable, password: str | None, *, page_rows: int, timeout_s: float
) -> Iterator[StationDatabase]:
    """Open a table to be read.

    Raises SettingsError for what its description has wrong, SourceUnavailable where the database
    does not answer, or not within `timeout_s` for a page.
    """
    at = place_of(table)
    with _errors(table):
        connection = pymysql.connect(
            host=at.host, port=at.port, user=at.user, password=password or "",
            database=at.database, charset="utf8mb4", autocommit=True, local_infile=False,
            connect_timeout=_CONNECT_S, read_timeout=timeout_s + _CONNECT_S,
            client_flag=CLIENT.FOUND_ROWS,
        )  # fmt: skip
    with closing(connection):
        with _errors(table), closing(connection.cursor()) as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute("SELECT version()")
            cursor.execute(_limit_of_time(str(cursor.fetchall()[0][0]), timeout_s))
        yield StationDatabase(table, connection, page_rows)


def _limit_of_time(server: str, timeout_s: float) -> str:
    """MariaDB counts in seconds, MySQL in milliseconds."""
    if "mariadb" in server.lower():
        return f"SET SESSION max_statement_time = {timeout_s:f}"
    return f"SET SESSION max_execution_time = {int(timeout_s * 1000):d}"


@contextmanager
def _errors(table: StationTable) -> Iterator[None]:
    try:
        yield
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else None
        if code in _DENIED or code in (_NO_DATABASE, _UNKNOWN_TABLE, _UNKNOWN_COLUMN):
            raise SettingsError(
                f"{table.place} cannot be read: {error.args[-1]}.",
                remedy="Correct its description, GMN_STATION_DATABASE_PASSWORD, or the rights of "
                "its user (SELECT is enough).",
            ) from error
        raise SourceUnavailable(
            f"{table.place} does not answer: {error.args[-1] if error.args else error}.",
            remedy="What was taken stays; the next run goes on from there.",
        ) from error


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
