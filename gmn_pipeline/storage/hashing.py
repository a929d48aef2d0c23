"""Hashes of bytes that come in pieces, beside what else is done with them.

What belongs here: hashing. What does not: where the pieces come from (`contents.py`).
"""

import errno
import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

_ALONE_BYTES = 4 << 20
"""Up to so many in all, a thread costs more than it saves."""
_SMALL_BYTES = 256 << 10
"""So it does for a piece up to this."""
_MOST_WAITING = 4
_READ_BYTES = 1 << 20


class _Hashing:
    """Hashes in a thread of its own once there is much to hash: as much of the time of a large
    file goes there as into reading and writing it."""

    def __init__(self, made: "hashlib._Hash") -> None:
        self._hash = made
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()
        self._size_bytes = 0
        self._buffer: memoryview | None = None

    def update(self, piece: bytes) -> None:
        """Add a piece."""
        self._size_bytes += len(piece)
        if self._size_bytes <= _ALONE_BYTES or len(piece) <= _SMALL_BYTES:
            self._wait()
            self._hash.update(piece)
            return
        if len(self._waiting) == _MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread().submit(self._hash.update, piece))

    def update_from(self, descriptor: int, start: int, size_bytes: int) -> None:
        """Add bytes of an open file, which stay as they are: they are read in the thread, into one
        buffer. Pieces that go from thread to thread cost more than hashing them: their memory is
        given back and asked for again each time."""
        self._waiting.append(self._thread().submit(self._read, descriptor, start, size_bytes))

    def _thread(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, self._hash.name)
        return self._pool

    def _read(self, descriptor: int, start: int, size_bytes: int) -> None:
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_READ_BYTES))
        stop = start + size_bytes
        while start < stop:
            number = os.preadv(descriptor, [self._buffer[: stop - start]], start)
            if not number:
                raise OSError(errno.EIO, "A file became shorter while it was hashed")
            self._hash.update(self._buffer[:number])
            start += number

    def _wait(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        """Of all pieces."""
        self._wait()
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown()


class Sha256(_Hashing):
    """What bytes are called by."""

    def __init__(self) -> None:
        super().__init__(hashlib.sha256())


class Md5(_Hashing):
    """What clients of S3 compare; it proves nothing."""

    def __init__(self) -> None:
        super().__init__(hashlib.md5(usedforsecurity=False))
