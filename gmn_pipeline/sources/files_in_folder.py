"""Files of a folder of this machine.

What belongs here: listing and reading them, so that a file which changes meanwhile is noticed.
What does not: what becomes of them (`flows/object_puts.py`).

Links are not followed, save by whoever names one himself: who may put something into a watched
folder could have any file taken in by one. What is no file (a pipe, a socket) is passed over.
"""

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from gmn_pipeline.errors import (
    FileIncomplete,
    NotPermitted,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.sources.files import SourceFile

_PIECE_BYTES = 1 << 20
SETTLED_AFTER_S = 2.0
"""A file changed later than this before it was looked at may change again at the same time by its
file system's clock (2 s on FAT): its stamp says nothing."""


class FolderFiles:
    """See FileSource."""

    def __init__(self, folder: Path, settled_after_s: float = SETTLED_AFTER_S) -> None:
        """Files have a stamp when they have not changed for so long."""
        self.folder = folder.resolve()
        self._settled_after_ns = int(settled_after_s * 1e9)
        self.passed_over = 0
        """Links and what is no file, of the last listing."""
        if not self.folder.is_dir():
            raise SourceUnavailable(
                f"{folder} is no folder.", remedy="Is its disk mounted? Name a folder."
            )

    @property
    def place(self) -> str:
        """See FileSource: with the machine, since another one has other files there."""
        return f"file://{socket.gethostname()}{quote(os.fsencode(self.folder))}/"

    def listed(self) -> Iterator[SourceFile]:
        """See FileSource."""
        self.passed_over = 0
        for root, folders, names in os.walk(self.folder, onerror=_unlisted):
            folders.sort()
            within = Path(root).relative_to(self.folder)
            self.passed_over += sum((self.folder / within / one).is_symlink() for one in folders)
            for name in sorted(names):
                path = str(within / name)
                file = self.look(path)
                if file is not None:
                    yield file
                elif os.path.lexists(self.folder / path):
                    self.passed_over += 1

    def look(self, path: str) -> SourceFile | None:
        """A file as a listing would show it now; None if it is gone or none."""
        try:
            found = (self.folder / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._file(path, found) if stat.S_ISREG(found.st_mode) else None

    def read(
        self, path: str, write: Callable[[bytes], None],
        copy: Callable[[int, int], int] | None = None,
    ) -> SourceFile:  # fmt: skip
        """See FileSource."""
        descriptor = self._opened(path)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise SourceRefused(f"{self.folder / path} is no file.")
            os.set_blocking(descriptor, True)
            size_bytes = 0
            if copy is not None:
                size_bytes = copy(descriptor, before.st_size)
                os.lseek(descriptor, size_bytes, os.SEEK_SET)  # is there more by now?
            while piece := self._piece(descriptor, path):
                write(piece)
                size_bytes += len(piece)
                if size_bytes > before.st_size:  # one that grows as quickly has no end
                    break
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if _of(before) != _of(after) or size_bytes != after.st_size:
            raise FileIncomplete(
                f"{self.folder / path} changed while it was read.",
                remedy="Put it when whoever writes it is done.",
            )
        return self._file(path, after)

    def _file(self, path: str, found: os.stat_result) -> SourceFile:
        # A clock that was put back makes times of the future, which say as little.
        is_settled = abs(time.time_ns() - found.st_ctime_ns) > self._settled_after_ns
        return SourceFile(path, found.st_size, _of(found) if is_settled else "")

    def _opened(self, path: str) -> int:
        try:
            return os.open(
                self.folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceFileMissing(f"There is no file {self.folder / path}.") from error
        except PermissionError as error:
            raise NotPermitted(
                f"{self.folder / path} may not be read.", remedy="Let this user read it."
            ) from error
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _piece(self, descriptor: int, path: str) -> bytes:
        try:
            return os.read(descriptor, _PIECE_BYTES)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: str, error: OSError) -> SourceRefused:
        return SourceRefused(f"{self.folder / path} cannot be read: {error.strerror}.")


def _unlisted(error: OSError) -> None:
    raise SourceUnavailable(
        f"{error.filename} cannot be listed: {error.strerror}.",
        remedy="Let this user read it, or take a folder within.",
    ) from error


def _of(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"
