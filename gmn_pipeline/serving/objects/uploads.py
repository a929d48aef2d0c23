"""Uploads that are gone on with after whatever broke them off: what is kept of each.

What belongs here: its files, and becoming an object when all bytes are there. What does not: the
protocol (`tus.py`).

    <id>/upload.json    what it is to become, and, when it has, which object that is
    <id>/bytes          what came
    <id>/durable        how many of them are on the disk for sure: so many are told
    <id>/lock           who works on it holds this

A finished one is kept until it expires, without its bytes, so that who did not hear of the end is
told of it. The object's operation carries the upload's id: when a server died between the naming
and the note of it, the next one finds out that it was named.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from gmn_pipeline.clock import from_timestamp, utc_now
from gmn_pipeline.errors import ObjectConflict, ObjectMissing, ObjectRefused
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.landing.objects import Staged, check_hash
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    ObjectName,
    StoredObject,
)
from gmn_pipeline.storage.contents import content_of
from gmn_pipeline.storage.files import atomic_write, try_lock

_ID = re.compile(r"[0-9a-f]{32}")
_SYNCED_BYTES = 8 << 20
_HASHES_KEPT = 1_000
_OFFSET_DIGITS = 20


class UploadBusy(Exception):
    """Somebody else works on it."""


@dataclass(frozen=True)
class Told:
    """What an upload is to become. `description` is as JSON has it."""

    name: str
    size_bytes: int
    by: str
    metadata: str = ""
    """As the client gave it, to be given back."""
    sha256: str | None = None
    description: dict[str, Any] = field(default_factory=dict)
    after: int | None = None
    object_id: int | None = None
    version: int | None = None
    """Of the object that it became."""
    is_finishing: bool = False


class Upload:
    """One of them, as it is on the disk."""

    def __init__(self, folder: Path, told: Told, expires_after: timedelta) -> None:
        self.folder = folder
        self.told = told
        self._expires_after = expires_after
        self.bytes_path = folder / "bytes"
        self._durable = folder / "durable"

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def is_finished(self) -> bool:
        return self.told.object_id is not None

    @property
    def offset(self) -> int:
        """How many bytes are here for sure."""
        if self.is_finished:
            return self.told.size_bytes
        return int(self._durable.read_text())

    @property
    def expires_at_utc(self) -> datetime:
        return from_timestamp(self._durable.stat().st_mtime) + self._expires_after

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one at it. Raises UploadBusy, ObjectMissing."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            raise _no_upload() from None
        try:
            if not try_lock(lock):
                raise UploadBusy
            yield
        finally:
            os.close(lock)

    def note(self, file: int, offset: int) -> None:
        """Make bytes durable up to there, and note it."""
        os.fsync(file)
        note = os.open(self._durable, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.pwrite(note, f"{offset:0{_OFFSET_DIGITS}d}".encode(), 0)
            os.fsync(note)
        finally:
            os.close(note)

    def write(self, told: Told) -> None:
        """Keep what is told of it."""
        self.told = told
        atomic_write(self.folder / "upload.json", json.dumps(asdict(told)))

    def remove(self) -> None:
        """Leave nothing of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Appending:
    """Takes bytes of an upload from where it is, while its lock is held."""

    def __init__(self, uploads: "Uploads", upload: Upload) -> None:
        self._uploads, self._upload = uploads, upload
        self.began_at = self.offset = upload.offset
        self._file = file = os.open(upload.bytes_path, os.O_RDWR | os.O_CLOEXEC)
        os.ftruncate(file, self.offset)  # what is not noted is not known to be right
        os.lseek(file, self.offset, os.SEEK_SET)
        self._hash = uploads.hash_at(upload.id, self.offset)
        self._noted_at = self.offset
        self.notes_as_it_goes = True
        """Unless bytes are to be taken back if their checksum is another one."""

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        view = memoryview(piece)
        while view:
            view = view[os.write(self._file, view) :]
        if self._hash is not None:
            self._hash.update(piece)
        self.offset += len(piece)
        if self.notes_as_it_goes and self.offset - self._noted_at >= _SYNCED_BYTES:
            self.note()

    def note(self) -> None:
        """What came is here for sure."""
        self._upload.note(self._file, self.offset)
        self._noted_at = self.offset
        if self._hash is not None:
            self._uploads.keep_hash(self._upload.id, self.offset, self._hash)

    def end(self) -> None:
        """Keep all that came."""
        try:
            self.note()
        finally:
            os.close(self._file)

    def take_back(self) -> None:
        """As if nothing had come."""
        os.ftruncate(self._file, self.began_at)
        os.close(self._file)


