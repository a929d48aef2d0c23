"""Checksums that clients of S3 send along: in a header, or behind the body.

What belongs here: algorithms, and comparing. What does not: where a checksum stands (`chunks.py`,
`bodies.py`).
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from crc32c import crc32c

from gmn_pipeline.serving.s3.errors import S3Error, not_implemented

PREFIX = "x-amz-checksum-"
_NO_ALGORITHMS = ("algorithm", "type", "mode")


class Checksum(Protocol):
    """One that is being made."""

    def update(self, piece: bytes, /) -> object:
        """Add a piece."""

    def digest(self) -> bytes:
        """Of all pieces."""


class _Crc:
    """A cyclic redundancy check, by a function that goes on from a value."""

    def __init__(self, function: Callable[[bytes, int], int], size_bytes: int) -> None:
        self._function = function
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, piece: bytes) -> None:
        self._value = self._function(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


def _crc64nvme() -> Checksum:
    try:
        from awscrt.checksums import crc64nvme
    except ImportError as error:
        raise not_implemented("CRC64NVME (the package awscrt is not installed)") from error
    return _Crc(crc64nvme, 8)


_ALGORITHMS: Mapping[str, Callable[[], Checksum]] = {
    "crc32": lambda: _Crc(zlib.crc32, 4),
    "crc32c": lambda: _Crc(crc32c, 4),
    "crc64nvme": _crc64nvme,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


def named_in(headers: Mapping[str, str]) -> dict[str, str]:
    """The checksums (base64) in headers or trailers, by their algorithms. Raises S3Error."""
    found = {
        name.removeprefix(PREFIX): value.strip()
        for name, value in headers.items()
        if name.startswith(PREFIX)
    }
    return {name: value for name, value in found.items() if name not in _NO_ALGORITHMS}


def made(algorithm: str) -> Checksum:
    """One to be filled. Raises S3Error if it is not known."""
    if algorithm not in _ALGORITHMS:
        raise not_implemented(f"The checksum {algorithm[:50]!r}")
    return _ALGORITHMS[algorithm]()


def md5() -> "hashlib._Hash":
    """What parts and whole bodies are tagged by; it proves nothing."""
    return hashlib.md5(usedforsecurity=False)


def encoded(checksum: Checksum) -> str:
    """As headers have it."""
    return base64.b64encode(checksum.digest()).decode()


def wrong(what: str) -> S3Error:
    """What came is not what was sent."""
    return S3Error(400, "BadDigest", f"The {what} is not that of the bytes that came.")
