"""Files that the warehouse holds as they are: they are not validated and loaded again.

What belongs here: which files of a run these are, and noting them at its end. What does not: what
a load of them does (`trajectory_days.py`).

A daily file is held if it is the newest of its bin, and its rows were made under the definition of
today. A monthly, yearly or all-file speaks of many bins, and its merge may find something else when
other files or messages have come since: it is held as long as none has. The files of a run count as
one: to load them all again right after it changes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import cached_property

from gmn_pipeline.database.ledger import HistoryLoad, Ledger, ValidatedSlice
from gmn_pipeline.landing.trajectories import (
    HistoryFile,
    Landed,
    LandedFile,
    days_of,
    is_daily,
    is_history,
)
from gmn_pipeline.validated.trajectories.slices import DEFINITION, bin_of
from gmn_pipeline.warehouse.taken_in import TakenIn, taken_in
from gmn_pipeline.warehouse.trajectories.files import LoadCounts, Warehouse


class HeldFiles:
    """What the warehouse held before a run, of its days, and what the run adds to it."""

    def __init__(self, days: Sequence[date], ledger: Ledger, warehouse: Warehouse) -> None:
        self._days = days
        self._ledger = ledger
        self._warehouse = warehouse
        self._newest = warehouse.loaded_files(days, DEFINITION)
        self._slices: dict[str, list[ValidatedSlice]] = defaultdict(list)
        for slice_ in ledger.validated(days):
            if slice_.definition == DEFINITION:
                self._slices[slice_.source_file_sha256].append(slice_)
        self._loads = ledger.history_loads(days)
        self._slices_of_run: Counter[date] = Counter()
        self._history_files: list[Landed[HistoryFile]] = []

    @cached_property
    def _before(self) -> TakenIn:
        """Asked when the first history file comes, before anything of the run is loaded."""
        return taken_in(self._warehouse.connection)

    def slices(self, file: LandedFile) -> list[ValidatedSlice] | None:
        """The slices of a file that the warehouse holds; None if it has to be loaded."""
        of_file = self._slices.get(file.version.sha256, [])
        if is_daily(file):
            its = file.wanted.bin
            key = (file.version.sha256, its.date, its.solar_longitude_deg)
            return [s for s in of_file if bin_of(s) == its and key in self._newest] or None
        assert is_history(file)
        self._history_files.append(file)
        marks = {day: self._before.mark(day) for day in days_of(file.wanted, self._days)}
        if not self._loads.issuperset(_loads(file, marks)):
            return None
        return [s for s in of_file if s.bin_date in marks]

    def add(self, counts: Collection[LoadCounts]) -> None:
        """Slices that this run has loaded."""
        self._slices_of_run.update(c.bin_date for c in counts)

    def note(self, good: Collection[date]) -> None:
        """At the end of a run: its history files are held from now on, on days that did not fail,
        unless somebody else has loaded something meanwhile, before or after them."""
        if not self._history_files:
            return
        now = taken_in(self._warehouse.connection)
        marks = {
            day: now.mark(day) for day in good
            if now.differs_only_by(self._slices_of_run, self._before, day)
        }  # fmt: skip
        loads = {
            load
            for file in self._history_files
            for load in _loads(file, {d: marks[d] for d in days_of(file.wanted, list(marks))})
        }
        self._ledger.record_history_loads(loads - self._loads)


def _loads(file: Landed[HistoryFile], marks: Mapping[date, str]) -> set[HistoryLoad]:
    """What is noted of a history file that is loaded whole on days."""
    version = file.version
    return {
        HistoryLoad(version.path, day, version.sha256, DEFINITION, mark)
        for day, mark in marks.items()
    }
