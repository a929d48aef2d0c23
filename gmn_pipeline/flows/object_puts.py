"""Many files into the lake of objects.

What belongs here: reading them by a few threads, landing them in batches, and what is counted.
What does not: where they are (`sources/files.py`), and the order of bytes and names
(`landing/objects.py`).

Whether a file is put is decided by its hash. The stamp of a file that was read before only saves
reading it once more; it decides nothing, since an object can be changed by others. A batch is one
transaction; if it fails for what is in it, its files are put one by one, so that a bad one fails
alone. What would meet each file (the store, the database, the disk) ends the whole: the same call
goes on from what is done.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from gmn_pipeline.database.file_stamps import FileStamps, Seen
from gmn_pipeline.errors import (
    CountMismatch,
    FileIncomplete,
    GmnError,
    NotPermitted,
    ObjectConflict,
    ObjectMissing,
    ObjectRefused,
    SourceFileMissing,
    SourceRefused,
)
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.landing.objects import Staged, check_metadata
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    Json,
    ObjectName,
    OperationKind,
    StoredObject,
)
from gmn_pipeline.sources.files import FileSource, SourceFile
from gmn_pipeline.storage.contents import HashingWriter

_THREADS = 8
_BATCH_FILES, _BATCH_BYTES = 200, 256 << 20
_ATTEMPTS = 3  # of a file that changes while it is read
_FAILURES_TOLD = 1_000
_OF_ONE_FILE = (FileIncomplete, NotPermitted, ObjectRefused, SourceFileMissing, SourceRefused)
_OF_A_BATCH = (ObjectConflict, ObjectMissing, ObjectRefused)


@dataclass(frozen=True)
class Given:
    """A file that is to be an object of that name in its container. Without a description, what
    was said of the object before stays."""

    source: FileSource
    file: SourceFile
    name: str
    description: Description | None = None


OnFile = Callable[[Given, GmnError | None], None]


@dataclass
class PutCounts:
    """What became of files: given = put + unchanged + failed."""

    given: int = 0
    put: int = 0
    unchanged: int = 0
    failed: int = 0
    put_bytes: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by the name that was to be: the first thousand."""

    def fail(self, name: str, error: GmnError) -> None:
        """Count a file that failed."""
        self.failed += 1
        if len(self.failures) < _FAILURES_TOLD:
            self.failures[name] = str(error)

    def check(self) -> None:
        """That all are accounted for. Raises CountMismatch."""
        if self.given != self.put + self.unchanged + self.failed:
            raise CountMismatch(f"Of {self.given} files, not all are accounted for: {self}.")


def put_files(
    lake: OpenedObjects,
    project: str,
    container: str,
    given: Iterable[Given],
    by: By,
    on_file: OnFile = lambda _given, _error: None,
) -> PutCounts:
    """Make objects of files, as far as the container does not have them so already.

    Calls `on_file` with each that is done, and with why if it failed. Raises ObjectMissing if there
    is no such container, and what would meet each file (StorageUnavailable, DiskFull, ...).
    """
    schema = lake.catalogue.metadata_schema(project, container)
    with lake.landing.incoming() as folder, ThreadPoolExecutor(_THREADS, "put") as pool:
        puts = _Puts(lake, project, container, schema, by, folder, on_file)
        try:
            before: list[_File] = []
            for batch in _batches(given):
                looked_up = puts.look_up(batch)
                under_way = [pool.submit(puts.stage, one) for one in looked_up]
                puts.land(before)
                for staging in under_way:
                    staging.result()
                before = looked_up
            puts.land(before)
        except BaseException:
            puts.stopped.set()
            raise
    puts.counts.check()
    return puts.counts


def _batches(given: Iterable[Given]) -> Iterator[list[Given]]:
    batch: list[Given] = []
    size_bytes = 0
    for one in given:
        if batch and (
            len(batch) == _BATCH_FILES or size_bytes + one.file.size_bytes > _BATCH_BYTES
        ):
            yield batch
            batch, size_bytes = [], 0
        batch.append(one)
        size_bytes += one.file.size_bytes
    if batch:
        yield batch


@dataclass
class _File:
    """A file on its way; with neither `staged` nor `error` when it was read, it is unchanged."""

    given: Given
    name: ObjectName
    current: StoredObject | None
    seen: Seen | None
    read: Seen | None = None
    staged: Staged | None = None
    error: GmnError | None = None

    @property
    def address(self) -> str:
        return self.given.source.place + self.given.file.path

    @property
    def says_the_same(self) -> bool:
        """Whether the object is there, and nothing else is to be said of it."""
        said = self.given.description
        return self.current is not None and (
            said is None
            or replace(said, content_type=self.current.description.content_type)
            == self.current.description
        )

    def is_there(self, sha256: str) -> bool:
        """Whether the object has these bytes, and all that is said of it."""
        return (
            self.current is not None
            and self.current.content.sha256 == sha256
            and self.says_the_same
        )

    def description(self) -> Description:
        said = self.given.description
        if said is None:
            return self.current.description if self.current else Description()
        return said


