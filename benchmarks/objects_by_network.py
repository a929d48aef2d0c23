"""Measure the same file by both servers of objects: HTTP, and S3 in one piece and in parts.

What belongs here: clients that do no more than send and take, and the bare server that HTTP is
compared with, which takes bytes into a file, forces it onto the disk and gives them back unchecked.
What does not: the lake itself (`objects_bench.py`).
"""

import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import obstore

from gmn_pipeline_tests.support.s3 import Key, S3Bench, s3_bench
from gmn_pipeline_tests.support.server import Server, serving

_ROUNDS = 3
_SMALL, _SMALL_BYTES = 300, 5_000
_PART_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20
_ANY = Key("any", "any", 0)


def by_network(folder: Path, file: Path) -> Iterator[tuple[str, str]]:
    """Speeds of a large file, and of small ones one after the other."""
    with ExitStack() as opened:
        s3 = opened.enter_context(s3_bench(folder, has_accounts=False))
        server = opened.enter_context(serving(s3.settings))
        bare_port = opened.enter_context(_bare_server(folder / "bare"))
        size_mb = file.stat().st_size / 1e6
        medians: dict[str, float] = {}
        for what, work in _large_ones(s3, server, bare_port, file, folder / "got").items():
            medians[what] = statistics.median(_timed(partial(work, n)) for n in range(_ROUNDS))
        for what, median in medians.items():
            way = what.partition(" ")[0]
            ratios = ", ".join(
                f"{medians[f'{way} by {of}'] / median:.2f} of the speed of {of}"
                for of in ("a bare server", "HTTP")
            )
            yield f"{what}, {size_mb:,.0f} MB", f"{size_mb / median:,.0f} MB/s, {ratios}"
        for what, small in (("HTTP", _small_by_http), ("S3", _small_by_s3)):
            taken = _timed(partial(small, s3, server))
            yield f"put by {what}, {_SMALL} of 5 kB, one after the other", f"{_SMALL / taken:.0f}/s"


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _large_ones(
    s3: S3Bench, server: Server, bare_port: int, file: Path, got: Path
) -> dict[str, Callable[[int], object]]:
    """Each round puts other bytes: what is there already would be kept once."""
    store = s3.store(_ANY, "cams")
    client: Any = s3.client(_ANY)

    def turned(what: str, number: int) -> Path:
        with file.open("r+b") as writing:
            writing.write(f"{what} {number:09}".encode())
        return file

    def put_http(port: int, number: int) -> None:
        path = turned("http", number)
        connection = HTTPConnection("127.0.0.1", port)
        with path.open("rb") as reading:
            connection.request(
                "PUT", "/objects/cams/ff/http", reading,
                {"Content-Length": str(path.stat().st_size)},
            )  # fmt: skip
            assert connection.getresponse().status in (200, 201)
        connection.close()

    def put_whole(number: int) -> None:
        with turned("whole", number).open("rb") as reading:
            client.put_object(Bucket="cams", Key="ff/whole", Body=reading)

    def put_parts(number: int) -> None:
        obstore.put(store, "ff/parts", turned("parts", number), chunk_size=_PART_BYTES)

    def get_http(port: int, _: int) -> None:
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/objects/cams/ff/http")
        _copied(iter(partial(connection.getresponse().read, 1 << 20), b""), got)
        connection.close()

    def get_s3(_: int) -> None:
        _copied(map(bytes, obstore.get(store, "ff/parts").stream(min_chunk_size=1 << 20)), got)

    return {
        "put by a bare server": partial(put_http, bare_port),
        "put by HTTP": partial(put_http, server.port),
        "put by S3 in one piece": put_whole, "put by S3 in parts": put_parts,
        "get by a bare server": partial(get_http, bare_port),
        "get by HTTP": partial(get_http, server.port), "get by S3": get_s3,
    }  # fmt: skip


@contextmanager
def _bare_server(file: Path) -> Iterator[int]:
    """In a process of its own, as the one that is measured."""
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=_serve_bare, args=(file, ports))
    process.start()
    try:
        yield ports.get(timeout=60)
    finally:
        process.kill()
        process.join()


def _serve_bare(file: Path, ports: "multiprocessing.Queue[int]") -> None:
    class Bare(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            left = int(self.headers["Content-Length"])
            with file.open("wb") as writing:
                while piece := self.rfile.read(min(left, _PIECE_BYTES)):
                    writing.write(piece)
                    left -= len(piece)
                os.fsync(writing.fileno())
            self._answer(201, 0)

        def do_GET(self) -> None:
            self._answer(200, file.stat().st_size)
            with file.open("rb") as reading:
                shutil.copyfileobj(reading, self.wfile, _PIECE_BYTES)

        def _answer(self, status: int, size_bytes: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(size_bytes))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Bare) as server:
        ports.put(server.server_port)
        server.serve_forever()


def _copied(pieces: Iterator[bytes], to: Path) -> None:
    with to.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def _small_by_http(_: S3Bench, server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port)
    for number in range(_SMALL):
        connection.request("PUT", f"/objects/cams/ff/small/http{number}", _small("http", number))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201
    connection.close()


def _small_by_s3(s3: S3Bench, _: Server) -> None:
    store = s3.store(_ANY, "cams")
    for number in range(_SMALL):
        obstore.put(store, f"ff/small/s3-{number}", _small("s3", number), use_multipart=False)


def _small(what: str, number: int) -> bytes:
    return f"{what} {number}".encode().ljust(_SMALL_BYTES, b".")
