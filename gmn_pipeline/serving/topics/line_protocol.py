"""InfluxDB's write address, so that Telegraf and other senders write readings as they are.

What belongs here: requests and answers as InfluxDB has them
(https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite). What does not: lines
(`readers/station_readings/line_protocol.py`).

A request is taken as a whole: 204 once Kafka has its readings. Where lines are refused the others
are taken nevertheless, and the answer (400, "invalid") says which and why, as InfluxDB does.
"""

import threading
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.flows.acknowledged_readings import Publish, publishing
from gmn_pipeline.readers.station_readings.line_protocol import read_line_protocol
from gmn_pipeline.readers.station_readings.received import Refused, Transport
from gmn_pipeline.settings import KafkaSettings

_MOST_BYTES = 1 << 20
_SAID = 5
_GZIP = 16 + zlib.MAX_WBITS


class LineProtocol:
    """The address. `open` it before the first request, and `close` it at the end."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._turn = threading.Lock()
        self._opened: AbstractContextManager[Publish] | None = None
        self._publish: Publish | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.__exit__(None, None, None)
            self._opened = self._publish = None

    async def write(self, request: Request) -> Response:
        """Points of a request, onto the topic."""
        if (precision := request.query_params.get("precision") or "ns") not in ("ns", "n"):
            return _said(400, "invalid", f"Times are in nanoseconds here, not in {precision[:10]}.")
        body = await _body(request)
        if body is None:
            return _said(413, "request too large", f"A request has {_MOST_BYTES:,} bytes at most.")
        sender = request.client.host if request.client else "http"
        try:
            refused = await anyio.to_thread.run_sync(self._send, body, sender)
        except RetryableError as error:
            return _said(503, "unavailable", error.message, {"Retry-After": "2"})
        if refused:
            return _said(400, "invalid", _why(refused))
        return Response(status_code=204)

    def _send(self, body: bytes, sender: str) -> Sequence[Refused]:
        with self._turn:
            if self._publish is None:
                self._opened = publishing(
                    self._settings, Transport.LINE_PROTOCOL, read_line_protocol
                )
                self._publish = self._opened.__enter__()
            return self._publish([body], sender).refused


def _why(refused: Sequence[Refused]) -> str:
    said = "; ".join(
        f"{one.payload[:80].decode('utf-8', 'replace')!r}: {one.reason}" for one in refused[:_SAID]
    )
    more = f"; and {len(refused) - _SAID} more" if len(refused) > _SAID else ""
    return f"{len(refused)} lines were refused, all others taken: {said}{more}"


async def _body(request: Request) -> bytes | None:
    """The lines; None if they are too many."""
    packed = bytearray()
    async for piece in request.stream():
        packed += piece
        if len(packed) > _MOST_BYTES:
            return None
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return bytes(packed)
    unpacking = zlib.decompressobj(_GZIP)
    try:
        body = unpacking.decompress(bytes(packed), _MOST_BYTES + 1)
    except zlib.error:
        return b"\0"  # which no line is: it is refused as what it is
    return body if len(body) <= _MOST_BYTES else None


def _said(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status, headers=headers)
