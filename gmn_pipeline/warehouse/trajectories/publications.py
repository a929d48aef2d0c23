"""What the topic says of each trajectory, whoever said it, and what is to be published.

What belongs here: the table `publications`: recording what was sent, and comparing what the topic
says last of a trajectory with the tables. What does not: sending (`publications/`), and messages
that come in (`messages.py`).
"""

from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.trajectory_tables import PUBLICATIONS, TRAJECTORIES
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.merge.terms import KEY
from gmn_pipeline.warehouse.reading import read_rows
from gmn_pipeline.warehouse.stream_session import reading_stream_tables

PUBLISHED, CONSUMED = "published", "consumed"


def record_publications(warehouse: WarehouseConnection, sent: pl.DataFrame) -> None:
    """Record acknowledged messages (columns of `publications`)."""

    def once() -> None:
        with warehouse.writing() as connection, transaction(connection):
            insert_publications(connection, sent)

    retry_while_busy(once)


def insert_publications(connection: duckdb.DuckDBPyConnection, sent: pl.DataFrame) -> None:
    """The same within a transaction."""
    columns = ", ".join(PUBLICATIONS.columns)
    connection.register("sent_messages", sent.select(PUBLICATIONS.columns).to_arrow())
    connection.execute(f"INSERT INTO publications ({columns}) SELECT {columns} FROM sent_messages")
    connection.unregister("sent_messages")


@dataclass(frozen=True)
class PublicationCount:
    """How many messages of its own the warehouse has published, when last, and to which topic."""

    messages: int = 0
    last_sent_at_utc: datetime | None = None
    topic_id: str | None = None


def count_publications(connection: duckdb.DuckDBPyConnection) -> PublicationCount:
    """What the warehouse has published."""
    row = connection.execute(
        "SELECT count(*), max(sent_at_utc), max_by(topic_id, recorded_at_utc) "
        "FROM publications WHERE origin = ?",
        [PUBLISHED],
    ).fetchone()
    assert row is not None
    return PublicationCount(*row)


_LAST_PUBLISHED = f"""
SELECT {KEY}, max_by(revision, (sent_at_utc, topic_offset)) AS revision,
  max_by(change, (sent_at_utc, topic_offset)) AS change,
  max_by(bin_date, (sent_at_utc, topic_offset)) AS bin_date
FROM publications WHERE topic_id = $topic_id {{keys}} GROUP BY 1
"""
# By identifier, wherever it lies: a trajectory may move to another bin between two messages.
_LAST_PUBLISHED_OF_DAYS = _LAST_PUBLISHED.format(
    keys=f"AND {KEY} IN (SELECT {KEY} FROM trajectories WHERE bin_date BETWEEN $first AND $last "
    f"UNION ALL SELECT {KEY} FROM publications WHERE bin_date BETWEEN $first AND $last)"
)
# Trajectories of which the topic says nothing, something older, or that they are gone.
_CHANGED = f"""
FROM trajectories t LEFT JOIN last_published p ON t.{KEY} = p.{KEY}
WHERE t.bin_date BETWEEN $first AND $last
  AND (p.revision IS DISTINCT FROM t.revision OR p.change = '{Change.WITHDRAWN}')
"""
# What the topic still says of trajectories that are there no more.
_VANISHED = f"""
FROM last_published p ANTI JOIN trajectories t ON p.{KEY} = t.{KEY}
WHERE p.bin_date BETWEEN $first AND $last AND p.change <> '{Change.WITHDRAWN}'
"""
_CURRENT = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns)


@dataclass(frozen=True)
class UnpublishedChanges:
    """What the topic does not say (yet), by day. `topic_id` is that of the topic as it is now."""

    warehouse: WarehouseConnection
    topic_id: str

    def days(self, first: date = date.min, last: date = date.max) -> dict[date, int]:
        """How many messages are to be sent for each day."""
        with reading_stream_tables(self.warehouse) as connection:
            if connection is None:
                return self._days_of_an_older_warehouse(first, last)
            rows = retry_while_busy(
                lambda: connection.execute(
                    f"""
                    WITH last_published AS ({_LAST_PUBLISHED.format(keys="")})
                    SELECT bin_date, count(*) FROM (
                      SELECT t.bin_date
                      {_CHANGED}
                      UNION ALL
                      SELECT p.bin_date
                      {_VANISHED}
                    ) GROUP BY 1 ORDER BY 1
                    """,
                    self._values(first, last),
                ).fetchall()
            )
        return dict(rows)

    def _days_of_an_older_warehouse(self, first: date, last: date) -> dict[date, int]:
        """One that was made before there were publications: nothing of it is published."""
        return dict(
            read_rows(
                self.warehouse,
                "SELECT bin_date, count(*) FROM trajectories "
                "WHERE bin_date BETWEEN ? AND ? GROUP BY 1 ORDER BY 1",
                [first, last],
            )
        )

    def rows(self, first: date, last: date) -> pl.DataFrame:
        """Trajectories to be sent, with `change`: inserted if the topic never told of it."""
        with reading_stream_tables(self.warehouse) as connection:
            assert connection is not None
            return retry_while_busy(
                lambda: connection.execute(
                    f"""
                    WITH last_published AS ({_LAST_PUBLISHED_OF_DAYS})
                    SELECT {_CURRENT}, CASE
                      WHEN p.{KEY} IS NULL OR p.change = '{Change.WITHDRAWN}'
                      THEN '{Change.INSERTED}'
                      ELSE '{Change.REVISED}' END AS change
                    {_CHANGED}
                    ORDER BY t.bin_date, t.{KEY}
                    """,
                    self._values(first, last),
                ).pl()
            )

    def tombstones(self, first: date, last: date) -> pl.DataFrame:
        """Trajectories that the topic still tells of, with when they were found to be gone."""
        with reading_stream_tables(self.warehouse) as connection:
            assert connection is not None
            return retry_while_busy(
                lambda: connection.execute(
                    f"""
                    WITH last_published AS ({_LAST_PUBLISHED_OF_DAYS}), withdrawn AS (
                      SELECT r.{KEY}, max(coalesce(f.summary_generated_at_utc,
                        r.valid_until_utc)) AS generated_at_utc
                      FROM trajectory_revisions r LEFT JOIN source_files f
                        ON r.superseded_by_file_sha256 = f.source_file_sha256
                      WHERE r.change = '{Change.WITHDRAWN}'
                        AND r.{KEY} IN (SELECT {KEY} FROM last_published)
                      GROUP BY 1
                    )
                    SELECT v.{KEY}, v.bin_date, coalesce(w.generated_at_utc, $now::TIMESTAMP)
                      AS generated_at_utc
                    FROM (SELECT p.{KEY}, p.bin_date {_VANISHED}) v
                    LEFT JOIN withdrawn w ON v.{KEY} = w.{KEY}
                    ORDER BY v.bin_date, v.{KEY}
                    """,
                    self._values(first, last) | {"now": utc_now()},
                ).pl()
            )

    def _values(self, first: date, last: date) -> dict[str, object]:
        first, last = max(first, date(1, 1, 2)), min(last, date(9999, 12, 30))
        return {"topic_id": self.topic_id, "first": first, "last": last}
