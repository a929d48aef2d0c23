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
from datetime import date, timedelta
from typing import TypeAlias

from gmn_pipeline.database.ledger import Ledger, ValidatedSlice, open_ledger
from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.held_files import HeldFiles
from gmn_pipeline.flows.progress import ProgressListener
from gmn_pipeline.flows.report import DayReport, Report, Stage
from gmn_pipeline.landing.trajectories import (
    DailyFile,
    HistoryFile,
    Landed,
    LandedFile,
    Landing,
    days_of,
    is_daily,
    is_history,
    land,
)
from gmn_pipeline.readers.solar_longitude_bins import Bin, FileKind, bin_of_name
from gmn_pipeline.settings import DaySettings, LoadSettings, SourceSettings
from gmn_pipeline.sources.gmn_directory import open_directory
from gmn_pipeline.storage.object_store import ObjectStore
from gmn_pipeline.validated.trajectories.parts import BYTES_A_ROW
from gmn_pipeline.validated.trajectories.slices import Chunk
from gmn_pipeline.validated.trajectories.validate import validate
from gmn_pipeline.warehouse.trajectories.files import LoadCounts, SliceToLoad, Warehouse

ALL_STAGES = frozenset(Stage)
OnDays: TypeAlias = Callable[[Sequence[DayReport]], None]
_A_DAY = timedelta(days=1)


def load_days(
    days: Sequence[date],
    settings: DaySettings,
    *,
    stages: frozenset[Stage] = ALL_STAGES,
    listener: ProgressListener | None = None,
    on_days: OnDays = lambda _: None,
) -> Report:
    """Take days through the stages. A day that fails is reported and stops no other.

    Calls `on_days` as days are through all stages or have failed: with some at a time, with each
    day once, in this thread.

    Raises SourceUnavailable or SourceRefused if the source's listing cannot be had.
    """
    listener = listener or ProgressListener()
    report = Report({day: DayReport(day) for day in sorted(days)})
    with report.stopwatch.timed("total"):
        _take_through(report, settings, stages, listener, on_days)
    listener.finished(report)
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
        if isinstance(file.wanted, DailyFile):
            self._bins_left[file.wanted.bin.date] += 1

    def bin_done(self, day: date) -> None:
        """A bin is loaded, or was found to be."""
        self._bins_left[day] -= 1
        if not self._bins_left[day]:
            self._ready.add(day)

    def history_done(self, file: Landed[HistoryFile]) -> None:
        """All of a history file is loaded. The day before its end is in the next one too."""
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
    report: Report,
    settings: DaySettings,
    stages: frozenset[Stage],
    listener: ProgressListener,
    on_days: OnDays,
) -> None:
    ledger = open_ledger(settings)
    through = _Through(report, on_days)
    files = _landed(report, settings, ledger, stages, listener, through)
    if stages & {Stage.VALIDATED, Stage.WAREHOUSE}:
        warehouse = Warehouse(settings) if Stage.WAREHOUSE in stages else None
        _validate_and_load(report, files, settings, ledger, warehouse, listener, through)
    else:
        deque(files, maxlen=0)
    through.tell(all_days=True)
    failed = {d.day: (str(d.failed_stage), str(d.error)) for d in report.failed}
    ledger.record_days(failed, [d.day for d in report.good])


