"""Bytes of an object: whole or in parts, as long as they are those that were put.

What belongs here: sending them, and what a browser is told of them. What does not: where they are
(`storage/contents.py`).

An object is anybody's file at the portal's own address. Only pictures, films and plain texts are
shown there; anything else is saved, and in any case it runs nothing: it is in a sandbox without an
origin, and its type is the one that its bytes were found to have.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import UTC
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote, urlencode

import anyio
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gmn_pipeline.errors import GmnError
from gmn_pipeline.schemas.objects import ObjectName, StoredObject
from gmn_pipeline.serving.conditional import has_already
from gmn_pipeline.serving.downloads import Span, span_of
from gmn_pipeline.serving.objects.alongside import Alongside
from gmn_pipeline.serving.objects.service import ObjectService
from gmn_pipeline.serving.objects.visits import Visit, etag_of
from gmn_pipeline.serving.problems import Problem, response_of, unavailable

HARMLESS = frozenset((
    "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "video/mp4", "video/webm",
    "text/plain", "text/csv", "application/json",
))  # fmt: skip
"""Types that a browser may show by itself."""
POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
_TAKEN_WITHIN_S = 120.0
_CURRENT, _PINNED = "no-cache", "max-age=86400, immutable"

_log = logging.getLogger(__name__)


class Bytes(Response):
    """Pieces of an object. The last one is sent when all was found to be right: an answer that
    came whole is what was put."""

    def __init__(
        self, pieces: Callable[[], Iterator[bytes]], size: int, status: int,
        headers: dict[str, str], service: ObjectService,
    ) -> None:  # fmt: skip
        super().__init__(status_code=status, headers=headers)
        self.headers["Content-Length"] = str(size)
        self._pieces = pieces
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code,
                 "headers": self.raw_headers}  # fmt: skip
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        pieces = self._pieces()
        read_ahead = Alongside[bytes | None](self._service)
        try:
            first = await self._service.run(lambda: next(pieces, None))
        except (GmnError, OSError) as error:
            _log.warning("An object cannot be sent: %s", error)
            problem = unavailable("Its bytes cannot be read here.")
            await response_of(problem, scope["path"])(scope, receive, send)
            return
        await send(start)
        try:
            is_whole = False
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_if_gone, receive, tasks.cancel_scope)
                is_whole = await self._send(send, pieces, first, read_ahead)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                with contextlib.suppress(GmnError, OSError):
                    await read_ahead.end()
                await self._service.run(lambda: _close(pieces))
        if is_whole:  # else the connection is closed, since bytes are missing
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(
        self, send: Send, pieces: Iterator[bytes], piece: bytes | None,
        read_ahead: Alongside[bytes | None],
    ) -> bool:  # fmt: skip
        """Whether it came to its end. A piece goes when the next one is there; the one after that
        is read meanwhile."""

        def following() -> bytes | None:
            return next(pieces, None)

        try:
            await read_ahead.begin(following)
            while piece is not None:
                after = await read_ahead.end()
                if after is not None:
                    await read_ahead.begin(following)
                with anyio.fail_after(_TAKEN_WITHIN_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = after
        except (GmnError, TimeoutError, OSError) as error:
            _log.warning("An object was not sent to its end: %s", error)
            return False
        return True


async def _cancel_if_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _close(pieces: Iterator[bytes]) -> None:
    with contextlib.suppress(GmnError):
        pieces.close()  # type: ignore[attr-defined]


async def answer(visit: Visit) -> Response:
    """The object that the address names, or the way to the folder that it names."""
    if visit.text("name").endswith("/"):
        project, container, folder = (visit.text(of) for of in ("project", "container", "name"))
        folder = ObjectName(project, container, folder[:-1]).name
        query = urlencode({"folder": folder})
        return RedirectResponse(f"/objects/{quote(project)}/{quote(container)}?{query}", 307)
    version = visit.asked.number("version")
    stored = await visit.stored(version)
    return await bytes_of(visit, stored, is_pinned=version is not None)


async def bytes_of(visit: Visit, stored: StoredObject, *, is_pinned: bool) -> Response:
    """The bytes of a version, or the part of them that is asked for."""
    request, size = visit.asked.request, stored.content.size_bytes
    headers = await visit.service.run(lambda: _headers(visit, stored, is_pinned=is_pinned))
    if has_already(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    same = request.headers.get("if-range", headers["ETag"])
    wanted = request.headers.get("range")
    span: Span | None = None
    if wanted and request.method == "GET" and same in (headers["ETag"], headers["Last-Modified"]):
        try:
            span = span_of(wanted, size)
        except Problem as problem:
            refused = response_of(problem, request.url.path)
            refused.headers["Content-Range"] = f"bytes */{size}"
            return refused
    landing, by = visit.service.lake.landing, visit.by
    if span is None:
        return Bytes(lambda: landing.read(stored, by), size, HTTPStatus.OK, headers, visit.service)
    begin, end = span.begin, span.end
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return Bytes(
        lambda: landing.read(stored, by, begin, end), end - begin, HTTPStatus.PARTIAL_CONTENT,
        headers, visit.service,
    )  # fmt: skip


def _headers(visit: Visit, stored: StoredObject, *, is_pinned: bool) -> dict[str, str]:
    is_public = visit.is_public(stored.name.project)
    kept = f"{'public' if is_public else 'private'}, {_PINNED if is_pinned else _CURRENT}"
    put_at = stored.put_at_utc.replace(tzinfo=UTC)
    return {
        "ETag": etag_of(stored),
        "Last-Modified": format_datetime(put_at.replace(microsecond=0), usegmt=True),
        "Cache-Control": f"{kept}, no-transform",
        "Accept-Ranges": "bytes",
        "GMN-Object-Version": str(stored.version),
        **headers_of_file(stored.name.name, stored.description.content_type),
        **({} if is_public else {"Cross-Origin-Resource-Policy": "same-origin"}),
    }


def headers_of_file(name: str, content_type: str) -> dict[str, str]:
    """What keeps a browser from running a file, and under which name it is saved."""
    kind = content_type or "application/octet-stream"
    way = "inline" if kind in HARMLESS else "attachment"
    last = PurePosixPath(name).name
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(last, safe='')}",
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
    }
