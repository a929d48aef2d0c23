"""Rows that processors read out of objects into the tables of their lake.

What belongs here: replacing all that a processor made of an object by what it makes of it now, in
one transaction; tables that are made of objects' own columns, and how those change. What does not:
reading objects (`processing/`), and which are to be read (`flows/object_processing.py`).

A table that is made here gets new columns as they come, and says in `loaded_columns` since when.
A column never changes its type: values that do not fit are refused with their object, so that what
was asked yesterday means the same today.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import CountMismatch, ObjectRefused
from gmn_pipeline.schemas.dataset import Table, text
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.object_tables import (
    LOADED_COLUMNS,
    LOADS,
    OBJECT_ID,
    OBJECT_TABLES,
    OBJECT_WORKING_TABLES,
    PROCESSED_TABLES,
    PROVENANCE,
    VERSION,
)
from gmn_pipeline.schemas.objects import StoredObject
from gmn_pipeline.storage.files import literal
from gmn_pipeline.warehouse import statistics
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction
from gmn_pipeline.warehouse.objects.views import OBJECT_VIEWS

_DECLARED = {table.name: table for table in PROCESSED_TABLES}
_TAKEN = {t.name for t in (*OBJECT_TABLES, *OBJECT_WORKING_TABLES, *OBJECT_VIEWS)}
_FIRST = (OBJECT_ID.name, VERSION.name, "row_number")
_MOST_COLUMNS = 1_000
# What DuckDB raises for rows and names, not for a lake that is away.
_OF_ROWS = (duckdb.DataError, duckdb.NotSupportedError, duckdb.ProgrammingError)
_Had: TypeAlias = dict[tuple[int, str], set[str]]
"""Tables with rows of what was read before, by object and processor."""
_TABLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,99}")


@dataclass(frozen=True)
class NewRows:
    """Rows for a table, as a Parquet file. `of_container`: a table of the object's container."""

    table: str
    path: Path
    row_count: int
    of_container: bool = False


@dataclass(frozen=True)
class Reading:
    """What a processor read out of an object: rows, and the ids of objects that were made."""

    stored: StoredObject
    processor: str
    processor_version: int
    rows: Sequence[NewRows] = ()
    made_ids: Sequence[int] = ()

    @property
    def key(self) -> tuple[int, str]:
        """Object and processor."""
        return self.stored.object_id, self.processor

    @property
    def row_count(self) -> int:
        """Of all tables."""
        return sum(some.row_count for some in self.rows)


def known_columns(
    lake: WarehouseConnection, project: str, container: str
) -> dict[str, dict[str, str]]:
    """Columns and types of the tables of a container, by table."""
    if not lake.exists:
        return {}
    with lake.open(read_only=True) as connection:
        rows = connection.execute(
            f"SELECT table_name, column_name, column_type FROM {LOADED_COLUMNS.name} "
            "WHERE project = ? AND container = ?",
            [project, container],
        ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def load(
    lake: WarehouseConnection, readings: Sequence[Reading]
) -> dict[tuple[int, str], ObjectRefused]:
    """Put what was read in place of all that the same processors made of the same objects before,
    in one transaction; those that do not fit their tables are left as they were, and named by
    object and processor, with the reason."""
    refused: dict[tuple[int, str], ObjectRefused] = {}
    with lake.writing() as connection:
        left, had = _with_something(connection, readings)
        while left:
            try:
                _load(connection, left, had)
                break
            except _Refused as error:
                refused[error.reading.key] = error.reason
                left = [one for one in left if one is not error.reading]
    return refused


class _Refused(Exception):
    """A reading that does not fit: the transaction begins anew without it."""

    def __init__(self, reading: Reading, reason: ObjectRefused) -> None:
        super().__init__(str(reason))
        self.reading = reading
        self.reason = reason


def _with_something(
    connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading]
) -> tuple[list[Reading], _Had]:
    """Those that have something, or had: of most objects most processors read nothing. And in which
    tables they had rows."""
    ids = [one.stored.object_id for one in readings]
    rows = connection.execute(
        f"SELECT object_id, processor, table_name FROM {LOADS.name} "
        "WHERE list_contains($ids, object_id) "
        f"UNION SELECT object_id, processor, '' FROM {PROVENANCE.name} "
        "WHERE list_contains($ids, object_id)",
        {"ids": ids},
    ).fetchall()
    had: _Had = {}
    for object_id, processor, table in rows:
        had.setdefault((object_id, processor), set()).update([table] if table else [])
    return [one for one in readings if one.rows or one.made_ids or one.key in had], had


