"""Bytes that wait on disk, in order, until somebody has taken them: it outlives processes.

What belongs here: frames in files. What does not: what is in a frame (`publications/`).

    <folder>/<20 digits>-<process>.segment    frames, one after the other
    a frame                                   a head, then its body
    a head                                    the body's length, count and CRC-32, and a CRC-32 of
                                              these three (4 bytes each)

A frame is on disk when `append` returns, so what a killed process had begun to write is a frame
that nobody was told of: it is left out. What is not as it was written is passed over up to the next
frame, and its segment is kept aside. A segment is locked by who writes or takes it; one that nobody
has locked is a dead process's, and whoever works in the folder takes it too.
"""

import fcntl
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gmn_pipeline.storage.files import sync_folder, try_lock

_HEAD, _CRC = struct.Struct(">III"), struct.Struct(">I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_SEGMENT_BYTES = 4 << 20
_SUFFIX = ".segment"
_DAMAGED = ".damaged"


class Frame(NamedTuple):
    """Bytes, and how many items they are, as who appended them says."""

    items: int
    body: bytes


@dataclass
class _Writing:
    path: Path
    descriptor: int
    size: int = 0


class Taken:
    """The oldest segment, in the hands of who takes it. `damages`: so many times the frames that
    were read of it were interrupted by something else; `lost_items` of these are known."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.damages = self.lost_items = 0

    def frames(self) -> Iterator[Frame]:
        """The frames that are as they were written."""
        self.damages = self.lost_items = 0
        try:
            data = self._path.read_bytes()
        except OSError:  # the disk gives it no more
            self.damages = 1
            return
        at = 0
        while (head := _head(data, at)) is not None or len(data) - at >= _HEAD_BYTES:
            if head is None:
                self.damages += 1
                at = _next_frame(data, at + 1)
                continue
            length, items, crc = head
            at += _HEAD_BYTES + length
            body = data[at - length : at]
            if len(body) < length:
                return  # it was not finished
            if zlib.crc32(body) == crc:
                yield Frame(items, body)
            else:
                self.damages += 1
                self.lost_items += items

    def remove(self) -> Path | None:
        """All of it is where it belongs; where it is kept, if it is damaged."""
        kept = None
        if self.damages:
            kept = self._path.rename(self._path.with_suffix(_DAMAGED))
        else:
            self._path.unlink()
        os.close(self._descriptor)
        return kept

    def leave(self) -> None:
        """Somebody takes it later."""
        os.close(self._descriptor)


def _head(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Length, count and CRC of the frame that begins there; None if none does."""
    head = data[at : at + _HEAD.size]
    crc = data[at + _HEAD.size : at + _HEAD_BYTES]
    if len(crc) < _CRC.size or zlib.crc32(head) != _CRC.unpack(crc)[0]:
        return None
    length, items, body_crc = _HEAD.unpack(head)
    return length, items, body_crc


def _next_frame(data: bytes, at: int) -> int:
    """Where the next frame begins, or the end."""
    return next((n for n in range(at, len(data)) if _head(data, n)), len(data))


class Spool:
    """A folder of segments. Several processes may share it; a process has one spool of it, which
    one thread appends to and one takes from."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self.most_bytes = most_bytes
        self._writing: _Writing | None = None
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def size_bytes(self) -> int:
        """What waits, of all processes."""
        return sum(size for _, size in self._segments())

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits that this process might take."""
        return self.size_bytes == 0

    @property
    def damaged(self) -> list[Path]:
        """Segments that are kept aside for a person."""
        return sorted(self._folder.glob(f"*{_DAMAGED}"))

    def append(self, frame: Frame) -> bool:
        """Put a frame on disk; False if there is no room for it."""
        head = _HEAD.pack(len(frame.body), frame.items, zlib.crc32(frame.body))
        data = head + _CRC.pack(zlib.crc32(head)) + frame.body
        with self._lock:
            if self.size_bytes + len(data) > self.most_bytes:
                return False
            if self._writing is None or self._writing.size > _SEGMENT_BYTES:
                self._close()
                try:
                    self._writing = self._new_segment()
                except OSError:  # as for a frame below
                    return False
            return self._write(self._writing, data)

    def _write(self, to: _Writing, data: bytes) -> bool:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(to.descriptor, left) :]
            os.fsync(to.descriptor)
        except OSError:  # the disk is full, or broken: what is half written goes
            with suppress(OSError):
                os.ftruncate(to.descriptor, to.size)
                os.lseek(to.descriptor, to.size, os.SEEK_SET)
            return False
        to.size += len(data)
        return True

    def _new_segment(self) -> _Writing:
        while True:
            path = self._folder / f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            # Another process may have taken it for a dead one's, and removed it.
            if try_lock(descriptor) and os.fstat(descriptor).st_nlink:
                sync_folder(self._folder)
                return _Writing(path, descriptor)
            os.close(descriptor)

    def take(self) -> Taken | None:
        """The oldest segment that nobody else has, also the one that is being written."""
        with self._lock:
            for path, _ in self._segments():
                if self._writing is not None and path == self._writing.path:
                    taken = Taken(path, self._writing.descriptor)
                    self._writing = None
                    return taken
                if (found := _locked(path)) is not None:
                    return Taken(path, found)
        return None

    def close(self) -> None:
        """What waits stays for whoever comes."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._writing is not None:
            os.close(self._writing.descriptor)
            self._writing = None

    def _segments(self) -> list[tuple[Path, int]]:
        """Segments with their sizes, the oldest first."""
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            with suppress(FileNotFoundError):
                found.append((path, path.stat().st_size))
        return found


def _locked(path: Path) -> int | None:
    """A segment's descriptor, if it is there and nobody else's."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if try_lock(descriptor, fcntl.LOCK_EX) and os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return None
