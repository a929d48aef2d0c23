"""Of the merge: what the tables themselves must say before anything is committed."""

from gmn_pipeline.errors import CountMismatch
from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.warehouse.merge.statements import Statements
from gmn_pipeline.warehouse.merge.terms import (
    KEY,
)


class Soundness(Statements):
    """Asks the tables after the changes."""

    def assert_tables(self, rows_before: int) -> None:
        """Ask the tables themselves, before anything is committed.

        Raises CountMismatch if a trajectory is there twice or not at all, if a station link is
        missing or left over, or if rows came or went that no change accounts for.
        """
        least, greatest, first, last = self.rows(
            f"SELECT min({KEY}), max({KEY}), min(least(bin_date, former_bin_date)), "
            f"max(greatest(bin_date, former_bin_date)) FROM change "
            f"WHERE change <> '{Change.UNCHANGED}'"
        )[0]
        if least is None:
            return
        changed = f"{KEY} IN (SELECT {KEY} FROM change WHERE change <> '{Change.UNCHANGED}')"
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
        inserted, withdrawn = counts.get(Change.INSERTED, 0), counts.get(Change.WITHDRAWN, 0)
        present = inserted + counts.get(Change.REVISED, 0) + counts.get(Change.RELABELLED, 0)
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
