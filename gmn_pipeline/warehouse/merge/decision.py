"""Of the merge: which candidate counts, and what is to happen.

The rules stand in docs/rewritten-files.md and docs/decisions/0024-one-merge-of-candidates.md.
"""

import duckdb

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.warehouse.merge.statements import Statements
from gmn_pipeline.warehouse.merge.terms import (
    BIN,
    CONTENT,
    KEY,
    RANK,
    covers,
    flags_at,
    spoken_of,
)


class Decision(Statements):
    """`change`: a row for each trajectory that is spoken of."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, standing: str, *, compare_flags: bool
    ) -> None:
        super().__init__(connection, standing)
        self._compare_flags = compare_flags

    def run(self, *, is_contested: bool) -> None:
        """The steps, in their order; without weighing, where nothing is contested."""
        if is_contested:
            self._find_dropped()
            self._find_candidates()
        else:
            self.rows(f"CREATE OR REPLACE TEMP TABLE dropped ({KEY} VARCHAR, cause VARCHAR)")
        self._choose(is_contested=is_contested)
        self._compare_contents()

    def _find_dropped(self) -> None:
        """`denying`: who speaks of a row's place and does not have it; `dropped` and
        `dropped_claim`: what a newer one does not have; `unnamed`: rows of which only what named
        their bin is dropped: something newer has them."""
        lacking = (
            f"NOT EXISTS (FROM contested a WHERE a.{KEY} = p.{KEY} AND a.cause = s.cause) "
            f"AND p.{KEY} NOT IN (SELECT network_identifier FROM taken_over "
            "WHERE network_identifier IS NOT NULL)"
        )
        here = "p.bin_date = s.bin_date AND p.bin_solar_longitude_deg = s.bin_solar_longitude_deg"
        # At equal generation the later one counts, as for all that is loaded.
        newer = "(d.generated_at_utc > p.generated_at_utc"
        newer += " OR (d.generated_at_utc = p.generated_at_utc AND d.is_coming))"
        self._find_namings()
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE denying AS
            SELECT p.{KEY}, s.speaker, s.cause, s.generated_at_utc, true AS is_daily
            FROM present p JOIN speaker s ON s.is_daily AND {here} WHERE {lacking}
            UNION ALL
            SELECT p.{KEY}, s.speaker, s.cause, s.generated_at_utc, false
            FROM present p JOIN speaker s ON NOT s.is_daily AND {covers("s", "p.at_utc", "p")}
            WHERE {lacking}
            UNION ALL
            SELECT p.{KEY}, g.speaker, g.cause, g.generated_at_utc, false
            FROM present p JOIN gone g ON p.{KEY} = g.{KEY}
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE dropped AS
            SELECT {KEY}, arg_max(speaker, generated_at_utc) AS speaker,
              arg_max(cause, generated_at_utc) AS cause
            FROM (
              SELECT y.{KEY}, y.speaker, y.cause, y.generated_at_utc
              FROM present p JOIN denying y ON p.{KEY} = y.{KEY}
              WHERE y.generated_at_utc >= p.generated_at_utc AND (NOT y.is_daily OR (
                (p.is_named OR p.{KEY} NOT IN (FROM named_elsewhere))
                AND p.{KEY} NOT IN (FROM renamed)
                AND {self._neighbour_lacks("p", newer)}))
              UNION ALL
              SELECT p.{KEY}, s.speaker, s.cause, s.generated_at_utc
              FROM present p JOIN speaker s ON s.is_daily
                AND s.bin_solar_longitude_deg = p.neighbour_deg
                AND s.bin_date BETWEEN p.bin_date - 2 AND p.bin_date + 2
              WHERE s.generated_at_utc >= p.generated_at_utc AND {lacking}
                AND p.{KEY} NOT IN (FROM named_elsewhere)
                AND EXISTS (FROM daily_speaker d WHERE d.bin_date = p.bin_date
                  AND d.bin_solar_longitude_deg = p.bin_solar_longitude_deg
                  AND {newer})
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
            SELECT DISTINCT p.{KEY} FROM present p JOIN denying y ON p.{KEY} = y.{KEY}
            WHERE p.is_named
              AND (y.generated_at_utc < p.generated_at_utc
                OR y.is_daily AND p.{KEY} IN (FROM renamed))
              AND y.generated_at_utc >= coalesce(p.named_at_utc, TIMESTAMP '-infinity')
            """
        )

    def _find_namings(self) -> None:
        """`daily_speaker`: the newest daily file of each bin, and whether it is just loaded;
        `naming_anew`: what arrives, names a bin and is not out of date there, as a daily file or
        tombstone that came before may tell; `named_elsewhere`: trajectories that one of these or a
        claim names a bin of;
        `renamed`: rows whose content names no bin, and whose bin something just loaded names anew:
        what the daily file of the former bin does not have is not theirs."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE daily_speaker AS
            SELECT {BIN}, max(generated_at_utc) AS generated_at_utc,
              arg_max(is_coming, (generated_at_utc, is_coming)) AS is_coming
            FROM (
              SELECT {BIN}, generated_at_utc, false AS is_coming FROM spoken WHERE is_daily
              UNION ALL
              SELECT {BIN}, generated_at_utc, true FROM speaker WHERE is_daily) GROUP BY {BIN}
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE naming_anew AS
            SELECT a.* FROM contested a LEFT JOIN (FROM spoken WHERE is_daily) d USING ({BIN})
            LEFT JOIN tombstone g ON a.{KEY} = g.{KEY}
            WHERE a.is_named AND NOT coalesce(
              greatest(d.generated_at_utc, g.generated_at_utc) > a.generated_at_utc, false)
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE named_elsewhere AS
            SELECT {KEY} FROM naming_anew UNION SELECT {KEY} FROM claim
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE renamed AS
            SELECT DISTINCT p.{KEY} FROM present p JOIN naming_anew a USING ({KEY})
            WHERE p.is_named AND (p.is_claimed OR p.named_at_utc < p.generated_at_utc)
              AND (a.generated_at_utc > p.named_at_utc
                OR (a.generated_at_utc = p.named_at_utc AND (a.is_inside > p.is_inside
                  OR (a.is_inside = p.is_inside AND (a.bin_date < p.bin_date
                    OR (a.bin_date = p.bin_date
                      AND a.bin_solar_longitude_deg < p.bin_solar_longitude_deg))))))
              AND (a.bin_date <> p.bin_date
                OR a.bin_solar_longitude_deg <> p.bin_solar_longitude_deg)
            """
        )

    @staticmethod
    def _neighbour_lacks(row: str, newer: str, speakers: str = "daily_speaker") -> str:
        """Whether the daily file of the other bin that a row may belong to is newer too. It does
        not have the row, which would be named."""
        return f"""({row}.neighbour_deg IS NULL OR EXISTS (FROM {speakers} d
            WHERE d.bin_solar_longitude_deg = {row}.neighbour_deg
              AND d.bin_date BETWEEN {row}.bin_date - 2 AND {row}.bin_date + 2
              AND {newer}))"""

    def _find_candidates(self) -> None:
        """`candidate`: what may be said of each trajectory that is spoken of, at its place."""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE touched AS
            SELECT {KEY} FROM contested UNION SELECT {KEY} FROM dropped UNION FROM unnamed
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE held AS
            WITH here AS (
              SELECT {KEY}, generated_at_utc, named_at_utc, {BIN}, is_inside,
                is_named AND NOT is_claimed AND {KEY} NOT IN (FROM unnamed) AS is_named
              FROM present SEMI JOIN touched USING ({KEY}) ANTI JOIN dropped USING ({KEY})
            )
            SELECT {KEY}, 'present' AS origin, generated_at_utc,
              is_named AND coalesce(named_at_utc >= generated_at_utc, true) AS is_named,
              {BIN}, is_inside
            FROM here
            UNION ALL
            -- Something newer has it, which names no bin: what named this one stands by itself.
            SELECT {KEY}, 'present', named_at_utc, true, {BIN}, is_inside
            FROM here WHERE is_named AND named_at_utc < generated_at_utc
            UNION ALL
            SELECT {KEY}, 'claim', generated_at_utc, true, {BIN}, is_inside
            FROM claim SEMI JOIN touched USING ({KEY}) ANTI JOIN dropped_claim USING ({KEY}, {BIN})
            """
        )
        self._find_denied()
        daily = "(FROM spoken WHERE is_daily)"
        newer = "d.generated_at_utc > a.generated_at_utc"
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE live AS
            SELECT a.* FROM contested a
            LEFT JOIN {daily} d USING ({BIN})
            LEFT JOIN tombstone g ON a.{KEY} = g.{KEY}
            WHERE NOT coalesce(g.generated_at_utc > a.generated_at_utc, false)
              AND a.{KEY} NOT IN (SELECT {KEY} FROM taken_over)
              AND a.{KEY} NOT IN (SELECT {KEY} FROM denied)
              AND NOT coalesce(a.is_named AND d.generated_at_utc > a.generated_at_utc, false)
              AND (a.{KEY} IN (SELECT {KEY} FROM held)
                OR NOT (coalesce(d.generated_at_utc > a.generated_at_utc, false)
                  AND (a.is_named OR {self._neighbour_lacks("a", newer, daily)})))
            """
        )
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE candidate AS
            WITH every AS (
              SELECT {KEY}, 'arriving' AS origin, row, speaker, generated_at_utc, is_named, {BIN},
                is_inside FROM live
              UNION ALL
              SELECT {KEY}, origin, NULL, NULL, generated_at_utc, is_named, {BIN}, is_inside
              FROM held
            ), naming AS (
              FROM every WHERE is_named QUALIFY row_number() OVER (PARTITION BY {KEY}
                ORDER BY generated_at_utc DESC, is_inside DESC, {BIN}, {RANK}) = 1
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
              LEFT JOIN (SELECT DISTINCT {KEY}, {BIN} FROM held WHERE origin = 'present') p
                ON e.{KEY} = p.{KEY}
            )
            SELECT *,
              row_number() OVER (PARTITION BY {KEY}, {BIN}
                ORDER BY generated_at_utc DESC, {RANK}, is_named DESC) AS place_rank,
              row_number() OVER (PARTITION BY {KEY}, {BIN}, is_named
                ORDER BY generated_at_utc DESC, {RANK}) AS named_rank
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
            FROM contested a JOIN ({spoken_of("contested")}) h ON a.{KEY} = h.{KEY}
            WHERE h.generated_at_utc > a.generated_at_utc
              AND a.{KEY} NOT IN (SELECT {KEY} FROM present UNION ALL SELECT {KEY} FROM held)
            """
        )
        if self.one("SELECT count(*) FROM denied"):
            self.rows(
                f"""
                DELETE FROM denied WHERE {KEY} IN (
                  SELECT a.{KEY} FROM contested a WHERE NOT EXISTS (FROM denied d
                    WHERE d.{KEY} = a.{KEY} AND d.generated_at_utc > a.generated_at_utc))
                  OR EXISTS (FROM trajectory_revisions r
                  WHERE r.{KEY} = denied.{KEY}
                    AND r.summary_generated_at_utc <= denied.generated_at_utc
                    AND r.valid_from_utc <= denied.loaded_at_utc
                    AND r.valid_until_utc > denied.loaded_at_utc)
                """
            )

    def _choose(self, *, is_contested: bool) -> None:
        """`change`: the candidate that counts, and what is to happen: 'both' where it stands
        beside a present row and contents have to be compared; `relinks`: whether its links to
        stations are others after it."""
        undisputed = f"""
            SELECT {KEY}, 'arriving' AS origin, row, speaker, {BIN}, former_bin_date,
              former_bin_date IS NULL AS moves, false AS is_placed,
              NULL::BOOLEAN AS place_is_inside, is_named,
              CASE WHEN former_bin_date IS NOT NULL THEN is_named END AS was_named,
              CASE WHEN former_bin_date IS NULL THEN '{Change.INSERTED}' ELSE 'both' END AS change,
              true AS relinks
            FROM undisputed"""
        weighed = f"""
            WITH chosen AS (
              FROM candidate WHERE place_rank = 1 QUALIFY row_number() OVER (PARTITION BY {KEY}
                ORDER BY generated_at_utc DESC, is_inside DESC, {BIN}, {RANK}) = 1
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
              CASE WHEN c.{KEY} IS NULL THEN '{Change.WITHDRAWN}'
                WHEN p.{KEY} IS NULL THEN '{Change.INSERTED}'
                WHEN c.origin <> 'present' THEN 'both'
                WHEN moves OR (c.is_named OR c.is_placed) <> p.is_named THEN '{Change.RELABELLED}'
                ELSE '{Change.UNCHANGED}' END AS change,
              change <> '{Change.RELABELLED}' OR moves AS relinks
            FROM chosen c FULL JOIN dropped d ON c.{KEY} = d.{KEY}
            LEFT JOIN present p ON p.{KEY} = coalesce(c.{KEY}, d.{KEY})
            UNION ALL"""
        choice = weighed + undisputed if is_contested else undisputed
        self.rows(f"CREATE OR REPLACE TEMP TABLE change AS {choice}")

    def _compare_contents(self) -> None:
        """Tell what stands beside a present row apart: revised, unchanged, or the same under
        another label.

        Compared are 64-bit hashes: to join the 85 columns of both took twice as long, and one in
        10^19 changed rows passes for unchanged.
        """
        if not self.one("SELECT count(*) FROM change WHERE change = 'both'"):
            return
        first, last = self.former_days("change = 'both'")
        # The same stations in another order are linked anew, which changes nothing: to sort them
        # takes as long as to hash all the rest.
        content = f"hash({', '.join(CONTENT)}) AS content, hash(participating_stations) AS stations"
        # Hashed before they are joined: joins carry what they are given.
        hashed = f"{content}, quality_flags, solar_longitude_deg"
        new = (
            f"c.{KEY}, c.moves, c.is_named <> c.was_named AS renamed, r.content, r.stations, "
            f"hash(list_sort({flags_at('c')})) AS flags"
        )
        sources = [
            f"(SELECT row, {hashed} FROM arriving_row) r JOIN change c USING (row) "
            "WHERE c.change = 'both' AND c.origin = 'arriving'"
        ]
        if self.one("SELECT count(*) FROM change WHERE change = 'both' AND origin = 'claim'"):
            sources.append(
                f"(SELECT {KEY}, {BIN}, {hashed} FROM trajectory_claims) r "
                f"JOIN change c USING ({KEY}, {BIN}) "
                "WHERE c.change = 'both' AND c.origin = 'claim'"
            )
        other_flags = "OR new.flags <> old.flags" if self._compare_flags else ""
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE compared AS
            SELECT new.{KEY}, CASE WHEN new.content <> old.content THEN '{Change.REVISED}'
                WHEN new.moves OR new.renamed {other_flags} THEN '{Change.RELABELLED}'
                ELSE '{Change.UNCHANGED}' END AS change,
              new.moves OR new.stations <> old.stations AS relinks
            FROM (
              {" UNION ALL ".join(f"SELECT {new} FROM {source}" for source in sources)}
            ) new
            JOIN (SELECT {KEY}, {content}, hash(list_sort(quality_flags)) AS flags
              FROM {self.standing} WHERE bin_date BETWEEN $first AND $last) old
              ON new.{KEY} = old.{KEY}
            """,
            first=first, last=last,
        )  # fmt: skip
        # A new table: to UPDATE the old one took ten times as long.
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE change AS
            SELECT c.* REPLACE (coalesce(x.change, c.change) AS change,
              coalesce(x.relinks, c.relinks) AS relinks)
            FROM change c LEFT JOIN compared x USING ({KEY})
            """
        )
