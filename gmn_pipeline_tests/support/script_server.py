"""A real HTTP server that answers as a test says: what a good one hardly ever does.

What belongs here: answers that are refused, broken off, or sent bit by bit, on a real socket.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Said:
    """An answer in pieces; one that `breaks` ends without its end."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] = ()
    breaks: bool = False


@dataclass
class Heard:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]


class Script:
    """The answers, in order; the last one for ever."""

    def __init__(self, answers: Sequence[Said | Callable[[Heard], Said]]) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.heard: list[Heard] = []
        self.url = ""

    def answer(self, request: Heard) -> Said:
        with self._lock:
            number = len(self.heard)
            self.heard.append(request)
        said = self._answers[min(number, len(self._answers) - 1)]
        return said if isinstance(said, Said) else said(request)


@contextmanager
def answering(*answers: Said | Callable[[Heard], Said]) -> Iterator[Script]:
    """A server of these answers."""
    script = Script(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = script.answer(Heard(self.command, self.path, headers))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            is_sized = "Content-Length" in said.headers
            if not is_sized:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if self.command == "HEAD":
                return
            for piece in said.pieces:
                self.wfile.write(piece if is_sized else b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            if said.breaks:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif not is_sized:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_HEAD = _do  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