class _Stopped(Exception):
    """The whole has ended; nobody waits for this file."""


class _Puts:
    def __init__(
        self, lake: OpenedObjects, project: str, container: str, schema: Json, by: By,
        folder: Path, on_file: OnFile,
    ) -> None:  # fmt: skip
        self._lake = lake
        self._project = project
        self._container = container
        self._schema = schema
        self._by = by
        self._folder = folder
        self._on_file = on_file
        self._stamps = FileStamps(lake.database)
        self._numbers = count()
        self.stopped = threading.Event()
        self.counts = PutCounts()

    def look_up(self, batch: list[Given]) -> list[_File]:
        """What is known of files: the objects that have their names, and when they were read."""
        named = []
        for one in batch:
            self.counts.given += 1
            try:
                named.append((one, ObjectName(self._project, self._container, one.name)))
            except ObjectRefused as error:
                self.counts.fail(one.name, error)
                self._on_file(one, error)
        current = self._lake.search.named(
            self._project, self._container, {name.name for _, name in named}
        )
        seen = self._stamps.seen({one.source.place + one.file.path for one, _ in named})
        return [
            _File(one, name, current.get(name.name), seen.get(one.source.place + one.file.path))
            for one, name in named
        ]

    def stage(self, one: _File) -> None:
        """Read a file, and stage it unless its object is the same already. For any thread."""
        for attempt in range(_ATTEMPTS):
            try:
                self._stage(one)
            except _OF_ONE_FILE as error:
                one.error = error
                if isinstance(error, FileIncomplete) and attempt + 1 < _ATTEMPTS:
                    one.error = None
                    continue
            return

    def _stage(self, one: _File) -> None:
        file = one.given.file
        if one.seen and file.stamp == one.seen.stamp and one.is_there(one.seen.sha256):
            return
        if self._schema is not None:
            check_metadata(one.description(), self._schema, one.name)
        may_be_there = one.current and one.current.content.size_bytes == file.size_bytes
        if may_be_there and one.says_the_same:
            digest = hashlib.sha256()
            found = one.given.source.read(file.path, self._unless_stopped(digest.update))
            if one.is_there(digest.hexdigest()):
                one.read = Seen(found.stamp, digest.hexdigest())
                return
        path = self._folder / f"{next(self._numbers)}"
        writer = HashingWriter(path)
        try:
            found = one.given.source.read(
                file.path, self._unless_stopped(writer.write), self._copying_into(writer)
            )
            content = writer.finish()
        except BaseException:
            writer.close()
            path.unlink()
            raise
        one.read = Seen(found.stamp, content.sha256)
        one.staged = self._named(one, path, content)

    def _named(self, one: _File, path: Path, content: Content) -> Staged:
        # After what was looked at: what somebody else says of it meanwhile would be lost.
        after = one.current.version if one.current else 0
        return Staged(path, content, one.name, one.description(), after)

    def _unless_stopped(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def written(piece: bytes) -> None:
            if self.stopped.is_set():
                raise _Stopped
            write(piece)

        return written

    def _copying_into(self, writer: HashingWriter) -> Callable[[int, int], int]:
        def step(_: int) -> None:
            if self.stopped.is_set():
                raise _Stopped

        return lambda descriptor, size_bytes: writer.copy(descriptor, size_bytes, step)

    def land(self, files: list[_File]) -> None:
        """Put what is staged, and count."""
        for one in files:
            if one.error is not None:
                self._lake.catalogue.log_failures(
                    [one.name], OperationKind.PUT, self._by, one.error
                )
        staged = [one for one in files if one.staged]
        try:
            self._land(staged)
        except _OF_A_BATCH:
            for one in staged:
                self._land_alone(one)
        read = {one.address: one.read for one in files if one.read and not one.error}
        self._stamps.note({address: seen for address, seen in read.items() if seen.stamp})
        for one in files:
            self._count(one)

    def _land(self, files: list[_File]) -> None:
        staged = [one.staged for one in files if one.staged]
        if staged:
            self._lake.landing.land(staged, self._by)
            for one in staged:  # what the store had already
                one.path.unlink(missing_ok=True)

    def _land_alone(self, one: _File) -> None:
        """Once more from its beginning: of a batch that failed, bytes may be placed already."""
        (anew,) = self.look_up([one.given])
        self.counts.given -= 1
        self.stage(anew)
        one.read, one.staged, one.error = anew.read, anew.staged, anew.error
        try:
            self._land([one])
        except _OF_A_BATCH as error:
            one.error = error

    def _count(self, one: _File) -> None:
        if one.error is not None:
            self.counts.fail(str(one.name), one.error)
        elif one.staged is not None:
            self.counts.put += 1
            self.counts.put_bytes += one.staged.content.size_bytes
        else:
            self.counts.unchanged += 1
        self._on_file(one.given, one.error)
