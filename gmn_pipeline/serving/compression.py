"""Answers as zstd or gzip, for clients that take them.

What belongs here: choosing, and compressing texts whole or as they come. What does not: files that
are compressed by themselves (Parquet, Arrow with its own codec), and what is to stay as it is
(no-transform), which go through.
"""

import io
import zlib
from typing import Any, Protocol

import anyio.to_thread
import pyarrow as pa
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GZIP_LEVEL = 2
_SMALLEST_BYTES = 500
_IN_A_THREAD_FROM_BYTES = 32_000
_TEXTS = ("text/", "application/json", "application/problem+json", "application/xml")
PLAIN_ARROW = "application/vnd.apache.arrow.stream; codec=none"
"""Arrow that is not compressed by itself."""
_TEXT_ENDINGS = ("+json", "+xml", "x-ndjson")
_GZIP_WINDOW = 31
_EVENTS = "text/event-stream"
"""The same for many listeners: compressed, each piece would be made for each of them."""


class _Compressor(Protocol):
    def compress(self, data: bytes, *, is_last: bool) -> bytes:
        """What can be sent now."""


class _Gzip:
    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def compress(self, data: bytes, *, is_last: bool) -> bytes:
        how = zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH
        return self._compressor.compress(data) + self._compressor.flush(how)


class _Zstd:
    """One frame, however many pieces: not every client reads a second one."""

    def __init__(self) -> None:
        self._written = _Written()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._written, "w"), "zstd")

    def compress(self, data: bytes, *, is_last: bool) -> bytes:
        self._stream.write(data)
        self._stream.flush()
        if is_last:
            self._stream.close()
        return self._written.taken()


class _Written(io.RawIOBase):
    """A file for Arrow to write to."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))  # its memory is Arrow's
        return len(self._parts[-1])

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


_CODINGS: dict[str, type[_Gzip] | type[_Zstd]] = {"zstd": _Zstd, "gzip": _Gzip}
"""The better one first."""


def accepted(header: str) -> str | None:
    """The coding to use: of those that the client takes the one it likes best."""
    wishes: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        key, _, number = parameter.strip().partition("=")
        try:
            wishes[name.strip()] = float(number) if key.strip() == "q" else 1.0
        except ValueError:
            continue
    weights = {name: wishes.get(name, wishes.get("*", 0.0)) for name in _CODINGS}
    best = max(_CODINGS, key=lambda name: weights[name])
    return best if weights[best] > 0 else None


class Compression:
    """Compresses what is a text and not small."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
            return
        coding = accepted(Headers(scope=scope).get("accept-encoding", ""))
        await self._app(scope, receive, _Sender(send, coding))


class _Sender:
    """What the application sends, compressed on its way."""

    def __init__(self, send: Send, coding: str | None) -> None:
        self._send = send
        self._coding = coding
        self._start: Message | None = None
        self._compressor: _Compressor | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message  # until it is known how large the first piece is
        elif message["type"] == "http.response.body":
            await self._body(message)
        else:
            await self._send(message)

    async def _body(self, message: Message) -> None:
        data, is_last = message.get("body", b""), not message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            headers = MutableHeaders(scope=start)
            if _is_text(headers):
                headers.add_vary_header("Accept-Encoding")
                self._begin(headers, is_small=is_last and len(data) < _SMALLEST_BYTES)
            await self._send(start)
        if self._compressor is not None:
            data = await self._compressed(self._compressor, data, is_last=is_last)
            if not data and not is_last:
                return
        await self._send({**message, "body": data})

    def _begin(self, headers: MutableHeaders, *, is_small: bool) -> None:
        if self._coding is None or is_small:
            return
        self._compressor = _CODINGS[self._coding]()
        headers["Content-Encoding"] = self._coding
        del headers["Content-Length"]

    @staticmethod
    async def _compressed(compressor: _Compressor, data: bytes, *, is_last: bool) -> bytes:
        if len(data) < _IN_A_THREAD_FROM_BYTES:
            return compressor.compress(data, is_last=is_last)
        return await anyio.to_thread.run_sync(lambda: compressor.compress(data, is_last=is_last))


def _is_text(headers: MutableHeaders) -> bool:
    said = headers.get("content-type", "")
    kind = said.split(";")[0].strip()
    return (
        "content-encoding" not in headers
        and "no-transform" not in headers.get("cache-control", "")
        and "content-range" not in headers
        and kind != _EVENTS
        and (kind.startswith(_TEXTS) or kind.endswith(_TEXT_ENDINGS) or said == PLAIN_ARROW)
    )
