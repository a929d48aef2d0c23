"""The way of days: landing, validated, warehouse, any number of days in one go.

What belongs here: the order of the stages, what is skipped because nothing changed, and the
report of what happened to each day. What does not: how a stage works (its own folder), and
Dagster (`orchestration/`).

Rows move in chunks of bounded size, so memory does not grow with the number of days and a crash
leaves whole chunks only. While one chunk is loaded, the next is validated, and the files after it
are fetched.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeAlias

from gmn_pipeline.clock import Stopwatch
from gmn_pipeline.config import Settings
from gmn_pipeline.database.ledger import Ledger, ValidatedSlice, open_ledger
from gmn_pipeline.errors import GmnError
from gmn_pipeline.landing.land import LandedFile, Landing, Wanted, days_of, land
from gmn_pipeline.landing.object_store import ObjectStore
from gmn_pipeline.sources.bins import FileKind, bin_of_name
from gmn_pipeline.sources.directory import Entry, open_directory
from gmn_pipeline.validated.validate import BYTES_A_ROW, DEFINITION, Chunk, validate
from gmn_pipeline.warehouse.store import LoadCounts, SliceToLoad, Warehouse


class Stage(StrEnum):
    LANDING = "landing"
    VALIDATED = "validated"
    WAREHOUSE = "warehouse"


ALL_STAGES = frozenset(Stage)
COUNTS = (
    "read", "accepted", "rejected", "inserted", "revised", "unchanged", "superseded", "withdrawn",
    "restored",
)  # fmt: skip
"""What is counted of the rows of a day."""
_A_DAY = timedelta(days=1)


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


OnDays: TypeAlias = Callable[[Sequence[DayReport]], None]


class Watch:
    """Told of progress as it happens. This one keeps quiet; see `cli.run` for one that shows."""

    def files_wanted(self, count: int) -> None:
        """So many files are about to be fetched."""

    def file_done(self) -> None:
        """A file was landed, found unchanged, or failed."""

    def rows_wanted(self, count: int) -> None:
        """About so many more rows are to be validated and loaded."""

    def rows_done(self, count: int) -> None:
        """So many more rows have come through."""

    def finished(self, report: "Report") -> None:
        """All days are through, or have failed."""


def load_days(
    days: Sequence[date],
    settings: Settings,
    *,
    stages: frozenset[Stage] = ALL_STAGES,
    watch: Watch | None = None,
    on_days: OnDays = lambda _: None,
) -> Report:
    """Take days through the stages. A day that fails is reported and stops no other.

    Calls `on_days` as days are through all stages or have failed: with some at a time, with each
    day once, in this thread.

    Raises SourceUnavailable or SourceRefused if the source's listing cannot be had.
    """
    watch = watch or Watch()
    report = Report({day: DayReport(day) for day in sorted(days)})
    with report.stopwatch.timed("total"):
        _take_through(report, settings, stages, watch, on_days)
    watch.finished(report)
    return report


class _Through:
    """Which days are through all stages or have failed, told of as they come."""

    def __init__(self, report: Report, on_days: OnDays) -> None:
        self._report = report
        self._on_days = on_days
        self._untold = set(report.days)
        self._bins_left: Counter[date] = Counter()
        self._ready: set[date] = set()

    def landed(self, file: LandedFile) -> None:
        """A file of a bin is on its way. Those of a date are landed together, before the first
        of them comes through."""
        if file.wanted.bin:
            self._bins_left[file.wanted.bin.date] += 1

    def bin_done(self, day: date) -> None:
        """A bin is loaded, or was found to be."""
        self._bins_left[day] -= 1
        if not self._bins_left[day]:
            self._ready.add(day)

    def history_done(self, file: LandedFile) -> None:
        """All of a history file is loaded. The day before its end is in the next one too."""
        assert file.wanted.interval is not None
        until = file.wanted.interval[1].date() - _A_DAY
        self._ready |= {day for day in self._untold if day < until}

    def failed(self, days: Iterable[date]) -> None:
        """Days that need not be waited for."""
        self._ready |= set(days)

    def tell(self, *, all_days: bool = False) -> None:
        """Tell of the days that came through since the last time, or of all that are left."""
        days = self._untold if all_days else self._ready & self._untold
        self._untold = self._untold - days
        self._ready.clear()
        if days:
            self._on_days([self._report.days[day] for day in sorted(days)])


def _take_through(
    report: Report, settings: Settings, stages: frozenset[Stage], watch: Watch, on_days: OnDays
) -> None:
    ledger = open_ledger(settings)
    through = _Through(report, on_days)
    files = _landed(report, settings, ledger, stages, watch, through)
    if stages & {Stage.VALIDATED, Stage.WAREHOUSE}:
        _validate_and_load(report, files, settings, ledger, stages, watch, through)
    else:
        deque(files, maxlen=0)
    through.tell(all_days=True)
    failed = {d.day: (str(d.failed_stage), str(d.error)) for d in report.failed}
    ledger.record_days(failed, [d.day for d in report.good])


def _landed(
    report: Report,
    settings: Settings,
    ledger: Ledger,
    stages: frozenset[Stage],
    watch: Watch,
    through: _Through,
) -> Iterator[LandedFile]:
    """The files of the days as they are landed, without those of days that failed."""
    objects = ObjectStore(settings.landing_dir)
    if Stage.LANDING in stages:
        directory = open_directory(settings)
        report.source, report.kind = directory.base, FileKind(settings.history)
        landings = land(
            list(report.days), settings=settings, directory=directory,
            objects=objects, ledger=ledger, on_total=watch.files_wanted, on_file=watch.file_done,
        )  # fmt: skip
    else:
        landings = iter([_recall(report.days.keys(), ledger, objects)])
    by_content: dict[str, LandedFile] = {}
    for landing in report.stopwatch.each("land", landings):
        report.warnings += [file.in_words for file in landing.unread]
        for day, error in landing.failed_days.items():
            report.fail([day], Stage.LANDING, error)
        through.failed(landing.failed_days)
        taken = []
        for file in landing.files:
            other = by_content.setdefault(file.version.sha256, file)
            if other.wanted.bin != file.wanted.bin:
                report.warnings.append(_same_bytes(file, other))
            report.files.append(file)
            bin_ = file.wanted.bin
            for day in [bin_.date] if bin_ else days_of(file.wanted, list(report.days)):
                report.days[day].files.append(file)
            if bin_ is None or report.days[bin_.date].error is None:
                through.landed(file)
                taken.append(file)
        yield from taken


def _same_bytes(file: LandedFile, other: LandedFile) -> str:
    """Name a file that is another's copy under the name of another bin."""
    return (
        f"{file.version.path} has the same bytes as {other.version.path}. Each trajectory is "
        "loaded once; rows outside their bin carry the flag 'outside_bin'."
    )


