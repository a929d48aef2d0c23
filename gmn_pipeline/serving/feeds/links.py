"""Where this server is for the one who asks: what absolute links begin with.

What belongs here: reading the request's Host, and what proxies say, if that is believed. What does
not: links that are paths, as everywhere else. A Host that is no host is refused: nothing of it
gets into an answer.
"""

import re

from starlette.requests import HTTPConnection

from gmn_pipeline.serving.problems import bad_request

_HOST = re.compile(
    r"(?:[0-9A-Za-z](?:[0-9A-Za-z_.-]{0,251}[0-9A-Za-z.])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::[0-9]{1,5})?"
)
_SCHEMES = ("http", "https")
FORWARDED = "X-Forwarded-Host, X-Forwarded-Proto"
"""Headers that an answer depends on where they are believed."""


def base_of(request: HTTPConnection, *, is_proxy_believed: bool) -> str:
    """Scheme and host, such as `https://example.org`. Raises Problem."""
    headers = request.headers
    # This server itself speaks no TLS: without a proxy there is but one scheme.
    scheme, host = "http", headers.get("host")
    if is_proxy_believed:
        scheme = _first(headers.get("x-forwarded-proto")) or scheme
        host = _first(headers.get("x-forwarded-host")) or host
    if not host:
        host = _own(request)
    if scheme not in _SCHEMES or not _HOST.fullmatch(host):
        raise bad_request("The request names no host that a link could lead to.")
    return f"{scheme}://{host}"


def _first(value: str | None) -> str | None:
    """Of several proxies' the one next to the client."""
    return value.split(",")[0].strip().lower() if value else None


def _own(request: HTTPConnection) -> str:
    """Where the request came in: HTTP/1.0 need not name a host."""
    host, port = request.scope.get("server") or ("localhost", None)
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown
