"""Landed bytes, unchanged, in files named by their SHA-256.

A file is written under a temporary name and renamed, so an object is there whole or not at all.
The same bytes are kept once, however often they come.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from gmn_pipeline.storage.files import working_folder


class ObjectStore:
    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._incoming = folder / "incoming"
        self._refused = folder / "refused"
        for place in (self._objects, self._refused):
            place.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the object with this hash is, or would be."""
        return Path(f"{self._objects}/{sha256[:2]}/{sha256}.txt")

    def has(self, sha256: str, size_bytes: int) -> bool:
        """Whether the object is there in its full size."""
        try:
            status = self.path(sha256).stat()
        except OSError:
            return False
        return S_ISREG(status.st_mode) and status.st_size == size_bytes

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder to write files to; what was not kept is gone afterwards."""
        with working_folder(self._incoming) as folder:
            yield folder

    def keep(self, incoming: Path, sha256: str) -> Path:
        """Give a finished file its name."""
        path = self.path(sha256)
        path.parent.mkdir(exist_ok=True)
        incoming.replace(path)
        return path

    def refuse(self, incoming: Path, sha256: str) -> Path:
        """Keep what is not a summary file apart, where a person can look at it."""
        path = self._refused / sha256
        incoming.replace(path)
        return path
