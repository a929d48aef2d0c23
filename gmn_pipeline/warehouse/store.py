"""The only write path into the warehouse: load the validated slices of a chunk.

A file is the whole truth of its bin as of its `# Summary generated on` line. Loading a newer one
inserts new trajectories, revises changed ones and withdraws those that are gone; an older file
changes nothing; the same file again changes nothing. Former states move to
`trajectory_revisions`. A chunk of bins is one transaction, and its counts are asserted before it
commits: accepted = inserted + revised + unchanged, in every bin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.config import Settings
from gmn_pipeline.errors import CountMismatch, RetryableError
from gmn_pipeline.ledger import ValidatedSlice
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.tables import (
    REJECTED_ROWS,
    SOURCE_FILES,
    TRAJECTORIES,
    TRAJECTORY_REVISIONS,
)
from gmn_pipeline.storage.files import literal
from gmn_pipeline.warehouse import layout
from gmn_pipeline.warehouse.connection import WarehouseConnection, patiently, transaction

LOADED, OLDER = "loaded", "older_than_loaded"


@dataclass(frozen=True)
class SliceToLoad:
    """A validated slice with what the warehouse notes of its file."""

    slice: ValidatedSlice
    generated_at_utc: datetime
    source_path: str


@dataclass(frozen=True)
class LoadCounts:
    """What loading one slice changed."""

    bin_date: date
    bin_solar_longitude_deg: int
    source_file_sha256: str
    outcome: str
    read: int
    accepted: int
    rejected: int
    inserted: int
    revised: int
    unchanged: int
    withdrawn: int


class Warehouse:
    """Writes to the warehouse, and answers what was written."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.connection = WarehouseConnection(settings)

    def create(self) -> None:
        """Create the tables and views that are not there yet."""
        with self.connection.writing() as connection:
            layout.create(connection)

    def loaded_files(self, days: Sequence[date]) -> set[tuple[str, date, int]]:
        """(sha256, bin date, bin solar longitude) of files that are the newest of their bin."""
        if not days:
            return set()
        rows = ask(
            self.connection,
            "SELECT source_file_sha256, bin_date, bin_solar_longitude_deg "
            "FROM source_files WHERE bin_date BETWEEN ? AND ? "
            "AND outcome = 'loaded' QUALIFY row_number() OVER (PARTITION BY bin_date, "
            "bin_solar_longitude_deg, covers_from_utc, covers_until_utc "
            "ORDER BY summary_generated_at_utc DESC, loaded_at_utc DESC) = 1",
            [min(days), max(days)],
        )
        return {(sha256, day, degree) for sha256, day, degree in rows}

    def taken_files(self) -> set[str]:
        """SHA-256 of every file that was ever taken in, be it that it changed nothing."""
        rows = ask(self.connection, "SELECT DISTINCT source_file_sha256 FROM source_files")
        return {sha256 for (sha256,) in rows}

    def load(self, slices: Sequence[SliceToLoad]) -> list[LoadCounts]:
        """Load slices that share their Parquet files; all of them or, on any error, none.

        Raises CountMismatch if the counts of a bin do not add up, WarehouseBusy if another
        writer keeps the warehouse for too long.
        """
        with self.connection.writing() as connection:
            layout.create(connection)
            load = _Load(connection, slices, self._settings.validated_dir)
            try:
                return patiently(load.in_one_transaction)
            except duckdb.IOException as error:
                raise RetryableError(
                    f"The warehouse cannot be written: {error}.",
                    remedy="Nothing was committed. Is there space under the data folder?",
                ) from error