def _load(connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading], had: _Had) -> None:
    tables = _Tables(connection)
    names = {name for one in readings for name in had.get(one.key, ())}
    names |= {some.table for one in readings for some in one.rows}
    touched = [_as_table(name) for name in sorted(names) if tables.columns(name)]
    with transaction(connection):
        statistics.leave_open_in_transaction(connection, [*touched, LOADS, PROVENANCE])
        for one in readings:
            for table in sorted(had.get(one.key, ())):
                _delete(connection, table, one)
            try:
                for some in one.rows:
                    _insert(connection, some, one, tables)
            except ObjectRefused as error:
                raise _Refused(one, error) from error
            except _OF_ROWS as error:
                said = " ".join(str(error).split())[:300]
                reason = ObjectRefused(f"Its rows do not fit their table: {said}")
                raise _Refused(one, reason) from error
        _say_so(connection, readings)


def forget(lake: WarehouseConnection, object_ids: Sequence[int]) -> None:
    """Remove all that was read out of objects that are deleted."""
    if not lake.exists or not object_ids:
        return
    with lake.writing() as connection:
        tables = connection.execute(
            f"SELECT DISTINCT table_name FROM {LOADS.name} WHERE object_id IN "
            "(SELECT unnest(?::BIGINT[]))",
            [list(object_ids)],
        ).fetchall()
        with transaction(connection):
            for name in [*(name for (name,) in tables), LOADS.name, PROVENANCE.name]:
                connection.execute(
                    f"DELETE FROM {_quoted(name)} WHERE object_id IN (SELECT unnest(?::BIGINT[]))",
                    [list(object_ids)],
                )


def _delete(connection: duckdb.DuckDBPyConnection, table: str, reading: Reading) -> None:
    connection.execute(
        f"DELETE FROM {_quoted(table)} WHERE object_id = ?", [reading.stored.object_id]
    )


def _insert(
    connection: duckdb.DuckDBPyConnection, some: NewRows, reading: Reading, tables: "_Tables"
) -> None:
    new = dict(
        connection.execute(
            "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(?))",
            [literal(some.path)],
        ).fetchall()
    )
    if some.table in _DECLARED:
        if some.of_container:
            raise _taken(some.table)
    else:
        _fit(tables, some, new, reading)
    # Columns keep the order of the file: in DuckLake a name is enough.
    columns = [name for name in new if name not in _FIRST]
    names = ", ".join([*_FIRST, *map(_quoted, columns)])
    values = ", ".join(map(_quoted, columns))
    done = connection.execute(
        f"INSERT INTO {_quoted(some.table)} ({names}) "
        f"SELECT ?, ?, row_number() OVER (){', ' if values else ''}{values} FROM read_parquet(?)",
        [reading.stored.object_id, reading.stored.version, literal(some.path)],
    ).fetchone()
    if done is None or done[0] != some.row_count:
        raise CountMismatch(f"Of {some.row_count:,} rows, {done} came into {some.table}.")


def _fit(tables: "_Tables", some: NewRows, new: Mapping[str, str], reading: Reading) -> None:
    """Make the table, or the columns that it lacks. Raises ObjectRefused where they clash."""
    if some.table in _TAKEN:
        raise _taken(some.table)
    if not _TABLE_NAME.fullmatch(some.table):
        raise ObjectRefused(f"{some.table!r} is no name of a table: a-z, 0-9 and '_', at most 100.")
    if len(new) > _MOST_COLUMNS:
        raise ObjectRefused(f"It has {len(new):,} columns; a table has at most {_MOST_COLUMNS:,}.")
    if {name.lower() for name in new} & set(_FIRST):
        raise ObjectRefused(
            f"A column of it is called as one that is put before its own: {', '.join(_FIRST)}.",
            remedy="Give it another name in the file.",
        )
    name = reading.stored.name
    owner = (name.project, name.container) if some.of_container else ("", "")
    present = tables.columns(some.table)
    if not present:
        tables.make(some.table)
    elif (whose := tables.owner(some.table)) != owner:
        raise ObjectRefused(
            f"The table {some.table} is of {'/'.join(whose) or 'a processor'}.",
            remedy="Name another table in the rule (docs/processing.md).",
        )
    # DuckDB compares names without regard to case.
    there = {column.lower(): kind for column, kind in present.items()}
    changed = [
        f"{column} was {there[column.lower()]} and is {kind}"
        for column, kind in new.items()
        if there.get(column.lower(), kind) != kind
    ]
    if changed:
        raise ObjectRefused(
            f"Columns of {some.table} have other types in it: {'; '.join(changed[:20])}.",
            remedy="Load it into another table, or mend the file.",
        )
    for column, kind in new.items():
        if column.lower() not in there:
            tables.add_column(some.table, owner, column, kind, reading.stored)


