"""Create what the warehouse consists of: tables, comments, views under the legacy names.

What belongs here: definitions in SQL, made from `schemas/`. What does not: moving rows
(`store.py`). The SQL stays in the subset that DuckLake and a plain DuckDB file both take, since
the analysts' snapshot is made from the same statements.
"""

from collections.abc import Mapping, Sequence, Set

import duckdb

from gmn_pipeline.schemas.derive import (
    duckdb_add_column,
    duckdb_comment,
    duckdb_comments,
    duckdb_create_table,
    sql_text,
)
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field
from gmn_pipeline.schemas.tables import (
    STREAM_TABLES,
    TRAJECTORIES,
    WAREHOUSE_TABLES,
    WORKING_TABLES,
    Table,
)
from gmn_pipeline.warehouse import statistics
from gmn_pipeline.warehouse.connection import CATALOG, transaction

LEGACY_SCHEMA_VERSION = "2.0"
"""The `schema_version` that the old platform's rows and messages carry."""

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


TABLES = (*WAREHOUSE_TABLES, *WORKING_TABLES)
"""All that the lake holds."""


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create everything that is not there yet: tables, columns of warehouses made before, views."""
    present = _columns(connection)
    missing = [t for t in TABLES if t.name not in present]
    added = _missing_columns(present)
    if not missing and not added:
        return
    if not present:
        # Before any view is there: DuckDB 1.5.5 crashes if an option is set after.
        connection.execute(f"CALL {CATALOG}.set_option('data_inlining_row_limit', {_INLINED_ROWS})")
        for name, value in _FILE_OPTIONS.items():
            connection.execute(f"CALL {CATALOG}.set_option('{name}', '{value}')")
    statistics.make_empty(connection, missing)
    with transaction(connection):
        for table in missing:
            statistics.put_in_place(connection, table)
        for table, field in added:
            connection.execute(duckdb_add_column(table, field, catalog=CATALOG))
            connection.execute(duckdb_comment(table, field, catalog=CATALOG))
        create_views(connection, CATALOG)
    if added:
        statistics.leave_open(connection, TABLES)


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there is nothing that `create` would have to do."""
    present = _columns(connection)
    return present.keys() >= {table.name for table in TABLES} and not _missing_columns(present)


def _missing_columns(present: Mapping[str, Set[str]]) -> list[tuple[Table, Field]]:
    """Columns that tables of an earlier version lack."""
    return [
        (table, field)
        for table in TABLES
        for field in table.fields
        if table.name in present and field.name not in present[table.name]
    ]


def is_created(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether all tables of the file's way are there."""
    return _columns(connection).keys() >= {table.name for table in WAREHOUSE_TABLES}


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The columns of each table that is there."""
    rows = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, table_name) WHERE database_name = ? GROUP BY 1",
        [CATALOG],
    ).fetchall()
    return {name: set(columns) for name, columns in rows}


def has_stream_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables of the work with Kafka are there: they came later than the others."""
    return _columns(connection).keys() >= {table.name for table in STREAM_TABLES}


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


def create_views(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """The legacy views, and past states as a table function."""
    for name, (meaning, query) in VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW {catalog}.{name} AS {query}")
        connection.execute(f"COMMENT ON VIEW {catalog}.{name} IS {sql_text(meaning)}")
    connection.execute(
        f"CREATE OR REPLACE MACRO {catalog}.trajectories_as_of(utc_time) AS TABLE {_AS_OF}"
    )


_CURRENT_COLUMNS = ", ".join(TRAJECTORIES.columns)
_AS_OF = f"""
SELECT {_CURRENT_COLUMNS} FROM trajectories WHERE valid_from_utc <= utc_time
UNION ALL
SELECT {_CURRENT_COLUMNS} FROM trajectory_revisions
WHERE valid_from_utc <= utc_time AND utc_time < valid_until_utc
"""

_STATION_LIST = "array_to_string(participating_stations, ',') AS participating_stations"
_NOT_IN_METEOR = {
    "unique_trajectory_identifier",
    "iau_no",
    "iau_code",
    "num_stat",
    "participating_stations",
}


def _legacy(name: str, legacy_name: str) -> str:
    return _STATION_LIST if name == "participating_stations" else f"{name} AS {legacy_name}"


_LEGACY = [(f.name, f.legacy_name) for f in TRAJECTORY_FIELDS if f.legacy_name]
_SUMMARY = ",\n  ".join(_legacy(name, legacy) for name, legacy in _LEGACY)
_METEOR = ",\n  ".join(
    _legacy(name, legacy) for name, legacy in _LEGACY if legacy not in _NOT_IN_METEOR
)

VIEWS: dict[str, tuple[str, str]] = {
    "meteor_summary": (
        "legacy: one row per trajectory with the column names of the old platform",
        f"SELECT {_SUMMARY},\n  '{LEGACY_SCHEMA_VERSION}' AS schema_version\nFROM trajectories",
    ),
    "meteor": (
        "legacy: trajectories without shower code and stations, which have tables of their own",
        f"""SELECT trajectory_identifier AS id,
  first_loaded_at_utc AS created_at,
  valid_from_utc AS updated_at,
  '{LEGACY_SCHEMA_VERSION}' AS schema_version,
  nullif(iau_shower_number, -1) AS iau_shower_id,
  {_METEOR}
FROM trajectories""",
    ),
    "iau_shower": (
        "legacy: meteor showers of the IAU list",
        """SELECT iau_shower_number AS id, iau_shower_code AS code, iau_shower_name AS name,
  loaded_at_utc AS created_at, loaded_at_utc AS updated_at
FROM iau_showers""",
    ),
    "station": (
        "legacy: stations with their numbers",
        """SELECT station_number AS id, station_code AS code,
  first_loaded_at_utc AS created_at, first_loaded_at_utc AS updated_at
FROM stations""",
    ),
    "participating_station": (
        "legacy: which station took part in which meteor; `id` counts the rows of the answer",
        """SELECT row_number() OVER () AS id,
  first_loaded_at_utc AS created_at, first_loaded_at_utc AS updated_at,
  trajectory_identifier AS meteor_id, station_number AS station_id
FROM trajectory_stations JOIN stations USING (station_code)""",
    ),
}
"""Name -> (meaning, query). The old platform's tables and view, so that old queries go on."""
