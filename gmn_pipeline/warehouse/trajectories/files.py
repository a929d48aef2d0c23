"""Files into the warehouse: load the validated slices of a chunk.

A file is the whole truth of its bin as of its `# Summary generated on` line; what becomes of its
rows is decided by the merge (`warehouse/merge/`). A chunk of bins is one transaction. Before it
commits the counts are asserted, accepted = inserted + revised + unchanged + superseded in every
bin, and the tables themselves are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.ledger import ValidatedSlice
from gmn_pipeline.errors import (
    CountMismatch,
    DatabaseUnavailable,
    RetryableError,
    StorageUnavailable,
)
from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.derive import polars_schema, sql_text
from gmn_pipeline.schemas.trajectory_tables import REJECTED_ROWS, SOURCE_FILES
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.storage.files import literal
from gmn_pipeline.storage.problems import explained
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.merge import TrajectoryMerge
from gmn_pipeline.warehouse.merge.terms import (
    ARRIVING_COLUMNS,
    COMING,
    GONE_COLUMNS,
    IS_DAILY,
    IS_INSIDE,
    KEY,
    SPEAKER_COLUMNS,
)
from gmn_pipeline.warehouse.reading import read_rows

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
    superseded: int
    withdrawn: int
    restored: int


class Warehouse:
    """Writes to the warehouse, and answers what was written."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self._settings = settings
        self.connection = WarehouseConnection(settings)
        self._has_tables = False

    def create(self) -> None:
        """Create the tables and views that are not there yet."""
        with self.connection.writing() as connection:
            ddl.create(connection)

    def loaded_files(self, days: Sequence[date], definition: str) -> set[tuple[str, date, int]]:
        """(sha256, bin date, bin solar longitude) of files that are the newest of their bin, and
        were validated under this definition when they were loaded."""
        if not days:
            return set()
        rows = read_rows(
            self.connection,
            # Of a warehouse that was made before the column was there, it is null.
            "SELECT source_file_sha256, bin_date, bin_solar_longitude_deg "
            "FROM (FROM source_files UNION ALL BY NAME SELECT NULL AS definition WHERE false) "
            "WHERE bin_date BETWEEN ? AND ? "
            "AND outcome = 'loaded' QUALIFY row_number() OVER (PARTITION BY bin_date, "
            "bin_solar_longitude_deg, covers_from_utc, covers_until_utc "
            "ORDER BY summary_generated_at_utc DESC, loaded_at_utc DESC) = 1 "
            "AND coalesce(definition = ?, true)",
            [min(days), max(days), definition],
        )
        return {(sha256, day, degree) for sha256, day, degree in rows}

    def taken_files(self) -> set[str]:
        """SHA-256 of every file that was ever taken in, be it that it changed nothing."""
        rows = read_rows(self.connection, "SELECT DISTINCT source_file_sha256 FROM source_files")
        return {sha256 for (sha256,) in rows}

    def load(self, slices: Sequence[SliceToLoad]) -> list[LoadCounts]:
        """Load slices that share their Parquet files; all of them or, on any error, none.

        Raises CountMismatch if the counts of a bin do not add up, WarehouseBusy if another
        writer keeps the warehouse for too long.
        """
        rows = sum(one.slice.rows_accepted for one in slices)
        with self.connection.writing(rows) as connection:
            if not self._has_tables:  # looked at once: it takes as long as a twentieth of a chunk
                ddl.create(connection)
                self._has_tables = True
            load = _FileLoad(connection, slices, self._settings.validated_dir)
            try:
                return retry_while_busy(load.in_one_transaction)
            except duckdb.IOException as error:
                known = explained(error, self._settings.data_dir)
                if isinstance(known, DatabaseUnavailable | StorageUnavailable):
                    raise known from error
                raise RetryableError(
                    f"The warehouse cannot be written: {error}.",
                    remedy="Nothing was committed. Is there space under the data folder?",
                ) from error


_SPEAKER_OF_SLICE = (
    "bin_date, bin_solar_longitude_deg, source_file_sha256, summary_generated_at_utc"
)
_SLICE_FIELDS = SOURCE_FILES.fields[: SOURCE_FILES.columns.index("rows_inserted")]


