"""Of the merge: what the tables themselves must say before anything is committed."""

from gmn_pipeline.errors import CountMismatch
from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.warehouse.merge.statements import Statements
from gmn_pipeline.warehouse.merge.terms import KEY

_CHANGED = f"{KEY} IN (SELECT {KEY} FROM change WHERE change <> '{Change.UNCHANGED}')"


class Soundness(Statements):
    """Asks the tables after the changes."""

    def assert_tables(self, *, removed: int, inserted: int) -> None:
        """Ask the tables themselves, before anything is committed; leaves `changed_row`: what
        stands there now of each trajectory that changed.

        `removed`, `inserted`: so many rows of `trajectories` DuckDB says that it took out and put
        in. Raises CountMismatch if a trajectory is there twice or not at all, if a station link is
        missing or left over, or if rows came or went that no change accounts for.
        """
        least, greatest, first, last, relinks = self.rows(
            f"SELECT min({KEY}), max({KEY}), min(least(bin_date, former_bin_date)), "
            f"max(greatest(bin_date, former_bin_date)), bool_or(relinks) FROM change "
            f"WHERE change <> '{Change.UNCHANGED}'"
        )[0]
        # Copied, so that the lake is looked through once.
        self.rows(
            f"""
            CREATE OR REPLACE TEMP TABLE changed_row AS
            SELECT {KEY}, bin_date, revision,
              list_distinct(participating_stations) AS station_codes
            FROM trajectories WHERE {KEY} BETWEEN $least AND $greatest AND {_CHANGED}
            """,
            least=least, greatest=greatest,
        )  # fmt: skip
        if least is None:
            return
        changed_rows, distinct = self.rows(
            f"SELECT count(*), count(DISTINCT {KEY}) FROM changed_row"
        )[0]
        counts = dict(self.rows("SELECT change, count(*) FROM change GROUP BY 1"))
        ended = counts.get(Change.REVISED, 0) + counts.get(Change.RELABELLED, 0)
        present = ended + counts.get(Change.INSERTED, 0)
        ended += counts.get(Change.WITHDRAWN, 0)
        wrong = []
        if (removed, inserted) != (ended, present):
            wrong.append(f"{removed} rows were taken out and {inserted} put in, not {ended} and "
                         f"{present}")  # fmt: skip
        if not present == changed_rows == distinct:
            wrong.append(f"{present} changed trajectories have {changed_rows} rows, {distinct} "
                         "identifiers")  # fmt: skip
        # Where nothing is linked anew, links were neither taken out nor put in.
        if relinks and not self._are_linked(first, last):
            wrong.append("the station links are not those of the trajectories")
        if wrong:
            raise CountMismatch(
                f"The tables would not be right: {'; '.join(wrong)}.",
                remedy="Nothing was committed. This is a fault of this program: please report it "
                "with the files.",
            )

    def _are_linked(self, first: object, last: object) -> bool:
        """Whether changed trajectories, in bins of these dates, have the links of their stations
        and no others."""
        links = f"sum(hash({KEY}, station_code, bin_date))"
        should_be, there_are = self.rows(
            f"""
            SELECT (SELECT {links} FROM (
                SELECT {KEY}, unnest(station_codes) AS station_code, bin_date FROM changed_row)),
              (SELECT {links} FROM trajectory_stations
                WHERE bin_date BETWEEN $first AND $last AND {_CHANGED})
            """,
            first=first, last=last,
        )[0]  # fmt: skip
        return bool(should_be == there_are)
