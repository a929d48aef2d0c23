"""A real server on loopback, with settings of its own, and requests to it."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa

from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.ports import free_port

_CLIENT = Path(sys.prefix) / "gmn-client"
_STARTS_WITHIN_S = 60.0


@dataclass
class Reply:
    """An answer, its body as it was before it was compressed."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def link(self) -> str | None:
        """Where the next page is."""
        given = self.headers.get("Link")
        return given[1 : given.index(">")] if given else None


class Server:
    """`gmn serve` as a process."""

    def __init__(self, port: int, process: "subprocess.Popen[str]") -> None:
        self.port = port
        self.process = process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(
        self,
        path: str,
        parameters: Mapping[str, object] | None = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Reply:
        path = path.removeprefix(self.url)
        if parameters:
            path += f"?{urlencode(parameters)}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        coding = answer.headers.get("Content-Encoding")
        if method != "HEAD" and coding:
            body = gzip.decompress(body) if coding == "gzip" else _zstd(body)
        return Reply(answer.status, answer.headers, body)

    def sql(self, sql: str, **parameters: object) -> Reply:
        return self.get("/gmn_rest_api", {"sql": sql, **parameters})

    def pages(self, path: str) -> Iterator[Reply]:
        """A sequence of pages, by their links."""
        link: str | None = path
        while link:
            reply = self.get(link)
            yield reply
            link = reply.link

    def wait_for(self, is_so: Any, within_s: float = 20.0) -> None:
        """Until it is so: what a server notices by itself, nobody tells."""
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)

    @property
    def snapshot(self) -> int:
        """The state that it serves."""
        return int(self.get("/gmn_rest_api/meteor_summary", method="HEAD").headers["GMN-Snapshot"])


def _zstd(data: bytes) -> bytes:
    return bytes(pa.CompressedInputStream(pa.BufferReader(data), "zstd").read())


@contextmanager
def serving(
    settings: Settings, *arguments: str, port: int | None = None, **environment: object
) -> Iterator[Server]:
    """A server of a data folder; it is ended with the block."""
    port = port or free_port()
    names = {f"GMN_{name.upper()}": str(value) for name, value in environment.items()}
    # Times are UTC wherever the server stands.
    command = Command(GMN_DATA_DIR=str(settings.data_dir), TZ="Pacific/Auckland", **names)
    process = command.start("serve", "--port", str(port), *arguments)
    server = Server(port, process)
    try:
        server.wait_for(lambda: _answers(server), _STARTS_WITHIN_S)
        yield server
    finally:
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert "Traceback" not in err, out + err


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, server.process.communicate()
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def client_says(server: Server, script: str, *, within_s: float = 120) -> Any:
    """What the network's own client finds: a script in its environment, which prints JSON.

    `api` and `read_data` are the client's; it takes nothing of this project's environment.
    """
    head = f"""
import json
from gmn_python_api import gmn_rest_api as api
from gmn_python_api.meteor_trajectory_reader import read_data
api.GMN_REST_API_DOMAIN = {server.url!r}
api.QUERY_URL = api.GMN_REST_API_DOMAIN + "/gmn_rest_api?{{args}}"
api.METEOR_SUMMARY_QUERY_URL = api.GMN_REST_API_DOMAIN + "/gmn_rest_api/meteor_summary?{{args}}"
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", head + script],
        env={"PYTHONPATH": str(_CLIENT), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=within_s,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
