"""Many listeners in one process, and when each of them was told of a commit."""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.server import Server

_CONNECT_AT_ONCE = 50
_WITHIN_S = 120.0


def let_many_open() -> None:
    """A connection is a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# What the server says to that is not masked: it can be looked through as it is.
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class _Listener:
    """The least that reads server-sent events: all else would measure this process."""

    def __init__(self, server: Server, query: str, *, is_websocket: bool) -> None:
        self._server = server
        self._query = query
        self._is_websocket = is_websocket
        self._writer: asyncio.StreamWriter

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        upgrade = _UPGRADE if self._is_websocket else ""
        head = f"GET /gmn/events{self._query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{upgrade}\r\n"
        self._writer.write(head.encode())
        await self._read_to(b'"position"' if self._is_websocket else b": still here")

    async def heard(self) -> float:
        await self._read_to(b'"change"')
        return time.time()

    async def _read_to(self, what: bytes) -> None:
        data = b""
        while what not in data:
            piece = await self._reader.read(1 << 16)
            if not piece:
                raise AssertionError(f"the connection ended: {data[:300]!r}")
            data += piece

    def close(self) -> None:
        self._writer.close()


class ManyListeners:
    """Connected in the block; use it in a loop of asyncio."""

    def __init__(
        self, server: Server, count: int, *, filters: int = 0, is_websocket: bool = False
    ) -> None:
        """`filters`: so many different ones, all of which let everything through."""
        queries = [f"?vgeo_km_s__gt=-{number + 1}" for number in range(filters)] or [""]
        self._listeners = [
            _Listener(server, queries[n % len(queries)], is_websocket=is_websocket)
            for n in range(count)
        ]

    async def __aenter__(self) -> "ManyListeners":
        for first in range(0, len(self._listeners), _CONNECT_AT_ONCE):
            some = self._listeners[first : first + _CONNECT_AT_ONCE]
            await asyncio.gather(*(one.connect() for one in some))
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._listeners:
            one.close()
        await asyncio.sleep(0)

    async def all_heard(self) -> list[float]:
        """When each of them heard of the next commit (time.time())."""
        async with asyncio.timeout(_WITHIN_S):
            return await asyncio.gather(*(one.heard() for one in self._listeners))


def seconds_until_all_heard(
    server: Server,
    settings: Settings,
    commit: Callable[[], object],
    count: int,
    *,
    filters: int = 0,
    is_websocket: bool = False,
) -> float:
    """From a commit, as anybody sees it in the catalogue, until the last listener heard of it."""

    async def listen() -> float:
        many = ManyListeners(server, count, filters=filters, is_websocket=is_websocket)
        async with many as listeners:
            with _looking_for_commit(settings) as committed:
                loading = asyncio.create_task(asyncio.to_thread(commit))
                heard = await listeners.all_heard()
                await loading
                return max(heard) - committed()

    return asyncio.run(listen())


# In a process of its own: DuckDB brings another SQLite, and two in one process lose their locks.
_LOOK = """
import sqlite3, sys, time
catalogue = sqlite3.connect(sys.argv[1], uri=True, timeout=60)
def newest():
    return catalogue.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchall()
before = newest()
print("looking", flush=True)
while newest() == before:
    time.sleep(0.01)
print(time.time(), flush=True)
"""


@contextmanager
def _looking_for_commit(settings: Settings) -> Iterator[Callable[[], float]]:
    """What gives the time at which the next commit was seen in the catalogue."""
    file = f"file:{settings.warehouse_dir / 'catalog.sqlite'}?mode=ro"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _LOOK, file], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "looking\n"
        yield lambda: float(process.communicate(timeout=_WITHIN_S)[0])