class _FileLoad:
    """One transaction's work: slices of files, brought in by the merge."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        slices: Sequence[SliceToLoad],
        validated_dir: Path,
    ) -> None:
        self._connection = connection
        self._slices = slices
        self._accepted = literal(validated_dir / slices[0].slice.accepted_path)
        self._rejected = literal(validated_dir / slices[0].slice.rejected_path)
        self._now = utc_now()
        self._merge = TrajectoryMerge(connection, self._now)

    def in_one_transaction(self) -> list[LoadCounts]:
        """All steps, or none."""
        with transaction(self._connection):
            return self.run()

    def run(self) -> list[LoadCounts]:
        """The steps, in the order of the data's way."""
        self._note_slices()
        self._note_arriving()
        self._merge.run()
        self._find_outcomes()
        self._insert_rejected()
        counts = self._counts()
        self._assert_sums(counts)
        self._insert_source_files()
        self._assert_sources()
        return counts

    def _run(self, sql: str, **values: object) -> list[tuple]:  # type: ignore[type-arg]
        return self._connection.execute(sql, values).fetchall()

    def _note_slices(self) -> None:
        """`slice`: what is to be loaded; `speaker`: the same, as the merge looks at it."""
        incoming = pl.DataFrame(
            [
                (
                    s.slice.bin_date, s.slice.bin_solar_longitude_deg,
                    s.generated_at_utc, s.slice.source_file_sha256, s.source_path,
                    s.slice.covers_from_utc, s.slice.covers_until_utc, s.slice.definition, LOADED,
                    s.slice.rows_read, s.slice.rows_accepted, s.slice.rows_rejected,
                )
                for s in self._slices
            ],
            schema=polars_schema(_SLICE_FIELDS), orient="row",
        )  # fmt: skip
        self._connection.register("incoming", incoming)
        self._run(
            "CREATE OR REPLACE TEMP TABLE slice AS "
            "SELECT row_number() OVER () AS speaker, * FROM incoming"
        )
        self._connection.unregister("incoming")
        self._run(f"CREATE OR REPLACE TEMP TABLE speaker ({SPEAKER_COLUMNS})")
        self._run(
            f"""
            INSERT INTO speaker SELECT speaker, {IS_DAILY}, bin_date, bin_solar_longitude_deg,
              covers_from_utc, covers_until_utc, summary_generated_at_utc, source_file_sha256
            FROM slice
            """
        )

    def _note_arriving(self) -> None:
        """`arriving_row`: the accepted rows of the slices; `arriving`: what the merge needs of
        them to decide."""
        self._run(
            "CREATE OR REPLACE TEMP VIEW arriving_row AS SELECT * RENAME (file_row_number AS row) "
            f"FROM read_parquet({sql_text(self._accepted)}, file_row_number = true)"
        )
        self._run(f"CREATE OR REPLACE TEMP TABLE arriving ({ARRIVING_COLUMNS})")
        self._run(
            f"""
            INSERT INTO arriving
            SELECT row, speaker, {KEY}, summary_generated_at_utc, source_file_sha256, {IS_DAILY},
              bin_date, bin_solar_longitude_deg, {IS_INSIDE}, beginning_utc_time,
              solar_longitude_deg
            FROM arriving_row JOIN slice USING ({_SPEAKER_OF_SLICE})
            """
        )
        self._run(f"CREATE OR REPLACE TEMP TABLE gone ({GONE_COLUMNS})")

    def _find_outcomes(self) -> None:
        """Which slices a newer file was there before: all their rows count as superseded."""
        self._run(
            f"""
            UPDATE slice SET outcome = '{OLDER}' WHERE EXISTS (
              FROM spoken s WHERE s.generated_at_utc > slice.summary_generated_at_utc
                AND s.bin_date = slice.bin_date
                AND s.bin_solar_longitude_deg = slice.bin_solar_longitude_deg
                AND (s.is_daily OR (s.covers_from_utc <= slice.covers_from_utc
                  AND s.covers_until_utc >= slice.covers_until_utc)))
            """
        )
        self._run(
            f"""
            UPDATE fate SET fate = '{Change.SUPERSEDED}'
            WHERE fate = '{Change.UNCHANGED}' AND speaker IN (
              SELECT speaker FROM slice WHERE outcome = '{OLDER}')
            """
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
            rejected=self._rejected,
        )

    def _counts(self) -> list[LoadCounts]:
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE counted AS
            WITH of_rows AS (
              SELECT speaker, count(*) FILTER (fate = '{Change.INSERTED}') AS rows_inserted,
                count(*) FILTER (fate = '{Change.REVISED}') AS rows_revised,
                count(*) FILTER (fate = '{Change.UNCHANGED}') AS rows_unchanged,
                count(*) FILTER (fate = '{Change.SUPERSEDED}') AS rows_superseded
              FROM fate GROUP BY 1
            ), of_dropped AS (
              SELECT d.speaker, count(*) FILTER (c.change = '{Change.WITHDRAWN}') AS rows_withdrawn,
                count(*) FILTER (c.origin = 'claim') AS rows_restored
              FROM dropped d JOIN change c USING (trajectory_identifier) GROUP BY 1
            )
            SELECT s.*, coalesce(rows_inserted, 0) AS rows_inserted,
              coalesce(rows_revised, 0) AS rows_revised,
              coalesce(rows_unchanged, 0) AS rows_unchanged,
              coalesce(rows_superseded, 0) AS rows_superseded,
              coalesce(rows_withdrawn, 0) AS rows_withdrawn,
              coalesce(rows_restored, 0) AS rows_restored
            FROM slice s LEFT JOIN of_rows USING (speaker) LEFT JOIN of_dropped USING (speaker)
            """
        )
        rows = self._run(
            "SELECT bin_date, bin_solar_longitude_deg, source_file_sha256, outcome, rows_read, "
            "rows_accepted, rows_rejected, rows_inserted, rows_revised, rows_unchanged, "
            "rows_superseded, rows_withdrawn, rows_restored FROM counted ORDER BY ALL"
        )
        return [LoadCounts(*row) for row in rows]

    def _assert_sums(self, counts: Sequence[LoadCounts]) -> None:
        for c in counts:
            of_accepted = c.inserted + c.revised + c.unchanged + c.superseded
            if c.read != c.accepted + c.rejected or c.accepted != of_accepted:
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
            now=self._now,
        )

    def _assert_sources(self) -> None:
        """The file that a row came in is one that is loaded."""
        unknown = self._run(
            f"""
            SELECT DISTINCT source_file_sha256 FROM trajectories
            WHERE {KEY} IN (SELECT {KEY} FROM change
                WHERE change IN {COMING} AND origin <> 'present')
              AND bin_date BETWEEN (SELECT min(bin_date) FROM change)
                AND (SELECT max(bin_date) FROM change)
              AND NOT starts_with(source_file_sha256, 'kafka:')
              AND source_file_sha256 NOT IN (SELECT source_file_sha256 FROM source_files)
            """
        )
        if unknown:
            raise CountMismatch(
                f"Rows name files that are not loaded: {unknown[0][0]}.",
                remedy="Nothing was committed. This is a fault of this program: please report it "
                "with the file.",
            )
