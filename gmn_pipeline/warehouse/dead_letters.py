"""Records of a topic that could not be accepted, noted with the reasons.

What belongs here: the table `dead_letters`, of any topic. What does not: the records themselves,
which go to a topic of their own (`kafka/dead_letters.py`).
"""

import duckdb
import polars as pl

from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS


def insert_dead_letters(connection: duckdb.DuckDBPyConnection, dead: pl.DataFrame) -> None:
    """Note dead letters once, also where the topic is read again from its beginning."""
    if not dead.height:
        return
    columns = ", ".join(DEAD_LETTERS.columns)
    connection.register("dead", dead.to_arrow())
    connection.execute(
        f"INSERT INTO dead_letters ({columns}) SELECT {columns} FROM dead "
        "ANTI JOIN dead_letters USING (topic_id, topic_partition, topic_offset)"
    )
    connection.unregister("dead")


def count_dead_letters(connection: duckdb.DuckDBPyConnection, topic: str) -> tuple[int, str | None]:
    """How many a topic has had, and why the last one is one."""
    row = connection.execute(
        "SELECT count(*), max_by(array_to_string(reasons, '; '), recorded_at_utc) "
        "FROM dead_letters WHERE topic = ?",
        [topic],
    ).fetchone()
    assert row is not None
    return row[0], row[1]
