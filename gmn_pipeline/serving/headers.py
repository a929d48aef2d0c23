"""What stands on every answer: open for reading from anywhere, and nothing to be guessed.

What belongs here: CORS and the headers that keep browsers from misreading an answer. What does not:
what an answer says of its state (`conditional.py`).
"""

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmn_pipeline.serving.objects.tus import CAPABILITIES, UPLOADS_PREFIX, VERSION
from gmn_pipeline.serving.problems import (
    DASHBOARDS_PREFIX,
    OBJECTS_PREFIX,
    TAP_PREFIX,
    Problem,
    is_below,
    response_of,
)

_ALWAYS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, If-None-Match, If-Modified-Since, "
    "Last-Event-ID, Range, If-Range",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Expose-Headers": "Link, ETag, Last-Modified, GMN-Snapshot, GMN-State, "
    "Retry-After, Accept-Ranges, Content-Range, Content-Length",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
_OF_TAP = {
    **_ALWAYS,
    "Server": "gmn",  # its clients' validators want one
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE, OPTIONS",
    "Access-Control-Expose-Headers": "GMN-Snapshot, Retry-After, Location",
}
_OF_OBJECTS = {
    **_ALWAYS,
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": f"{_ALWAYS['Access-Control-Allow-Headers']}, Content-Type, "
    "If-Match, Content-Digest, X-Checksum-Sha256, GMN-Description, Tus-Resumable, Upload-Length, "
    "Upload-Offset, Upload-Metadata, Upload-Checksum, X-HTTP-Method-Override",
    "Access-Control-Expose-Headers": f"{_ALWAYS['Access-Control-Expose-Headers']}, Location, "
    "Content-Disposition, Content-Location, GMN-Object-Version, Tus-Resumable, Tus-Version, "
    "Tus-Extension, Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Metadata, "
    "Upload-Expires",
}
_OF_UPLOADS = {**_OF_OBJECTS, **VERSION}
_OF_DASHBOARDS = {
    **_ALWAYS,
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": f"{_ALWAYS['Access-Control-Allow-Headers']}, Content-Type, "
    "If-Match",
    "Access-Control-Expose-Headers": f"{_ALWAYS['Access-Control-Expose-Headers']}, Location",
}
_PREFLIGHT = {"Access-Control-Max-Age": "86400"}
_LONGEST_ADDRESS = 64_000


def _of(scope: Scope) -> dict[str, str]:
    if is_below(scope["path"], TAP_PREFIX):
        return _OF_TAP
    if is_below(scope["path"], UPLOADS_PREFIX):
        return _OF_UPLOADS
    if is_below(scope["path"].removesuffix(".json"), DASHBOARDS_PREFIX):
        return _OF_DASHBOARDS
    return _OF_OBJECTS if is_below(scope["path"], OBJECTS_PREFIX) else _ALWAYS


class Headers:
    """Adds them, and answers OPTIONS by itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _of(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._answering(scope)(scope, receive, send_with_headers)

    def _answering(self, scope: Scope) -> ASGIApp:
        if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_ADDRESS:
            problem = Problem(414, "address-too-long", "The address is too long.")
            return response_of(problem, scope["path"])
        if scope["method"] == "OPTIONS":
            methods = _of(scope)["Access-Control-Allow-Methods"]
            of_uploads = CAPABILITIES if is_below(scope["path"], UPLOADS_PREFIX) else {}
            headers = {**_PREFLIGHT, **of_uploads, "Allow": methods}
            return Response(status_code=204, headers=headers)
        return self._app