def _landed(
    report: Report,
    settings: SourceSettings,
    ledger: Ledger,
    stages: frozenset[Stage],
    listener: ProgressListener,
    through: _Through,
) -> Iterator[LandedFile]:
    """The files of the days as they are landed, without those of days that failed."""
    objects = ObjectStore(settings.landing_dir)
    if Stage.LANDING in stages:
        directory = open_directory(settings)
        report.source, report.kind = directory.base, FileKind(settings.history)
        landings = land(
            list(report.days), settings=settings, directory=directory, objects=objects,
            ledger=ledger, on_total=listener.files_wanted, on_file=listener.file_done,
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
            bin_ = _bin(file)
            if _bin(other) != bin_:
                report.warnings.append(_same_bytes(file, other))
            report.files.append(file)
            for day in [bin_.date] if bin_ else days_of(file.wanted, list(report.days)):
                report.days[day].files.append(file)
            if bin_ is None or report.days[bin_.date].error is None:
                through.landed(file)
                taken.append(file)
        yield from taken


def _bin(file: LandedFile) -> Bin | None:
    """The bin of a daily file."""
    return file.wanted.bin if is_daily(file) else None


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
            wanted = DailyFile(version.path, version.listed_state, bin_)
            landing.files.append(
                LandedFile(wanted, version, objects.path(version.sha256), is_new=False)
            )
    landing.files.sort(key=lambda file: file.version.path)
    return landing


def _validate_and_load(
    report: Report,
    files: Iterable[LandedFile],
    settings: LoadSettings,
    ledger: Ledger,
    warehouse: Warehouse | None,
    listener: ProgressListener,
    through: _Through,
) -> None:
    parsed: list[Landed[HistoryFile]] = []
    held: HeldFiles | None = None
    # One chunk is loaded while the next is landed, parsed and checked.
    kept = warehouse.connection.session() if warehouse else nullcontext()
    with kept, ThreadPoolExecutor(1, "load") as loader:
        if warehouse:
            held = HeldFiles(list(report.days), ledger, warehouse)
            files = _without_held(files, report, held, parsed, through)
        chunks = validate(
            _announced(files, listener, parsed), list(report.days),
            settings=settings, ledger=ledger, stopwatch=report.stopwatch,
        )  # fmt: skip
        loading: Future[list[date]] | None = None
        for chunk in chunks:
            for day, error in chunk.failed_days.items():
                report.fail([day], Stage.VALIDATED, error)
            through.failed(chunk.failed_days)
            for day_report in _add_slices(report, chunk.slices):
                day_report.went_through = True
            _await(loading, parsed, through)
            loading = loader.submit(_load, report, chunk, warehouse, held, listener)
        _await(loading, parsed, through)
    if held:
        held.note([day.day for day in report.good])


def _await(
    loading: Future[list[date]] | None, parsed: list[Landed[HistoryFile]], through: _Through
) -> None:
    """Wait for the chunk before, and tell of the days that are through with it. The history files
    that were parsed to their end by then are in it and in those before."""
    for day in loading.result() if loading else ():
        through.bin_done(day)
    for file in parsed:
        through.history_done(file)
    parsed.clear()
    through.tell()


def _without_held(
    files: Iterable[LandedFile],
    report: Report,
    held: HeldFiles,
    done: list[Landed[HistoryFile]],
    through: _Through,
) -> Iterator[LandedFile]:
    """Files that the warehouse did not hold at first; the others are reported as unchanged."""
    for file in files:
        slices = held.slices(file)
        if slices is None:
            yield file
            continue
        for slice_, day_report in zip(slices, _add_slices(report, slices), strict=True):
            day_report.unchanged += slice_.rows_accepted
        if is_daily(file):
            through.bin_done(file.wanted.bin.date)
        elif is_history(file):
            done.append(file)


def _announced(
    files: Iterable[LandedFile], listener: ProgressListener, parsed: list[Landed[HistoryFile]]
) -> Iterator[LandedFile]:
    """The files, telling the listener of their rows; a history file is parsed to its end when the
    next file is asked for."""
    for file in files:
        listener.rows_wanted(file.version.size_bytes // BYTES_A_ROW)
        yield file
        if is_history(file):
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


def _load(
    report: Report,
    chunk: Chunk,
    warehouse: Warehouse | None,
    held: HeldFiles | None,
    listener: ProgressListener,
) -> list[date]:
    """Load a chunk; the days of its bins, one for each bin of a daily file."""
    slices = [
        SliceToLoad(slice_, file.generated_at_utc, file.version.path)
        for slice_ in chunk.slices
        for file in [chunk.files[slice_.source_file_sha256]]
    ]
    try:
        if slices and warehouse and held:
            with report.stopwatch.timed("merge"):
                loaded = warehouse.load(slices)
            held.add(loaded)
            for counts in loaded:
                _add_counts(report.days[counts.bin_date], counts)
        report.flag_counts += chunk.flag_counts
    except GmnError as error:
        days = {s.bin_date for s in chunk.slices}
        report.fail(days, Stage.WAREHOUSE, error)
    listener.rows_done(sum(slice_.rows_read for slice_ in chunk.slices))
    return [
        slice_.bin_date
        for slice_ in chunk.slices
        if is_daily(chunk.files[slice_.source_file_sha256])
    ]


def _add_counts(day: DayReport, counts: LoadCounts) -> None:
    day.inserted += counts.inserted
    day.revised += counts.revised
    day.unchanged += counts.unchanged
    day.superseded += counts.superseded
    day.withdrawn += counts.withdrawn
    day.restored += counts.restored
