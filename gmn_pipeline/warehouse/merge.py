"""The one merge: what files and messages say of trajectories, brought into the tables.

Who says something of trajectories is a *speaker*, and says it as of its *generation*: a daily file
of all that its bin holds, a history file of all whose time lies in an interval, a message or a
tombstone of one trajectory. Each row that a speaker has of a trajectory is a *candidate*. The rules
stand in docs/rewritten-files.md; in short:

- The newest candidate counts, whichever files have the trajectory, and there is one row of it.
- A candidate is dropped when a newer speaker of its place does not have it. The place is the bin
  that a daily file names; where none does, the bin computed from the time.
- What a current file of another bin has of it waits in `trajectory_claims`, and takes over when the
  row is dropped: nothing goes that any current file of the source still has.

What belongs here: these rules, in SQL, as the steps of `TrajectoryMerge.run`. What does not: where
the rows come from (`store.py`, `stream_store.py`), which lay out `speaker`, `arriving` and `gone`.
"""

from datetime import datetime, timedelta

import duckdb

from gmn_pipeline.errors import CountMismatch
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.tables import (
    TRAJECTORIES,
    TRAJECTORY_CLAIMS,
    TRAJECTORY_REVISIONS,
    TRAJECTORY_STATIONS,
)

BIN_COMPUTED, OUTSIDE_BIN = "bin_computed", "outside_bin"
"""The quality flags that say how a row came to its bin."""
MADE_HERE = "identifier_made_here"
"""The quality flag of a row whose identifier is not the network's."""

KEY = "trajectory_identifier"
CONTENT = tuple(field.name for field in TRAJECTORY_FIELDS[1:])
_BIN = "bin_date, bin_solar_longitude_deg"
_COPIED = ", ".join(TRAJECTORY_CLAIMS.columns)
_RANK = "origin = 'claim', origin = 'present'"
"""At the same generation: what arrives, then what is there, then a claim."""
_ENDED_OR_CHANGED = "('revised', 'withdrawn', 'relabelled')"
_A_DAY = timedelta(days=1)

IS_DAILY = "contains(source_path, '_solrange_')"
"""Whether a row of `source_files` is of a daily file: its name says the bin."""

_HISTORY_FILES = f"SELECT source_file_sha256 FROM source_files WHERE NOT {IS_DAILY}"

AT_UTC = f"""
CASE WHEN abs(epoch_us(try_strptime(left({KEY}, 14), '%Y%m%d%H%M%S'))
      - epoch_us(beginning_utc_time)) < 2000000
  THEN try_strptime(left({KEY}, 14), '%Y%m%d%H%M%S') ELSE beginning_utc_time END
"""
"""When a trajectory was, to the second, the same in each of its solutions: the time in its
identifier. Its beginning where the two have nothing to do with each other."""

_NEAR_DEG = 0.01
NEIGHBOUR_DEG = f"""
CASE WHEN abs(solar_longitude_deg - round(solar_longitude_deg)) < {_NEAR_DEG} THEN
  CASE bin_solar_longitude_deg
    WHEN round(solar_longitude_deg)::INTEGER % 360
      THEN (round(solar_longitude_deg)::INTEGER + 359) % 360
    WHEN (round(solar_longitude_deg)::INTEGER + 359) % 360
      THEN round(solar_longitude_deg)::INTEGER % 360 END END
"""
"""The other bin that a trajectory may belong to: limits are computed to some three minutes, 0.002
deg, and near one only a daily file tells the bin. Null for most."""

IS_INSIDE = f"NOT list_contains(quality_flags, '{OUTSIDE_BIN}')"
IS_NAMED = f"NOT list_contains(quality_flags, '{BIN_COMPUTED}')"

SPEAKER_COLUMNS = (
    "speaker INTEGER, is_daily BOOLEAN, bin_date DATE, bin_solar_longitude_deg INTEGER, "
    "covers_from_utc TIMESTAMP, covers_until_utc TIMESTAMP, generated_at_utc TIMESTAMP, "
    "cause VARCHAR"
)
"""Temporary table `speaker`: the files that are loaded, one row for each of their bins."""

ARRIVING_COLUMNS = (
    f"row BIGINT, speaker INTEGER, {KEY} VARCHAR, generated_at_utc TIMESTAMP, cause VARCHAR, "
    "is_named BOOLEAN, bin_date DATE, bin_solar_longitude_deg INTEGER, at_utc TIMESTAMP, "
    "is_inside BOOLEAN, neighbour_deg INTEGER"
)
"""Temporary table `arriving`: a row for each row of `arriving_row`, which has the columns of the
validated table and `row`."""

GONE_COLUMNS = f"speaker INTEGER, {KEY} VARCHAR, generated_at_utc TIMESTAMP, cause VARCHAR"
"""Temporary table `gone`: tombstones."""


def covers(speaker: str, at_utc: str, place: str) -> str:
    """Whether a history file speaks of a trajectory. Warehouses made before know some intervals
    only to the bin."""
    return f"""({at_utc} >= coalesce({speaker}.covers_from_utc, TIMESTAMP '-infinity')
      AND {at_utc} < coalesce({speaker}.covers_until_utc, TIMESTAMP 'infinity')
      AND (({speaker}.covers_from_utc IS NOT NULL AND {speaker}.covers_until_utc IS NOT NULL)
        OR ({speaker}.bin_date = {place}.bin_date
          AND {speaker}.bin_solar_longitude_deg = {place}.bin_solar_longitude_deg)))"""


