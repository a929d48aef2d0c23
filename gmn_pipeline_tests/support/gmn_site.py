"""A web server on loopback that serves a folder as the network's directory is served, and fails
on demand.

    with GmnSite(folder) as site:
        site.faults["daily/x.txt"] = [status(500), truncated(100)]   # then it is served soundly

What a fault does is a function of one request (GET or HEAD); `itertools.repeat(fault)` never
ends.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import gmtime, strftime
from types import MappingProxyType, TracebackType
from typing import Literal

_HTML = {"Content-Type": "text/html"}
LOGIN_PAGE = (
    '<html><head><title>Sign in</title></head><body><form action="/login">'
    '<a href="/forgot">Forgot your password?</a> <a href="/">Home</a></form></body></html>'
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


class GmnSite:
    """Serves `folder`; `requests` and `most_at_once` tell what clients did."""

    def __init__(self, folder: Path, style: Literal["apache", "nginx"] = "apache") -> None:
        self.folder, self.style = folder, style
        self.faults: dict[str, Iterable[Fault]] = {}
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.meeting: threading.Barrier | None = None
        """Requests for files wait here until as many are under way."""
        self.closing = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/data/traj_summary_data/"

    def __enter__(self) -> "GmnSite":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str, method: str = "GET") -> list[Request]:
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def answer(self, handler: "_Handler") -> None:
        path = handler.path.split("?")[0].removeprefix("/data/traj_summary_data/")
        with self._lock:
            self.requests.append(Request(handler.command, path, dict(handler.headers.items())))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self._next_fault(path)
        try:
            if self.meeting and path.endswith(".txt"):
                with suppress(threading.BrokenBarrierError):
                    self.meeting.wait(timeout=5)
            (fault or serve)(Exchange(self, handler, path))
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        finally:
            with self._lock:
                self._at_once -= 1

    def _next_fault(self, path: str) -> "Fault | None":
        if path not in self.faults:
            return None
        left = self.faults[path]
        self.faults[path] = left = left if isinstance(left, Iterator) else iter(left)
        return next(left, None)

    def listing(self, folder: Path, title: str) -> str:
        """What the web server makes of a folder."""
        lines = [self._line(file) for file in sorted(folder.iterdir())]
        if self.style == "nginx":
            top = '<a href="../">../</a>'
        else:
            sort = '<a href="?C=N;O=D">Name</a>  <a href="?C=M;O=A">Last modified</a>  Size'
            top = f'{sort}<hr><a href="/data/">Parent Directory</a>    -'
        body = "\n".join([top, *lines])
        return f"<html><title>Index of {title}</title><body><pre>{body}\n</pre></body></html>"

    def _line(self, file: Path) -> str:
        status = file.stat()
        name = file.name + ("/" if file.is_dir() else "")
        apache = self.style == "apache"
        modified = strftime("%Y-%m-%d %H:%M" if apache else "%d-%b-%Y %H:%M",
                            gmtime(status.st_mtime))  # fmt: skip
        size = f"{status.st_size / 1024:.0f}K" if apache else str(status.st_size)
        return f'<a href="{name}">{name}</a>   {modified}   {"-" if file.is_dir() else size}'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: GmnSite


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.site.answer(self)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Exchange:
    """One request that waits for its answer."""

    site: GmnSite
    handler: _Handler
    path: str

    @property
    def file(self) -> Path:
        return self.site.folder / self.path

    def reply(
        self,
        code: int,
        body: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        length: int | None = None,
    ) -> None:
        """Answer; a `length` other than that of the body ends the connection."""
        self.handler.send_response(code)
        claimed = len(body) if length is None else length
        for name, value in {"Content-Length": str(claimed), **headers}.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        if self.handler.command != "HEAD":
            self.handler.wfile.write(body)
        self.handler.close_connection = claimed != len(body)

    def version(self) -> dict[str, str]:
        """Headers that tell the version of the file as it is now."""
        etag = hashlib.sha256(self.file.read_bytes()).hexdigest()[:16]
        modified = formatdate(self.file.stat().st_mtime, usegmt=True)
        return {"ETag": f'"{etag}"', "Last-Modified": modified}


Fault = Callable[[Exchange], None]


def serve(exchange: Exchange) -> None:
    """The sound answer: a listing, a file, 304 or 404."""
    if exchange.file.is_dir():
        page = exchange.site.listing(exchange.file, exchange.path)
        return exchange.reply(200, page.encode(), _HTML)
    if not exchange.file.is_file():
        return exchange.reply(404, b"Not Found")
    version, asked = exchange.version(), exchange.handler.headers
    known = asked.get("If-None-Match"), asked.get("If-Modified-Since")
    if version["ETag"] == known[0] or (known[0] is None and version["Last-Modified"] == known[1]):
        return exchange.reply(304, headers=version)
    return exchange.reply(200, exchange.file.read_bytes(), version)


def status(code: int, headers: Mapping[str, str] = MappingProxyType({})) -> Fault:
    return lambda exchange: exchange.reply(code, b"failed on demand", headers)


def page(html: str) -> Fault:
    """A page where a file or a listing should be."""
    return lambda exchange: exchange.reply(200, html.encode(), _HTML)


def truncated(sent: int) -> Fault:
    """Promise the whole file, send some bytes, hang up."""

    def fault(exchange: Exchange) -> None:
        body = exchange.file.read_bytes()
        exchange.reply(200, body[:sent], exchange.version(), length=len(body))

    return fault


def half_written(sent: int) -> Fault:
    """Serve the beginning of the file as if it were all of it."""
    return lambda exchange: exchange.reply(
        200, exchange.file.read_bytes()[:sent], exchange.version()
    )


def stalls(sent: int | None = None) -> Fault:
    """Stop answering, at once or after some bytes, until the client or the site gives up."""

    def fault(exchange: Exchange) -> None:
        if sent is not None:
            truncated(sent)(exchange)
            exchange.handler.wfile.flush()
        exchange.site.closing.wait()
        exchange.handler.close_connection = True

    return fault


def rewritten_meanwhile(content: bytes) -> Fault:
    """Serve the file, but replace it before the answer is through."""

    def fault(exchange: Exchange) -> None:
        old, version = exchange.file.read_bytes(), exchange.version()
        exchange.file.write_bytes(content)
        exchange.reply(200, old, version)

    return fault


def make_old(file: Path, modified: float = 1_650_000_000) -> None:
    """Give a file a time of modification long ago."""
    os.utime(file, (modified, modified))
