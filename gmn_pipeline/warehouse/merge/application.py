"""Of the merge: from the former states to the current ones, as the decision says."""

from datetime import datetime

import duckdb

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.trajectory_tables import (
    TRAJECTORIES,
    TRAJECTORY_CLAIMS,
    TRAJECTORY_REVISIONS,
    TRAJECTORY_STATIONS,
)
from gmn_pipeline.warehouse.merge.statements import Statements
from gmn_pipeline.warehouse.merge.terms import (
    BIN,
    COMING,
    CONTENT,
    COPIED,
    ENDED,
    ENDED_OR_CHANGED,
    IS_DAILY,
    KEY,
    flags_at,
    qualified,
)


class Application(Statements):
    """Moves rows between the tables; leaves `fate`, what became of each arriving row."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, standing: str, now: datetime) -> None:
        super().__init__(connection, standing)
        self._now = now
        self._sources: list[tuple[str, str]] = []
        self.removed = self.inserted = 0
        """So many rows of `trajectories` DuckDB says that it took out and put in."""

    def run(self, *, is_contested: bool) -> None:
        """From the former states to the current ones; claims come and go where anything is
        contested only."""
        self.removed = self.inserted = 0
        counts = dict(self.rows("SELECT change, count(*) FROM change GROUP BY 1"))
        ended = counts.get(Change.REVISED, 0) + counts.get(Change.WITHDRAWN, 0)
        coming = (
            counts.get(Change.INSERTED, 0)
            + counts.get(Change.REVISED, 0)
            + counts.get(Change.RELABELLED, 0)
        )
        waiting = is_contested and self._note_claims()
        if ended:
            self._keep_former_states()
        if coming:
            self._number_revisions()
            self._set_aside()
        if ended or counts.get(Change.RELABELLED):
            self._remove_current()
        if coming:
            self._insert_current()
            self._insert_stations()
        self._find_fates()
        if waiting:
            self._move_claims()

    def _note_claims(self) -> bool:
        """`waiting`: what named files have of trajectories that are current from others;
        `new_claim`: of these, rows that are there, copied before they are removed. Whether there
        is anything to do about claims."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE waiting AS
            SELECT c.*, x.bin_date = c.bin_date
                AND x.bin_solar_longitude_deg = c.bin_solar_longitude_deg AS is_here
            FROM candidate c JOIN change x ON c.{KEY} = x.{KEY}
            WHERE c.is_named AND c.named_rank = 1 AND x.change <> '{Change.WITHDRAWN}'
              -- What named the bin of a row whose content came with something newer, or that a
              -- message without a bin confirms: of messages nobody knows later which named one.
              AND (NOT is_here OR (x.is_placed AND (c.origin <> 'present' OR (
                x.origin <> 'present' AND (x.change = '{Change.REVISED}'
                  OR x.speaker NOT IN (SELECT speaker FROM speaker))))))
            """
        )
        if not self.one("SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM claim)"):
            return False
        first, last = self.former_days("true")
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE new_claim AS
            -- A row that something newer confirmed was named by an older file: that one claims it.
            SELECT {COPIED} FROM (
              SELECT t.* REPLACE (
                w.generated_at_utc AS summary_generated_at_utc,
                CASE WHEN w.generated_at_utc = t.summary_generated_at_utc
                  THEN t.source_file_sha256
                  ELSE coalesce(f.source_file_sha256, m.cause, t.source_file_sha256)
                  END AS source_file_sha256)
              FROM {self.standing} t
              JOIN (FROM waiting WHERE origin = 'present') w ON t.{KEY} = w.{KEY}
              LEFT JOIN (
                SELECT {BIN}, summary_generated_at_utc,
                  arg_max(source_file_sha256, loaded_at_utc) AS source_file_sha256
                FROM source_files WHERE {IS_DAILY} GROUP BY ALL
              ) f ON f.bin_date = t.bin_date
                AND f.bin_solar_longitude_deg = t.bin_solar_longitude_deg
                AND f.summary_generated_at_utc = w.generated_at_utc
              LEFT JOIN confirmed m ON m.{KEY} = t.{KEY} AND m.revision = t.revision
                AND m.generated_at_utc = w.generated_at_utc
              WHERE t.bin_date BETWEEN $first AND $last)
            """,
            first=first, last=last,
        )  # fmt: skip
        return True

    def _keep_former_states(self) -> None:
        first, last = self.former_days(f"change IN {ENDED}")
        columns = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns)
        self.rows(
            f"""
            INSERT INTO trajectory_revisions ({", ".join(TRAJECTORY_REVISIONS.columns)})
            SELECT {columns}, $now, c.change, coalesce(a.cause, d.cause)
            FROM {self.standing} t JOIN change c USING ({KEY})
            LEFT JOIN arriving a ON a.row = c.row
            LEFT JOIN dropped d ON d.{KEY} = c.{KEY}
            WHERE c.change IN {ENDED} AND t.bin_date BETWEEN $first AND $last
            """,
            now=self._now, first=first, last=last,
        )  # fmt: skip

    def _number_revisions(self) -> None:
        """`coming`: which rows become current, as which revision and since when.

        What was withdrawn once and comes back counts on. Rows are named by their number: to join
        the wide rows by identifier and hash took half as long again.
        """
        first, last = self.former_days("true")
        least, greatest = self.rows(
            f"SELECT min({KEY}), max({KEY}) FROM change WHERE change = '{Change.INSERTED}'"
        )[0]
        withdrawn = f"""
              SELECT {KEY}, max(revision) AS revision,
                min(first_loaded_at_utc) AS first_loaded_at_utc
              FROM trajectory_revisions WHERE {KEY} BETWEEN $least AND $greatest GROUP BY 1"""
        inserted: dict[str, object] = {"least": least, "greatest": greatest}
        if least is None:  # nothing to look for
            withdrawn = f"SELECT {KEY}, 0 AS revision, $now AS first_loaded_at_utc FROM change"
            inserted = {}
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE coming AS
            WITH former AS (
              SELECT {KEY}, revision, valid_from_utc, first_loaded_at_utc
              FROM {self.standing} WHERE bin_date BETWEEN $first AND $last
            ), withdrawn AS ({withdrawn})
            SELECT c.*,
              CASE WHEN c.change = '{Change.RELABELLED}' THEN t.revision
                ELSE 1 + coalesce(t.revision, w.revision, 0) END AS revision,
              CASE WHEN c.change = '{Change.RELABELLED}' THEN t.valid_from_utc ELSE $now END
                AS valid_from_utc,
              coalesce(t.first_loaded_at_utc, w.first_loaded_at_utc, $now) AS first_loaded_at_utc
            FROM change c
            -- Conditions on one side within the key: beside it, each row meets each other one.
            LEFT JOIN former t ON CASE WHEN c.former_bin_date IS NOT NULL THEN c.{KEY} END = t.{KEY}
            LEFT JOIN withdrawn w
              ON CASE WHEN c.change = '{Change.INSERTED}' THEN c.{KEY} END = w.{KEY}
            WHERE c.change IN {COMING}
            """,
            now=self._now, first=first, last=last, **inserted,
        )  # fmt: skip

    def _set_aside(self) -> None:
        """`coming_row`: the wide rows that become current. Those that stand in the lake are
        copied before they are removed there."""
        first, last = self.former_days(f"change = '{Change.RELABELLED}' OR origin = 'claim'")
        if first is not None:
            self.rows(
                f"""
                CREATE OR REPLACE TEMP TABLE set_aside AS
                SELECT {qualified("r")}, c.row, c.{KEY} AS coming_key
                FROM {self.standing} r JOIN coming c USING ({KEY})
                WHERE c.origin = 'present' AND r.bin_date BETWEEN $first AND $last
                UNION ALL
                SELECT {qualified("r")}, c.row, c.{KEY}
                FROM trajectory_claims r JOIN coming c USING ({KEY})
                WHERE c.origin = 'claim' AND r.bin_date = c.bin_date
                  AND r.bin_solar_longitude_deg = c.bin_solar_longitude_deg
                """,
                first=first, last=last,
            )  # fmt: skip
        is_set_aside = first is not None
        self._sources = [("arriving_row r JOIN coming c ON r.row = c.row", "origin = 'arriving'")]
        if is_set_aside:
            self._sources.append(
                (f"set_aside r JOIN coming c ON r.coming_key = c.{KEY}", "origin <> 'arriving'")
            )

    def _remove_current(self) -> None:
        """Take out what ended or comes back changed."""
        self.removed = self._remove(TRAJECTORIES.name)
        self._remove(TRAJECTORY_STATIONS.name, "AND relinks")

    def _remove(self, table: str, which: str = "") -> int:
        changed = f"FROM change WHERE change IN {ENDED_OR_CHANGED} {which}"
        if not self.one(f"SELECT count(*) {changed}"):
            return 0
        first, last = self.former_days(f"change IN {ENDED_OR_CHANGED}")
        return self.one(
            f"DELETE FROM {table} WHERE bin_date BETWEEN $first AND $last "
            f"AND {KEY} IN (SELECT {KEY} {changed})",
            first=first, last=last,
        )  # fmt: skip

    def _insert_current(self) -> None:
        """Insert what is new, changed or moved."""
        names = [n for n in TRAJECTORY_CLAIMS.columns if n not in (*BIN.split(", "),
                                                                    "quality_flags")]  # fmt: skip
        for source, where in self._sources:
            self.inserted += self.one(
                f"""
                INSERT INTO trajectories ({", ".join(names)}, quality_flags, {BIN},
                  revision, valid_from_utc, first_loaded_at_utc)
                SELECT {", ".join(f"r.{n}" for n in names)}, {flags_at("c")},
                  c.bin_date, c.bin_solar_longitude_deg,
                  c.revision, c.valid_from_utc, c.first_loaded_at_utc
                FROM {source} WHERE c.{where}
                """
            )

    def _insert_stations(self) -> None:
        """Station links of what was inserted, and stations not seen before."""
        links = " UNION ALL ".join(
            f"SELECT c.{KEY}, unnest(list_distinct(r.participating_stations)) AS station_code, "
            f"c.bin_date FROM {source} WHERE c.{where} AND c.relinks"
            for source, where in self._sources
        )
        self.rows(f"CREATE OR REPLACE TEMP TABLE link AS {links}")
        if not self.one("SELECT count(*) FROM link"):
            return
        self.rows("INSERT INTO trajectory_stations FROM link ORDER BY station_code")
        new = "(SELECT DISTINCT station_code FROM link) ANTI JOIN stations USING (station_code)"
        if self.one(f"SELECT count(*) FROM {new}"):
            self.rows(
                f"""
                INSERT INTO stations
                SELECT (SELECT coalesce(max(station_number), 0) FROM stations)
                    + row_number() OVER (ORDER BY station_code),
                  station_code, station_code[1:2], $now
                FROM {new}
                """,
                now=self._now,
            )

    def _move_claims(self) -> None:
        """Claims that were dropped, took over or were said anew go, and what waits now comes."""
        here = f"c.{KEY} = w.{KEY} AND c.bin_date = w.bin_date"
        here += " AND c.bin_solar_longitude_deg = w.bin_solar_longitude_deg"
        self.rows(
            f"""
            DELETE FROM trajectory_claims c
            WHERE EXISTS (FROM dropped_claim w WHERE {here})
              OR ({KEY} IN (FROM touched)
                AND NOT EXISTS (FROM waiting w WHERE w.origin = 'claim' AND {here}))
            """
        )
        self.rows(
            f"""
            INSERT INTO trajectory_claims ({COPIED})
            SELECT {COPIED} FROM new_claim
            UNION ALL
            SELECT {COPIED} FROM arriving_row WHERE row IN (
              SELECT w.row FROM waiting w JOIN fate f ON w.row = f.row
              WHERE w.origin = 'arriving'
                -- `source_files` tells that a daily file has it, unless messages have it too.
                AND NOT (w.is_here AND f.fate = '{Change.UNCHANGED}'
                  AND w.speaker IN (SELECT speaker FROM speaker)
                  AND w.{KEY} NOT IN (SELECT {KEY} FROM confirmed)))
            """
        )

    def _find_fates(self) -> None:
        """`fate`: what became of each arriving row: inserted, revised, unchanged where the
        warehouse says the same now, superseded where a newer speaker says something else."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE fate AS
            SELECT a.row, a.speaker, a.{KEY}, c.bin_date AS its_bin_date,
              CASE WHEN c.row IS DISTINCT FROM a.row THEN '{Change.SUPERSEDED}'
                WHEN c.change = '{Change.RELABELLED}' THEN '{Change.UNCHANGED}'
                ELSE c.change END AS fate
            FROM arriving a LEFT JOIN change c ON a.{KEY} = c.{KEY}
            """
        )
        first, last = self.rows(
            f"SELECT min(its_bin_date), max(its_bin_date) FROM fate "
            f"WHERE fate = '{Change.SUPERSEDED}'"
        )[0]
        if first is None:
            return
        content = f"hash({', '.join(CONTENT)}) AS content"
        self.rows(
            f"""
            UPDATE fate SET fate = '{Change.UNCHANGED}' FROM (
              SELECT new.row FROM (
                SELECT row, {KEY}, {content} FROM arriving_row
                WHERE row IN (SELECT row FROM fate WHERE fate = '{Change.SUPERSEDED}')) new
              JOIN (SELECT {KEY}, {content} FROM trajectories
                WHERE bin_date BETWEEN $first AND $last) old
              ON new.{KEY} = old.{KEY} AND new.content = old.content
            ) same WHERE fate.row = same.row
            """,
            first=first, last=last,
        )  # fmt: skip
