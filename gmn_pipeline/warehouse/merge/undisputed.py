"""Of the merge: trajectories of which nothing has to be weighed.

What belongs here: which trajectories arrive once, and have nothing beside them but the row that
stands in the same place and is no newer. Of these the candidate that counts is known, and they are
nearly all: the others, the *contested* ones, are left to `decision.py`. What does not belong here:
any rule of its own. A trajectory that is taken for contested without need only costs time.
"""

from gmn_pipeline.warehouse.merge.statements import Statements
from gmn_pipeline.warehouse.merge.terms import AT_UTC, BIN, KEY, NEIGHBOUR_DEG


class Undisputed(Statements):
    """`undisputed`, and `contested`: the rows of `arriving` that are left."""

    def run(self, *, has_made_here: bool) -> None:
        """`has_made_here`: whether any identifier was made here, and may stand for another."""
        self._find_undisputed(may_be=not has_made_here and self._is_one_truth())
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE contested AS
            SELECT *, {AT_UTC} AS at_utc, {NEIGHBOUR_DEG} AS neighbour_deg
            FROM arriving ANTI JOIN undisputed USING (row)
            """
        )

    def is_all(self) -> bool:
        """Whether nothing else is said: no speaker of whole bins, and no tombstone."""
        return not self.one(
            "SELECT (SELECT count(*) FROM contested) + (SELECT count(*) FROM speaker) "
            "+ (SELECT count(*) FROM gone)"
        )

    def _find_undisputed(self, *, may_be: bool) -> None:
        """`undisputed`: what arrives and counts, with the bin of the row that is there.

        No other row, claim, message or tombstone has it; no newer file speaks of its place, loaded
        before or in this load; and the row that is there was named, or not, as it is.
        """
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE undisputed AS
            SELECT a.row, a.speaker, a.{KEY}, a.is_named, a.bin_date, a.bin_solar_longitude_deg,
              p.bin_date AS former_bin_date
            FROM arriving a LEFT JOIN (FROM spoken WHERE is_daily) d USING ({BIN})
            LEFT JOIN near p ON a.{KEY} = p.{KEY}
            WHERE {may_be}
              AND a.generated_at_utc >= coalesce(d.generated_at_utc, TIMESTAMP '-infinity')
              AND a.generated_at_utc >= (
                SELECT coalesce(max(generated_at_utc), TIMESTAMP '-infinity')
                FROM spoken WHERE NOT is_daily)
              AND (p.{KEY} IS NULL OR (p.bin_date = a.bin_date
                AND p.bin_solar_longitude_deg = a.bin_solar_longitude_deg
                AND p.is_named = a.is_named
                AND p.summary_generated_at_utc <= a.generated_at_utc))
              AND a.{KEY} NOT IN (
                SELECT {KEY} FROM arriving GROUP BY 1 HAVING count(*) > 1
                UNION ALL SELECT {KEY} FROM claim
                UNION ALL SELECT {KEY} FROM consumed
                UNION ALL SELECT {KEY} FROM gone)
              AND (a.bin_date, a.bin_solar_longitude_deg) NOT IN (
                SELECT ({BIN}) FROM speaker WHERE is_daily GROUP BY {BIN} HAVING count(*) > 1)
            """
        )

    def _is_one_truth(self) -> bool:
        """Whether no history file is loaded together with another file."""
        return bool(
            self.one(
                "SELECT coalesce(bool_and(is_daily), true) OR count(DISTINCT cause) = 1 "
                "FROM speaker"
            )
        )
