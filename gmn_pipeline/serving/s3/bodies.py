"""The body of a request on its way: taken out of its pieces, compared with what is said of it.

What belongs here: hashes and checksums of a body. What does not: taking it from the connection
(`serving/objects/incoming.py`), and where it goes.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping

from gmn_pipeline.serving.s3 import checksums
from gmn_pipeline.serving.s3.chunks import KINDS, UNSIGNED_TRAILER, Chunks
from gmn_pipeline.serving.s3.errors import S3Error, not_implemented
from gmn_pipeline.serving.s3.signatures import UNSIGNED, Signed
from gmn_pipeline.storage.hashing import Md5

_HEX_DIGITS = 64


class Body:
    """Hands bytes on to `write` as they come; `finish` when all came."""

    def __init__(
        self, headers: Mapping[str, str], signed: Signed | None,
        write: Callable[[bytes], object], *, is_hashed_there: bool = False,
    ) -> None:  # fmt: skip
        """`is_hashed_there`: the SHA-256 is told to `finish`, and not made twice.

        Raises S3Error if it is of a kind that is not known.
        """
        self._headers = headers
        self._write = write
        payload = signed.payload if signed else headers.get("x-amz-content-sha256", UNSIGNED)
        self._chunks = _chunks_of(payload, signed)
        self._sha256 = payload if len(payload) == _HEX_DIGITS else None
        if self._chunks is None and self._sha256 is None and payload != UNSIGNED:
            raise not_implemented(f"The payload {payload[:50]!r}")
        self._is_hashed_there = is_hashed_there
        self._hash, self._md5 = hashlib.sha256(), Md5()
        self._made = {name: checksums.made(name) for name in _algorithms(headers)}
        self.size_bytes = 0
        self.checksums: dict[str, str] = {}
        """Those that were sent, as headers of the answer."""

    def feed(self, piece: bytes) -> None:
        """Take what came. Raises S3Error."""
        if self._chunks is None:
            self._take(piece)
            return
        for some in self._chunks.feed(piece):
            self._take(some)

    def _take(self, some: bytes) -> None:
        self.size_bytes += len(some)
        if self._sha256 and not self._is_hashed_there:
            self._hash.update(some)
        self._md5.update(some)
        for one in self._made.values():
            one.update(some)
        self._write(some)

    @property
    def md5(self) -> str:
        """Of the bytes, in hex."""
        return self._md5.hexdigest()

    def close(self) -> None:
        """End what hashes."""
        self._md5.close()

    def finish(self, sha256: str | None = None) -> None:
        """Compare with all that is said of it. Raises S3Error if it is not what was sent."""
        if self._chunks is not None and not self._chunks.is_over:
            raise S3Error(400, "IncompleteBody", "The body has no end.")
        length = self._headers.get("x-amz-decoded-content-length")
        if length is not None and length != str(self.size_bytes):
            raise S3Error(400, "IncompleteBody", "The body has not as many bytes as it says.")
        if self._sha256 and (sha256 or self._hash.hexdigest()) != self._sha256:
            raise S3Error(
                400, "XAmzContentSHA256Mismatch", "The SHA-256 is not that of the bytes that came."
            )
        self._check_md5()
        trailers = self._chunks.trailers if self._chunks else {}
        said = checksums.named_in(self._headers) | checksums.named_in(trailers)
        found = {name: checksums.encoded(one) for name, one in self._made.items()}
        for name, value in said.items():
            if found.get(name) != value:
                raise checksums.wrong(name.upper())
        self.checksums = {f"{checksums.PREFIX}{name}": value for name, value in found.items()}

    def _check_md5(self) -> None:
        given = self._headers.get("content-md5")
        if given is not None and given != base64.b64encode(bytes.fromhex(self.md5)).decode():
            raise checksums.wrong("Content-MD5")


def _chunks_of(payload: str, signed: Signed | None) -> Chunks | None:
    if payload not in KINDS:
        return None
    return Chunks(None if payload == UNSIGNED_TRAILER else signed)


def _algorithms(headers: Mapping[str, str]) -> set[str]:
    """Of the checksums that come before or behind the body."""
    trailing = headers.get("x-amz-trailer", "").lower().split(",")
    names = {one.strip().removeprefix(checksums.PREFIX) for one in trailing
             if one.strip().startswith(checksums.PREFIX)}  # fmt: skip
    return names | set(checksums.named_in(headers))
