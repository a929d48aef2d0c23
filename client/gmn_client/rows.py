"""Rows that are there already, with the state that they are of.

What belongs here: the answer to a query of one's own, which both clients hand out.
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from gmn_client import frames
from gmn_client.citation import Citation
from gmn_client.flows import Found

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl


class Rows:
    """The rows of a query; `truncated`: there were more."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self.snapshot = found.snapshot
        self.truncated = found.truncated

    def __len__(self) -> int:
        return int(self._found.table.num_rows)

    def cite(self) -> Citation:
        """What to write into a paper."""
        return self._found.reading.cite()

    def arrow(self) -> pa.Table:
        return self._found.table

    def polars(self) -> "pl.DataFrame":
        return frames.to_polars(self._found.table)

    def pandas(self) -> "pd.DataFrame":
        return frames.to_pandas(self._found.table)

    def duckdb(
        self, connection: "duckdb.DuckDBPyConnection | None" = None
    ) -> "duckdb.DuckDBPyRelation":
        return frames.to_duckdb(self._found.table, connection)