def _recall(days: Set[date], ledger: Ledger, objects: ObjectStore) -> Landing:
    """What was landed of the days before, when landing itself is not asked for."""
    landing = Landing()
    for version in ledger.newest_landed().values():
        bin_ = bin_of_name(version.path.rsplit("/", 1)[-1])
        if bin_ is not None and bin_.date in days:
            wanted = Wanted(Entry(version.path, "", ""), FileKind.DAILY, bin=bin_)
            landing.files.append(
                LandedFile(wanted, version, objects.path(version.sha256), is_new=False)
            )
    landing.files.sort(key=lambda file: file.version.path)
    return landing


def _validate_and_load(
    report: Report,
    files: Iterable[LandedFile],
    settings: Settings,
    ledger: Ledger,
    stages: frozenset[Stage],
    watch: Watch,
    through: _Through,
) -> None:
    warehouse = Warehouse(settings) if Stage.WAREHOUSE in stages else None
    if warehouse:
        files = _without_loaded(files, report, ledger, warehouse, through)
    parsed: list[LandedFile] = []
    chunks = validate(
        _announced(files, watch, parsed), list(report.days),
        settings=settings, ledger=ledger, stopwatch=report.stopwatch,
    )  # fmt: skip
    # One chunk is loaded while the next is landed, parsed and checked.
    kept = warehouse.connection.kept_open() if warehouse else nullcontext()
    with kept, ThreadPoolExecutor(1, "load") as loader:
        loading: Future[list[date]] | None = None
        for chunk in chunks:
            for day, error in chunk.failed_days.items():
                report.fail([day], Stage.VALIDATED, error)
            through.failed(chunk.failed_days)
            for day_report in _add_slices(report, chunk.slices):
                day_report.went_through = True
            _await(loading, parsed, through)
            loading = loader.submit(_load, report, chunk, warehouse, watch)
        _await(loading, parsed, through)


