"""Messages into the warehouse: a batch is one transaction of rows, dead letters and next offsets.

The rules are those of files (`files.py`), for single trajectories:

- The newest generation wins: the time at which the network generated the file that a message
  follows from or, where a message names none, the time of the message. At equal generation, in
  one bin, the later message wins, so that all who read the topic come to the same.
- A message of the warehouse's own changes nothing: it is known by its place on the topic.
- A tombstone withdraws, unless the trajectory is of a newer generation.
- Several messages of one trajectory in one batch are merged one after the other, so that each
  state becomes a revision as if the topic had been read message by message.

What the topic says last of a trajectory is recorded (`publications.py`), whoever said it.

What belongs here: this merge. What does not: offsets and dead letters of any topic (`offsets.py`,
`dead_letters.py`), and bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import CountMismatch
from gmn_pipeline.schemas.changes import Change, any_of
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.trajectory_tables import PUBLICATIONS
from gmn_pipeline.warehouse import statistics
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.dead_letters import insert_dead_letters
from gmn_pipeline.warehouse.maintenance import flush_small_commits
from gmn_pipeline.warehouse.merge import TrajectoryMerge
from gmn_pipeline.warehouse.merge.terms import (
    ARRIVING_COLUMNS,
    GONE_COLUMNS,
    IS_INSIDE,
    KEY,
    MERGED_TABLES,
    SPEAKER_COLUMNS,
)
from gmn_pipeline.warehouse.offsets import move_offsets
from gmn_pipeline.warehouse.trajectories.publications import (
    CONSUMED,
    PUBLISHED,
    insert_publications,
)

_MOST_STATES = 100
"""So many messages of one trajectory are merged of a range, the newest: each takes a round."""

_COMMITS_A_FLUSH = 10
"""At the first commit and every so many, it is asked whether there is something to flush: that
takes a tenth of a small commit."""

MESSAGE_SCHEMA = pl.Schema(
    {
        "message": pl.Int64(),
        KEY: pl.String(),
        "is_tombstone": pl.Boolean(),
        "change": pl.String(),
        "generated_at_utc": pl.Datetime("us"),
        "source_file_sha256": pl.String(),
        "bin_date": pl.Date(),
        "bin_solar_longitude_deg": pl.Int32(),
        "has_bin": pl.Boolean(),
        "topic_partition": pl.Int32(),
        "topic_offset": pl.Int64(),
        "sent_at_utc": pl.Datetime("us"),
    }
)
"""The columns of `MessageBatch.messages`: one row for each acceptable message."""


@dataclass(frozen=True)
class MessageBatch:
    """What was read of a topic: `rows` (with `message`) of the messages that are no tombstones."""

    topic: str
    topic_id: str
    cluster_id: str
    ranges: Sequence[OffsetRange]
    messages: pl.DataFrame
    rows: pl.DataFrame
    dead_letters: pl.DataFrame
    run_id: str | None = None


@dataclass
class MergeCounts:
    """What became of the messages of a batch; they add up to `read`."""

    read: int = 0
    inserted: int = 0
    revised: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    own: int = 0
    outdated: int = 0
    superseded: int = 0
    dead: int = 0
    bins: set[date] = field(default_factory=set)

    def add(self, other: "MergeCounts") -> None:
        """Count another batch's messages too."""
        self.read += other.read
        self.inserted += other.inserted
        self.revised += other.revised
        self.unchanged += other.unchanged
        self.withdrawn += other.withdrawn
        self.own += other.own
        self.outdated += other.outdated
        self.superseded += other.superseded
        self.dead += other.dead
        self.bins |= other.bins

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in COUNTS}


COUNTS = (
    "read",
    "inserted",
    "revised",
    "unchanged",
    "withdrawn",
    "own",
    "outdated",
    "superseded",
    "dead",
)


def merge_messages(warehouse: WarehouseConnection, batch: MessageBatch) -> MergeCounts:
    """Merge a batch into tables that are there; move the offsets in the same transaction.

    Raises StreamBusy if the offsets are not where the batch begins (any more).
    """

    def once() -> MergeCounts:
        rows = batch.messages.height
        with warehouse.writing(rows) as connection, transaction(connection):
            move_offsets(connection, batch.topic, batch.topic_id, batch.cluster_id, batch.ranges)
            counts = _MessageMerge(connection, batch).merge()
            insert_dead_letters(connection, batch.dead_letters)
        return counts

    # A reader may hold the catalogue at the very moment of the commit.
    counts = retry_while_busy(once)
    warehouse.small_commits += 1
    if warehouse.small_commits % _COMMITS_A_FLUSH == 1:
        flush_small_commits(warehouse)
    return counts


