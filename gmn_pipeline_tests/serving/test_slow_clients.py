"""Clients that send or take drop by drop keep neither others nor loads nor maintenance waiting."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.archive import FIRST_DATE, LAST_DATE, generate
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.warehouse import maintain

ROWS = 30_000
"""A hundred MB as lines of JSON: more than what buffers between server and client take."""
EXPORTS = 2
EXPORT = b"GET /gmn/trajectories.ndjson HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("slow")
    generate(folder / "source", ROWS, kinds=("all",))
    settings = load_settings(
        data_dir=folder / "data", source_url=str(folder / "source"), history="all"
    )
    days = (LAST_DATE - FIRST_DATE).days + 1
    load_days([FIRST_DATE + timedelta(days=day) for day in range(days)], settings)
    return settings


@pytest.fixture(scope="module")
def server(lake: Settings) -> Iterator[Server]:
    with serving(lake, serve_exports=EXPORTS, serve_queue_s=0.3) as running:
        yield running


class SlowReader:
    """Takes some bytes of an export, and then a thousand a second."""

    def __init__(self, server: Server) -> None:
        self.raw = socket.socket()
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        self.raw.settimeout(60)
        self.raw.connect(("127.0.0.1", server.port))
        self.raw.sendall(EXPORT)
        self.begin = self.raw.recv(100)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drop_by_drop)
        self._thread.start()

    def _drop_by_drop(self) -> None:
        while not self._ended.wait(1):
            self.raw.recv(1_000)

    def rest(self) -> bytes:
        """All that still comes."""
        self._ended.set()
        self._thread.join()
        parts = []
        while part := self.raw.recv(1 << 20):
            parts.append(part)
            if part.endswith(b"0\r\n\r\n"):
                break
        return b"".join(parts)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self.raw.close()


def test_exports_that_are_taken_slowly_keep_nobody_waiting_and_give_way_to_maintenance(
    server: Server, lake: Settings
) -> None:
    with ExitStack() as opened:
        slow = [opened.enter_context(closing(SlowReader(server))) for _ in range(EXPORTS)]
        assert all(one.begin.startswith(b"HTTP/1.1 200") for one in slow)
        # Others: pages, SQL, writers; only exports have to wait for their turn.
        assert server.get("/gmn/trajectories.json?_size=1").status == 200
        assert server.sql("SELECT 1 AS one").json["rows"] == [{"one": 1}]
        busy = server.get("/gmn/stations.csv")
        assert (busy.status, busy.json["type"]) == (503, "urn:gmn:problem:busy")
        before = server.snapshot
        load_days([LAST_DATE + timedelta(days=1)], lake)
        # Without giving way it would never have its turn, if ever new ones begin.
        begun = time.monotonic()
        maintain(lake)
        assert time.monotonic() - begun < 60
        server.wait_for(lambda: server.snapshot > before)
        for one in slow:
            rest = one.rest()
            assert b"\n0\r\n\r\n" not in rest[-10:]  # what was broken off has no end
            assert rest.count(b'"trajectory_identifier"') < ROWS
    server.wait_for(lambda: server.get("/gmn/stations.csv").status == 200)
    lines = server.get("/gmn/trajectories.ndjson?_col=vgeo_km_s").body.splitlines()
    assert len(lines) == server.sql("SELECT count(*) AS n FROM meteor").json["rows"][0]["n"]


def test_exports_end_well_beside_maintenance_that_is_quick(server: Server, lake: Settings) -> None:
    """One that is read as fast as it comes is over before it would have to give way."""
    replies: list[int] = []

    def export() -> None:
        reply = server.get("/gmn/trajectories.parquet")
        replies.append(reply.status)
        assert reply.body.endswith(b"PAR1")

    threads = [threading.Thread(target=export) for _ in range(EXPORTS)]
    for thread in threads:
        thread.start()
    maintain(lake)
    for thread in threads:
        thread.join()
    assert replies == [200] * EXPORTS


def send_slowly(raw: socket.socket, data: bytes) -> None:
    for byte in data:
        raw.sendall(bytes([byte]))
        time.sleep(0.02)


def test_who_sends_a_request_drop_by_drop_is_cut(lake: Settings) -> None:
    """With a limit of a second instead of half a minute."""
    with serving(lake, serve_head_timeout_s=1) as impatient:
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as raw:
            begun = time.monotonic()
            with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
                send_slowly(raw, b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 10_000)
            assert time.monotonic() - begun < 5
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as twice:
            twice.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            while not (told := twice.recv(1000)).endswith(b"}"):
                assert told
            twice.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert twice.recv(1000) == b""
        # A query may take longer than a request.
        slow = impatient.sql("SELECT count(*) FROM range(300000000) WHERE range % 7 = 3")
        assert slow.status in (200, 400)
