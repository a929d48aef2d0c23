"""Create what the warehouse consists of: tables and their comments, views and macros.

What belongs here: tables in SQL, made from `schemas/`. What does not: the views and macros
themselves (`views.py`, `macros.py`), moving rows (`trajectories/files.py`). The SQL stays in the
subset that DuckLake and a plain DuckDB file both take, since the analysts' snapshot is made from
the same statements.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import duckdb

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import (
    duckdb_add_column,
    duckdb_comment,
    duckdb_comments,
    duckdb_create_table,
)
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.schemas.object_tables import OBJECT_TABLES, OBJECT_WORKING_TABLES
from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS, STREAM_OFFSETS
from gmn_pipeline.schemas.tables import (
    READINGS_TABLES,
    READINGS_WORKING_TABLES,
    STREAM_TABLES,
    WAREHOUSE_TABLES,
    WORKING_TABLES,
)
from gmn_pipeline.warehouse import statistics, views
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction
from gmn_pipeline.warehouse.lakes import OBJECTS, READINGS, WAREHOUSE, Lake
from gmn_pipeline.warehouse.objects.views import OBJECT_VIEWS
from gmn_pipeline.warehouse.station_readings.layout import LAYOUT
from gmn_pipeline.warehouse.station_readings.views import READINGS_VIEWS

FILE_MB = 100
"""Maintenance puts files together up to this. A query reads the footer of each file it needs: where
a million rows were one file, that took longer than finding a trajectory in it."""

# Measured: docs/decisions/0010-speed-of-the-load.md
_FILE_OPTIONS = {
    "parquet_compression": "uncompressed",
    "parquet_row_group_size": 20_480,
    "target_file_size": f"{FILE_MB}MB",
}

# Rows of a commit up to this many go into the catalogue instead of a Parquet file of their own.
_INLINED_ROWS = 100


TABLES = (*WAREHOUSE_TABLES, *WORKING_TABLES)
"""All tables of the warehouse."""


@dataclass(frozen=True)
class Content:
    """What a lake consists of."""

    asked: tuple[Table, ...]
    """Tables for those who ask it; the others are the pipeline's own."""
    working: tuple[Table, ...]
    stream: tuple[Table, ...]
    """Those of the work with Kafka."""
    definitions: views.Definitions
    layout: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """How the files of a table are cut and sorted, by its name: what follows ALTER TABLE."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them."""
        return (*self.asked, *self.working)


def content(lake: Lake) -> Content:
    """What a lake consists of."""
    if lake == READINGS:
        return Content(
            READINGS_TABLES,
            READINGS_WORKING_TABLES,
            (STREAM_OFFSETS, DEAD_LETTERS),
            views.Definitions(READINGS_VIEWS),
            LAYOUT,
        )
    if lake == OBJECTS:
        return Content(OBJECT_TABLES, OBJECT_WORKING_TABLES, (), views.Definitions(OBJECT_VIEWS))
    return Content(WAREHOUSE_TABLES, WORKING_TABLES, STREAM_TABLES, views.of_warehouse())


def create(connection: duckdb.DuckDBPyConnection, lake: Lake = WAREHOUSE) -> None:
    """Create everything that is not there yet or is defined otherwise: tables, columns of
    lakes made before, views and macros."""
    wanted = content(lake)
    present = _columns(connection)
    missing = [t for t in wanted.tables if t.name not in present]
    added = _missing_columns(wanted.tables, present)
    if not missing and not added and views.are_current(connection, CATALOG, wanted.definitions):
        return
    if not present:
        _create_all(connection, wanted)
        return
    statistics.make_empty(connection, missing)
    with transaction(connection):
        for table in missing:
            statistics.put_in_place(connection, table)
            _lay_out(connection, table, wanted)
        for table, field in added:
            connection.execute(duckdb_add_column(table, field, catalog=CATALOG))
            connection.execute(duckdb_comment(table, field, catalog=CATALOG))
        views.create_views(connection, CATALOG, wanted.definitions, with_comments_on_columns=False)
    if added:
        statistics.leave_open(connection, wanted.tables)


