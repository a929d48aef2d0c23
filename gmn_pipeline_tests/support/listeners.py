"""Listeners to live events, as any client might be one: over a socket, without a library."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gmn_pipeline_tests.support.server import Server


@dataclass(frozen=True)
class Event:
    """What a listener was told; `name` is empty for a change."""

    id: str
    name: str
    data: Any


class Listener:
    """Reads events off a connection, and keeps the last id as browsers do."""

    def __init__(
        self,
        server: Server,
        *,
        last: str | None = None,
        headers: dict[str, str] | None = None,
        receive_bytes: int | None = None,
        path: str = "/gmn/events",
        **parameters: object,
    ) -> None:
        self.last = last
        given = dict(headers or {})
        if last is not None:
            given["Last-Event-ID"] = last
        query = f"?{urlencode(parameters)}" if parameters else ""
        lines = [f"GET {path}{query} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._file = self.socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        self.is_whole = False
        self._rest = b""

    def body(self) -> Any:
        """Of an answer that is an error."""
        return json.loads(self._file.read(int(self.headers["content-length"])))

    def chunk(self) -> bytes | None:
        """The next piece of the transfer, None after its end or where it broke."""
        head = self._file.readline()
        if not head.strip():
            return None
        size = int(head, 16)
        data = self._file.read(size)
        self._file.readline()
        if size == 0:
            self.is_whole = True
            return None
        return data

    def events(self) -> Iterator[Event]:
        """Until the server ends, or the connection breaks."""
        while (data := self.chunk()) is not None:
            *blocks, self._rest = (self._rest + data).split(b"\n\n")
            for block in blocks:
                yield from self._event(block.decode())

    def _event(self, block: str) -> Iterator[Event]:
        name, data = "", []
        for line in block.split("\n"):
            key, _, value = line.partition(": ")
            if key == "id":
                self.last = value
            elif key == "event":
                name = value
            elif key == "data":
                data.append(value)
        if data:
            yield Event(self.last or "", name, json.loads("\n".join(data)))

    def until(self, count: int, within_s: float = 20.0) -> list[Event]:
        """So many events."""
        self.socket.settimeout(within_s)
        found: list[Event] = []
        for event in self.events():
            found.append(event)
            if len(found) == count:
                return found
        raise AssertionError(f"it ended after {len(found)} events of {count}")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def all_until_now(server: Server, **given: Any) -> list[Event]:
    """What there is since a position; it ends by itself."""
    with Listener(server, _seconds=0, **given) as listener:
        assert listener.status == 200, listener.body()
        events = list(listener.events())
        assert listener.is_whole
        return events


def waited(begun: float) -> float:
    return time.monotonic() - begun