class Uploads:
    """All of them in a folder."""

    def __init__(self, folder: Path, expire_hours: float) -> None:
        self._folder = folder
        self._expires_after = timedelta(hours=expire_hours)
        self._hashes: dict[str, tuple[int, Any]] = {}

    def make(self, told: Told) -> Upload:
        """Begin one, and forget those that are over."""
        self.sweep()
        folder = self._folder / uuid4().hex
        folder.mkdir(parents=True)
        upload = Upload(folder, told, self._expires_after)
        file = os.open(upload.bytes_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            upload.note(file, 0)
        finally:
            os.close(file)
        upload.write(told)
        return upload

    def find(self, upload_id: str) -> Upload:
        """Raises ObjectMissing: it never was, was ended, or is over."""
        folder = self._folder / upload_id
        try:
            if not _ID.fullmatch(upload_id):
                raise FileNotFoundError
            told = json.loads((folder / "upload.json").read_text("utf-8"))
        except FileNotFoundError:
            raise _no_upload() from None
        return Upload(folder, Told(**told), self._expires_after)

    def sweep(self) -> None:
        """Remove those that nobody went on with."""
        now = utc_now()
        for folder in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                durable = folder / "durable"
                last = (durable if durable.exists() else folder).stat().st_mtime
                if from_timestamp(last) + self._expires_after < now:
                    shutil.rmtree(folder, ignore_errors=True)
                    self._hashes.pop(folder.name, None)

    def hash_at(self, upload_id: str, offset: int) -> Any:
        """The hash of the bytes before; None if it is not known without reading them."""
        if offset == 0:
            return hashlib.sha256()
        at, known = self._hashes.get(upload_id, (-1, None))
        return known.copy() if at == offset else None

    def keep_hash(self, upload_id: str, offset: int, known: Any) -> None:
        """Keep it for the next piece."""
        if len(self._hashes) >= _HASHES_KEPT and upload_id not in self._hashes:
            self._hashes.pop(next(iter(self._hashes)))
        self._hashes[upload_id] = (offset, known.copy())

    def finish(self, upload: Upload, description: Description, lake: OpenedObjects) -> StoredObject:
        """Make an object of all its bytes, or tell which one it became.

        Its lock is held. Raises ObjectRefused, ObjectMissing or ObjectConflict, and then nothing
        of the upload is left; anything else leaves it as it was.
        """
        upload = self.find(upload.id)
        told, by = upload.told, By(upload.told.by, f"upload {upload.id}")
        became = _became(upload, lake)
        if became is None:
            try:
                became = self._land(upload, description, by, lake)
            except (ObjectRefused, ObjectMissing, ObjectConflict):
                upload.remove()
                raise
        if not upload.is_finished:
            upload.write(replace(told, object_id=became.object_id, version=became.version))
            upload.bytes_path.unlink(missing_ok=True)
        self._hashes.pop(upload.id, None)
        return became

    def _land(
        self, upload: Upload, description: Description, by: By, lake: OpenedObjects
    ) -> StoredObject:
        told = upload.told
        name = ObjectName.parse(told.name)
        known = self.hash_at(upload.id, told.size_bytes)
        content = (
            content_of(upload.bytes_path) if known is None
            else Content(known.hexdigest(), told.size_bytes)
        )  # fmt: skip
        check_hash(content, told.sha256, name)
        upload.write(replace(told, is_finishing=True))
        with lake.landing.incoming() as folder:
            staged = folder / "new"
            try:  # its bytes stay here too, until it is noted that they are named
                os.link(upload.bytes_path, staged)
            except OSError:  # on another disk
                shutil.copyfile(upload.bytes_path, staged)
                with staged.open("rb") as file:
                    os.fsync(file.fileno())
            (made,) = lake.landing.land(
                [Staged(staged, content, name, description, told.after)], by
            )
        return made


def _no_upload() -> ObjectMissing:
    return ObjectMissing("There is no such upload, or it is over.")


def _became(upload: Upload, lake: OpenedObjects) -> StoredObject | None:
    """The object that it is already."""
    told = upload.told
    if told.object_id is not None:
        return lake.catalogue.by_id(told.object_id, told.version)
    return lake.put_by_run(f"upload {upload.id}") if told.is_finishing else None
