"""Bring the files of given days from the source's directory into landing.

What belongs here: which files make up a day, fetching them a few at a time, and noting what was
landed. What does not: what is in a row (`validated/`).

A file that cannot be had fails the days it carries, and no others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Generic, TypeAlias, TypeGuard, TypeVar

from gmn_pipeline import clock
from gmn_pipeline.database.ledger import LandedVersion, Ledger, UnreadFile
from gmn_pipeline.errors import GmnError, RetryableError, SourceRefused, SummaryFormatError
from gmn_pipeline.readers.solar_longitude_bins import Bin, FileKind, bin_of_name, months_of_name
from gmn_pipeline.readers.summary_file import Head, check_whole
from gmn_pipeline.settings import SourceSettings
from gmn_pipeline.sources.gmn_directory import Directory, FetchedFile, ListingEntry, SourceVersion
from gmn_pipeline.sources.names import FOLDERS, expected_instead, kind_of_name
from gmn_pipeline.storage.object_store import ObjectStore

_AHEAD = timedelta(days=1)  # of the clock: so far may two machines be apart
_MANY_FILES = 200
_A_TASK_FILES = 8
_BATCH_FILES = 100  # noted in one transaction of the ledger, then handed on


@dataclass(frozen=True)
class DailyFile:
    """A file of the source that has one bin, all of it."""

    path: str
    listed_state: str
    bin: Bin
    kind: ClassVar[FileKind] = FileKind.DAILY


@dataclass(frozen=True)
class HistoryFile:
    """A monthly, yearly or all-file of the source: an interval of time [from, until), UTC."""

    path: str
    listed_state: str
    kind: FileKind
    interval: tuple[datetime, datetime]


SourceFile: TypeAlias = DailyFile | HistoryFile
_T = TypeVar("_T")
_File = TypeVar("_File", bound=SourceFile, covariant=True)


@dataclass(frozen=True)
class Landed(Generic[_File]):
    """A wanted file that lies in landing. `is_new` is whether this run brought its bytes."""

    wanted: _File
    version: LandedVersion
    object_path: Path
    is_new: bool

    @property
    def generated_at_utc(self) -> datetime:
        return self.version.generated_at_utc


LandedFile: TypeAlias = Landed[SourceFile]
_Taken: TypeAlias = tuple[SourceFile, LandedFile | GmnError]


def is_daily(file: LandedFile) -> TypeGuard[Landed[DailyFile]]:
    """Whether it has one bin."""
    return isinstance(file.wanted, DailyFile)


def is_history(file: LandedFile) -> TypeGuard[Landed[HistoryFile]]:
    """Whether it has an interval of time."""
    return isinstance(file.wanted, HistoryFile)


@dataclass
class Landing:
    """What landing some whole days came to."""

    files: list[LandedFile] = field(default_factory=list)
    failed_days: dict[date, GmnError] = field(default_factory=dict)
    unread: list[UnreadFile] = field(default_factory=list)
    """What the listing has of files that only look like summaries; told once, at first."""


def land(
    days: Sequence[date],
    *,
    settings: SourceSettings,
    directory: Directory,
    objects: ObjectStore,
    ledger: Ledger,
    on_total: Callable[[int], None] = lambda _: None,
    on_file: Callable[[], None] = lambda: None,
) -> Iterator[Landing]:
    """Land the files of `days` and give them in order, a few whole days at a time, while the
    next are fetched. First comes what the listing has of files that are not read for their names.
    Calls `on_total` with their number, `on_file` as each is done.

    Raises SourceUnavailable or SourceRefused if the listing itself cannot be had.
    """
    kind = FileKind(settings.history)
    entries = directory.list(FOLDERS[kind])
    unread = unread_files(entries)
    ledger.record_unread(FOLDERS[kind], unread)
    if not any(kind_of_name(_name(entry)) is kind for entry in entries):
        raise _nothing_listed(kind, directory)
    yield Landing(unread=unread)
    wanted = wanted_files(days, entries, kind)
    known = ledger.newest_landed()
    on_total(len(wanted))

    # One folder for all files: most of them are not fetched, and a folder each took longer.
    with _incoming(objects) as incoming:

        def take(numbered: Sequence[tuple[int, SourceFile]]) -> list[_Taken]:
            return [
                (file, _try_take(file, known.get(file.path), directory, objects,
                                 incoming / str(number)))
                for number, file in numbered
            ]  # fmt: skip

        def taken(pool: ThreadPoolExecutor) -> Iterator[_Taken]:
            for some in pool.map(take, _tasks(list(enumerate(wanted)))):
                for one in some:
                    on_file()
                    yield one

        pool = ThreadPoolExecutor(settings.http_concurrency, "fetch")
        try:
            for batch in _batches(taken(pool)):
                landing = _landing(batch, days)
                _record(landing.files, known, ledger)
                yield landing
        finally:
            # Whoever stops taking does not wait until thousands of files more are fetched.
            pool.shutdown(cancel_futures=True)


def _tasks(files: Sequence[_T]) -> list[Sequence[_T]]:
    """Files that a thread takes one after the other: few of many, since to hand them over takes
    longer than to find out that one has not changed."""
    size = _A_TASK_FILES if len(files) > _MANY_FILES else 1
    return [files[first : first + size] for first in range(0, len(files), size)]


@contextmanager
def _incoming(objects: ObjectStore) -> Iterator[Path]:
    """The folder that files are fetched into."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(objects.incoming())
        except OSError as error:
            raise _cannot_be_written("Files", error) from error
        yield folder


