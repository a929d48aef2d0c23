"""Ready questions asked of a database, with texts as a person would give them.

What belongs here: giving each parameter a value. What does not: what the answers are to be.
"""

from typing import Any

import duckdb
import polars as pl

from gmn_pipeline.queries.canned.catalogue import CannedQuery, canned_query


def one(connection: duckdb.DuckDBPyConnection, sql: str, *values: object) -> tuple[Any, ...]:
    row = connection.execute(sql, list(values)).fetchone()
    assert row is not None
    return tuple(row)


def values_of(query: CannedQuery, example: dict[str, str], **more: str) -> dict[str, Any]:
    return query.values({p.name: example[p.name] for p in query.parameters if p.is_required} | more)


class Asked:
    """Asks by name, in the file; texts as a person would give them."""

    def __init__(self, file: duckdb.DuckDBPyConnection, example: dict[str, str]) -> None:
        self.file = file
        self.example = example

    def __call__(self, name: str, **parameters: object) -> pl.DataFrame:
        query = canned_query(name)
        texts = {key: str(value) for key, value in parameters.items()}
        return self.file.execute(query.sql, values_of(query, self.example, **texts)).pl()

    def value(self, sql: str, *values: object) -> Any:
        return one(self.file, f"SELECT {sql}", *values)[0]