def ask(
    warehouse: WarehouseConnection, sql: str, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a query; none as long as there is no warehouse."""
    if not warehouse.exists:
        return []
    with warehouse.open(read_only=True) as connection:
        if not layout.is_created(connection):
            return []
        return patiently(lambda: connection.execute(sql, list(values)).fetchall())


_CONTENT = tuple(field.name for field in TRAJECTORY_FIELDS[1:])
_KEY = "trajectory_identifier"
_LABEL = ("bin_date", "bin_solar_longitude_deg", "quality_flags")
_SLICE_FIELDS = SOURCE_FILES.fields[: SOURCE_FILES.columns.index("rows_inserted")]
_INCOMING_COLUMNS = ", ".join(
    f"i.{name}" for name in TRAJECTORIES.columns
    if name not in ("revision", "valid_from_utc", "first_loaded_at_utc")
)  # fmt: skip


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class _Load:
    """One transaction's work. The steps of `run` are the way of the rows."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        slices: Sequence[SliceToLoad],
        validated_dir: Path,
    ) -> None:
        self._connection = connection
        self._slices = slices
        self._now = utc_now()
        days = [date.fromisoformat(s.slice.bin_date) for s in slices]
        # An identifier holds its time to the second, so it can only stand in a neighbouring bin.
        self._values: dict[str, object] = {
            "accepted": literal(validated_dir / slices[0].slice.accepted_path),
            "rejected": literal(validated_dir / slices[0].slice.rejected_path),
            "first_day": min(days) - timedelta(days=1),
            "last_day": max(days) + timedelta(days=1),
            "now": self._now,
        }

    def in_one_transaction(self) -> list[LoadCounts]:
        """All steps, or none."""
        with transaction(self._connection):
            return self.run()

    def run(self) -> list[LoadCounts]:
        self._note_slices()
        self._classify()
        changes = self._count_changes()
        if changes.get("both"):
            self._compare_contents()
            changes = self._count_changes()
        self._apply(changes)
        self._insert_rejected()
        counts = self._counts()
        self._assert_sums(counts)
        self._insert_source_files()
        return counts

    def _run(self, sql: str, *names: str) -> list[tuple]:  # type: ignore[type-arg]
        values = {name: self._values[name] for name in names}
        return self._connection.execute(sql, values).fetchall()

    def _note_slices(self) -> None:
        """`slice`: what is to be loaded, and whether a newer file of the bin was there first."""
        incoming = pl.DataFrame(
            [
                (
                    date.fromisoformat(s.slice.bin_date), s.slice.bin_solar_longitude_deg,
                    s.generated_at_utc, s.slice.source_file_sha256, s.source_path,
                    _time(s.slice.covers_from_utc), _time(s.slice.covers_until_utc), LOADED,
                    s.slice.rows_read, s.slice.rows_accepted, s.slice.rows_rejected,
                )
                for s in self._slices
            ],
            schema=polars_schema(_SLICE_FIELDS), orient="row",
        )  # fmt: skip
        self._connection.register("incoming", incoming)
        self._connection.execute("CREATE OR REPLACE TEMP TABLE slice AS FROM incoming")
        self._connection.unregister("incoming")
        self._connection.execute(
            f"""
            UPDATE slice SET outcome = '{OLDER}' WHERE EXISTS (
              FROM source_files f
              WHERE f.bin_date = slice.bin_date
                AND f.bin_solar_longitude_deg = slice.bin_solar_longitude_deg
                AND f.outcome = '{LOADED}'
                AND f.summary_generated_at_utc > slice.summary_generated_at_utc
                AND coalesce(f.covers_from_utc, TIMESTAMP '-infinity')
                    < coalesce(slice.covers_until_utc, TIMESTAMP 'infinity')
                AND coalesce(slice.covers_from_utc, TIMESTAMP '-infinity')
                    < coalesce(f.covers_until_utc, TIMESTAMP 'infinity'))
            """
        )

    def _classify(self) -> None:
        """`change`: what is to happen to every identifier that is there or comes in."""
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE change AS
            WITH incoming AS (
              SELECT {_KEY}, bin_date, bin_solar_longitude_deg, source_file_sha256,
                row_number() OVER (PARTITION BY {_KEY}
                  ORDER BY summary_generated_at_utc DESC, bin_date, line_number) AS choice
              FROM read_parquet($accepted)
              SEMI JOIN (FROM slice WHERE outcome = '{LOADED}')
                USING (bin_date, bin_solar_longitude_deg, source_file_sha256)
            ), present AS (
              SELECT {_KEY}, bin_date, bin_solar_longitude_deg, beginning_utc_time,
                summary_generated_at_utc
              FROM trajectories WHERE bin_date BETWEEN $first_day AND $last_day
            )
            SELECT coalesce(i.{_KEY}, t.{_KEY}) AS {_KEY},
              coalesce(i.bin_date, t.bin_date) AS bin_date,
              coalesce(i.bin_solar_longitude_deg, t.bin_solar_longitude_deg)
                AS bin_solar_longitude_deg,
              coalesce(i.source_file_sha256, s.source_file_sha256) AS source_file_sha256,
              CASE WHEN i.choice > 1 THEN 'elsewhere'
                WHEN t.{_KEY} IS NULL THEN 'inserted'
                WHEN i.{_KEY} IS NULL THEN 'withdrawn'
                ELSE 'both' END AS change
            FROM incoming i
            FULL JOIN present t ON i.{_KEY} = t.{_KEY}
            LEFT JOIN slice s ON i.{_KEY} IS NULL AND s.outcome = '{LOADED}'
              AND t.bin_date = s.bin_date
              AND t.bin_solar_longitude_deg = s.bin_solar_longitude_deg
              -- A trajectory that came by message may be newer than the file.
              AND t.summary_generated_at_utc <= s.summary_generated_at_utc
              AND t.beginning_utc_time >= coalesce(s.covers_from_utc, TIMESTAMP '-infinity')
              AND t.beginning_utc_time < coalesce(s.covers_until_utc, TIMESTAMP 'infinity')
            WHERE i.{_KEY} IS NOT NULL OR s.source_file_sha256 IS NOT NULL
            """,
            "accepted", "first_day", "last_day",
        )  # fmt: skip

    def _count_changes(self) -> dict[str, int]:
        return dict(
            self._connection.execute("SELECT change, count(*) FROM change GROUP BY 1").fetchall()
        )

    def _compare_contents(self) -> None:
        """Tell what is in both apart: revised, unchanged, or the same under another label.

        Compared are 64-bit hashes: to join the 86 columns of both took twice as long, and one in
        10^19 changed rows passes for unchanged.
        """
        hashes = (
            f"{_KEY}, source_file_sha256, summary_generated_at_utc, "
            f"hash({', '.join(_CONTENT)}) AS content, hash({', '.join(_LABEL)}) AS label"
        )
        self._run(
            f"""
            UPDATE change SET change = compared.change FROM (
              SELECT i.{_KEY}, i.source_file_sha256, CASE
                WHEN t.summary_generated_at_utc > i.summary_generated_at_utc THEN 'elsewhere'
                WHEN i.content <> t.content THEN 'revised'
                WHEN i.label <> t.label THEN 'relabelled'
                ELSE 'unchanged' END AS change
              FROM (SELECT {hashes} FROM read_parquet($accepted)) i
              JOIN (SELECT {hashes} FROM trajectories
                WHERE bin_date BETWEEN $first_day AND $last_day) t ON i.{_KEY} = t.{_KEY}
            ) compared
            WHERE change.change = 'both' AND change.{_KEY} = compared.{_KEY}
              AND change.source_file_sha256 = compared.source_file_sha256
            """,
            "accepted", "first_day", "last_day",
        )  # fmt: skip

    def _apply(self, changes: Mapping[str, int]) -> None:
        """Bring the tables from the former states to the current ones."""
        revised, moved = changes.get("revised", 0), changes.get("relabelled", 0)
        ended = revised + changes.get("withdrawn", 0)
        coming = revised + moved + changes.get("inserted", 0)
        if ended:
            self._keep_former_states()
        if coming:
            self._number_revisions()
        if ended or moved:
            self._remove_current()
        if coming:
            self._insert_current()
            self._insert_stations()

    def _keep_former_states(self) -> None:
        columns = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns)
        self._run(
            f"""
            INSERT INTO trajectory_revisions ({", ".join(TRAJECTORY_REVISIONS.columns)})
            SELECT {columns}, $now, c.change, c.source_file_sha256
            FROM trajectories t JOIN change c USING ({_KEY})
            WHERE c.change IN ('revised', 'withdrawn')
              AND t.bin_date BETWEEN $first_day AND $last_day
            """,
            "now", "first_day", "last_day",
        )  # fmt: skip

    def _number_revisions(self) -> None:
        """`coming`: which rows of the file become current, as which revision and since when.

        What was withdrawn once and comes back counts on. Rows are named by their number: to join
        the wide rows by identifier and hash took half as long again.
        """
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE coming AS
            WITH present AS (
              SELECT {_KEY}, revision, valid_from_utc, first_loaded_at_utc
              FROM trajectories WHERE bin_date BETWEEN $first_day AND $last_day
            ), withdrawn AS (
              SELECT {_KEY}, max(revision) AS revision,
                min(first_loaded_at_utc) AS first_loaded_at_utc
              FROM trajectory_revisions
              WHERE bin_date BETWEEN $first_day AND $last_day GROUP BY ALL
            )
            SELECT i.file_row_number AS row,
              CASE WHEN c.change = 'relabelled' THEN t.revision
                ELSE 1 + coalesce(t.revision, w.revision, 0) END AS revision,
              CASE WHEN c.change = 'relabelled' THEN t.valid_from_utc ELSE $now END
                AS valid_from_utc,
              coalesce(t.first_loaded_at_utc, w.first_loaded_at_utc, $now) AS first_loaded_at_utc
            FROM read_parquet($accepted, file_row_number = true) i
            JOIN change c ON i.{_KEY} = c.{_KEY}
              AND i.source_file_sha256 = c.source_file_sha256
              AND c.change IN ('inserted', 'revised', 'relabelled')
            LEFT JOIN present t ON i.{_KEY} = t.{_KEY}
            LEFT JOIN withdrawn w ON i.{_KEY} = w.{_KEY}
            """,
            "accepted", "now", "first_day", "last_day",
        )  # fmt: skip

    def _remove_current(self) -> None:
        """Take out what ended or comes back changed."""
        for table in ("trajectories", "trajectory_stations"):
            self._run(
                f"DELETE FROM {table} WHERE bin_date BETWEEN $first_day AND $last_day "
                f"AND {_KEY} IN (SELECT {_KEY} FROM change "
                "WHERE change IN ('revised', 'withdrawn', 'relabelled'))",
                "first_day", "last_day",
            )  # fmt: skip

    def _insert_current(self) -> None:
        """Insert what is new or changed."""
        self._run(
            f"""
            INSERT INTO trajectories ({_INCOMING_COLUMNS.replace("i.", "")},
              revision, valid_from_utc, first_loaded_at_utc)
            SELECT {_INCOMING_COLUMNS}, n.revision, n.valid_from_utc, n.first_loaded_at_utc
            FROM read_parquet($accepted, file_row_number = true) i
            JOIN coming n ON i.file_row_number = n.row
            """,
            "accepted",
        )

    def _insert_stations(self) -> None:
        """Station links of what was inserted, and stations not seen before."""
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE link AS
            SELECT {_KEY}, unnest(list_distinct(participating_stations)) AS station_code, bin_date
            FROM read_parquet($accepted, file_row_number = true) i
            JOIN coming n ON i.file_row_number = n.row
            """,
            "accepted",
        )
        self._run("INSERT INTO trajectory_stations FROM link ORDER BY station_code")
        self._run(
            """
            INSERT INTO stations
            SELECT (SELECT coalesce(max(station_number), 0) FROM stations)
                + row_number() OVER (ORDER BY station_code),
              station_code, station_code[1:2], $now
            FROM (SELECT DISTINCT station_code FROM link)
            ANTI JOIN stations USING (station_code)
            """,
            "now",
        )

    def _insert_rejected(self) -> None:
        """Rejected rows; those of a file validated again take the place of the former ones."""
        names = ", ".join(REJECTED_ROWS.columns)
        key = "bin_date, bin_solar_longitude_deg, source_file_sha256"
        if self._run(f"FROM source_files SEMI JOIN slice USING ({key}) LIMIT 1"):
            self._run(f"DELETE FROM rejected_rows WHERE ({key}) IN (SELECT ({key}) FROM slice)")
        self._run(
            f"INSERT INTO rejected_rows ({names}) SELECT {names} FROM read_parquet($rejected) "
            f"SEMI JOIN slice USING ({key})",
            "rejected",
        )

    def _counts(self) -> list[LoadCounts]:
        self._connection.execute(
            """
            CREATE OR REPLACE TEMP TABLE counted AS
            SELECT s.*,
              count(*) FILTER (change = 'inserted') AS rows_inserted,
              count(*) FILTER (change = 'revised') AS rows_revised,
              count(*) FILTER (change IN ('unchanged', 'relabelled', 'elsewhere'))
                AS rows_unchanged,
              count(*) FILTER (change = 'withdrawn') AS rows_withdrawn
            FROM slice s LEFT JOIN change USING
              (bin_date, bin_solar_longitude_deg, source_file_sha256)
            GROUP BY ALL
            """
        )
        rows = self._connection.execute(
            "SELECT bin_date, bin_solar_longitude_deg, source_file_sha256, outcome, rows_read, "
            "rows_accepted, rows_rejected, rows_inserted, rows_revised, rows_unchanged, "
            "rows_withdrawn FROM counted ORDER BY ALL"
        ).fetchall()
        return [LoadCounts(*row) for row in rows]

    def _assert_sums(self, counts: Sequence[LoadCounts]) -> None:
        for c in counts:
            adds_up = c.accepted == c.inserted + c.revised + c.unchanged
            if c.read != c.accepted + c.rejected or (c.outcome == LOADED and not adds_up):
                raise CountMismatch(
                    f"Bin {c.bin_date} {c.bin_solar_longitude_deg} deg does not add up: {c}.",
                    remedy="Nothing was committed. This is a fault of this program: please "
                    "report it with the file.",
                )

    def _insert_source_files(self) -> None:
        names = ", ".join(n for n in SOURCE_FILES.columns if n != "loaded_at_utc")
        self._run(
            f"INSERT INTO source_files ({names}, loaded_at_utc) SELECT {names}, $now FROM counted "
            "ORDER BY bin_date, bin_solar_longitude_deg",
            "now",
        )