MERGED_TABLES = (TRAJECTORIES, TRAJECTORY_STATIONS, TRAJECTORY_CLAIMS)
"""The tables that the merge takes rows out of."""


_CONFIRMED = f"""
SELECT {KEY}, revision, max(generated_at_utc) AS generated_at_utc FROM publications
WHERE origin = 'consumed' AND change <> 'withdrawn' AND revision > 0
  AND {KEY} IN (SELECT {KEY} FROM near)
GROUP BY ALL
"""
"""The newest message of others that says what a row says."""


class TrajectoryMerge:
    """One transaction's change of the trajectories.

    Leaves the temporary tables `change` (a row for each trajectory that is spoken of: what became
    of it, and by which speaker) and `arriving`.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, now: datetime, *, compare_flags: bool = True
    ) -> None:
        self._connection = connection
        self._now = now
        self._compare_flags = compare_flags
        """Whether other quality flags for the same content are a change."""
        self._sources: list[tuple[str, str]] = []

    def run(self) -> None:
        """The steps, in the order of the data's way."""
        rows_before = self.one("SELECT count(*) FROM trajectories")
        self._find_near()
        self._find_spoken()
        self._find_claims()
        self._find_present()
        self._find_takeovers()
        self._find_dropped()
        self._find_candidates()
        self._choose()
        self._compare_contents()
        self._apply()
        self._assert_tables(rows_before)

    def rows(self, sql: str, **values: object) -> list[tuple]:  # type: ignore[type-arg]
        """Rows of a statement; values are bound by name."""
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, **values: object) -> int:
        """The single number of an answer."""
        return int(self.rows(sql, **values)[0][0])

    # --- what is there -----------------------------------------------------------------------

    def _find_near(self) -> None:
        """`near`: rows that a speaker may be speaking of."""
        first, last, least, greatest = self.rows(
            f"""
            SELECT min(day), max(day), min({KEY}), max({KEY}) FROM (
              SELECT bin_date AS day, NULL AS {KEY} FROM speaker
              UNION ALL SELECT NULL, {KEY} FROM arriving
              UNION ALL SELECT NULL, {KEY} FROM gone)
            """
        )[0]
        columns = (
            f"{KEY}, {_BIN}, {AT_UTC} AS at_utc, {IS_NAMED} AS is_named, {IS_INSIDE} AS is_inside, "
            f"CASE WHEN NOT {IS_NAMED} THEN {NEIGHBOUR_DEG} END AS neighbour_deg, "
            f"list_contains(quality_flags, '{MADE_HERE}') AS is_made_here, "
            "summary_generated_at_utc, source_file_sha256, revision"
        )
        # Two scans, each of which DuckLake can confine to the files it needs.
        parts = []
        values: dict[str, object] = {}
        if least is not None:
            elsewhere = "" if first is None else "AND bin_date NOT BETWEEN $first AND $last"
            parts.append(
                f"SELECT {columns} FROM trajectories WHERE {KEY} BETWEEN $least AND $greatest "
                f"AND {KEY} IN (SELECT {KEY} FROM arriving UNION ALL SELECT {KEY} FROM gone) "
                + elsewhere
            )
            values |= {"least": least, "greatest": greatest}
        if first is not None:
            # A history file speaks of times: those of a bin may be labelled with its neighbour.
            parts.append(
                f"SELECT {columns} FROM trajectories WHERE bin_date BETWEEN $first AND $last"
            )
            values |= {"first": first - _A_DAY, "last": last + _A_DAY}
        self.rows(
            "CREATE OR REPLACE TEMP TABLE near AS " + " UNION ALL ".join(parts or [
                f"SELECT {columns} FROM trajectories WHERE false"]),
            **values,
        )  # fmt: skip

    def _find_present(self) -> None:
        """`present`: rows that a speaker may be speaking of, with the generation of the newest
        file that has them: one that brought nothing new did not touch the row. And with that of
        what named their bin; where its content is not the row's, that is a claim."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE present AS
            SELECT n.*, c.{KEY} IS NOT NULL AS is_claimed,
              CASE WHEN n.is_named THEN greatest(d.generated_at_utc, c.generated_at_utc,
                m.generated_at_utc, CASE
                WHEN h.{KEY} IS NULL OR n.source_file_sha256 NOT IN ({_HISTORY_FILES})
                THEN n.summary_generated_at_utc END) END AS named_at_utc,
              greatest(n.summary_generated_at_utc, h.generated_at_utc, m.generated_at_utc,
                CASE WHEN n.is_named THEN d.generated_at_utc END) AS generated_at_utc
            FROM near n
            LEFT JOIN (FROM spoken WHERE is_daily) d USING ({_BIN})
            LEFT JOIN ({self._spoken_of("near")}) h ON n.{KEY} = h.{KEY}
            LEFT JOIN claim c ON n.{KEY} = c.{KEY} AND n.bin_date = c.bin_date
              AND n.bin_solar_longitude_deg = c.bin_solar_longitude_deg
            LEFT JOIN ({_CONFIRMED}) m ON n.{KEY} = m.{KEY} AND n.revision = m.revision
            """
        )

    def _find_spoken(self) -> None:
        """`spoken`: the newest file that was loaded of each bin or interval before."""
        first, last = self.rows(
            "SELECT min(bin_date), max(bin_date) FROM (SELECT bin_date FROM near UNION ALL "
            "SELECT bin_date FROM speaker UNION ALL SELECT bin_date FROM arriving UNION ALL "
            "SELECT bin_date FROM trajectory_claims)"
        )[0]
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE spoken AS
            SELECT {_BIN}, {IS_DAILY} AS is_daily, covers_from_utc, covers_until_utc,
              max(summary_generated_at_utc) AS generated_at_utc,
              arg_max(loaded_at_utc, summary_generated_at_utc) AS loaded_at_utc
            FROM source_files WHERE bin_date BETWEEN $first AND $last GROUP BY ALL
            """,
            first=first and first - _A_DAY,
            last=last and last + _A_DAY,
        )

    @staticmethod
    def _spoken_of(table: str) -> str:
        """The newest history file loaded before that speaks of each row of a table."""
        return f"""
            SELECT t.{KEY}, max(s.generated_at_utc) AS generated_at_utc,
              arg_max(s.loaded_at_utc, s.generated_at_utc) AS loaded_at_utc
            FROM {table} t JOIN spoken s ON NOT s.is_daily AND {covers("s", "t.at_utc", "t")}
            GROUP BY 1"""

    def _find_claims(self) -> None:
        """`claim`: what current files of other bins have of trajectories. There are few: all."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE claim AS
            SELECT c.{KEY}, c.bin_date, c.bin_solar_longitude_deg, {AT_UTC} AS at_utc,
              {IS_INSIDE} AS is_inside,
              greatest(c.summary_generated_at_utc, s.generated_at_utc) AS generated_at_utc
            FROM trajectory_claims c
            LEFT JOIN (FROM spoken WHERE is_daily) s USING ({_BIN})
            """
        )

    def _find_takeovers(self) -> None:
        """`taken_over`: trajectories whose identifier was made here, for a file of the former
        format, of which something else tells the network's: same bin, second and stations. They
        go, with the speaker, or do not come: they stand for the trajectory that is there."""
        made_here = f"list_contains(quality_flags, '{MADE_HERE}')"
        self.rows(
            f"CREATE OR REPLACE TEMP TABLE taken_over ({KEY} VARCHAR, speaker INTEGER, "
            "cause VARCHAR, generated_at_utc TIMESTAMP, network_identifier VARCHAR)"
        )
        if not self.one(
            f"SELECT (SELECT count(*) FROM present WHERE is_made_here) + "
            f"(SELECT count(*) FROM arriving_row WHERE {made_here})"
        ):
            return
        event = (
            f"{KEY}, {_BIN}, date_trunc('second', beginning_utc_time) AS second, "
            f"list_sort(participating_stations) AS stations, {made_here} AS is_made_here"
        )
        same = "bin_date, bin_solar_longitude_deg, second, stations"
        self.rows(
            f"""
            INSERT INTO taken_over
            WITH new AS (
              SELECT {event}, row FROM arriving_row WHERE row IN (SELECT row FROM arriving)
            ), old AS (
              SELECT {event} FROM trajectories WHERE {KEY} IN (SELECT {KEY} FROM present)
            )
            SELECT old.{KEY}, a.speaker, a.cause, a.generated_at_utc, NULL
            FROM old JOIN new USING ({same}) JOIN arriving a ON a.row = new.row
            WHERE old.is_made_here AND NOT new.is_made_here
            UNION ALL
            SELECT new.{KEY}, NULL, NULL, NULL, other.{KEY}
            FROM new JOIN (FROM old WHERE NOT is_made_here UNION ALL
              SELECT * EXCLUDE (row) FROM new WHERE NOT is_made_here) other USING ({same})
            WHERE new.is_made_here
            """
        )

    # --- what counts -------------------------------------------------------------------------

    def _find_dropped(self) -> None:
        """`dropped` and `dropped_claim`: what a newer speaker of its place does not have, with
        the speaker; `unnamed`: rows that the newest file of their bin does not have, though
        something newer has them."""
        lacking = (
            f"NOT EXISTS (FROM arriving a WHERE a.{KEY} = p.{KEY} AND a.cause = s.cause) "
            f"AND p.{KEY} NOT IN (SELECT network_identifier FROM taken_over "
            "WHERE network_identifier IS NOT NULL)"
        )
        here = "p.bin_date = s.bin_date AND p.bin_solar_longitude_deg = s.bin_solar_longitude_deg"
        self._find_namings()
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE dropped AS
            SELECT {KEY}, arg_max(speaker, generated_at_utc) AS speaker,
              arg_max(cause, generated_at_utc) AS cause
            FROM (
              SELECT p.{KEY}, s.speaker, s.cause, s.generated_at_utc
              FROM present p JOIN speaker s ON s.is_daily AND {here}
              WHERE s.generated_at_utc >= p.generated_at_utc AND {lacking}
                AND (p.is_named OR p.{KEY} NOT IN (FROM named_elsewhere))
                AND {self._neighbour_lacks("p", ">=")}
              UNION ALL
              SELECT p.{KEY}, s.speaker, s.cause, s.generated_at_utc
              FROM present p JOIN speaker s ON s.is_daily
                AND s.bin_solar_longitude_deg = p.neighbour_deg
                AND s.bin_date BETWEEN p.bin_date - 2 AND p.bin_date + 2
              WHERE s.generated_at_utc >= p.generated_at_utc AND {lacking}
                AND p.{KEY} NOT IN (FROM named_elsewhere)
                AND EXISTS (FROM daily_speaker d WHERE d.bin_date = p.bin_date
                  AND d.bin_solar_longitude_deg = p.bin_solar_longitude_deg
                  AND d.generated_at_utc >= p.generated_at_utc)
              UNION ALL
              SELECT p.{KEY}, s.speaker, s.cause, s.generated_at_utc
              FROM present p JOIN speaker s ON NOT s.is_daily AND {covers("s", "p.at_utc", "p")}
              WHERE s.generated_at_utc >= p.generated_at_utc AND {lacking}
              UNION ALL
              SELECT p.{KEY}, g.speaker, g.cause, g.generated_at_utc
              FROM present p JOIN gone g ON p.{KEY} = g.{KEY}
              WHERE g.generated_at_utc >= p.generated_at_utc
              UNION ALL
              SELECT {KEY}, speaker, cause, generated_at_utc FROM taken_over
              WHERE speaker IS NOT NULL
            ) GROUP BY 1
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE dropped_claim AS
            SELECT DISTINCT {KEY}, bin_date, bin_solar_longitude_deg FROM (
              SELECT p.* FROM claim p JOIN speaker s ON s.is_daily AND {here}
              WHERE s.generated_at_utc >= p.generated_at_utc
              UNION ALL
              SELECT p.* FROM claim p
              JOIN speaker s ON NOT s.is_daily AND {covers("s", "p.at_utc", "p")}
              WHERE s.generated_at_utc >= p.generated_at_utc AND {lacking}
              UNION ALL
              SELECT p.* FROM claim p JOIN gone g ON p.{KEY} = g.{KEY}
              WHERE g.generated_at_utc >= p.generated_at_utc)
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE unnamed AS
            SELECT DISTINCT p.{KEY} FROM present p JOIN speaker s ON s.is_daily AND {here}
            WHERE p.is_named AND {lacking}
              AND s.generated_at_utc < p.generated_at_utc
              AND s.generated_at_utc >= coalesce(p.named_at_utc, TIMESTAMP '-infinity')
            """
        )

    def _find_namings(self) -> None:
        """`daily_speaker`: the newest daily file of each bin, those that are loaded included;
        `named_elsewhere`: trajectories that a current daily file or a claim names a bin of."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE daily_speaker AS
            SELECT {_BIN}, max(generated_at_utc) AS generated_at_utc FROM (
              SELECT {_BIN}, generated_at_utc FROM spoken WHERE is_daily
              UNION ALL SELECT {_BIN}, generated_at_utc FROM speaker WHERE is_daily) GROUP BY ALL
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE named_elsewhere AS
            SELECT a.{KEY} FROM arriving a LEFT JOIN (FROM spoken WHERE is_daily) d USING ({_BIN})
            WHERE a.is_named AND NOT coalesce(d.generated_at_utc > a.generated_at_utc, false)
            UNION SELECT {KEY} FROM claim
            """
        )

    @staticmethod
    def _neighbour_lacks(row: str, newer: str, speakers: str = "daily_speaker") -> str:
        """Whether the daily file of the other bin that a row may belong to is newer too. It does
        not have the row, which would be named."""
        return f"""({row}.neighbour_deg IS NULL OR EXISTS (FROM {speakers} d
            WHERE d.bin_solar_longitude_deg = {row}.neighbour_deg
              AND d.bin_date BETWEEN {row}.bin_date - 2 AND {row}.bin_date + 2
              AND d.generated_at_utc {newer} {row}.generated_at_utc))"""

    def _find_candidates(self) -> None:
        """`candidate`: what may be said of each trajectory that is spoken of, at its place."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE touched AS
            SELECT {KEY} FROM arriving UNION SELECT {KEY} FROM dropped UNION FROM unnamed
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE held AS
            WITH here AS (
              SELECT {KEY}, generated_at_utc, named_at_utc, {_BIN}, is_inside,
                is_named AND NOT is_claimed AND {KEY} NOT IN (FROM unnamed) AS is_named
              FROM present SEMI JOIN touched USING ({KEY}) ANTI JOIN dropped USING ({KEY})
            )
            SELECT {KEY}, 'present' AS origin, generated_at_utc,
              is_named AND coalesce(named_at_utc >= generated_at_utc, true) AS is_named,
              {_BIN}, is_inside
            FROM here
            UNION ALL
            -- Something newer has it, which names no bin: what named this one stands by itself.
            SELECT {KEY}, 'present', named_at_utc, true, {_BIN}, is_inside
            FROM here WHERE is_named AND named_at_utc < generated_at_utc
            UNION ALL
            SELECT {KEY}, 'claim', generated_at_utc, true, {_BIN}, is_inside
            FROM claim SEMI JOIN touched USING ({KEY}) ANTI JOIN dropped_claim USING ({KEY}, {_BIN})
            """
        )
        self._find_denied()
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE live AS
            SELECT a.* FROM arriving a
            LEFT JOIN (FROM spoken WHERE is_daily) d USING ({_BIN})
            LEFT JOIN ({self._tombstones()}) g ON a.{KEY} = g.{KEY}
            WHERE NOT coalesce(g.generated_at_utc > a.generated_at_utc, false)
              AND a.{KEY} NOT IN (SELECT {KEY} FROM taken_over)
              AND a.{KEY} NOT IN (SELECT {KEY} FROM denied)
              AND NOT coalesce(a.is_named AND d.generated_at_utc > a.generated_at_utc, false)
              AND (a.{KEY} IN (SELECT {KEY} FROM held)
                OR NOT (coalesce(d.generated_at_utc > a.generated_at_utc, false)
                  AND (a.is_named OR {self._neighbour_lacks("a", ">", "spoken")})))
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE candidate AS
            WITH every AS (
              SELECT {KEY}, 'arriving' AS origin, row, speaker, generated_at_utc, is_named, {_BIN},
                is_inside FROM live
              UNION ALL
              SELECT {KEY}, origin, NULL, NULL, generated_at_utc, is_named, {_BIN}, is_inside
              FROM held
            ), naming AS (
              FROM every WHERE is_named QUALIFY row_number() OVER (PARTITION BY {KEY}
                ORDER BY generated_at_utc DESC, is_inside DESC, {_RANK}, {_BIN}) = 1
            ), placed AS (
              SELECT e.{KEY}, e.origin, e.row, e.speaker, e.generated_at_utc,
                n.{KEY} IS NOT NULL AND NOT e.is_named AS is_placed, n.is_inside AS place_is_inside,
                e.is_named, e.is_inside,
                CASE WHEN e.is_named THEN e.bin_date
                  ELSE coalesce(n.bin_date, p.bin_date, e.bin_date) END AS bin_date,
                CASE WHEN e.is_named THEN e.bin_solar_longitude_deg
                  ELSE coalesce(n.bin_solar_longitude_deg, p.bin_solar_longitude_deg,
                    e.bin_solar_longitude_deg) END AS bin_solar_longitude_deg
              FROM every e LEFT JOIN naming n ON e.{KEY} = n.{KEY}
              LEFT JOIN (SELECT DISTINCT {KEY}, {_BIN} FROM held WHERE origin = 'present') p
                ON e.{KEY} = p.{KEY}
            )
            SELECT *,
              row_number() OVER (PARTITION BY {KEY}, {_BIN}
                ORDER BY generated_at_utc DESC, {_RANK}, is_named DESC) AS place_rank,
              row_number() OVER (PARTITION BY {KEY}, {_BIN}, is_named
                ORDER BY generated_at_utc DESC, {_RANK}) AS named_rank
            FROM placed
            """
        )

    def _find_denied(self) -> None:
        """`denied`: what a newer history file, loaded before, does not have. It does have what is
        there or held, and what was current right after it was loaded though it is gone by now;
        and nobody knows of what a newer file brings in the same load."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE denied AS
            SELECT a.{KEY}, h.generated_at_utc, h.loaded_at_utc
            FROM arriving a JOIN ({self._spoken_of("arriving")}) h ON a.{KEY} = h.{KEY}
            WHERE h.generated_at_utc > a.generated_at_utc
              AND a.{KEY} NOT IN (SELECT {KEY} FROM present UNION ALL SELECT {KEY} FROM held)
            """
        )
        if self.one("SELECT count(*) FROM denied"):
            self.rows(
                f"""
                DELETE FROM denied WHERE {KEY} IN (
                  SELECT a.{KEY} FROM arriving a WHERE NOT EXISTS (FROM denied d
                    WHERE d.{KEY} = a.{KEY} AND d.generated_at_utc > a.generated_at_utc))
                  OR EXISTS (FROM trajectory_revisions r
                  WHERE r.{KEY} = denied.{KEY}
                    AND r.summary_generated_at_utc <= denied.generated_at_utc
                    AND r.valid_from_utc <= denied.loaded_at_utc
                    AND r.valid_until_utc > denied.loaded_at_utc)
                """
            )

    @staticmethod
    def _tombstones() -> str:
        """The newest tombstone that others sent of each trajectory."""
        return f"""
            SELECT {KEY}, max(generated_at_utc) AS generated_at_utc FROM publications
            WHERE origin = 'consumed' AND change = 'withdrawn'
              AND {KEY} IN (SELECT {KEY} FROM arriving)
            GROUP BY 1"""

    def _choose(self) -> None:
        """`change`: the candidate that counts, and what is to happen: 'both' where it stands
        beside a present row and contents have to be compared."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE change AS
            WITH chosen AS (
              FROM candidate WHERE place_rank = 1 QUALIFY row_number() OVER (PARTITION BY {KEY}
                ORDER BY generated_at_utc DESC, is_inside DESC, {_RANK}, {_BIN}) = 1
            )
            SELECT coalesce(c.{KEY}, d.{KEY}) AS {KEY}, c.origin, c.row,
              coalesce(c.speaker, d.speaker) AS speaker,
              coalesce(c.bin_date, p.bin_date) AS bin_date,
              coalesce(c.bin_solar_longitude_deg, p.bin_solar_longitude_deg)
                AS bin_solar_longitude_deg,
              p.bin_date AS former_bin_date,
              p.bin_date IS DISTINCT FROM c.bin_date
                OR p.bin_solar_longitude_deg IS DISTINCT FROM c.bin_solar_longitude_deg AS moves,
              c.is_placed, c.place_is_inside, c.is_named OR c.is_placed AS is_named,
              p.is_named AS was_named,
              CASE WHEN c.{KEY} IS NULL THEN 'withdrawn'
                WHEN p.{KEY} IS NULL THEN 'inserted'
                WHEN c.origin <> 'present' THEN 'both'
                WHEN moves OR (c.is_named OR c.is_placed) <> p.is_named THEN 'relabelled'
                ELSE 'unchanged' END AS change
            FROM chosen c FULL JOIN dropped d ON c.{KEY} = d.{KEY}
            LEFT JOIN present p ON p.{KEY} = coalesce(c.{KEY}, d.{KEY})
            """
        )

    def _compare_contents(self) -> None:
        """Tell what stands beside a present row apart: revised, unchanged, or the same under
        another label.

        Compared are 64-bit hashes: to join the 85 columns of both took twice as long, and one in
        10^19 changed rows passes for unchanged.
        """
        if not self.one("SELECT count(*) FROM change WHERE change = 'both'"):
            return
        first, last = self._former_days("change = 'both'")
        content = f"hash({', '.join(CONTENT)}) AS content, hash(list_sort({{flags}})) AS flags"
        arriving = content.format(flags=_flags("c"))
        other_flags = "OR new.flags <> old.flags" if self._compare_flags else ""
        self.rows(
            f"""
            UPDATE change SET change = compared.change FROM (
              SELECT new.{KEY}, CASE WHEN new.content <> old.content THEN 'revised'
                WHEN new.moves OR new.renamed {other_flags} THEN 'relabelled'
                ELSE 'unchanged' END AS change
              FROM (
                SELECT {KEY}, c.moves, c.is_named <> c.was_named AS renamed, {arriving}
                FROM arriving_row r JOIN change c USING ({KEY})
                WHERE c.change = 'both' AND c.origin = 'arriving' AND r.row = c.row
                UNION ALL
                SELECT {KEY}, c.moves, c.is_named <> c.was_named AS renamed, {arriving}
                FROM trajectory_claims r JOIN change c USING ({KEY})
                WHERE c.change = 'both' AND c.origin = 'claim' AND r.bin_date = c.bin_date
                  AND r.bin_solar_longitude_deg = c.bin_solar_longitude_deg
              ) new
              JOIN (SELECT {KEY}, {content.format(flags="quality_flags")} FROM trajectories
                WHERE bin_date BETWEEN $first AND $last) old ON new.{KEY} = old.{KEY}
            ) compared
            WHERE change.{KEY} = compared.{KEY}
            """,
            first=first, last=last,
        )  # fmt: skip

    def _former_days(self, where: str) -> tuple[object, object]:
        """The first and last bin date of the rows that are there of some changes."""
        first, last = self.rows(
            f"SELECT min(former_bin_date), max(former_bin_date) FROM change WHERE {where}"
        )[0]
        return first, last

    # --- bring the tables there --------------------------------------------------------------

    def _apply(self) -> None:
        """From the former states to the current ones."""
        counts = dict(self.rows("SELECT change, count(*) FROM change GROUP BY 1"))
        ended = counts.get("revised", 0) + counts.get("withdrawn", 0)
        coming = counts.get("inserted", 0) + counts.get("revised", 0) + counts.get("relabelled", 0)
        waiting = self._note_claims()
        if ended:
            self._keep_former_states()
        if coming:
            self._number_revisions()
            self._set_aside()
        if ended or counts.get("relabelled"):
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
            WHERE c.is_named AND c.named_rank = 1 AND x.change <> 'withdrawn'
              -- What named the bin of a row whose content came with something newer.
              AND (NOT is_here OR (x.is_placed AND (c.origin <> 'present' OR (
                x.origin <> 'present' AND x.change = 'revised'))))
            """
        )
        if not self.one("SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM claim)"):
            return False
        first, last = self._former_days("true")
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE new_claim AS
            -- A row that something newer confirmed was named by an older file: that one claims it.
            SELECT {_COPIED} FROM (
              SELECT t.* REPLACE (
                w.generated_at_utc AS summary_generated_at_utc,
                CASE WHEN w.generated_at_utc = t.summary_generated_at_utc
                  THEN t.source_file_sha256
                  ELSE coalesce(f.source_file_sha256, t.source_file_sha256)
                  END AS source_file_sha256)
              FROM trajectories t
              JOIN (FROM waiting WHERE origin = 'present') w ON t.{KEY} = w.{KEY}
              LEFT JOIN (
                SELECT {_BIN}, summary_generated_at_utc,
                  arg_max(source_file_sha256, loaded_at_utc) AS source_file_sha256
                FROM source_files WHERE {IS_DAILY} GROUP BY ALL
              ) f ON f.bin_date = t.bin_date
                AND f.bin_solar_longitude_deg = t.bin_solar_longitude_deg
                AND f.summary_generated_at_utc = w.generated_at_utc
              WHERE t.bin_date BETWEEN $first AND $last)
            """,
            first=first, last=last,
        )  # fmt: skip
        return True

    def _keep_former_states(self) -> None:
        first, last = self._former_days("change IN ('revised', 'withdrawn')")
        columns = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns)
        self.rows(
            f"""
            INSERT INTO trajectory_revisions ({", ".join(TRAJECTORY_REVISIONS.columns)})
            SELECT {columns}, $now, c.change, coalesce(a.cause, d.cause)
            FROM trajectories t JOIN change c USING ({KEY})
            LEFT JOIN arriving a ON a.row = c.row
            LEFT JOIN dropped d ON d.{KEY} = c.{KEY}
            WHERE c.change IN ('revised', 'withdrawn') AND t.bin_date BETWEEN $first AND $last
            """,
            now=self._now, first=first, last=last,
        )  # fmt: skip

    def _number_revisions(self) -> None:
        """`coming`: which rows become current, as which revision and since when.

        What was withdrawn once and comes back counts on. Rows are named by their number: to join
        the wide rows by identifier and hash took half as long again.
        """
        first, last = self._former_days("true")
        least, greatest = self.rows(
            f"SELECT min({KEY}), max({KEY}) FROM change WHERE change = 'inserted'"
        )[0]
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE coming AS
            WITH former AS (
              SELECT {KEY}, revision, valid_from_utc, first_loaded_at_utc
              FROM trajectories WHERE bin_date BETWEEN $first AND $last
            ), withdrawn AS (
              SELECT {KEY}, max(revision) AS revision,
                min(first_loaded_at_utc) AS first_loaded_at_utc
              FROM trajectory_revisions WHERE {KEY} BETWEEN $least AND $greatest GROUP BY 1
            )
            SELECT c.*,
              CASE WHEN c.change = 'relabelled' THEN t.revision
                ELSE 1 + coalesce(t.revision, w.revision, 0) END AS revision,
              CASE WHEN c.change = 'relabelled' THEN t.valid_from_utc ELSE $now END
                AS valid_from_utc,
              coalesce(t.first_loaded_at_utc, w.first_loaded_at_utc, $now) AS first_loaded_at_utc
            FROM change c
            LEFT JOIN former t ON c.former_bin_date IS NOT NULL AND c.{KEY} = t.{KEY}
            LEFT JOIN withdrawn w ON c.change = 'inserted' AND c.{KEY} = w.{KEY}
            WHERE c.change IN ('inserted', 'revised', 'relabelled')
            """,
            now=self._now, first=first, last=last, least=least, greatest=greatest,
        )  # fmt: skip

    def _set_aside(self) -> None:
        """`coming_row`: the wide rows that become current. Those that stand in the lake are
        copied before they are removed there."""
        first, last = self._former_days("change = 'relabelled' OR origin = 'claim'")
        if first is not None:
            self.rows(
                f"""
                CREATE OR REPLACE TEMP TABLE set_aside AS
                SELECT {_qualified("r")}, c.row, c.{KEY} AS coming_key
                FROM trajectories r JOIN coming c USING ({KEY})
                WHERE c.origin = 'present' AND r.bin_date BETWEEN $first AND $last
                UNION ALL
                SELECT {_qualified("r")}, c.row, c.{KEY}
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
        first, last = self._former_days(f"change IN {_ENDED_OR_CHANGED}")
        links = "change IN ('revised', 'withdrawn') OR (change = 'relabelled' AND moves)"
        for table, which in (
            ("trajectories", f"change IN {_ENDED_OR_CHANGED}"),
            ("trajectory_stations", links),
        ):
            self.rows(
                f"DELETE FROM {table} WHERE bin_date BETWEEN $first AND $last "
                f"AND {KEY} IN (SELECT {KEY} FROM change WHERE {which})",
                first=first, last=last,
            )  # fmt: skip

    def _insert_current(self) -> None:
        """Insert what is new, changed or moved."""
        names = [n for n in TRAJECTORY_CLAIMS.columns if n not in (*_BIN.split(", "),
                                                                    "quality_flags")]  # fmt: skip
        for source, where in self._sources:
            self.rows(
                f"""
                INSERT INTO trajectories ({", ".join(names)}, quality_flags, {_BIN},
                  revision, valid_from_utc, first_loaded_at_utc)
                SELECT {", ".join(f"r.{n}" for n in names)}, {_flags("c")},
                  c.bin_date, c.bin_solar_longitude_deg,
                  c.revision, c.valid_from_utc, c.first_loaded_at_utc
                FROM {source} WHERE c.{where}
                """
            )

    def _insert_stations(self) -> None:
        """Station links of what was inserted, and stations not seen before."""
        links = " UNION ALL ".join(
            f"SELECT c.{KEY}, unnest(list_distinct(r.participating_stations)) AS station_code, "
            f"c.bin_date FROM {source} WHERE c.{where} AND (c.change <> 'relabelled' OR c.moves)"
            for source, where in self._sources
        )
        self.rows(f"CREATE OR REPLACE TEMP TABLE link AS {links}")
        self.rows("INSERT INTO trajectory_stations FROM link ORDER BY station_code")
        self.rows(
            """
            INSERT INTO stations
            SELECT (SELECT coalesce(max(station_number), 0) FROM stations)
                + row_number() OVER (ORDER BY station_code),
              station_code, station_code[1:2], $now
            FROM (SELECT DISTINCT station_code FROM link)
            ANTI JOIN stations USING (station_code)
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
            INSERT INTO trajectory_claims ({_COPIED})
            SELECT {_COPIED} FROM new_claim
            UNION ALL
            SELECT {_COPIED} FROM arriving_row WHERE row IN (
              SELECT w.row FROM waiting w JOIN fate f ON w.row = f.row
              WHERE w.origin = 'arriving' AND NOT (w.is_here AND f.fate = 'unchanged'))
            """
        )

    # --- what came of it ---------------------------------------------------------------------

    def _find_fates(self) -> None:
        """`fate`: what became of each arriving row: inserted, revised, unchanged where the
        warehouse says the same now, superseded where a newer speaker says something else."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE fate AS
            SELECT a.row, a.speaker, a.{KEY}, c.bin_date AS its_bin_date,
              CASE WHEN c.row IS DISTINCT FROM a.row THEN 'superseded'
                WHEN c.change = 'relabelled' THEN 'unchanged' ELSE c.change END AS fate
            FROM arriving a LEFT JOIN change c ON a.{KEY} = c.{KEY}
            """
        )
        first, last = self.rows(
            "SELECT min(its_bin_date), max(its_bin_date) FROM fate WHERE fate = 'superseded'"
        )[0]
        if first is None:
            return
        content = f"hash({', '.join(CONTENT)}) AS content"
        self.rows(
            f"""
            UPDATE fate SET fate = 'unchanged' FROM (
              SELECT new.row FROM (
                SELECT row, {KEY}, {content} FROM arriving_row
                WHERE row IN (SELECT row FROM fate WHERE fate = 'superseded')) new
              JOIN (SELECT {KEY}, {content} FROM trajectories
                WHERE bin_date BETWEEN $first AND $last) old
              ON new.{KEY} = old.{KEY} AND new.content = old.content
            ) same WHERE fate.row = same.row
            """,
            first=first, last=last,
        )  # fmt: skip

    def _assert_tables(self, rows_before: int) -> None:
        """Ask the tables themselves, before anything is committed.

        Raises CountMismatch if a trajectory is there twice or not at all, if a station link is
        missing or left over, or if rows came or went that no change accounts for.
        """
        least, greatest, first, last = self.rows(
            f"SELECT min({KEY}), max({KEY}), min(least(bin_date, former_bin_date)), "
            "max(greatest(bin_date, former_bin_date)) FROM change WHERE change <> 'unchanged'"
        )[0]
        if least is None:
            return
        changed = f"{KEY} IN (SELECT {KEY} FROM change WHERE change <> 'unchanged')"
        of_trajectories = f"{{what}} FROM trajectories WHERE {KEY} BETWEEN $least AND $greatest"
        of_trajectories += f" AND {changed}"
        link_sum = f"(SELECT sum(hash({KEY}, station_code, bin_date)) FROM {{links}})"
        stations = f"SELECT {KEY}, unnest(list_distinct(participating_stations)) AS station_code"
        should_be = "(" + of_trajectories.format(what=f"{stations}, bin_date") + ")"
        there_are = f"trajectory_stations WHERE bin_date BETWEEN $first AND $last AND {changed}"
        rows, changed_rows, distinct, links, linked = self.rows(
            f"""
            SELECT (SELECT count(*) FROM trajectories),
              ({of_trajectories.format(what="SELECT count(*)")}),
              ({of_trajectories.format(what=f"SELECT count(DISTINCT {KEY})")}),
              {link_sum.format(links=should_be)}, {link_sum.format(links=there_are)}
            """,
            least=least, greatest=greatest, first=first, last=last,
        )[0]  # fmt: skip
        counts = dict(self.rows("SELECT change, count(*) FROM change GROUP BY 1"))
        inserted, withdrawn = counts.get("inserted", 0), counts.get("withdrawn", 0)
        present = inserted + counts.get("revised", 0) + counts.get("relabelled", 0)
        wrong = []
        if rows != rows_before + inserted - withdrawn:
            wrong.append(f"{rows_before} rows + {inserted} - {withdrawn} became {rows}")
        if not present == changed_rows == distinct:
            wrong.append(f"{present} changed trajectories have {changed_rows} rows, {distinct} "
                         "identifiers")  # fmt: skip
        if links != linked:
            wrong.append("the station links are not those of the trajectories")
        if wrong:
            raise CountMismatch(
                f"The tables would not be right: {'; '.join(wrong)}.",
                remedy="Nothing was committed. This is a fault of this program: please report it "
                "with the files.",
            )


def _qualified(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in TRAJECTORY_CLAIMS.columns)


def _flags(change: str) -> str:
    """The quality flags of a row `r` at the place that a change gives it."""
    without = f"[f FOR f IN r.quality_flags IF f NOT IN ('{BIN_COMPUTED}', '{OUTSIDE_BIN}')]"
    return f"""
        CASE WHEN {change}.is_placed AND {change}.place_is_inside THEN {without}
          WHEN {change}.is_placed THEN list_append({without}, '{OUTSIDE_BIN}')
          WHEN NOT {change}.is_named AND NOT list_contains(r.quality_flags, '{BIN_COMPUTED}')
            THEN list_append(r.quality_flags, '{BIN_COMPUTED}')
          ELSE r.quality_flags END"""
