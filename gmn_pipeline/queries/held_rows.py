"""Rows in memory, of which many conditions are asked at once.

What belongs here: one DuckDB that holds nothing, and asking rows of Arrow in it. What does not:
the lake. Only conditions of our own text are to be asked, with values bound.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

_TOGETHER = 100
"""Conditions that one query asks."""
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false", "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false", "python_enable_replacements": "false", "threads": "1",
    "memory_limit": "500MB", "temp_directory": "",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A condition in SQL and the values of its `?`. Two of the same are equal."""

    sql: str
    values: tuple[object, ...]


class HeldRows:
    """Use it from any thread; each call has a cursor of its own."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config=_CONFIG)
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._connection.execute("SET lock_configuration = true")

    def close(self) -> None:
        self._connection.close()

    def matching(
        self, rows: pa.Table, numbers: Sequence[int], asked: Sequence[Asked]
    ) -> list["array[int]"]:
        """For each condition the numbers of the rows for which it holds, each once, in order.

        `numbers`: of the rows; several may have the same.
        """
        of_rows = np.array(numbers, np.int64)
        found: list[array[int]] = []
        with self._connection.cursor() as cursor:
            cursor.register("rows_held", rows)
            for first in range(0, len(asked), _TOGETHER):
                some = asked[first : first + _TOGETHER]
                columns = ", ".join(f"({one.sql}) IS TRUE AS c{n}" for n, one in enumerate(some))
                values = [value for one in some for value in one.values]
                holds = cursor.execute(f"SELECT {columns} FROM rows_held", values).fetchnumpy()
                for column in holds.values():
                    found.append(array("I", np.unique(of_rows[column]).tolist()))
            cursor.unregister("rows_held")
        return found
