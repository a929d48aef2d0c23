"""What the work with Kafka writes to the warehouse: messages taken in, publications, offsets.

A range of messages is one transaction: rows, dead letters and next offsets together, or none of
them. The rules are those of files (`store.py`), for single trajectories:

- The newest generation wins: the time at which the network generated the file that a message
  follows from or, where a message names none, the time of the message. At equal generation the
  later message wins, so that all who read the topic come to the same.
- A message of the warehouse's own changes nothing: it is known by its place on the topic.
- A tombstone withdraws, unless the trajectory is of a newer generation.
- Several messages of one trajectory in one range are merged one after the other, so that each
  state becomes a revision as if the range had been read message by message.

What the topic says last of a trajectory is noted in `publications`, whoever said it: what is to be
published is what the topic does not say (`Unpublished`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.config import Settings
from gmn_pipeline.errors import CountMismatch, StreamBusy
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS, STREAM_OFFSETS
from gmn_pipeline.schemas.trajectory_tables import PUBLICATIONS, TRAJECTORIES
from gmn_pipeline.warehouse import layout, statistics
from gmn_pipeline.warehouse.connection import WarehouseConnection, patiently, transaction
from gmn_pipeline.warehouse.maintenance import flush_small_commits
from gmn_pipeline.warehouse.merge import TrajectoryMerge
from gmn_pipeline.warehouse.merge.terms import (
    ARRIVING_COLUMNS,
    AT_UTC,
    GONE_COLUMNS,
    IS_INSIDE,
    KEY,
    MERGED_TABLES,
    NEIGHBOUR_DEG,
    SPEAKER_COLUMNS,
)
from gmn_pipeline.warehouse.store import ask

PUBLISHED, CONSUMED = "published", "consumed"
INSERTED, REVISED, WITHDRAWN = "inserted", "revised", "withdrawn"
_MOST_STATES = 100
"""So many messages of one trajectory are merged of a range, the newest: each takes a round."""

ARRIVED_SCHEMA = pl.Schema(
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
"""The columns of `Arrival.messages`: one row for each acceptable message."""


@dataclass(frozen=True)
class Range:
    """Offsets of a partition, from `begin` to before `end`."""

    partition: int
    begin: int
    end: int


@dataclass(frozen=True)
class Stored:
    """Up to where a partition is in the warehouse."""

    topic_id: str
    next_offset: int


@dataclass(frozen=True)
class Arrival:
    """What was read of a topic: `rows` (with `message`) of the messages that are no tombstones."""

    topic: str
    topic_id: str
    cluster_id: str
    ranges: Sequence[Range]
    messages: pl.DataFrame
    rows: pl.DataFrame
    dead_letters: pl.DataFrame
    run_id: str | None = None


@dataclass
class MergeCounts:
    """What became of the messages of an arrival; they add up to `read`."""

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
        """Count another arrival's messages too."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
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


class StreamStore:
    """Reads and writes the stream's part of one warehouse."""

    def __init__(self, settings: Settings) -> None:
        self.connection = WarehouseConnection(settings)

    def create(self) -> None:
        """Create the tables that are not there yet."""
        with self.connection.writing() as connection:
            layout.create(connection)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Work in one DuckDB, with the tables there: opening one takes longer than a small merge.

        Several threads may work at once.
        """
        with self.connection.kept_open():
            self.create()
            yield

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A session to read with; None as long as there is nothing to read."""
        if not self.connection.exists:
            yield None
            return
        with self.connection.open(read_only=True) as connection:
            yield connection if layout.has_stream_tables(connection) else None

    def offsets(self, topic: str) -> dict[int, Stored]:
        """The next offset of each partition."""
        with self.reading() as connection:
            return patiently(lambda: _offsets(connection, topic)) if connection else {}

    def forget_offsets(self, topic: str) -> None:
        """Let the topic be read from its beginning again. Merging it twice changes nothing."""
        with self.connection.writing() as connection:
            layout.create(connection)
            with transaction(connection):
                connection.execute("DELETE FROM stream_offsets WHERE topic = ?", [topic])

    def merge(self, arrival: Arrival) -> MergeCounts:
        """Merge an arrival into tables that are there; move the offsets in the same transaction.

        Raises StreamBusy if the offsets are not where the arrival begins (any more).
        """

        def once() -> MergeCounts:
            with self.connection.writing() as connection:
                return merge(connection, arrival)

        # A reader may hold the catalogue at the very moment of the commit.
        counts = patiently(once)
        flush_small_commits(self.connection)
        return counts

    def record_publications(self, sent: pl.DataFrame) -> None:
        """Record acknowledged messages (columns of `publications`)."""

        def once() -> None:
            with self.connection.writing() as connection, transaction(connection):
                _insert_publications(connection, sent)

        patiently(once)


