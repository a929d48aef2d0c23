"""Files that are to become objects, wherever they lie: what is asked of such a place.

What belongs here: the question. What does not: places (`files_in_folder.py`,
`files_in_bucket.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class SourceFile:
    """A file as a listing shows it.

    `path` has `/` between folders. `stamp` is another one when the bytes are: of a file its size,
    times and inode, of a bucket's object its ETag. It is empty where that cannot be relied upon.
    """

    path: str
    size_bytes: int
    stamp: str


class FileSource(Protocol):
    """A place with files; any thread may read them."""

    @property
    def place(self) -> str:
        """The place as an address that no other one has."""

    def listed(self) -> Iterator[SourceFile]:
        """All files, in any order. Raises SourceUnavailable if they cannot be listed."""

    def read(
        self, path: str, write: Callable[[bytes], None],
        copy: Callable[[int, int], int] | None = None,
    ) -> SourceFile:  # fmt: skip
        """Hand a file's bytes on, in pieces; the file as it was read. To one that is on this
        machine, `copy` is handed its descriptor and size instead, and says how many it took.

        Raises FileIncomplete if it changed meanwhile, SourceFileMissing, NotPermitted or
        SourceRefused if it is no file that can be read.
        """