def _cannot_be_written(what: str, error: OSError) -> RetryableError:
    return RetryableError(
        f"{what} cannot be written to landing: {error}.",
        remedy="Free space under the data folder; the day is taken again.",
    )


def _batches(taken: Iterable[_Taken]) -> Iterator[list[_Taken]]:
    """Files in order, some at a time: those of a date together, a history file alone."""

    def together(pair: _Taken) -> date | HistoryFile:
        return pair[0].bin.date if isinstance(pair[0], DailyFile) else pair[0]

    batch: list[_Taken] = []
    for of, files in groupby(taken, key=together):
        batch += files
        if len(batch) >= _BATCH_FILES or isinstance(of, HistoryFile):
            yield batch
            batch = []
    if batch:
        yield batch


def _landing(taken: Sequence[_Taken], days: Sequence[date]) -> Landing:
    landing = Landing()
    for file, result in taken:
        if isinstance(result, GmnError):
            landing.failed_days |= dict.fromkeys(days_of(file, days), result)
        else:
            landing.files.append(result)
    return landing


def _name(entry: ListingEntry) -> str:
    return entry.path.rsplit("/", 1)[-1]


def unread_files(entries: Sequence[ListingEntry]) -> list[UnreadFile]:
    """Listed files that look like summaries and are not read, for their name or place."""
    found = []
    for entry in entries:
        folder = entry.path.rpartition("/")[0]
        expected = expected_instead(_name(entry), folder)
        if expected is not None:
            found.append(UnreadFile(folder, entry.path, expected, clock.utc_now()))
    return found


def _nothing_listed(kind: FileKind, directory: Directory) -> SourceRefused:
    """What to say of a directory without files of a kind: what it has instead."""
    listed = [entry for folder in sorted(set(FOLDERS.values())) for entry in directory.list(folder)]
    others = [
        other for other in FileKind
        if any(kind_of_name(_name(e)) is other and e.path == _path(other, e) for e in listed)
    ]  # fmt: skip
    message = f"{directory.base} lists no {kind} files"
    if FileKind.DAILY in others:
        return SourceRefused(
            f"{message}, but daily ones.",
            remedy="Leave --history (GMN_HISTORY) out to read the days from those.",
        )
    if others:
        return SourceRefused(
            f"{message}, but {' and '.join(others)} ones.",
            remedy=f"To read the days from those: --history {others[0]} "
            f"(or GMN_HISTORY={others[0]}).",
        )
    if unread := unread_files(listed):
        return SourceRefused(f"{message}. {unread[0].in_words}", remedy="Rename or move them.")
    return SourceRefused(
        f"{message}.",
        remedy="Is GMN_SOURCE_URL the data directory, the one that has daily/ and monthly/?",
    )


def _path(kind: FileKind, entry: ListingEntry) -> str:
    """Where a file of this kind and name belongs."""
    return f"{FOLDERS[kind]}/{_name(entry)}" if FOLDERS[kind] else _name(entry)