def _await(loading: Future[list[date]] | None, parsed: list[LandedFile], through: _Through) -> None:
    """Wait for the chunk before, and tell of the days that are through with it. The history files
    that were parsed to their end by then are in it and in those before."""
    for day in loading.result() if loading else ():
        through.bin_done(day)
    for file in parsed:
        through.history_done(file)
    parsed.clear()
    through.tell()


def _without_loaded(
    files: Iterable[LandedFile],
    report: Report,
    ledger: Ledger,
    warehouse: Warehouse,
    through: _Through,
) -> Iterator[LandedFile]:
    """Files that the warehouse did not hold at first; the others are reported as unchanged."""
    days = list(report.days)
    loaded = warehouse.loaded_files(days)
    slices = {
        (s.source_file_sha256, s.bin_date, s.bin_solar_longitude_deg): s
        for s in ledger.validated(days)
        if s.definition == DEFINITION
    }
    for file in files:
        bin_ = file.wanted.bin
        key = (file.version.sha256, bin_.date, bin_.solar_longitude_deg) if bin_ else None
        if key in loaded and key in slices:
            [day_report] = _add_slices(report, [slices[key]])
            day_report.unchanged += slices[key].rows_accepted
            through.bin_done(day_report.day)
        else:
            yield file


def _announced(
    files: Iterable[LandedFile], watch: Watch, parsed: list[LandedFile]
) -> Iterator[LandedFile]:
    """The files, telling the watch of their rows; a history file is parsed to its end when the
    next file is asked for."""
    for file in files:
        watch.rows_wanted(file.version.size_bytes // BYTES_A_ROW)
        yield file
        if file.wanted.interval is not None:
            parsed.append(file)


def _add_slices(report: Report, slices: Sequence[ValidatedSlice]) -> list[DayReport]:
    """Count the rows of slices; the reports of their days."""
    days = []
    for slice_ in slices:
        day = report.days[slice_.bin_date]
        day.read += slice_.rows_read
        day.accepted += slice_.rows_accepted
        day.rejected += slice_.rows_rejected
        days.append(day)
    return days


def _load(report: Report, chunk: Chunk, warehouse: Warehouse | None, watch: Watch) -> list[date]:
    """Load a chunk; the days of its bins, one for each bin of a daily file."""
    slices = [
        SliceToLoad(slice_, file.generated_at_utc, file.version.path)
        for slice_ in chunk.slices
        for file in [chunk.files[slice_.source_file_sha256]]
    ]
    try:
        if slices and warehouse:
            with report.stopwatch.timed("merge"):
                for counts in warehouse.load(slices):
                    _add_counts(report.days[counts.bin_date], counts)
        report.flag_counts += chunk.flag_counts
    except GmnError as error:
        days = {s.bin_date for s in chunk.slices}
        report.fail(days, Stage.WAREHOUSE, error)
    watch.rows_done(sum(slice_.rows_read for slice_ in chunk.slices))
    return [
        slice_.bin_date
        for slice_ in chunk.slices
        if chunk.files[slice_.source_file_sha256].wanted.bin is not None
    ]


def _add_counts(day: DayReport, counts: LoadCounts) -> None:
    day.inserted += counts.inserted
    day.revised += counts.revised
    day.unchanged += counts.unchanged
    day.superseded += counts.superseded
    day.withdrawn += counts.withdrawn
    day.restored += counts.restored
