"""Bytes of objects by what they are (SHA-256), each once: in a folder, or in a bucket.

What belongs here: placing finished bytes, reading and removing them. What does not: who names them
(`database/objects.py`), and in which order both happen (`landing/objects.py`).

Whatever comes is staged in a folder of this machine, hashed while it is written; it is placed when
it is whole and on the disk. Placed bytes are never changed.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError

from gmn_pipeline.errors import DataDamaged, SettingsError, StorageUnavailable
from gmn_pipeline.schemas.objects import Content
from gmn_pipeline.settings import ObjectSettings
from gmn_pipeline.storage.buckets import open_bucket
from gmn_pipeline.storage.files import sync_folder, working_folder
from gmn_pipeline.storage.hashing import Sha256
from gmn_pipeline.storage.problems import explaining

CHUNK_BYTES = 1 << 20
_LARGE_BYTES = 4 << 20  # from here on it is worth a second thread
_STEP_BYTES = 8 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PART_BYTES = 16 << 20  # of an upload in parts
_PARTS_AT_ONCE = 4
_READ_ONLY = 0o444


class HashingWriter:
    """Writes a new file and hashes what passes; `finish` makes it durable."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("x+b")
        self._hash = Sha256()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        self._hash.update(piece)
        self._file.write(piece)
        self.size_bytes += len(piece)

    def copy(
        self, source: int, size_bytes: int, on_bytes: Callable[[int], None] = lambda _: None
    ) -> int:
        """Have the kernel copy so many bytes of an open file, as the first ones of this, or share
        their place on the disk, where the file system can; how many it did. They are hashed as
        they are in the new file. Small files, other file systems, and what cannot be read are left
        to `write`. Calls `on_bytes` with the size of each step.
        """
        assert not self.size_bytes
        target = self._file.fileno()
        while size_bytes > _LARGE_BYTES and self.size_bytes < size_bytes:
            at = self.size_bytes
            step = min(size_bytes - at, _STEP_BYTES)
            try:
                number = os.copy_file_range(source, target, step, at, at)
            except OSError as error:
                if error.errno in _NO_SPACE:
                    raise
                break
            if not number:
                break
            self._hash.update_from(target, at, number)
            self.size_bytes += number
            on_bytes(number)
        self._file.seek(self.size_bytes)
        return self.size_bytes

    def finish(self, *, is_durable: bool = True) -> Content:
        """What was written; on the disk from now on, if that is wanted."""
        self._file.flush()
        if is_durable:
            os.fsync(self._file.fileno())
        sha256 = self._hash.hexdigest()
        self.close()
        return Content(sha256, self.size_bytes)

    def close(self) -> None:
        """Leave it as it is."""
        self._hash.close()
        self._file.close()


