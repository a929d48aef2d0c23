"""Rows of a query that this project writes itself, over the lake as its last commit left it.

What belongs here: reading for stages, sensors and commands. What does not: a query that somebody
typed (`queries/`), which has limits and a door of its own.
"""

from collections.abc import Sequence
from typing import Any

from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy


def read_rows(
    warehouse: WarehouseConnection, sql: str, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a query; none as long as there is no such lake."""
    if not warehouse.exists:
        return []
    with warehouse.open(read_only=True) as connection:
        if not ddl.is_created(connection, warehouse.lake):
            return []
        return retry_while_busy(lambda: connection.execute(sql, list(values)).fetchall())