def wanted_files(
    days: Sequence[date], entries: Sequence[ListingEntry], kind: FileKind
) -> list[SourceFile]:
    """Which of the listed files carry any of the days."""
    if kind is FileKind.DAILY:
        wanted_days = set(days)
        named = [(entry, bin_of_name(_name(entry))) for entry in entries]
        return [
            DailyFile(entry.path, entry.state, bin_)
            for entry, bin_ in sorted(named, key=lambda pair: pair[0].path)
            if bin_ is not None and bin_.date in wanted_days
        ]
    wanted: list[SourceFile] = []
    for entry in entries:
        interval = months_of_name(_name(entry)) if kind_of_name(_name(entry)) is kind else None
        if interval is not None:
            file = HistoryFile(entry.path, entry.state, kind, interval)
            if days_of(file, days):
                wanted.append(file)
    return sorted(wanted, key=lambda file: file.path)


def days_of(file: SourceFile, days: Sequence[date]) -> list[date]:
    """The wanted days that a file carries. A bin runs on into the next calendar day."""
    if isinstance(file, DailyFile):
        return [file.bin.date] if file.bin.date in days else []
    begin, end = file.interval
    return [
        day for day in days
        if day >= (begin.date() - timedelta(days=1) if begin.year > 1 else date.min)
        and day < end.date()
    ]  # fmt: skip


def _try_take(
    file: SourceFile,
    known: LandedVersion | None,
    directory: Directory,
    objects: ObjectStore,
    incoming: Path,
) -> LandedFile | GmnError:
    """Fetch one file unless the landed version is still the current one."""
    version, path = None, file.path
    if known is not None and objects.has(known.sha256, known.size_bytes):
        version = SourceVersion(known.etag, known.last_modified)
    try:
        fetched = directory.fetch(path, version, incoming)
        if fetched is not None:
            return _kept(file, known, fetched, objects, incoming)
        assert known is not None
        _refuse_future(path, known.generated_at_utc)
        return LandedFile(file, known, objects.path(known.sha256), is_new=False)
    except (GmnError, OSError) as error:
        incoming.unlink(missing_ok=True)
        return error if isinstance(error, GmnError) else _cannot_be_written(path, error)


def _kept(
    file: SourceFile,
    known: LandedVersion | None,
    fetched: FetchedFile,
    objects: ObjectStore,
    incoming: Path,
) -> LandedFile:
    """A fetched file, in its place."""
    head = _checked(file.path, incoming, fetched, objects)
    object_path = objects.keep(incoming, fetched.sha256)
    is_new = known is None or known.sha256 != fetched.sha256
    return LandedFile(file, _version(file, fetched, head), object_path, is_new)


def _checked(path: str, incoming: Path, fetched: FetchedFile, objects: ObjectStore) -> Head:
    """The head of a fetched file that is whole; what is refused is kept apart."""
    try:
        head = check_whole(incoming, path)
        _refuse_future(path, head.generated_at_utc)
    except (SourceRefused, SummaryFormatError) as error:
        kept = objects.refuse(incoming, fetched.sha256)
        raise type(error)(f"{error.message} It is kept as {kept}.", remedy=error.remedy) from None
    return head


def _refuse_future(path: str, generated_at_utc: datetime) -> None:
    """A file from the future would be the newest of its bin for ever, and bar all that follow."""
    now = clock.utc_now()
    if generated_at_utc > now + _AHEAD:
        raise SourceRefused(
            f"{path} says that it was generated on {generated_at_utc:%Y-%m-%d %H:%M:%S} UTC, which "
            f"is more than a day ahead of this machine's clock ({now:%Y-%m-%d %H:%M:%S} UTC).",
            remedy="If the clock is right, the file's first line is wrong: the day is loaded from "
            "the next version of the file.",
        )


def _version(file: SourceFile, fetched: FetchedFile, head: Head) -> LandedVersion:
    return LandedVersion(
        path=file.path,
        kind=file.kind,
        url=fetched.url,
        etag=fetched.version.etag,
        last_modified=fetched.version.last_modified,
        listed_state=file.listed_state,
        generated_at_utc=head.generated_at_utc,
        size_bytes=fetched.size_bytes,
        sha256=fetched.sha256,
        fetched_at_utc=clock.utc_now(),
    )


def _record(
    files: Sequence[LandedFile], known: Mapping[str, LandedVersion], ledger: Ledger
) -> None:
    """Note new versions, and known ones that the source labels in another way now."""
    if new := [file.version for file in files if file.is_new]:
        ledger.record_landed(new)
    seen = (
        replace(file.version, listed_state=file.wanted.listed_state)
        for file in files
        if not file.is_new
    )
    if relabelled := [version for version in seen if version != known[version.path]]:
        ledger.record_seen(relabelled)
