"""Look through a folder or bucket of many files for tables, again and again.

What belongs here: which files are read, what is proposed and what becomes of accepted tables. What
does not: which files are of one table (`processing/table_groups.py`), reading them
(`processing/tables.py`), what is kept (`database/crawls.py`).

Files that changed since are read in a process of their own, some hundreds at a time, and noted in
one transaction for each such batch: whoever is stopped goes on from there. Then accepted tables are
brought up to date, from what is noted alone: a view over the files where they lie, or objects that
a rule of their container loads. Both say the same twice without doing anything twice.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TypeAlias

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.crawls import (
    Crawl,
    CrawlChange,
    CrawledFile,
    CrawledTable,
    Crawls,
    TableState,
)
from gmn_pipeline.database.object_naming import no_container
from gmn_pipeline.errors import (
    FileIncomplete,
    GmnError,
    NotPermitted,
    ObjectRefused,
    ServiceRunning,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.flows.crawled_tables import (
    Crawled,
    CrawledTables,
    source_of,
)
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.processing.processor import Task
from gmn_pipeline.processing.table_groups import Change, Group, Groups
from gmn_pipeline.processing.tables import Tables
from gmn_pipeline.processing.workshop import Workshop, opened
from gmn_pipeline.readers.content_types import HEAD_BYTES, content_type
from gmn_pipeline.schemas.objects import By, Content, Description, ObjectName, StoredObject
from gmn_pipeline.settings import ObjectProcessingSettings
from gmn_pipeline.sources.files import FileSource, SourceFile
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.storage.files import alone, is_locked, working_folder
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS

_LOCK = "objects_crawl.lock"
_BATCH = 200
_COPIED_BYTES = 256 << 20
"""Of files of a bucket, so much is copied here at once; a larger one is copied alone."""
_NO_TABLE = "It is no table."
_OF_ONE_FILE = (FileIncomplete, NotPermitted, SourceFileMissing, SourceRefused)

_Schemas: TypeAlias = dict[str, tuple[str, dict[str, str]]]


class Crawling:
    """The parts that it takes, opened."""

    def __init__(self, settings: ObjectProcessingSettings, by: By) -> None:
        self.settings = settings
        self.by = by
        self.objects: OpenedObjects = opened_objects(settings)
        self.crawls = Crawls(self.objects.database)
        self.lake = WarehouseConnection(settings, OBJECTS)
        self.tables = CrawledTables(settings, by, self.objects, self.crawls, self.lake)

    @contextmanager
    def working(self) -> Iterator[Workshop]:
        """The turn to crawl. Raises ServiceRunning if another process has it."""
        running = ServiceRunning(
            "Another process crawls already.", remedy="Let it end; the same command goes on then."
        )
        path = self.settings.data_dir / _LOCK
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path, running), opened(self.settings) as workshop:
            ddl.bring_up_to_date(self.lake)  # an earlier version made it with fewer tables
            yield workshop

    def all(self) -> list[tuple[Crawl, str]]:
        """The crawls, and how it is with each as it is told here: never, running, stopping, ended,
        stopped, failed; broken off where whoever did it is gone, and the next one goes on from
        there."""
        lock = self.settings.data_dir / _LOCK
        # One may end, or begin, while they are read: so who works is asked before and after.
        worked = is_locked(lock)
        crawls = self.crawls.all()
        under_way = ""
        if worked or is_locked(lock):
            begun = [
                (one.began_at_utc, one.name) for one in crawls
                if one.began_at_utc and not one.outcome and not one.ended_at_utc
            ]  # fmt: skip
            under_way = max(begun)[1] if begun else ""
        return [(one, _state(one, is_under_way=one.name == under_way)) for one in crawls]

    def save(self, crawl: Crawl) -> None:
        """Make a crawl, or let it be another one. Raises what an unusable one is refused for."""
        if crawl.container not in self.objects.catalogue.containers(crawl.project):
            raise no_container(crawl.project, crawl.container)
        source_of(crawl, self.settings)
        self.crawls.save(crawl, self.by)

    def crawl(
        self, crawl: Crawl, workshop: Workshop,
        on_batch: Callable[[Crawled], None] = lambda _: None,
        on_begun: Callable[[], None] = lambda: None,
    ) -> Crawled:  # fmt: skip
        """Read what is new or changed, and bring accepted tables up to date. What it came to is
        kept, be it that it failed, or that somebody asked it to stop.

        Raises SourceUnavailable if there is no file at all where there were some: the disk may be
        away. One file that fails fails alone, and is read again next time.
        """
        done = Crawled()
        self.crawls.begin(crawl.name)
        on_begun()
        try:
            self._crawl(crawl, workshop, on_batch, done)
        except GmnError as error:
            self.crawls.end(crawl.name, done.told(self.by, error), is_whole=False)
            raise
        self.crawls.end(crawl.name, done.told(self.by), is_whole=not done.is_stopped)
        return done

    def _crawl(
        self, crawl: Crawl, workshop: Workshop, on_batch: Callable[[Crawled], None], done: Crawled
    ) -> None:
        source = source_of(crawl, self.settings)
        known = self.crawls.files(crawl.name)
        listed = {
            file.path: file for file in source.listed() if fnmatchcase(file.path, crawl.pattern)
        }
        if known and not listed:
            raise SourceUnavailable(
                f"{source.place} has no such file at all any more.",
                remedy="Is its disk mounted? 'gmn objects crawl-forget' lets it be forgotten.",
            )
        changed = (file for file in listed.values() if _is_changed(file, known.get(file.path)))
        groups = self._groups(crawl)
        done.listed = len(listed)
        most_bytes = None if isinstance(source, FolderFiles) else _COPIED_BYTES
        for batch in _batches(changed, most_bytes):
            self._read_batch(crawl, source, workshop, batch, groups, done)
            on_batch(done)
            done.is_stopped = self.crawls.is_to_stop(crawl.name)
            if done.is_stopped:
                return
        done.unchanged = done.listed - done.read - done.failed
        gone = known.keys() - listed.keys()
        self.crawls.note_gone(crawl.name, gone)
        done.gone = len(gone)
        self.tables.accept_by_rule(crawl)
        self.tables.bring_up_to_date(crawl, done, source)

    # reading

    def _groups(self, crawl: Crawl) -> Groups:
        fixed = (TableState.VIEW, TableState.LOADED)
        return Groups(
            Group(one.name, one.content_type, dict(one.columns), one.state in fixed)
            for one in self.crawls.tables(crawl.name)
        )

    def _read_batch(
        self, crawl: Crawl, source: FileSource, workshop: Workshop, batch: Sequence[SourceFile],
        groups: Groups, done: Crawled,
    ) -> None:  # fmt: skip
        notes: list[CrawledFile] = []
        schemas: _Schemas = {}
        changes: list[Change] = []
        with working_folder(self.settings.data_dir / "tmp") as folder:
            tasks, files = [], []
            for number, file in enumerate(batch):
                try:
                    task, read = self._task(crawl, source, file, folder / str(number))
                except _OF_ONE_FILE as error:
                    done.failed += 1
                    done.failures[file.path] = str(error)
                    continue
                if task.stored.description.content_type in Tables.content_types:
                    tasks.append(task)
                    files.append(read)
                else:
                    done.read += 1
                    done.no_table += 1
                    notes.append(CrawledFile(read.path, read.stamp, read.size_bytes,
                                             reason=_NO_TABLE))  # fmt: skip
            outcomes = workshop.process_many(Tables.name, tasks) if tasks else iter(())
            for task, file, outcome in zip(tasks, files, outcomes, strict=True):
                done.read += 1
                said = outcome.message if isinstance(outcome, ObjectRefused) else None
                found = {} if isinstance(outcome, ObjectRefused) else outcome[0].found.metadata
                note = _noted(file, task, found, said, groups, schemas, changes)
                done.no_table += note.reason == _NO_TABLE
                done.left_out += bool(note.table and note.reason)
                if note.reason and note.reason != _NO_TABLE:
                    done.failures[file.path] = note.reason
                notes.append(note)
        done.changes += changes
        now = utc_now()
        self.crawls.note(
            crawl.name, notes,
            [
                CrawledTable(one.name, one.kind, TableState.PROPOSED, one.name, one.columns)
                for one in groups.groups
            ],
            schemas,
            [
                CrawlChange(one.table, one.kind.value, one.column, one.before, one.after, one.path,
                            now)
                for one in changes
            ],
        )  # fmt: skip

    def _task(
        self, crawl: Crawl, source: FileSource, file: SourceFile, folder: Path
    ) -> tuple[Task, SourceFile]:
        """What the processor of tables is given: a file where it is, or a copy of one of a
        bucket."""
        path = folder.with_suffix(".copy")
        if isinstance(source, FolderFiles):
            path = source.folder / file.path
        else:
            with path.open("xb") as copy:
                file = source.read(file.path, lambda piece: _write(copy, piece))
        try:
            with path.open("rb") as opened_file:
                kind = content_type(opened_file.read(HEAD_BYTES), file.path)
        except FileNotFoundError as error:
            raise SourceFileMissing(f"There is no file {path} any more.") from error
        except OSError as error:
            raise NotPermitted(f"{path} cannot be read: {error.strerror}.") from error
        stored = StoredObject(
            0, ObjectName(crawl.project, crawl.container, "file"), 1,
            Content("", file.size_bytes), Description(kind), utc_now(), self.by.who,
        )  # fmt: skip
        folder.mkdir()
        return Task(stored, path, folder), file


def _state(crawl: Crawl, *, is_under_way: bool) -> str:
    if is_under_way:
        return "stopping" if crawl.stop_asked_at_utc else "running"
    if crawl.outcome:
        return str(crawl.outcome["state"])
    if crawl.began_at_utc is None:
        return "never"
    return "ended" if crawl.ended_at_utc else "broken off"


def _batches(files: Iterable[SourceFile], most_bytes: int | None) -> Iterator[list[SourceFile]]:
    batch: list[SourceFile] = []
    size_bytes = 0
    for file in files:
        is_too_large = most_bytes is not None and size_bytes + file.size_bytes > most_bytes
        if batch and (len(batch) >= _BATCH or is_too_large):
            yield batch
            batch, size_bytes = [], 0
        batch.append(file)
        size_bytes += file.size_bytes
    if batch:
        yield batch


def _write(copy: IO[bytes], piece: bytes) -> None:
    copy.write(piece)


def _noted(
    file: SourceFile, task: Task, found: Mapping[str, object], refused: str | None, groups: Groups,
    schemas: _Schemas, changes: list[Change],
) -> CrawledFile:  # fmt: skip
    """What is kept of a file that was read: its table, or why it is of none."""
    if refused is not None or not found:
        reason = refused.split(" LINE 1:")[0] if refused else _NO_TABLE  # DuckDB quotes our query
        return CrawledFile(file.path, file.stamp, file.size_bytes, reason=reason)
    if "sheets" in found:
        return CrawledFile(
            file.path, file.stamp, file.size_bytes,
            reason="It has several sheets: put it as an object, and accept it there.",
        )  # fmt: skip
    listed = found["columns"]
    assert isinstance(listed, list)
    columns = {one["name"]: one["type"] for one in listed}
    if found["column_count"] != len(columns):
        return CrawledFile(
            file.path, file.stamp, file.size_bytes,
            reason=f"It has {found['column_count']} columns: crawls take {len(columns)}.",
        )  # fmt: skip
    kind = task.stored.description.content_type
    sha256 = hashlib.sha256(json.dumps([kind, list(columns.items())]).encode()).hexdigest()
    assigned = groups.assign(file.path, kind, columns)
    changes += assigned.changes
    schemas[sha256] = (kind, columns)
    rows = found["rows"]
    assert isinstance(rows, int)
    return CrawledFile(
        file.path, file.stamp, file.size_bytes, assigned.group.name, sha256, rows, assigned.reason
    )


def _is_changed(file: SourceFile, known: CrawledFile | None) -> bool:
    return known is None or not file.stamp or file.stamp != known.stamp
