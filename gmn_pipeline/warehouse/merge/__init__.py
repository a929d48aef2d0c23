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
the rows come from (`files.py` and `messages.py` in `trajectories/`), which lay out `speaker`,
`arriving` and `gone`.
"""

from datetime import datetime

import duckdb

from gmn_pipeline.warehouse.merge.application import Application
from gmn_pipeline.warehouse.merge.decision import Decision
from gmn_pipeline.warehouse.merge.present import Present
from gmn_pipeline.warehouse.merge.soundness import Soundness


class TrajectoryMerge:
    """One transaction's change of the trajectories.

    Leaves the temporary tables `change` (a row for each trajectory that is spoken of: what became
    of it, and by which speaker), `dropped` and `fate` (what became of each arriving row).
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, now: datetime, *, of_messages: bool = False
    ) -> None:
        """`of_messages`: few rows, without files that speak of whole bins; the quality flags of
        the same content do not travel with them."""
        # Rows that are there, as they were before. Of few, a copy: each look into the lake takes
        # longer than they do.
        standing = "standing" if of_messages else "trajectories"
        self._present = Present(connection, standing)
        self._decision = Decision(connection, standing, compare_flags=not of_messages)
        self._application = Application(connection, standing, now)
        self._soundness = Soundness(connection)

    def run(self) -> None:
        """The steps, in the order of the data's way. Raises CountMismatch if a sum is wrong."""
        is_contested = self._present.run()
        self._decision.run(is_contested=is_contested)
        self._application.run(is_contested=is_contested)
        done = self._application
        self._soundness.assert_tables(removed=done.removed, inserted=done.inserted)
