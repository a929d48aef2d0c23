"""Bodies in pieces, as clients of S3 send what they do not know the end of (`aws-chunked`).

What belongs here: taking the pieces apart, their signatures, and what stands behind them. What does
not: checksums (`bodies.py`).

    <size in hex>[;chunk-signature=<hex>]\\r\\n <bytes> \\r\\n
    0[;chunk-signature=<hex>]\\r\\n [<trailer>:<value>\\r\\n ...] \\r\\n

Source: "Signature calculations for the Authorization header: Transferring payload in multiple
chunks", and "... with trailing headers", Amazon S3 API Reference.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from enum import Enum, auto

from gmn_pipeline.serving.s3.errors import S3Error
from gmn_pipeline.serving.s3.signatures import Signed, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{SIGNED}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
KINDS = (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER)
_LONGEST_LINE = 4_096
_MOST_TRAILERS = 10
_SIZE = re.compile(rb"([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?")
_NOTHING = hashlib.sha256(b"").hexdigest()
_SIGNATURE = "x-amz-trailer-signature"


class _Part(Enum):
    SIZE = auto()
    BYTES = auto()
    END = auto()
    TRAILERS = auto()
    OVER = auto()


class Chunks:
    """Takes a body as it comes, and gives the bytes in it. `signed`: that of the request, if the
    pieces are signed too."""

    def __init__(self, signed: Signed | None) -> None:
        self._signed = signed
        self._before = signed.signature if signed else ""
        self._part = _Part.SIZE
        self._waiting = bytearray()
        self._left = 0
        self._claimed = ""
        self._hash = hashlib.sha256()
        self.trailers: dict[str, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether all of it came."""
        return self._part is _Part.OVER

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The bytes that came with a piece of the body. Raises S3Error."""
        self._waiting += piece
        while self._waiting and self._part is not _Part.OVER:
            if self._part is _Part.BYTES:
                yield from self._bytes()
                continue
            line = self._line()
            if line is None:
                return
            if self._part is _Part.SIZE:
                self._begin(line)
            elif self._part is _Part.END:
                self._end(line)
            else:
                self._trailer(line)

    def _bytes(self) -> Iterator[bytes]:
        some = bytes(self._waiting[: self._left])
        del self._waiting[: len(some)]
        self._left -= len(some)
        if self._signed:
            self._hash.update(some)
        if not self._left:
            self._part = _Part.END
        yield some

    def _line(self) -> bytes | None:
        end = self._waiting.find(b"\r\n", 0, _LONGEST_LINE)
        if end < 0:
            if len(self._waiting) >= _LONGEST_LINE:
                raise _malformed("a line has no end")
            return None
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 2]
        return line

    def _begin(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            raise _malformed("the size of a piece is none")
        self._left = int(found[1], 16)
        self._claimed = (found[2] or b"").decode()
        self._hash = hashlib.sha256()
        if self._left:
            self._part = _Part.BYTES
            return
        self._check_piece()
        self._part = _Part.TRAILERS

    def _end(self, line: bytes) -> None:
        if line:
            raise _malformed("a piece is longer than it says")
        self._check_piece()
        self._part = _Part.SIZE

    def _check_piece(self) -> None:
        self._check("PAYLOAD", [_NOTHING, self._hash.hexdigest()], self._claimed)

    def _trailer(self, line: bytes) -> None:
        if line:
            name, colon, value = line.partition(b":")
            if not colon or len(self.trailers) == _MOST_TRAILERS:
                raise _malformed("what stands behind the pieces is no header")
            self.trailers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
            return
        claimed = self.trailers.pop(_SIGNATURE, "")
        if self._signed and self._signed.payload == SIGNED_TRAILER:
            told = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
            self._check("TRAILER", [hashlib.sha256(told.encode("latin-1")).hexdigest()], claimed)
        self._part = _Part.OVER

    def _check(self, what: str, hashes: list[str], claimed: str) -> None:
        if self._signed is None:
            return
        head = [f"AWS4-HMAC-SHA256-{what}", self._signed.time, self._signed.scope, self._before]
        self._before = sign(self._signed.key, "\n".join([*head, *hashes]))
        if not hmac.compare_digest(self._before, claimed):
            raise S3Error(
                403, "SignatureDoesNotMatch", "A piece of the body is not as it was signed."
            )


def _malformed(why: str) -> S3Error:
    return S3Error(400, "IncompleteBody", f"The body is not aws-chunked: {why}.")
