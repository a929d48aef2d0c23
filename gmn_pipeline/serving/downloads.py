"""The published files over HTTP: the analysts' copy, whole or in parts.

What belongs here: their addresses, and sending bytes of a file (Range, If-Range, ETag, HEAD), so
that a download can be gone on with, and DuckDB can open a file where it lies. What does not: making
the files (`releases/`).
"""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gmn_pipeline.releases.published import FILE_NAMES, Version, version, versions
from gmn_pipeline.serving.conditional import SNAPSHOT_HEADER, has_already
from gmn_pipeline.serving.problems import Problem, response_of
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route

_PIECE_BYTES = 1 << 18
_TAKEN_WITHIN_S = 120.0
_PARQUET_TYPE = "application/vnd.apache.parquet"
_DATABASE_TYPE = "application/octet-stream"
_RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))", re.ASCII)
_CURRENT = "public, no-cache"
_PINNED = "public, max-age=86400, immutable"


class FilePart(Response):
    """Bytes of an open file. Fewer than were promised break the transfer: the server sees to it."""

    def __init__(
        self, file: int, begin: int, end: int, status: int, headers: dict[str, str], kind: str
    ) -> None:
        super().__init__(status_code=status, headers=headers, media_type=kind)
        self.headers["Content-Length"] = str(end - begin)
        self._file = file
        self._begin, self._end = begin, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        try:
            await send({"type": "http.response.start", "status": self.status_code,
                        "headers": self.raw_headers})  # fmt: skip
            place = self._end if scope["method"] == "HEAD" else self._begin
            while place < self._end:
                piece = await anyio.to_thread.run_sync(self._read, place)
                place += len(piece)
                with anyio.fail_after(_TAKEN_WITHIN_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                if not piece:
                    break
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            os.close(self._file)

    def _read(self, place: int) -> bytes:
        return os.pread(self._file, min(_PIECE_BYTES, self._end - place), place)


@dataclass(frozen=True)
class Span:
    """From which byte to before which."""

    begin: int
    end: int


def span_of(header: str | None, size: int) -> Span | None:
    """The part that a header asks for; None where it is the whole file.

    Several parts at once, and what is no range of bytes, may be passed over: then all is sent.
    Raises Problem (416) where the file has no such part.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    first, last, length = found.groups()
    if length is not None:
        span = Span(max(0, size - int(length)), size)
    else:
        span = Span(int(first), size if last is None else min(size, int(last) + 1))
        if last is not None and int(last) < int(first):
            return None
    if span.begin >= span.end:
        raise Problem(416, "no-such-part", f"The file has {size:,} bytes.")
    return span


async def _file(asked: Asked) -> Response:
    number = asked.number("snapshot") if "snapshot" in asked.values else None
    found = await anyio.to_thread.run_sync(version, asked.work.published_dir, number)
    if found is None and number is not None:
        raise Problem(
            410, "snapshot-gone", f"No copy of state {number} is kept; /gmn/downloads.json has "
            "those that are.",
        )  # fmt: skip
    name = asked.text("file") or ""
    if found is None or (digest := found.sha256(name)) is None:
        raise Problem(404, "not-found", "Nothing of this name has been published yet.")
    headers = _headers(found, digest, is_pinned=number is not None)
    request = asked.request
    if has_already(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        file = await anyio.to_thread.run_sync(os.open, found.path(name), os.O_RDONLY)
    except FileNotFoundError:  # removed since it was found, for a newer one
        raise Problem(503, "unavailable", "A newer one has just come.", 1) from None
    try:
        return _answer(request, file, headers, name)
    except BaseException:
        os.close(file)
        raise


def _headers(found: Version, digest: str, *, is_pinned: bool) -> dict[str, str]:
    made_at = datetime.fromisoformat(found.manifest.created_at_utc).replace(tzinfo=UTC)
    return {
        SNAPSHOT_HEADER: str(found.manifest.warehouse_snapshot_id),
        # The checksum: whoever has all bytes can see whether they are the right ones.
        "ETag": f'"{digest}"',
        "Last-Modified": format_datetime(made_at, usegmt=True),
        "Cache-Control": _PINNED if is_pinned else _CURRENT,
        "Accept-Ranges": "bytes",
    }


def _answer(request: Request, file: int, headers: dict[str, str], name: str) -> Response:
    size = os.fstat(file).st_size
    kind = _PARQUET_TYPE if name.endswith(".parquet") else _DATABASE_TYPE
    same = request.headers.get("if-range", headers["ETag"])
    is_same = same in (headers["ETag"], headers["Last-Modified"])
    try:
        # A range of HEAD has no meaning (RFC 9110, 14.2).
        wanted = request.headers.get("range") if is_same and request.method == "GET" else None
        span = span_of(wanted, size)
    except Problem as problem:
        answer = response_of(problem, request.url.path)
        answer.headers["Content-Range"] = f"bytes */{size}"
        os.close(file)
        return answer
    if span is None:
        return FilePart(file, 0, size, HTTPStatus.OK, headers, kind)
    headers["Content-Range"] = f"bytes {span.begin}-{span.end - 1}/{size}"
    return FilePart(file, span.begin, span.end, HTTPStatus.PARTIAL_CONTENT, headers, kind)


async def _list(asked: Asked) -> Response:
    def told() -> list[dict[str, object]]:
        return [_told(one) for one in versions(asked.work.published_dir)]

    found = await anyio.to_thread.run_sync(told)
    return JSONResponse({"versions": found}, headers={"Cache-Control": _CURRENT})


def _told(one: Version) -> dict[str, object]:
    manifest = one.manifest
    files = [
        {
            "name": name, "sha256": digest, "bytes": one.path(name).stat().st_size,
            "address": f"/gmn/downloads/{manifest.warehouse_snapshot_id}/{name}",
        }
        for name in FILE_NAMES
        if (digest := one.sha256(name)) is not None and one.path(name).exists()
    ]  # fmt: skip
    return {
        "snapshot": manifest.warehouse_snapshot_id, "created_at_utc": manifest.created_at_utc,
        "licence": manifest.licence, "rows": manifest.rows, "files": files,
    }  # fmt: skip


_FILE = Parameter(
    "file", "name of the file: gmn.duckdb for any DuckDB, or a table as Parquet",
    choices=FILE_NAMES, is_required=True, is_in_path=True, example="trajectories.parquet",
)  # fmt: skip
_SNAPSHOT = Parameter(
    "snapshot", "number of the state that the copy is of", minimum=0, is_required=True,
    is_in_path=True, example="1",
)  # fmt: skip
_KINDS = (
    Answers(_DATABASE_TYPE, "DuckDB's own file"), Answers(_PARQUET_TYPE, "A table as Parquet"),
)  # fmt: skip
_LIST_SCHEMA = {
    "type": "object",
    "required": ["versions"],
    "properties": {"versions": {"type": "array", "items": {"type": "object"}}},
}

ROUTES = (
    Route(
        "/gmn/downloads.json", "downloads", "The files that are published, with their checksums; "
        "the current version first", _list,
        (Answers("application/json", "All of them", _LIST_SCHEMA),), problems=(),
    ),
    Route(
        "/gmn/downloads/{file}", "download", "A published file of the current version", _file,
        _KINDS, (_FILE,), problems=(404, 410, 503), has_parts=True,
    ),
    Route(
        "/gmn/downloads/{snapshot}/{file}", "download_of_snapshot", "A published file of one "
        "state: the same as long as it is kept", _file, _KINDS, (_SNAPSHOT, _FILE),
        problems=(404, 410, 503), has_parts=True,
    ),
)  # fmt: skip