def _create_all(connection: duckdb.DuckDBPyConnection, wanted: Content) -> None:
    """A lake that is seen when it is done: in one change of its definition. For each one DuckLake
    looks for rows in a table of the catalogue more, in every query."""
    # Before any view is there: DuckDB 1.5.5 crashes if an option is set after.
    connection.execute(f"CALL {CATALOG}.set_option('data_inlining_row_limit', {_INLINED_ROWS})")
    for name, value in _FILE_OPTIONS.items():
        connection.execute(f"CALL {CATALOG}.set_option('{name}', '{value}')")
    with transaction(connection):
        create_tables(connection, CATALOG, wanted.tables)
        for table in wanted.tables:
            _lay_out(connection, table, wanted)
        views.create_views(connection, CATALOG, wanted.definitions, with_comments_on_columns=False)
    statistics.let_a_row_pass(connection, wanted.tables)
    _forget_former_states(connection)


def _forget_former_states(connection: duckdb.DuckDBPyConnection) -> None:
    """States in which a new lake was still being made are nobody's: one has rows that are none."""
    states = connection.execute(f"SELECT snapshot_id FROM {CATALOG}.snapshots() ORDER BY 1")
    former = [str(state) for (state,) in states.fetchall()[:-1]]
    connection.execute(
        f"CALL ducklake_expire_snapshots('{CATALOG}', versions => [{', '.join(former)}])"
    )


def _lay_out(connection: duckdb.DuckDBPyConnection, table: Table, wanted: Content) -> None:
    for clause in wanted.layout.get(table.name, ()):
        connection.execute(f"ALTER TABLE {CATALOG}.{table.name} {clause}")


def bring_up_to_date(warehouse: WarehouseConnection) -> None:
    """Add what a warehouse that an earlier version made lacks. Where there is none, none is made.

    Raises WarehouseBusy if another writer keeps it for too long.
    """
    if not warehouse.exists:
        return
    with warehouse.open(read_only=True) as connection:
        if is_current(connection, warehouse.lake):
            return
    with warehouse.writing() as connection:
        create(connection, warehouse.lake)


def is_current(connection: duckdb.DuckDBPyConnection, lake: Lake = WAREHOUSE) -> bool:
    """Whether there is nothing that `create` would have to do."""
    wanted = content(lake)
    present = _columns(connection)
    return (
        present.keys() >= {table.name for table in wanted.tables}
        and not _missing_columns(wanted.tables, present)
        and views.are_current(connection, CATALOG, wanted.definitions)
    )


def _missing_columns(
    tables: Sequence[Table], present: Mapping[str, Set[str]]
) -> list[tuple[Table, Field]]:
    """Columns that tables of an earlier version lack."""
    return [
        (table, field)
        for table in tables
        for field in table.fields
        if table.name in present and field.name not in present[table.name]
    ]


def is_created(connection: duckdb.DuckDBPyConnection, lake: Lake = WAREHOUSE) -> bool:
    """Whether all tables for those who ask are there."""
    return _columns(connection).keys() >= {table.name for table in content(lake).asked}


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The columns of each table that is there."""
    rows = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, table_name) WHERE database_name = ? GROUP BY 1",
        [CATALOG],
    ).fetchall()
    return {name: set(columns) for name, columns in rows}


def has_all_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables of this version are there: an older warehouse gets them when something is
    written into it."""
    return _columns(connection).keys() >= {table.name for table in TABLES}


def has_stream_tables(connection: duckdb.DuckDBPyConnection, lake: Lake = WAREHOUSE) -> bool:
    """Whether the tables of the work with Kafka are there: they came later than the others."""
    return _columns(connection).keys() >= {table.name for table in content(lake).stream}


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
