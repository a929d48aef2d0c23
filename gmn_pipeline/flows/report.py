"""What happened to the days of a run: counts that add up, files, failures.

What belongs here: what whoever started the run is told after it. What does not: how days go
through (`trajectory_days.py`), and progress while they do (`progress.py`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gmn_pipeline.errors import GmnError
from gmn_pipeline.landing.trajectories import LandedFile
from gmn_pipeline.readers.solar_longitude_bins import FileKind
from gmn_pipeline.telemetry import Stopwatch


class Stage(StrEnum):
    LANDING = "landing"
    VALIDATED = "validated"
    WAREHOUSE = "warehouse"


COUNTS = (
    "read", "accepted", "rejected", "inserted", "revised", "unchanged", "superseded", "withdrawn",
    "restored",
)  # fmt: skip
"""What is counted of the rows of a day."""


@dataclass
class DayReport:
    """What happened to one day."""

    day: date
    files: list[LandedFile] = field(default_factory=list)
    """The files that carry it: of its bins, or of its month, its year, all of it."""
    read: int = 0
    accepted: int = 0
    rejected: int = 0
    inserted: int = 0
    revised: int = 0
    unchanged: int = 0
    superseded: int = 0
    """Accepted rows of which a newer file has spoken already."""
    withdrawn: int = 0
    restored: int = 0
    """Trajectories that went back to what another file has of them."""
    went_through: bool = False
    """Whether any file of it was validated or loaded, not only found to be there already."""
    error: GmnError | None = None
    failed_stage: Stage | None = None

    @property
    def changed(self) -> bool:
        return bool(self.inserted or self.revised or self.withdrawn or self.restored)

    @property
    def adds_up(self) -> bool:
        """Whether every row read is in exactly one of the other counts."""
        kept = self.inserted + self.revised + self.unchanged + self.superseded
        return self.read == self.accepted + self.rejected and self.accepted == kept

    @property
    def is_news(self) -> bool:
        """Whether the run did anything for the day."""
        return self.went_through or any(file.is_new for file in self.files)


@dataclass
class Report:
    """What happened to all days of a run."""

    days: dict[date, DayReport]
    source: str = ""
    """The directory that was asked, if one was."""
    kind: FileKind | None = None
    """Which files of it."""
    files: list[LandedFile] = field(default_factory=list)
    """Every file once, however many days it carries."""
    flag_counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    """What a person should know though no day failed for it: files that are not read."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    """Seconds of the run in all, and in its steps: land (waiting for files, which are fetched
    beside the rest), parse, check, write, and merge (of one chunk beside the steps of the next)."""

    @property
    def failed(self) -> list[DayReport]:
        return [day for day in self.days.values() if day.error is not None]

    @property
    def good(self) -> list[DayReport]:
        return [day for day in self.days.values() if day.error is None]

    def total(self, count: str) -> int:
        """Sum of a count (`read`, `accepted`, ...) over the days that came through."""
        return sum(getattr(day, count) for day in self.good)

    def take_over(self, again: "Report") -> None:
        """Take over what became of days that were tried again."""
        self.days |= again.days
        known = {file.version.sha256 for file in self.files}
        self.files += [file for file in again.files if file.version.sha256 not in known]
        self.flag_counts += again.flag_counts
        self.stopwatch.add(again.stopwatch)

    def fail(self, days: Iterable[date], stage: Stage, error: GmnError) -> None:
        for day in days:
            self.days[day].error = error
            self.days[day].failed_stage = stage
