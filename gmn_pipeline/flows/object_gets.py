"""Objects out of the lake, into files.

What belongs here: where they go, what is there already, and what is counted. What does not: which
ones (`database/object_search.py`), and reading them (`landing/objects.py`).

A file is written under another name, and gets its own when it is whole and its hash is right. What
is there with the same bytes is not fetched again, so that a call which was stopped goes on.
"""

import errno
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import uuid4

from gmn_pipeline.errors import CountMismatch, DataDamaged, GmnError, ObjectRefused
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.schemas.objects import By, OperationKind, StoredObject
from gmn_pipeline.storage.contents import content_of
from gmn_pipeline.storage.files import working_folder
from gmn_pipeline.storage.problems import explaining

UNFINISHED = ".gmn-unfinished"
"""Where files are written, in the folder that they are for."""

_THREADS = 4
_AT_ONCE = 200
_FAILURES_TOLD = 1_000
_OF_ITS_NAME = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EILSEQ}
"""What a file system answers where a name is too long for it, or another file or folder has it."""


@dataclass
class GetCounts:
    """What became of objects: wanted = got + there + failed."""

    wanted: int = 0
    got: int = 0
    there: int = 0
    failed: int = 0
    got_bytes: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by name: the first thousand."""


class _Stopped(Exception):
    """The whole has ended; nobody waits for this file."""


def get_objects(
    lake: OpenedObjects,
    objects: Iterable[tuple[StoredObject, str]],
    to: Path,
    by: By,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> GetCounts:
    """Write objects to files of a folder, each under the path in it that comes along.

    One that is damaged, or whose path leads out of the folder over a link, fails alone. Calls
    `on_bytes`, from any thread, with the size of each piece.
    """
    counts = GetCounts()
    todo = iter(objects)
    with explaining(to), working_folder(to / UNFINISHED) as unfinished:
        gets = _Gets(lake, to.resolve(), unfinished, by, on_bytes)
        with ThreadPoolExecutor(_THREADS, "get") as pool:
            try:
                while some := list(islice(todo, _AT_ONCE)):
                    results = list(pool.map(gets.get, some))
                    gets.log()
                    for (stored, _), is_got in zip(some, results, strict=True):
                        _count(counts, stored, is_got)
            except BaseException:
                gets.stopped.set()
                gets.log()
                raise
    if counts.wanted != counts.got + counts.there + counts.failed:
        raise CountMismatch(f"Not all objects are accounted for: {counts}.")
    return counts


def _count(counts: GetCounts, stored: StoredObject, is_got: bool | GmnError) -> None:
    counts.wanted += 1
    if isinstance(is_got, GmnError):
        counts.failed += 1
        if len(counts.failures) < _FAILURES_TOLD:
            counts.failures[str(stored.name)] = str(is_got)
    elif is_got:
        counts.got += 1
        counts.got_bytes += stored.content.size_bytes
    else:
        counts.there += 1


class _Gets:
    def __init__(
        self, lake: OpenedObjects, to: Path, unfinished: Path, by: By,
        on_bytes: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._lake = lake
        self._to = to
        self._unfinished = unfinished
        self._by = by
        self._on_bytes = on_bytes
        self._read: list[tuple[StoredObject, str]] = []
        self.stopped = threading.Event()

    def log(self) -> None:
        """Log what was read since the last time, in one transaction."""
        read, self._read = self._read, []
        if read:
            self._lake.catalogue.log_all(OperationKind.GET, read, self._by)

    def get(self, wanted: tuple[StoredObject, str]) -> bool | GmnError:
        """Whether it was not there, and is now; or why it could not be got. For any thread."""
        stored, path = wanted
        try:
            target = _target(self._to, path)
            if is_there(target, stored):
                self._on_bytes(stored.content.size_bytes)
                return False
            self._write(stored, target)
        except (DataDamaged, ObjectRefused) as error:
            return error
        except OSError as error:
            if error.errno not in _OF_ITS_NAME:
                raise
            return ObjectRefused(
                f"{stored.name} cannot be {self._to / path}: {error.strerror}.",
                remedy="Get it alone, under another name.",
            )
        return True

    def _write(self, stored: StoredObject, target: Path) -> None:
        new = self._unfinished / uuid4().hex
        reason = "it was not read to its end"
        try:
            self._lake.landing.write_whole(stored, new, self._on_step)
            reason = ""
        except GmnError as error:
            reason = str(error)
            raise
        finally:
            self._read.append((stored, reason))
        # Not forced onto the disk, as 'cp' does not: whoever gets it again compares the hash.
        new.replace(target)

    def _on_step(self, size_bytes: int) -> None:
        if self.stopped.is_set():
            raise _Stopped
        self._on_bytes(size_bytes)


def is_there(target: Path, stored: StoredObject) -> bool:
    """Whether a file has the bytes of an object. One behind a link is not looked at."""
    return (
        target.is_file()
        and not target.is_symlink()
        and target.stat().st_size == stored.content.size_bytes
        and content_of(target) == stored.content
    )


def _target(to: Path, path: str) -> Path:
    """Where an object goes, with the folders on the way made. Names of objects have no `..`, but
    folders that lie there can be links to anywhere."""
    *folders, name = path.split("/")
    if UNFINISHED in (*folders[:1], name):
        raise ObjectRefused(f"{UNFINISHED} is where unfinished files are: {path} is not got.")
    place = to
    for one in folders:
        place /= one
        if place.is_symlink():
            raise ObjectRefused(
                f"{place} is a link: nothing is written behind it.",
                remedy="Remove it, or get to another folder.",
            )
        place.mkdir(exist_ok=True)
    return place / name
