"""What somebody may see of the lake of objects, copied before their query runs.

What belongs here: which rows of which tables these are. What does not: which projects somebody may
see (`serving/objects/rights.py`), and judging the query (`statement.py`).

A view with a condition would not do: DuckDB may evaluate a query's own conditions first, and what
`CAST(text AS INTEGER)` complains of, or EXPLAIN estimates, tells of rows that are not shown. So the
rows go into tables in memory and the lake is detached: when the query begins there is nothing else
that it could reach. They count towards its memory. The process answers nobody else.
"""

import threading
from collections.abc import Iterator

import duckdb

from gmn_pipeline.errors import QueryFailed, WarehouseBusy
from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.statement import may_ask
from gmn_pipeline.schemas.object_tables import (
    CATALOGUE,
    LOADED_COLUMNS,
    LOADS,
    OBJECT_ID,
    PROCESSED_TABLES,
    PROVENANCE,
    VERSION,
)
from gmn_pipeline.schemas.sql import quoted, sql_text
from gmn_pipeline.warehouse.connection import Standing, WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline.warehouse.objects.views import OBJECT_VIEWS

_ALL = "all_objects"
"""The lake, as long as it is attached."""
_IDS = f'{OBJECTS.name}."visible ids"'
"""A name that no table of the lake can have."""
_FIRST = (OBJECT_ID.name, VERSION.name, "row_number")


def copy_visible(
    standing: Standing, lake: WarehouseConnection, visible: Visible, sql: str, limits: Limits,
) -> None:  # fmt: skip
    """Copy what these objects have in the tables that a query may name, as
    `objects.<table>`. Raises QueryLimit, or MemoryError."""
    connection = standing.connection
    connection.execute(f"SET memory_limit = '{limits.memory_mb}MB'")
    connection.execute(f"SET max_temp_directory_size = '{limits.disk_mb}MB'")
    standing.attach_as(lake, _ALL)
    connection.execute(f"ATTACH ':memory:' AS {OBJECTS.name}")
    timer = threading.Timer(limits.seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        connection.execute("BEGIN")  # one state of the lake
        for statement in _statements(connection, visible, sql):
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute(f"USE {OBJECTS.name}")
        for view in OBJECT_VIEWS:
            if may_ask(sql, view.name):
                connection.execute(f"CREATE TABLE {view.name} AS {view.query}")
        connection.execute("USE memory")
    except duckdb.InterruptException as error:
        raise limits.time_reached() from error
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    except duckdb.Error as error:  # its text is of rows that may not be seen
        raise WarehouseBusy("The tables of objects cannot be read just now.") from error
    finally:
        timer.cancel()
    connection.execute(f"DROP TABLE {_IDS}")
    connection.execute(f"DETACH {_ALL}")
    left = connection.execute(
        "SELECT count(*) FROM duckdb_databases() WHERE contains(database_name, ?)", [_ALL]
    ).fetchone()
    if left != (0,):
        raise QueryFailed("The lake of objects could not be closed before the query.")
    standing.copied.append(OBJECTS.name)


def _statements(connection: duckdb.DuckDBPyConnection, visible: Visible, sql: str) -> Iterator[str]:
    names = ", ".join(map(sql_text, sorted(visible.projects))) or "NULL"
    is_visible = f"project IN ({names})"
    gone = ", ".join(map(str, sorted(visible.gone)))
    is_there = f"{is_visible} AND object_id NOT IN ({gone})" if gone else is_visible
    of_visible = f"object_id IN (SELECT object_id FROM {_IDS})"
    texts = [sql, *(view.query for view in OBJECT_VIEWS if may_ask(sql, view.name))]
    yield (f"CREATE TABLE {_IDS} AS SELECT object_id FROM {_ALL}.{CATALOGUE.name} WHERE {is_there}")
    conditions = {
        CATALOGUE.name: is_there,
        PROVENANCE.name: f"{of_visible} AND made_id IN (SELECT object_id FROM {_IDS})",
        LOADED_COLUMNS.name: is_visible, LOADS.name: of_visible,
        **{table.name: of_visible for table in PROCESSED_TABLES},
    }  # fmt: skip
    for name, condition in conditions.items():
        if any(may_ask(text, name) for text in texts):
            yield _copied(name, "*", condition)
    columns = connection.execute(
        f"SELECT table_name, list(DISTINCT column_name ORDER BY column_name) "
        f"FROM {_ALL}.{LOADED_COLUMNS.name} WHERE {is_visible} GROUP BY table_name"
    ).fetchall()
    for name, own in columns:
        # A table may have columns that only objects of others have.
        if may_ask(sql, name) and name not in conditions:
            first = [column for column in _FIRST if column not in own]
            shown = ", ".join(map(quoted, (*first, *own)))
            yield _copied(name, shown, of_visible)


def _copied(name: str, columns: str, condition: str) -> str:
    table = quoted(name)
    return (
        f"CREATE TABLE {OBJECTS.name}.{table} AS SELECT {columns} FROM {_ALL}.{table} "
        f"WHERE {condition}"
    )