def _insert_publications(connection: duckdb.DuckDBPyConnection, sent: pl.DataFrame) -> None:
    columns = ", ".join(PUBLICATIONS.columns)
    connection.register("sent_messages", sent.select(PUBLICATIONS.columns).to_arrow())
    connection.execute(f"INSERT INTO publications ({columns}) SELECT {columns} FROM sent_messages")
    connection.unregister("sent_messages")


def _offsets(connection: duckdb.DuckDBPyConnection, topic: str) -> dict[int, Stored]:
    rows = connection.execute(
        "SELECT topic_partition, topic_id, next_offset FROM stream_offsets WHERE topic = ?",
        [topic],
    ).fetchall()
    return {partition: Stored(topic_id, at) for partition, topic_id, at in rows}


def merge(connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> MergeCounts:
    """Merge an arrival in one transaction of a session that may write."""
    with transaction(connection):
        _check_offsets(connection, arrival)
        counts = _MessageLoad(connection, arrival).merge()
        _insert_dead_letters(connection, arrival)
        _move_offsets(connection, arrival)
    return counts


def _check_offsets(connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> None:
    stored = _offsets(connection, arrival.topic)
    for range_ in arrival.ranges:
        at = stored.get(range_.partition)
        if at and at.topic_id == arrival.topic_id and at.next_offset != range_.begin:
            raise StreamBusy(
                f"Partition {range_.partition} of {arrival.topic} is at offset {at.next_offset} by "
                f"now, not at {range_.begin}.",
                remedy="Another process took it in; this run's range is asked for anew if needed.",
            )


def _move_offsets(connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> None:
    # One statement each: DuckLake keeps so few rows in its catalogue, not in files.
    partitions = ", ".join(str(r.partition) for r in arrival.ranges)
    connection.execute(
        f"DELETE FROM stream_offsets WHERE topic = ? AND topic_partition IN ({partitions})",
        [arrival.topic],
    )
    now = utc_now()
    marks = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(arrival.ranges))
    values = [
        value
        for r in arrival.ranges
        for value in (arrival.topic, arrival.topic_id, arrival.cluster_id, r.partition, r.end, now)
    ]
    columns = ", ".join(STREAM_OFFSETS.columns)
    connection.execute(f"INSERT INTO stream_offsets ({columns}) VALUES {marks}", values)


def _insert_dead_letters(connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> None:
    """Note dead letters once, also where the topic is read again from its beginning."""
    if not arrival.dead_letters.height:
        return
    columns = ", ".join(DEAD_LETTERS.columns)
    connection.register("dead", arrival.dead_letters.to_arrow())
    connection.execute(
        f"INSERT INTO dead_letters ({columns}) SELECT {columns} FROM dead "
        "ANTI JOIN dead_letters USING (topic_id, topic_partition, topic_offset)"
    )
    connection.unregister("dead")


class _MessageLoad:
    """One transaction's work: messages, brought in by the merge of files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, arrival: Arrival) -> None:
        self._connection = connection
        self._arrival = arrival
        self._now = utc_now()
        # Other flags for the same content do not travel by message.
        self._merge = TrajectoryMerge(connection, self._now, compare_flags=False)

    def merge(self) -> MergeCounts:
        """Merge, and tell what became of each message."""
        messages = self._arrival.messages
        counts = MergeCounts(
            read=messages.height + self._arrival.dead_letters.height,
            dead=self._arrival.dead_letters.height,
        )
        if not messages.height:
            return counts
        rounds = self._choose(messages)
        counts.own = messages.height - self._count("foreign_message")
        counts.superseded = messages.height - counts.own - self._count("chosen_message")
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
        self._connection.register("message_row", self._arrival.rows.to_arrow())
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
            f"SELECT * EXCLUDE (round) FROM chosen_message WHERE round = {number}"
        )
        self._note_arriving()
        self._merge.run()
        self._find_fates()
        self._note_what_the_topic_says()
        fates = dict(self._run("SELECT fate, count(*) FROM message_fate GROUP BY 1"))
        for name, count in fates.items():
            setattr(counts, name, getattr(counts, name) + count)
        counts.bins |= self._changed_bins()

    def _run(self, sql: str, **values: object) -> list[tuple]:  # type: ignore[type-arg]
        return self._connection.execute(sql, values).fetchall()

    def _count(self, table: str) -> int:
        return int(self._run(f"SELECT count(*) FROM {table}")[0][0])

    def _choose(self, messages: pl.DataFrame) -> int:
        """`chosen_message`: those that are not the warehouse's own, and in which round; how many.

        In the order of the topic: within a partition that of offsets, between partitions (which
        only more partitions or another sender's hash make necessary) that of time.
        """
        self._connection.register("arrived", messages.to_arrow())
        self._run("CREATE OR REPLACE TEMP TABLE arrived_message AS FROM arrived")
        self._connection.unregister("arrived")
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE foreign_message AS FROM arrived_message
            ANTI JOIN (
              FROM publications WHERE topic_id = $topic_id AND origin = '{PUBLISHED}'
              AND sent_at_utc BETWEEN $first_sent AND $last_sent
            ) USING (topic_partition, topic_offset)
            """,
            topic_id=self._arrival.topic_id,
            first_sent=messages.get_column("sent_at_utc").min(),
            last_sent=messages.get_column("sent_at_utc").max(),
        )
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE chosen_message AS
            WITH timed AS (
              SELECT *, max(sent_at_utc) OVER (PARTITION BY topic_partition ORDER BY topic_offset)
                AS topic_time
              FROM foreign_message
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
        return int(self._run("SELECT coalesce(max(round), 0) FROM chosen_message")[0][0])

    def _note_arriving(self) -> None:
        """`arriving` and `gone`: what the merge needs of the round's messages to decide."""
        self._run(f"CREATE OR REPLACE TEMP TABLE arriving ({ARRIVING_COLUMNS})")
        self._run(
            f"""
            INSERT INTO arriving
            SELECT row, row, {KEY}, generated_at_utc, source_file_sha256, has_bin,
              bin_date, bin_solar_longitude_deg, {AT_UTC}, {IS_INSIDE},
              {NEIGHBOUR_DEG}
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
              CASE WHEN i.is_tombstone AND c.change = 'withdrawn' THEN '{WITHDRAWN}'
                WHEN i.is_tombstone AND p.{KEY} IS NULL THEN 'unchanged'
                WHEN i.is_tombstone OR c.row IS DISTINCT FROM i.message THEN 'outdated'
                WHEN c.change IN ('{INSERTED}', '{REVISED}') THEN c.change
                ELSE 'unchanged' END AS fate
            FROM incoming i LEFT JOIN change c USING ({KEY}) LEFT JOIN present p USING ({KEY})
            """
        )

    def _note_what_the_topic_says(self) -> None:
        """What the topic says of each trajectory, and which revision that is, if it is one."""
        sent = self._connection.execute(
            f"""
            SELECT i.{KEY}, coalesce(t.bin_date, f.bin_date) AS bin_date,
              '{CONSUMED}' AS origin,
              CASE WHEN i.is_tombstone THEN '{WITHDRAWN}' ELSE i.change END AS change,
              CASE WHEN f.fate IN ('outdated', '{WITHDRAWN}') THEN 0
                ELSE coalesce(t.revision, 0) END AS revision,
              NULL::VARCHAR AS content_sha256, i.generated_at_utc, $topic_id AS topic_id,
              i.topic_partition, i.topic_offset, i.sent_at_utc, $run_id::VARCHAR AS run_id,
              $now::TIMESTAMP AS recorded_at_utc
            FROM incoming i JOIN message_fate f ON i.message = f.message
            LEFT JOIN (
              SELECT {KEY}, bin_date, revision FROM trajectories
              WHERE {KEY} BETWEEN (SELECT min({KEY}) FROM incoming)
                AND (SELECT max({KEY}) FROM incoming)
            ) t ON i.{KEY} = t.{KEY}
            """,
            {"topic_id": self._arrival.topic_id, "run_id": self._arrival.run_id, "now": self._now},
        ).pl()
        schema = dict(polars_schema(PUBLICATIONS.fields))
        _insert_publications(self._connection, sent.cast(schema))  # type: ignore[arg-type]

    def _changed_bins(self) -> set[date]:
        rows = self._run(
            "SELECT DISTINCT bin_date FROM change "
            "WHERE change IN ('inserted', 'revised', 'withdrawn') AND bin_date IS NOT NULL"
        )
        return {day for (day,) in rows}

    def _assert_adds_up(self, counts: MergeCounts) -> None:
        """Every message has one fate, and the tables hold what was counted."""
        parts = sum(getattr(counts, name) for name in COUNTS[1:])
        if parts != counts.read or min(getattr(counts, name) for name in COUNTS) < 0:
            raise CountMismatch(
                f"Messages of {self._arrival.topic} do not add up: {counts.as_dict()}.",
                remedy="Nothing was committed. This is a fault of this program: please report it "
                f"with the offsets {list(self._arrival.ranges)}.",
            )


# --- what is to be published ---------------------------------------------------------------------

_LAST_SAID = f"""
SELECT {KEY}, max_by(revision, (sent_at_utc, topic_offset)) AS revision,
  max_by(change, (sent_at_utc, topic_offset)) AS change,
  max_by(bin_date, (sent_at_utc, topic_offset)) AS bin_date
FROM publications WHERE topic_id = $topic_id {{keys}} GROUP BY 1
"""
# By identifier, wherever it lies: a trajectory may move to another bin between two messages.
_SAID_OF_DAYS = _LAST_SAID.format(
    keys=f"AND {KEY} IN (SELECT {KEY} FROM trajectories WHERE bin_date BETWEEN $first AND $last "
    f"UNION ALL SELECT {KEY} FROM publications WHERE bin_date BETWEEN $first AND $last)"
)
# Trajectories of which the topic says nothing, something older, or that they are gone.
_NOT_SAID = f"""
FROM trajectories t LEFT JOIN said s ON t.{KEY} = s.{KEY}
WHERE t.bin_date BETWEEN $first AND $last
  AND (s.revision IS DISTINCT FROM t.revision OR s.change = '{WITHDRAWN}')
"""
# What the topic says of trajectories that are there no more.
_SAID_OF_NONE = f"""
FROM said s ANTI JOIN trajectories t ON s.{KEY} = t.{KEY}
WHERE s.bin_date BETWEEN $first AND $last AND s.change <> '{WITHDRAWN}'
"""
_CURRENT = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns)


@dataclass(frozen=True)
class Unpublished:
    """What the topic does not say (yet), by day. `topic_id` is that of the topic as it is now."""

    store: StreamStore
    topic_id: str

    def days(self, first: date = date.min, last: date = date.max) -> dict[date, int]:
        """How many messages are to be sent for each day."""
        with self.store.reading() as connection:
            if connection is None:
                return self._days_of_an_older_warehouse(first, last)
            rows = patiently(
                lambda: connection.execute(
                    f"""
                    WITH said AS ({_LAST_SAID.format(keys="")})
                    SELECT bin_date, count(*) FROM (
                      SELECT t.bin_date
                      {_NOT_SAID}
                      UNION ALL
                      SELECT s.bin_date
                      {_SAID_OF_NONE}
                    ) GROUP BY 1 ORDER BY 1
                    """,
                    self._values(first, last),
                ).fetchall()
            )
        return dict(rows)

    def _days_of_an_older_warehouse(self, first: date, last: date) -> dict[date, int]:
        """One that was made before there were publications: nothing of it is published."""
        return dict(
            ask(
                self.store.connection,
                "SELECT bin_date, count(*) FROM trajectories "
                "WHERE bin_date BETWEEN ? AND ? GROUP BY 1 ORDER BY 1",
                [first, last],
            )
        )

    def rows(self, first: date, last: date) -> pl.DataFrame:
        """Trajectories to be sent, with `change`: inserted if the topic never told of it."""
        with self.store.reading() as connection:
            assert connection is not None
            return patiently(
                lambda: connection.execute(
                    f"""
                    WITH said AS ({_SAID_OF_DAYS})
                    SELECT {_CURRENT}, CASE
                      WHEN s.{KEY} IS NULL OR s.change = '{WITHDRAWN}' THEN '{INSERTED}'
                      ELSE '{REVISED}' END AS change
                    {_NOT_SAID}
                    ORDER BY t.bin_date, t.{KEY}
                    """,
                    self._values(first, last),
                ).pl()
            )

    def tombstones(self, first: date, last: date) -> pl.DataFrame:
        """Trajectories that the topic still tells of, with when they were found to be gone."""
        with self.store.reading() as connection:
            assert connection is not None
            return patiently(
                lambda: connection.execute(
                    f"""
                    WITH said AS ({_SAID_OF_DAYS}), gone AS (
                      SELECT r.{KEY}, max(coalesce(f.summary_generated_at_utc,
                        r.valid_until_utc)) AS generated_at_utc
                      FROM trajectory_revisions r LEFT JOIN source_files f
                        ON r.superseded_by_file_sha256 = f.source_file_sha256
                      WHERE r.change = '{WITHDRAWN}' AND r.{KEY} IN (SELECT {KEY} FROM said)
                      GROUP BY 1
                    )
                    SELECT o.{KEY}, o.bin_date, coalesce(g.generated_at_utc, $now::TIMESTAMP)
                      AS generated_at_utc
                    FROM (SELECT s.{KEY}, s.bin_date {_SAID_OF_NONE}) o
                    LEFT JOIN gone g ON o.{KEY} = g.{KEY}
                    ORDER BY o.bin_date, o.{KEY}
                    """,
                    self._values(first, last) | {"now": utc_now()},
                ).pl()
            )

    def _values(self, first: date, last: date) -> dict[str, object]:
        first, last = max(first, date(1, 1, 2)), min(last, date(9999, 12, 30))
        return {"topic_id": self.topic_id, "first": first, "last": last}


@dataclass(frozen=True)
class StreamStatus:
    """What the warehouse knows of the topic, without asking Kafka."""

    topic_id: str | None
    published: int
    last_published_at_utc: datetime | None
    offsets: dict[int, tuple[int, datetime]]
    dead_letters: int
    last_dead_letter: str | None


def stream_status(store: StreamStore, topic: str) -> StreamStatus:
    """What the warehouse knows of the topic."""
    with store.reading() as connection:
        if connection is None:
            return StreamStatus(None, 0, None, {}, 0, None)
        offsets = connection.execute(
            "SELECT topic_partition, next_offset, updated_at_utc, topic_id FROM stream_offsets "
            "WHERE topic = ? ORDER BY 1",
            [topic],
        ).fetchall()
        published = connection.execute(
            "SELECT count(*), max(sent_at_utc), max_by(topic_id, recorded_at_utc) "
            "FROM publications WHERE origin = ?",
            [PUBLISHED],
        ).fetchone()
        dead = connection.execute(
            "SELECT count(*), max_by(array_to_string(reasons, '; '), recorded_at_utc) "
            "FROM dead_letters WHERE topic = ?",
            [topic],
        ).fetchone()
    assert published is not None
    assert dead is not None
    topic_id = offsets[0][3] if offsets else published[2]
    return StreamStatus(
        topic_id, published[0], published[1],
        {partition: (at, when) for partition, at, when, _ in offsets}, dead[0], dead[1],
    )  # fmt: skip
