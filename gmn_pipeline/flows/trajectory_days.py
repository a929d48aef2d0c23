"""The way of days: landing, validated, warehouse, any number of days in one go.

What belongs here: the order of the stages, what is skipped because nothing changed, and the
report of what happened to each day. What does not: how a stage works (its own folder), and
Dagster (`orchestration/`).

Rows move in chunks of bounded size, so memory does not grow with the number of days and a crash
leaves whole chunks only. While one chunk is loaded, the next is validated, and the files after it
are fetched.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gmn_pipeline.clock import Stopwatch
from gmn_pipeline.config import Settings
from gmn_pipeline.errors import GmnError
from gmn_pipeline.landing.land import LandedFile, Landing, Wanted, land
from gmn_pipeline.landing.object_store import ObjectStore
from gmn_pipeline.ledger import Ledger, ValidatedSlice
from gmn_pipeline.sources.bins import FileKind, bin_of_name
from gmn_pipeline.sources.directory import Entry, open_directory
from gmn_pipeline.validated.validate import BYTES_A_ROW, DEFINITION, Chunk, validate
from gmn_pipeline.warehouse.store import LoadCounts, SliceToLoad, Warehouse


class Stage(StrEnum):
    LANDING = "landing"
    VALIDATED = "validated"
    WAREHOUSE = "warehouse"


ALL_STAGES = frozenset(Stage)


@dataclass
class DayReport:
    """What happened to one day."""

    day: date
    files: list[LandedFile] = field(default_factory=list)
    read: int = 0
    accepted: int = 0
    rejected: int = 0
    inserted: int = 0
    revised: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    older_files: int = 0
    went_through: bool = False
    """Whether any file of it was validated or loaded, not only found to be there already."""
    error: GmnError | None = None
    failed_stage: Stage | None = None

    @property
    def changed(self) -> bool:
        return bool(self.inserted or self.revised or self.withdrawn)

    @property
    def is_news(self) -> bool:
        """Whether the run did anything for the day."""
        return self.went_through or any(file.is_new for file in self.files)


@dataclass
class Report:
    """What happened to all days of a run."""

    days: dict[date, DayReport]
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
        """Sum of a count (`read`, `accepted`, ...) over the days."""
        return sum(getattr(day, count) for day in self.days.values())

    def fail(self, days: Iterable[date], stage: Stage, error: GmnError) -> None:
        for day in days:
            self.days[day].error = error
            self.days[day].failed_stage = stage


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
) -> Report:
    """Take days through the stages. A day that fails is reported and stops no other.

    Raises SourceUnavailable or SourceRefused if the source's listing cannot be had.
    """
    watch = watch or Watch()
    report = Report({day: DayReport(day) for day in sorted(days)})
    with report.stopwatch.timed("total"):
        _take_through(report, settings, stages, watch)
    watch.finished(report)
    return report


def _take_through(
    report: Report, settings: Settings, stages: frozenset[Stage], watch: Watch
) -> None:
    ledger = Ledger(settings.data_dir)
    files = _landed(report, settings, ledger, stages, watch)
    if stages & {Stage.VALIDATED, Stage.WAREHOUSE}:
        _validate_and_load(report, files, settings, ledger, stages, watch)
    else:
        deque(files, maxlen=0)
    failed = {d.day: (str(d.failed_stage), str(d.error)) for d in report.failed}
    ledger.record_days(failed, [d.day for d in report.good])


def _landed(
    report: Report, settings: Settings, ledger: Ledger, stages: frozenset[Stage], watch: Watch
) -> Iterator[LandedFile]:
    """The files of the days as they are landed, without those of days that failed."""
    objects = ObjectStore(settings.landing_dir)
    if Stage.LANDING in stages:
        landings = land(
            list(report.days), settings=settings, directory=open_directory(settings),
            objects=objects, ledger=ledger, on_total=watch.files_wanted, on_file=watch.file_done,
        )  # fmt: skip
    else:
        landings = iter([_recall(report.days.keys(), ledger, objects)])
    for landing in report.stopwatch.each("land", landings):
        report.warnings += [file.in_words for file in landing.unread]
        for day, error in landing.failed_days.items():
            report.fail([day], Stage.LANDING, error)
        for file in landing.files:
            day_report = report.days[file.wanted.bin.date] if file.wanted.bin else None
            if day_report:
                day_report.files.append(file)
            if day_report is None or day_report.error is None:
                yield file


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
) -> None:
    warehouse = Warehouse(settings) if Stage.WAREHOUSE in stages else None
    if warehouse:
        files = _without_loaded(files, report, ledger, warehouse)
    chunks = validate(
        _announced(files, watch), list(report.days),
        settings=settings, ledger=ledger, stopwatch=report.stopwatch,
    )  # fmt: skip
    # One chunk is loaded while the next is landed, parsed and checked.
    kept = warehouse.connection.kept_open() if warehouse else nullcontext()
    with kept, ThreadPoolExecutor(1, "load") as loader:
        loading: Future[None] | None = None
        for chunk in chunks:
            for day, error in chunk.failed_days.items():
                report.fail([day], Stage.VALIDATED, error)
            report.flag_counts += chunk.flag_counts
            for day_report in _add_slices(report, chunk.slices):
                day_report.went_through = True
            if loading:
                loading.result()
            loading = loader.submit(_load, report, chunk, warehouse, watch)
        if loading:
            loading.result()


def _without_loaded(
    files: Iterable[LandedFile], report: Report, ledger: Ledger, warehouse: Warehouse
) -> Iterator[LandedFile]:
    """Files that the warehouse did not hold at first; the others are reported as unchanged."""
    days = list(report.days)
    loaded = warehouse.loaded_files(days)
    slices = {
        (s.source_file_sha256, date.fromisoformat(s.bin_date), s.bin_solar_longitude_deg): s
        for s in ledger.validated(days)
        if s.definition == DEFINITION
    }
    for file in files:
        bin_ = file.wanted.bin
        key = (file.version.sha256, bin_.date, bin_.solar_longitude_deg) if bin_ else None
        if key in loaded and key in slices:
            [day_report] = _add_slices(report, [slices[key]])
            day_report.unchanged += slices[key].rows_accepted
        else:
            yield file


def _announced(files: Iterable[LandedFile], watch: Watch) -> Iterator[LandedFile]:
    """The files, telling the watch of their rows."""
    for file in files:
        watch.rows_wanted(file.version.size_bytes // BYTES_A_ROW)
        yield file


def _add_slices(report: Report, slices: Sequence[ValidatedSlice]) -> list[DayReport]:
    """Count the rows of slices; the reports of their days."""
    days = []
    for slice_ in slices:
        day = report.days[date.fromisoformat(slice_.bin_date)]
        day.read += slice_.rows_read
        day.accepted += slice_.rows_accepted
        day.rejected += slice_.rows_rejected
        days.append(day)
    return days


def _load(report: Report, chunk: Chunk, warehouse: Warehouse | None, watch: Watch) -> None:
    slices = [
        SliceToLoad(slice_, file.generated_at_utc, file.version.path)
        for slice_ in chunk.slices
        for file in [chunk.files[slice_.source_file_sha256]]
    ]
    if slices and warehouse:
        try:
            with report.stopwatch.timed("merge"):
                for counts in warehouse.load(slices):
                    _add_counts(report.days[counts.bin_date], counts)
        except GmnError as error:
            days = {date.fromisoformat(s.bin_date) for s in chunk.slices}
            report.fail(days, Stage.WAREHOUSE, error)
    watch.rows_done(sum(slice_.rows_read for slice_ in chunk.slices))


def _add_counts(day: DayReport, counts: LoadCounts) -> None:
    day.inserted += counts.inserted
    day.revised += counts.revised
    day.unchanged += counts.unchanged
    day.withdrawn += counts.withdrawn
    day.older_files += counts.outcome != "loaded"
