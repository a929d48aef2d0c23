"""Create what the warehouse consists of: tables and their comments, views and macros.

What belongs here: tables in SQL, made from `schemas/`. What does not: the views and macros
themselves (`views.py`, `macros.py`), moving rows (`store.py`). The SQL stays in the subset that
DuckLake and a plain DuckDB file both take, since the analysts' snapshot is made from the same
statements.
"""

from collections.abc import Sequence

import duckdb

from gmn_pipeline.schemas.derive import (
    duckdb_any_row,
    duckdb_comments,
    duckdb_create_table,
)
from gmn_pipeline.schemas.tables import STREAM_TABLES, WAREHOUSE_TABLES, Table
from gmn_pipeline.warehouse import views
from gmn_pipeline.warehouse.connection import CATALOG, transaction

# Measured: docs/decisions/0010-speed-of-the-load.md
_FILE_OPTIONS = {
    "parquet_compression": "uncompressed",
    "parquet_row_group_size": 20_480,
    # Maintenance puts files together up to this. A query reads the footer of each file it needs:
    # where a million rows were one file, that took longer than finding a trajectory in it.
    "target_file_size": "100MB",
}

# Rows of a commit up to this many go into the catalogue instead of a Parquet file of their own.
_INLINED_ROWS = 100


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create everything that is not there yet or is defined otherwise, in one transaction."""
    present = _tables(connection)
    missing = [t for t in (*WAREHOUSE_TABLES, *STREAM_TABLES) if t.name not in present]
    if not missing and views.are_current(connection, CATALOG):
        return
    if not present:
        # Before any view is there: DuckDB 1.5.5 crashes if an option is set after.
        connection.execute(f"CALL {CATALOG}.set_option('data_inlining_row_limit', {_INLINED_ROWS})")
        for name, value in _FILE_OPTIONS.items():
            connection.execute(f"CALL {CATALOG}.set_option('{name}', '{value}')")
    with transaction(connection):
        create_tables(connection, CATALOG, missing)
        views.create_views(connection, CATALOG, with_comments_on_columns=False)
        for table in missing:
            _give_statistics(connection, table)


def _give_statistics(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Let a row come and go, so that the table has statistics.

    To plan a query on a table that never had a row, DuckLake asks its catalogue column by column:
    344 ms for trajectory_revisions, 8 ms once it has statistics.
    """
    connection.execute(f"INSERT INTO {table.name} VALUES {duckdb_any_row(table)}")
    connection.execute(f"DELETE FROM {table.name}")


def is_created(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether all tables of the file's way are there."""
    return _tables(connection) >= {table.name for table in WAREHOUSE_TABLES}


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [CATALOG]
    ).fetchall()
    return {name for (name,) in rows}


def has_stream_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables of the work with Kafka are there: they came later than the others."""
    return _tables(connection) >= {table.name for table in STREAM_TABLES}


def create_tables(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    tables: Sequence[Table] = WAREHOUSE_TABLES,
) -> None:
    """Tables with their comments."""
    for table in tables:
        connection.execute(duckdb_create_table(table, catalog=catalog))
        for comment in duckdb_comments(table, catalog=catalog):
            connection.execute(comment)
