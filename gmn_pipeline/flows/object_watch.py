"""A watched folder: what is put there becomes objects.

What belongs here: when a file is finished, and what becomes of it afterwards. What does not:
putting it (`object_puts.py`).

A file is finished when it has not changed for a moment; one that goes on changing later becomes
another version. Which files were put already is known by their stamps and hashes, so that a
watcher which was killed puts nothing twice: it looks at the whole folder when it begins.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath

from watchfiles import watch

from gmn_pipeline.errors import GmnError, RetryableError, SettingsError
from gmn_pipeline.flows.object_puts import Given, PutCounts, put_files
from gmn_pipeline.flows.object_sync import FileFilter
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.schemas.objects import By, Description
from gmn_pipeline.sources.files_in_folder import FolderFiles

_LOOK_EVERY_MS = 500
_LOOK_THROUGH_EVERY_S = 600.0
"""The kernel forgets changes if too many come at once."""
_PAUSE_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watching:
    """What is done with files: which are taken (never hidden ones), what is said of them, and the
    folder that they are moved to once they are objects."""

    wanted: FileFilter = field(default_factory=FileFilter)
    description: Description | None = None
    done: Path | None = None

    def takes(self, path: str) -> bool:
        """Whether a file is taken; what is being written often has a hidden name."""
        return not PurePosixPath(path).name.startswith(".") and self.wanted.takes(path)


def watch_folder(
    lake: OpenedObjects,
    source: FolderFiles,
    place: tuple[str, str, str],
    by: By,
    stopped: threading.Event,
    how: Watching = Watching(),
    on_counts: Callable[[PutCounts], None] = lambda _: None,
) -> None:
    """Put what is in the folder and what comes, until `stopped`; `place` is project, container
    and folder. Calls `on_counts` after each look at which something was done.

    Raises SettingsError if the folder for what is done is within the watched one. While the lake is
    away, files wait.
    """
    if how.done is not None and how.done.resolve().is_relative_to(source.folder):
        raise SettingsError(
            f"{how.done} is within the watched folder.", remedy="Name one beside it with --done."
        )
    watched = _Watched(lake, source, place, by, how)
    pending: set[str] = set()
    look_through_at = 0.0
    for changes in watch(
        source.folder, watch_filter=None, stop_event=stopped, raise_interrupt=False,
        rust_timeout=_LOOK_EVERY_MS, yield_on_timeout=True,
    ):  # fmt: skip
        try:
            if (
                time.monotonic() >= look_through_at
            ):  # not before changes are watched: none is missed
                pending |= set(_files_in(source, source.folder))
                look_through_at = time.monotonic() + _LOOK_THROUGH_EVERY_S
            for _, path in changes:
                pending |= set(_files_in(source, Path(path)))
            counts = watched.put(pending) if pending else PutCounts()
        except RetryableError as error:  # a folder that is gone by now, too
            _log.warning("Files wait: %s", error)
            look_through_at = 0.0
            stopped.wait(_PAUSE_S)
            continue
        if counts.put or counts.failed:
            on_counts(counts)


def _files_in(source: FolderFiles, path: Path) -> Iterator[str]:
    """A file, or all of a folder that was moved there as a whole."""
    within = path.relative_to(source.folder)
    if path.is_dir() and not path.is_symlink():
        for file in FolderFiles(path).listed():
            yield str(within / file.path)
    else:
        yield str(within)


class _Watched:
    def __init__(
        self, lake: OpenedObjects, source: FolderFiles, place: tuple[str, str, str], by: By,
        how: Watching,
    ) -> None:  # fmt: skip
        self._lake = lake
        self._source = source
        self._project, self._container, self._folder = place
        self._by = by
        self._how = how

    def put(self, pending: set[str]) -> PutCounts:
        """Put those that are finished, and take them out of `pending`."""

        def finished() -> Iterator[Given]:
            for path in sorted(pending):
                file = self._source.look(path) if self._how.takes(path) else None
                if file is None:
                    pending.discard(path)
                elif file.stamp:
                    yield Given(self._source, file, self._folder + path, self._how.description)

        def done(one: Given, error: GmnError | None) -> None:
            pending.discard(one.file.path)
            if error is not None:
                _log.warning("%s is not put: %s", self._source.folder / one.file.path, error)
            elif self._how.done is not None and not self._moved(one, self._how.done):
                pending.add(one.file.path)

        return put_files(self._lake, self._project, self._container, finished(), self._by, done)

    def _moved(self, one: Given, to: Path) -> bool:
        """Move a file to where those go that are objects; not if it changed since."""
        now = self._source.look(one.file.path)
        if now is None:
            return True
        if now.stamp != one.file.stamp:
            return False
        target = to / one.file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        names = (target.with_name(f"{target.name}.{number}") for number in count(1))
        while target.exists():
            target = next(names)
        with suppress(FileNotFoundError):  # another watcher of this folder was quicker
            shutil.move(self._source.folder / one.file.path, target)
        return True
