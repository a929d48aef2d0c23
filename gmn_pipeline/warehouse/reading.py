"""Rows of a query that this project writes itself, over the lake as its last commit left it.

What belongs here: reading for stages, sensors and commands. What does not: a query that somebody
typed (`queries/`), which has limits and a door of its own.
"""

from collections.abc import Sequence
from typing import Any

from gmn_pipeline.imports import without
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy


def read_rows(
    warehouse: WarehouseConnection, sql: str, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a query; none as long as there is no such lake."""
    return Reader(warehouse).rows(sql, values)


class Reader:
    """The same for who asks often: that a lake has all its tables is found out once, which takes
    longer than most queries."""

    def __init__(self, warehouse: WarehouseConnection) -> None:
        self._warehouse = warehouse
        self._is_created = False

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `read_rows`."""
        if not self._warehouse.exists:
            return []
        with without("pandas"), self._warehouse.open(read_only=True) as connection:
            if not self._is_created:
                self._is_created = ddl.is_created(connection, self._warehouse.lake)
            if not self._is_created:
                return []
            return retry_while_busy(lambda: connection.execute(sql, list(values)).fetchall())
