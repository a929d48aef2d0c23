"""Uploads in parts: what is kept of each on the disk, and becoming an object.

What belongs here: its files. What does not: requests (`multipart.py`).

    <id>/upload.json            what it is to become, and, when it has, which object that is
    <id>/<number>.<md5>         a part that came whole, named when it is durable
    <id>/lock                   who puts the parts together holds this

One that became an object is kept until it expires, without its parts, so that who did not hear of
the end is told of it. The object's operation carries the upload's id: when a server died between
the naming and the note of it, the next one finds out that it was named.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import uuid4

from gmn_pipeline.clock import from_timestamp, utc_now
from gmn_pipeline.database.content_md5s import noting
from gmn_pipeline.database.object_rows import nothing_beside
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.schemas.objects import By, Content, StoredObject
from gmn_pipeline.serving.s3.checksums import Checksum
from gmn_pipeline.serving.s3.errors import S3Error
from gmn_pipeline.storage.contents import HashingWriter
from gmn_pipeline.storage.files import atomic_write, sync_folder, try_lock

_ID = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"(\d{5})\.([0-9a-f]{32})")
_COPIED_BYTES = 1 << 20


@dataclass(frozen=True)
class Told:
    """What an upload is to become. `description` is as JSON has it."""

    bucket: str
    key: str
    by: str
    began_at: str
    description: dict[str, Any] = field(default_factory=dict)
    checksum: str = ""
    """The algorithm that was named, to be told again."""
    object_id: int | None = None
    version: int | None = None
    """Of the object that it became."""
    is_finishing: bool = False


class Part(NamedTuple):
    """One that is here."""

    number: int
    md5: str
    size_bytes: int
    came_at_utc: datetime
    path: Path


class PartsUpload:
    """One of them, as it is on the disk."""

    def __init__(self, folder: Path, told: Told) -> None:
        self.folder = folder
        self.told = told

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def run_id(self) -> str:
        """As the log of operations names it."""
        return f"s3 upload {self.id}"

    def parts(self) -> list[Part]:
        """Those that are here, of each number the one that came last."""
        found: dict[int, Part] = {}
        for path in self.folder.iterdir():
            named = _PART.fullmatch(path.name)
            with suppress(FileNotFoundError):
                if named:
                    stat = path.stat()
                    part = Part(
                        int(named[1]), named[2], stat.st_size, from_timestamp(stat.st_mtime), path
                    )
                    before = found.get(part.number)
                    if before is None or before.came_at_utc < part.came_at_utc:
                        found[part.number] = part
        return [found[number] for number in sorted(found)]

    def new_part(self) -> Path:
        """Where a part is written before it is whole."""
        return self.folder / f"new-{uuid4().hex}"

    def keep_part(self, new: Path, number: int, md5: str) -> None:
        """Let a part be one that is here, instead of any of its number."""
        new.replace(self.folder / f"{number:05}.{md5}")
        for other in self.folder.glob(f"{number:05}.*"):
            if other.name != f"{number:05}.{md5}":
                other.unlink(missing_ok=True)
        sync_folder(self.folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who puts it together. Raises S3Error."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise no_upload() from None
        try:
            if not try_lock(lock):
                raise S3Error(503, "SlowDown", "This upload is being put together already.")
            yield
        finally:
            os.close(lock)

    def write(self, told: Told) -> None:
        """Keep what is told of it."""
        self.told = told
        atomic_write(self.folder / "upload.json", json.dumps(asdict(told)))

    def remove(self) -> None:
        """Leave nothing of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class PartsUploads:
    """All of them in a folder."""

    def __init__(self, folder: Path, expire_hours: float) -> None:
        self._folder = folder
        self._expires_after = timedelta(hours=expire_hours)

    def make(self, told: Told) -> PartsUpload:
        """Begin one, and forget those that are over."""
        self.sweep()
        folder = self._folder / uuid4().hex
        folder.mkdir(parents=True)
        upload = PartsUpload(folder, told)
        upload.write(told)
        return upload

    def find(self, upload_id: str, bucket: str, key: str) -> PartsUpload:
        """Raises S3Error: it never was, was ended, or is over."""
        for_all = self._read(self._folder / upload_id) if _ID.fullmatch(upload_id) else None
        if for_all is None or (for_all.told.bucket, for_all.told.key) != (bucket, key):
            raise no_upload()
        return for_all

    def under_way(self, bucket: str) -> list[PartsUpload]:
        """Those of a bucket, in the order of their keys."""
        found = [self._read(folder) for folder in self._folder.glob("*")]
        return sorted(
            (one for one in found if one and one.told.bucket == bucket
             and one.told.object_id is None),
            key=lambda one: (one.told.key, one.told.began_at),
        )  # fmt: skip

    def _read(self, folder: Path) -> PartsUpload | None:
        try:
            return PartsUpload(folder, Told(**json.loads((folder / "upload.json").read_text())))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sweep(self) -> None:
        """Remove those that nobody went on with."""
        now = utc_now()
        for folder in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                if from_timestamp(folder.stat().st_mtime) + self._expires_after < now:
                    shutil.rmtree(folder, ignore_errors=True)


def put_together(
    parts: Sequence[Part], checksum: Checksum | None, folder: Path, check: Callable[[], None]
) -> tuple[Path, Content]:
    """One file of parts, and what it is. Raises S3Error if a part is not any more what it was, or
    what `check` raises when all bytes passed."""
    path = folder / "new"
    writer = HashingWriter(path)
    try:
        for part in parts:
            digest = hashlib.md5(usedforsecurity=False)
            with suppress(FileNotFoundError), part.path.open("rb") as file:  # put again since
                while piece := file.read(_COPIED_BYTES):
                    digest.update(piece)
                    if checksum is not None:
                        checksum.update(piece)
                    writer.write(piece)
            if digest.hexdigest() != part.md5:
                raise invalid_part(part.number)
        check()
        return path, writer.finish()
    finally:
        writer.close()


def named(
    upload: PartsUpload, parts: Sequence[Part], staged: Staged, by: By, lake: OpenedObjects
) -> StoredObject:
    """The object that an upload's staged bytes become."""
    upload.write(replace(upload.told, is_finishing=True))
    is_one = len(parts) == 1
    beside = noting(staged.content.sha256, parts[0].md5) if is_one else nothing_beside
    (made,) = lake.landing.land([staged], By(by.who, upload.run_id), beside=beside)
    return made


def became(upload: PartsUpload, lake: OpenedObjects) -> StoredObject | None:
    """The object that it is already."""
    if upload.told.object_id is not None:
        return lake.catalogue.by_id(upload.told.object_id, upload.told.version)
    return lake.put_by_run(upload.run_id) if upload.told.is_finishing else None


def note_end(upload: PartsUpload, made: StoredObject) -> None:
    """Keep which object it became, and no parts."""
    upload.write(replace(upload.told, object_id=made.object_id, version=made.version))
    for part in upload.folder.glob("[0-9n]*"):
        part.unlink(missing_ok=True)


@contextmanager
def given_up_meanwhile() -> Iterator[None]:
    """Say so where the folder of an upload is gone."""
    try:
        yield
    except FileNotFoundError as error:
        raise no_upload() from error


def no_upload() -> S3Error:
    return S3Error(404, "NoSuchUpload", "There is no such upload, or it is over.")


def invalid_part(number: int) -> S3Error:
    return S3Error(400, "InvalidPart", f"Part {number} is not here, or not as it is named.")


def durable(file: IO[bytes]) -> None:
    """What was written is on the disk from now on."""
    file.flush()
    os.fsync(file.fileno())