class _MessageMerge:
    """One transaction's work: messages, brought in by the merge of files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, batch: MessageBatch) -> None:
        self._connection = connection
        self._batch = batch
        self._now = utc_now()
        self._merge = TrajectoryMerge(connection, self._now, of_messages=True)

    def merge(self) -> MergeCounts:
        """Merge, and tell what became of each message."""
        messages = self._batch.messages
        counts = MergeCounts(
            read=messages.height + self._batch.dead_letters.height,
            dead=self._batch.dead_letters.height,
        )
        if not messages.height:
            return counts
        external = self._find_external(messages)
        counts.own = messages.height - external
        rounds, latest = self._choose(external)
        counts.superseded = external - latest
        if rounds:
            self._prepare()
        if rounds > 1:
            # What comes in one round may go in the next.
            statistics.leave_open_in_transaction(self._connection, MERGED_TABLES)
        for number in range(1, rounds + 1):
            self._merge_round(number, counts)
        self._assert_adds_up(counts)
        return counts

    def _prepare(self) -> None:
        """`arriving_row`: what the messages say; and no file that speaks of whole bins.

        A table: of what is registered as Arrow, DuckDB 1.5.5 refuses some joins.
        """
        self._connection.register("message_row", self._batch.rows.to_arrow())
        self._run(
            "CREATE OR REPLACE TEMP TABLE arriving_row AS "
            "SELECT * RENAME (message AS row) FROM message_row"
        )
        self._connection.unregister("message_row")
        self._run(f"CREATE OR REPLACE TEMP TABLE speaker ({SPEAKER_COLUMNS})")

    def _merge_round(self, number: int, counts: MergeCounts) -> None:
        """Merge at most one message of each trajectory: its first, then its second, and so on."""
        self._run(
            "CREATE OR REPLACE TEMP TABLE incoming AS "
            f"SELECT * EXCLUDE (round) FROM latest_messages WHERE round = {number}"
        )
        self._note_arriving()
        self._merge.run()
        self._find_fates()
        self._record_topic_state()
        fates = dict(self._run("SELECT fate, count(*) FROM message_fate GROUP BY 1"))
        counts.add(MergeCounts(**fates, bins=self._changed_bins()))

    def _run(self, sql: str, **values: object) -> list[tuple]:  # type: ignore[type-arg]
        return self._connection.execute(sql, values).fetchall()

    def _count(self, table: str) -> int:
        return int(self._run(f"SELECT count(*) FROM {table}")[0][0])

    def _find_external(self, messages: pl.DataFrame) -> int:
        """`external_messages`: those that are not the warehouse's own; how many."""
        self._connection.register("received", messages.to_arrow())
        self._run("CREATE OR REPLACE TEMP TABLE received_messages AS FROM received")
        self._connection.unregister("received")
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE external_messages AS FROM received_messages
            ANTI JOIN (
              FROM publications WHERE topic_id = $topic_id AND origin = '{PUBLISHED}'
              AND sent_at_utc BETWEEN $first_sent AND $last_sent
            ) USING (topic_partition, topic_offset)
            """,
            topic_id=self._batch.topic_id,
            first_sent=messages.get_column("sent_at_utc").min(),
            last_sent=messages.get_column("sent_at_utc").max(),
        )
        return self._count("external_messages")

    def _choose(self, external: int) -> tuple[int, int]:
        """`latest_messages`: external ones, with the round in which they are merged. How many
        rounds, and how many messages.

        In the order of the topic: within a partition that of offsets, between partitions (which
        only more partitions or another sender's hash make necessary) that of time.
        """
        if external and self._batch.messages.get_column(KEY).is_unique().all():
            self._run(
                "CREATE OR REPLACE TEMP TABLE latest_messages AS "
                "SELECT *, 1 AS round FROM external_messages"
            )
            return 1, external
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE latest_messages AS
            WITH timed AS (
              SELECT *, max(sent_at_utc) OVER (PARTITION BY topic_partition ORDER BY topic_offset)
                AS topic_time
              FROM external_messages
            ), newest AS (
              FROM timed QUALIFY row_number() OVER (PARTITION BY {KEY}
                ORDER BY generated_at_utc DESC, topic_time DESC, topic_offset DESC)
                <= {_MOST_STATES}
            )
            SELECT * EXCLUDE (topic_time), row_number() OVER (PARTITION BY {KEY}
              ORDER BY topic_time, topic_partition, topic_offset) AS round
            FROM newest
            """
        )
        ((rounds, latest),) = self._run(
            "SELECT coalesce(max(round), 0), count(*) FROM latest_messages"
        )
        return rounds, latest

    def _note_arriving(self) -> None:
        """`arriving` and `gone`: what the merge needs of the round's messages to decide."""
        self._run(f"CREATE OR REPLACE TEMP TABLE arriving ({ARRIVING_COLUMNS})")
        self._run(
            f"""
            INSERT INTO arriving
            SELECT row, row, {KEY}, generated_at_utc, source_file_sha256, has_bin,
              bin_date, bin_solar_longitude_deg, {IS_INSIDE}, beginning_utc_time,
              solar_longitude_deg
            FROM arriving_row
            WHERE row IN (SELECT message FROM incoming WHERE NOT is_tombstone)
            """
        )
        self._run(f"CREATE OR REPLACE TEMP TABLE gone ({GONE_COLUMNS})")
        self._run(
            f"""
            INSERT INTO gone
            SELECT message, {KEY}, generated_at_utc, source_file_sha256
            FROM incoming WHERE is_tombstone
            """
        )

    def _find_fates(self) -> None:
        """`message_fate`: what became of each message of the round."""
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE message_fate AS
            SELECT i.message, i.{KEY}, coalesce(c.bin_date, p.bin_date, i.bin_date) AS bin_date,
              CASE WHEN i.is_tombstone AND c.change = '{Change.WITHDRAWN}'
                  THEN '{Change.WITHDRAWN}'
                WHEN i.is_tombstone AND p.{KEY} IS NULL THEN '{Change.UNCHANGED}'
                WHEN i.is_tombstone OR c.row IS DISTINCT FROM i.message THEN '{Change.OUTDATED}'
                WHEN c.change IN {any_of(Change.INSERTED, Change.REVISED)} THEN c.change
                ELSE '{Change.UNCHANGED}' END AS fate
            FROM incoming i LEFT JOIN change c USING ({KEY}) LEFT JOIN near p USING ({KEY})
            """
        )

    def _record_topic_state(self) -> None:
        """What the topic says of each trajectory, and which revision that is, if it is one."""
        sent = self._connection.execute(
            f"""
            SELECT i.{KEY}, coalesce(t.bin_date, f.bin_date) AS bin_date,
              '{CONSUMED}' AS origin,
              CASE WHEN i.is_tombstone THEN '{Change.WITHDRAWN}' ELSE i.change END AS change,
              CASE WHEN f.fate IN {any_of(Change.OUTDATED, Change.WITHDRAWN)} THEN 0
                ELSE coalesce(t.revision, 0) END AS revision,
              NULL::VARCHAR AS content_sha256, i.generated_at_utc, $topic_id AS topic_id,
              i.topic_partition, i.topic_offset, i.sent_at_utc, $run_id::VARCHAR AS run_id,
              $now::TIMESTAMP AS recorded_at_utc
            FROM incoming i JOIN message_fate f ON i.message = f.message
            LEFT JOIN (
              SELECT {KEY}, bin_date, revision FROM changed_row
              UNION ALL
              SELECT {KEY}, bin_date, revision FROM standing
              ANTI JOIN (FROM change WHERE change <> '{Change.UNCHANGED}') USING ({KEY})
            ) t ON i.{KEY} = t.{KEY}
            """,
            {"topic_id": self._batch.topic_id, "run_id": self._batch.run_id, "now": self._now},
        ).pl()
        schema = dict(polars_schema(PUBLICATIONS.fields))
        insert_publications(self._connection, sent.cast(schema))  # type: ignore[arg-type]

    def _changed_bins(self) -> set[date]:
        rows = self._run(
            "SELECT DISTINCT bin_date FROM change WHERE bin_date IS NOT NULL "
            f"AND change IN {any_of(Change.INSERTED, Change.REVISED, Change.WITHDRAWN)}"
        )
        return {day for (day,) in rows}

    def _assert_adds_up(self, counts: MergeCounts) -> None:
        """Every message has one fate, and the tables hold what was counted."""
        parts = sum(getattr(counts, name) for name in COUNTS[1:])
        if parts != counts.read or min(getattr(counts, name) for name in COUNTS) < 0:
            raise CountMismatch(
                f"Messages of {self._batch.topic} do not add up: {counts.as_dict()}.",
                remedy="Nothing was committed. This is a fault of this program: please report it "
                f"with the offsets {list(self._batch.ranges)}.",
            )