class _Tables:
    """Tables that are loaded into, as they are in a transaction: DuckDB is asked once for each."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._columns: dict[str, dict[str, str]] = {}
        self._owners: dict[str, tuple[str, str]] = {}

    def columns(self, table: str) -> Mapping[str, str]:
        """Columns with their types; none if there is no such table."""
        if table not in self._columns:
            rows = self._connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() "
                "WHERE database_name = ? AND table_name = ?",
                [CATALOG, table],
            ).fetchall()
            self._columns[table] = dict(rows)
        return self._columns[table]

    def owner(self, table: str) -> tuple[str, str]:
        """Project and container that a table is of; empty if it is a processor's."""
        if table not in self._owners:
            row = self._connection.execute(
                f"SELECT project, container FROM {LOADED_COLUMNS.name} WHERE table_name = ? "
                "LIMIT 1",
                [table],
            ).fetchone()
            self._owners[table] = (row[0], row[1]) if row else ("", "")
        return self._owners[table]

    def make(self, table: str) -> None:
        """Make a table with what stands before the columns of files."""
        self._connection.execute(
            f"CREATE TABLE {CATALOG}.{_quoted(table)} "
            "(object_id BIGINT, version INTEGER, row_number BIGINT)"
        )
        self._forget(table)

    def add_column(
        self, table: str, owner: tuple[str, str], column: str, kind: str, since: StoredObject
    ) -> None:
        """Add a column, and note since which object it is there."""
        self._connection.execute(
            f"ALTER TABLE {CATALOG}.{_quoted(table)} ADD COLUMN {_quoted(column)} {kind}"
        )
        self._connection.execute(
            f"INSERT INTO {LOADED_COLUMNS.name} ({', '.join(LOADED_COLUMNS.columns)}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [table, *owner, column, kind, since.object_id, since.version, utc_now()],
        )
        self._forget(table)

    def _forget(self, table: str) -> None:
        self._columns.pop(table, None)
        self._owners.pop(table, None)


def _say_so(connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading]) -> None:
    """Which rows of objects are there, and which objects were made of them."""
    keys = {
        "ids": [one.stored.object_id for one in readings],
        "processors": [one.processor for one in readings],
    }
    for table in (LOADS, PROVENANCE):
        connection.execute(
            f"DELETE FROM {table.name} WHERE (object_id, processor) IN "
            "(SELECT unnest($ids::BIGINT[]), unnest($processors::VARCHAR[]))",
            keys,
        )
    now = utc_now()
    who = {
        one.key: (one.stored.object_id, one.stored.version, one.processor, one.processor_version)
        for one in readings
    }
    loads = [
        (*who[one.key], some.table, some.row_count, now) for one in readings for some in one.rows
    ]
    made = [(*who[one.key], made_id) for one in readings for made_id in one.made_ids]
    for table, rows in ((LOADS, loads), (PROVENANCE, made)):
        if rows:
            new = pl.DataFrame(rows, schema=polars_schema(table.fields), orient="row")
            connection.register("new_rows", new.to_arrow())
            names = ", ".join(table.columns)
            connection.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_rows")


def _as_table(name: str) -> Table:
    """A table by what its statistics need to be known of: a name and some column."""
    return _DECLARED.get(name) or Table(name, name, (text("object_id", "object"),))


def _taken(table: str) -> ObjectRefused:
    return ObjectRefused(
        f"A table of the platform is called {table}.",
        remedy="Name another table in the rule (docs/processing.md).",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
