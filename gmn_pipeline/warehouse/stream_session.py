"""Sessions for the work with Kafka, whose tables came later than the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection


@contextmanager
def stream_session(warehouse: WarehouseConnection) -> Iterator[None]:
    """Work in one DuckDB, with the tables there: opening one takes longer than a small merge.

    Several threads may work at once.
    """
    with warehouse.session(), warehouse.backend.catalog.held_open():
        with warehouse.writing() as connection:
            ddl.create(connection, warehouse.lake)
        yield


@contextmanager
def reading_stream_tables(
    warehouse: WarehouseConnection,
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A session to read with; None as long as there is nothing to read."""
    if not warehouse.exists:
        yield None
        return
    with warehouse.open(read_only=True) as connection:
        yield connection if ddl.has_stream_tables(connection, warehouse.lake) else None