class ContentStore(Protocol):
    """What is asked of either kind."""

    def incoming(self) -> AbstractContextManager[Path]:
        """A folder to stage files in; what was not placed is gone afterwards."""

    def has(self, content: Content) -> bool:
        """Whether these bytes are there in their full size."""

    def place(self, staged: Path, content: Content, *, anew: bool = False) -> None:
        """Take a staged file in, made durable. What is there already stays, unless it is known to
        be damaged (`anew`)."""

    def read(self, content: Content, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces. Raises DataDamaged if there are
        fewer."""

    def copy(
        self, content: Content, writer: HashingWriter, on_bytes: Callable[[int], None]
    ) -> None:
        """All of the bytes into a new file, the quickest way. Raises DataDamaged if there are
        fewer. Calls `on_bytes` with the size of each step."""

    def local_path(self, content: Content) -> Path | None:
        """Where they are as a file of this machine, if they are."""

    def remove(self, sha256: str) -> None:
        """Remove what nothing names; of no effect if it is gone."""

    def listed(self) -> Iterator[Content]:
        """All that is there: by its name and size, unread."""

    def link(self, content: Content, valid_for: timedelta) -> str | None:
        """An address that gives them to whoever has it, for a time; None if the store has none."""


def open_contents(settings: ObjectSettings) -> ContentStore:
    """The store that the settings name."""
    url = settings.objects_storage_url
    if url is None:
        return FolderContents(settings.data_dir / "objects")
    if url.startswith("s3://"):
        return BucketContents(url, settings)
    if "://" in url:
        raise SettingsError(
            f"Objects cannot be kept in {urlsplit(url).scheme}://.",
            remedy="GMN_OBJECTS_STORAGE_URL is a folder or s3://bucket/prefix.",
        )
    return FolderContents(Path(url).expanduser().absolute())


def _write_pieces(
    pieces: Iterator[bytes], writer: HashingWriter, on_bytes: Callable[[int], None]
) -> None:
    for piece in pieces:
        writer.write(piece)
        on_bytes(len(piece))


def content_of(path: Path) -> Content:
    """What a file is, by reading it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Content(digest.hexdigest(), file.tell())


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _damaged(content: Content, place: str) -> DataDamaged:
    return DataDamaged(
        f"Of the {content.size_bytes:,} bytes {content.sha256}, some or all are not in {place}.",
        remedy="Put the same file again, or restore the store from a copy; "
        "'gmn objects verify' lists all that is damaged.",
    )


class FolderContents:
    """A folder. Its files are named by their hash, and read-only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "contents"
        self._staging = folder / "incoming"

    def incoming(self) -> AbstractContextManager[Path]:
        """See ContentStore: on the same disk, so that placing is a renaming."""
        return working_folder(self._staging)

    def has(self, content: Content) -> bool:
        """See ContentStore."""
        with suppress(FileNotFoundError):
            return self._path(content.sha256).stat().st_size == content.size_bytes
        return False

    def place(self, staged: Path, content: Content, *, anew: bool = False) -> None:
        """See ContentStore."""
        if not anew and self.has(content):
            return
        with explaining(self._folder):
            path = self._path(content.sha256)
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(self._folder)
            staged.chmod(_READ_ONLY)
            staged.replace(path)
            sync_folder(path.parent)

    def read(self, content: Content, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See ContentStore."""
        left = (content.size_bytes if stop is None else stop) - start
        try:
            file = self._path(content.sha256).open("rb")
        except FileNotFoundError as error:
            raise _damaged(content, str(self._folder)) from error
        with file:
            file.seek(start)
            while left > 0:
                piece = file.read(min(left, CHUNK_BYTES))
                if not piece:
                    raise _damaged(content, str(self._folder))
                left -= len(piece)
                yield piece

    def copy(
        self, content: Content, writer: HashingWriter, on_bytes: Callable[[int], None]
    ) -> None:
        """See ContentStore."""
        try:
            with self._path(content.sha256).open("rb") as file:
                done = writer.copy(file.fileno(), content.size_bytes, on_bytes)
        except FileNotFoundError as error:
            raise _damaged(content, str(self._folder)) from error
        if done < content.size_bytes:
            _write_pieces(self.read(content, done), writer, on_bytes)

    def local_path(self, content: Content) -> Path | None:
        """See ContentStore."""
        return self._path(content.sha256)

    def remove(self, sha256: str) -> None:
        """See ContentStore."""
        self._path(sha256).unlink(missing_ok=True)

    def listed(self) -> Iterator[Content]:
        """See ContentStore."""
        for path in sorted(self._folder.glob("??/*")):
            with suppress(FileNotFoundError):
                yield Content(path.name, path.stat().st_size)

    def link(self, content: Content, valid_for: timedelta) -> str | None:
        """See ContentStore: none; the server gives the bytes itself."""
        del content, valid_for
        return None

    def _path(self, sha256: str) -> Path:
        return self._folder / _key(sha256)


class BucketContents:
    """A prefix in a bucket, of Amazon or of whoever speaks its protocol."""

    def __init__(self, url: str, settings: ObjectSettings) -> None:
        self._url = url
        self._staging = settings.data_dir / "objects" / "incoming"
        self._store = open_bucket(url, settings)

    def incoming(self) -> AbstractContextManager[Path]:
        """See ContentStore."""
        return working_folder(self._staging)

    def has(self, content: Content) -> bool:
        """See ContentStore."""
        try:
            return self._store.head(_key(content.sha256))["size"] == content.size_bytes
        except (NotFoundError, FileNotFoundError):
            return False
        except BaseError as error:
            raise self._unavailable(error) from error

    def place(self, staged: Path, content: Content, *, anew: bool = False) -> None:
        """See ContentStore. An upload in parts is there when it is whole, or not at all."""
        if not anew and self.has(content):
            return
        try:
            self._store.put(
                _key(content.sha256), staged,
                chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE,
            )  # fmt: skip
        except BaseError as error:
            raise self._unavailable(error) from error

    def read(self, content: Content, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See ContentStore."""
        stop = content.size_bytes if stop is None else stop
        if start >= stop:
            return
        left = stop - start
        try:
            answer = self._store.get(_key(content.sha256), options={"range": (start, stop)})
            for piece in answer.stream(min_chunk_size=CHUNK_BYTES):
                left -= len(piece)
                yield bytes(piece)
        except (NotFoundError, FileNotFoundError) as error:
            raise _damaged(content, self._url) from error
        except BaseError as error:
            raise self._unavailable(error) from error
        if left:
            raise _damaged(content, self._url)

    def copy(
        self, content: Content, writer: HashingWriter, on_bytes: Callable[[int], None]
    ) -> None:
        """See ContentStore."""
        _write_pieces(self.read(content), writer, on_bytes)

    def local_path(self, content: Content) -> Path | None:
        """See ContentStore: they are elsewhere."""
        del content
        return None

    def remove(self, sha256: str) -> None:
        """See ContentStore."""
        try:
            with suppress(NotFoundError, FileNotFoundError):
                self._store.delete(_key(sha256))
        except BaseError as error:
            raise self._unavailable(error) from error

    def listed(self) -> Iterator[Content]:
        """See ContentStore."""
        try:
            for some in self._store.list():
                for one in some:
                    yield Content(one["path"].rpartition("/")[2], one["size"])
        except BaseError as error:
            raise self._unavailable(error) from error

    def link(self, content: Content, valid_for: timedelta) -> str | None:
        """See ContentStore."""
        return str(obstore.sign(self._store, "GET", _key(content.sha256), valid_for))

    def _unavailable(self, error: BaseError) -> StorageUnavailable:
        said = " ".join(str(error).split())[:300]
        return StorageUnavailable(
            f"The objects in {self._url} cannot be had: {said}.",
            remedy="Is the object storage running, and are GMN_OBJECTS_STORAGE_URL and the AWS_... "
            "settings right? Nothing is lost: the same command goes on from what is done.",
        )
