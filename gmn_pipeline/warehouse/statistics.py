"""Keep DuckLake from answering with statistics that are wrong.

DuckLake keeps the least and greatest value of each column, widens them with every row that comes,
and never narrows them when one goes. It answers `min` and `max` from them as long as the number of
rows it counted as they came is the number that is there. That fails where rows come and go in one
transaction: they widen the statistics, and the numbers agree. So before that happens the numbers
are made to differ (docs/decisions/0023-statistics-of-ducklake.md).

What belongs here: that. What does not: statistics of files, which are exact, and plain DuckDB,
which keeps its own.
"""

from collections.abc import Sequence

import duckdb

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import (
    duckdb_any_row,
    duckdb_comments,
    duckdb_create_table,
    duckdb_is_any_row,
)
from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import METADATA, transaction

_BUILDING = "building_"
_ORDERED = (Kind.DATE, Kind.TIMESTAMP, Kind.INTEGER, Kind.LONG, Kind.NUMBER, Kind.TEXT)


def make_empty(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Make tables under another name, and let a row come and go in each, in two commits.

    To plan a query on a table that never had a row, DuckLake asks its catalogue column by column:
    344 ms for trajectory_revisions, 8 ms once it has statistics.
    """
    if not tables:
        return
    building = [Table(_BUILDING + t.name, t.meaning, t.fields) for t in tables]
    with transaction(connection):
        for table in building:
            connection.execute(f"DROP TABLE IF EXISTS {CATALOG}.{table.name}")
            connection.execute(duckdb_create_table(table, catalog=CATALOG))
            for statement in duckdb_comments(table, catalog=CATALOG):
                connection.execute(statement)
    let_a_row_pass(connection, building)


def let_a_row_pass(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Let a row come and go in tables that are empty, in two commits."""
    with transaction(connection):
        for table in tables:
            connection.execute(duckdb_any_row(table))
    with transaction(connection):
        for table in tables:
            connection.execute(f"DELETE FROM {table.name} WHERE {duckdb_is_any_row(table)}")


def put_in_place(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Give a table that was made empty its name, in the transaction that is under way."""
    connection.execute(f"DROP TABLE IF EXISTS {CATALOG}.{table.name}")
    connection.execute(f"ALTER TABLE {CATALOG}.{_BUILDING}{table.name} RENAME TO {table.name}")


def taken_for_exact(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]
) -> dict[Table, int]:
    """Tables that are there whose statistics DuckLake answers with, and how many rows they have."""
    counted = dict(
        connection.execute(
            f"SELECT table_name, record_count FROM {METADATA}.ducklake_table "
            f"LEFT JOIN {METADATA}.ducklake_table_stats USING (table_id) "
            "WHERE end_snapshot IS NULL"
        ).fetchall()
    )
    found = {}
    for table in tables:
        if table.name in counted:
            row = connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
            assert row is not None
            if (counted[table.name] or 0) == row[0]:
                found[table] = int(row[0])
    return found


def leave_open(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Where DuckLake takes statistics for exact, take a row out and put it back; an empty table is
    made anew."""
    empty = [table for table, rows in taken_for_exact(connection, tables).items() if not rows]
    make_empty(connection, empty)
    with transaction(connection):
        for table in empty:
            put_in_place(connection, table)
        leave_open_in_transaction(connection, tables)


def leave_open_in_transaction(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]
) -> None:
    """The same of tables that have rows, before rows come and go in the transaction under way."""
    for table, rows in taken_for_exact(connection, tables).items():
        if rows:
            _one_again(connection, table)


def wrong_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Columns whose least or greatest value DuckLake answers otherwise than its rows say."""
    names = [field.name for field in table.fields if field.kind in _ORDERED]

    def extremes(columns: Sequence[str]) -> list[object]:
        asked = ", ".join(f"min({name}), max({name})" for name in columns)
        row = connection.execute(f"SELECT {asked} FROM {table.name}").fetchone()
        assert row is not None
        return list(row)

    # One by one: if one of several cannot be answered by statistics, none is.
    answered = [value for name in names for value in extremes([name])]
    try:
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        there = extremes(names)
    finally:
        connection.execute("RESET disabled_optimizers")
    return [n for n, a, b in zip(names, _pairs(answered), _pairs(there), strict=True) if a != b]


def _pairs(values: Sequence[object]) -> list[tuple[object, object]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _one_again(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    name = f'"{table.name}"'
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE one_row AS SELECT rowid AS id_of_row, * FROM {name} LIMIT 1"
    )
    connection.execute(f"DELETE FROM {name} WHERE rowid IN (SELECT id_of_row FROM one_row)")
    connection.execute(f"INSERT INTO {name} SELECT * EXCLUDE (id_of_row) FROM one_row")
