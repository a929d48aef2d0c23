"""Datagrams: a UDP socket that is read without a pause, and what of them may wait.

What belongs here: sockets, limits by sender, the bounded queue, and counts of what is dropped. What
does not: what a datagram says (`readers/station_readings/`).

UDP has no back-pressure: what cannot wait is dropped, and each loss is counted by its cause, also
those of the kernel.
"""

import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmn_pipeline.errors import ServiceRunning, SettingsError
from gmn_pipeline.readers.station_readings.received import Received
from gmn_pipeline.sources.many_datagrams import Datagrams, receiver

_WAIT_S = 0.1
_LAST_S = 1.0
_MOST_SENDERS = 10_000
_SHOWN_SENDERS = 50
_OF_MANY = "others"
"""Senders beyond so many are one: addresses can be made up."""

_WEIGHT_BYTES = 400
"""What a datagram takes beside its bytes."""


@dataclass(slots=True)
class Sender:
    """Datagrams of one address. One thread counts what comes, another what is taken."""

    received: int = 0
    over_limit: int = 0
    queue_full: int = 0
    put_bytes: int = 0
    taken_bytes: int = 0
    second: int = 0
    in_second: int = 0


@dataclass
class DatagramCounts:
    """received = over_limit + queue_full + taken + waiting, in datagrams."""

    received: int = 0
    over_limit: int = 0
    queue_full: int = 0
    put: int = 0
    taken: int = 0
    senders: dict[str, Sender] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Datagrams in the queue."""
        return self.put - self.taken


class DatagramSource:
    """One UDP socket, read by a thread of its own."""

    def __init__(
        self, host: str, port: int, *, buffer_mb: float, queue_mb: float, sender_per_s: float
    ) -> None:
        self._most_queue_bytes = int(queue_mb * 1e6)
        self._most_in_second = sender_per_s
        self.counts = DatagramCounts()
        self._put_bytes = self._taken_bytes = 0
        self._queue: deque[tuple[Received, Sender]] = deque()
        self._socket = _opened(host, port, int(buffer_mb * 1e6))
        self._receiver = receiver(self._socket)
        self.port: int = self._socket.getsockname()[1]
        # Twice what was asked for, or what the kernel allows.
        self.buffer_bytes = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._dropped = 0
        self._failure: OSError | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"udp-{self.port}")

    @property
    def kernel_dropped(self) -> int:
        """Datagrams that the kernel has dropped, since nobody came for them in time."""
        with suppress(OSError):  # once closed, what was seen last
            self._dropped = _drops(os.fstat(self._socket.fileno()).st_ino)
        return self._dropped

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End reading once all that the kernel has is in the queue; what is there can be taken."""
        self._stopped.set()
        self._thread.join()

    def close(self) -> None:
        """Let go of the socket."""
        self._dropped = self.kernel_dropped
        self._socket.close()

    def take(self, most: int) -> list[Received]:
        """What waits, the oldest first; without waiting for more. Raises OSError if nothing can
        come any more."""
        if self._failure is not None and not self._queue:
            raise self._failure
        queue = self._queue
        found: list[Received] = []
        with suppress(IndexError):
            while len(found) < most:
                came, sender = queue.popleft()
                weight = len(came.payload) + _WEIGHT_BYTES
                sender.taken_bytes += weight
                self._taken_bytes += weight
                found.append(came)
        self.counts.taken += len(found)
        return found

    def finished(self, payloads: int) -> None:
        """Nobody waits for that."""

    @property
    def waits(self) -> bool:
        """Senders of datagrams do not wait."""
        return False

    def status(self) -> dict[str, Any]:
        """Counts of datagrams: received = over_limit + queue_full + read + waiting."""
        counts = self.counts
        most = sorted(counts.senders.items(), key=lambda item: -item[1].received)
        return {
            "port": self.port,
            "buffer_bytes": self.buffer_bytes,
            "kernel_dropped": self.kernel_dropped,
            "received": counts.received,
            "over_limit": counts.over_limit,
            "queue_full": counts.queue_full,
            "read": counts.taken,
            "waiting": counts.waiting,
            "senders": {
                name: {
                    "received": sender.received,
                    "over_limit": sender.over_limit,
                    "queue_full": sender.queue_full,
                }
                for name, sender in most[:_SHOWN_SENDERS]
            },
        }

    def _run(self) -> None:
        try:
            self._receive_all()
        except OSError as error:
            self._failure = error

    def _receive_all(self) -> None:
        receive, put, is_stopped = self._receiver.receive, self._put, self._stopped.is_set
        while not is_stopped():
            put(receive())
        # What came until now is taken, but not all that goes on coming.
        until = time.monotonic() + _LAST_S
        while (found := receive(waits=False)) and time.monotonic() < until:
            put(found)
        put(found)

    def _put(self, found: Datagrams) -> None:
        counts, now = self.counts, time.time()
        second, now_us = int(now), int(now * 1e6)
        counts.received += len(found)
        for payload, address in found:
            sender = counts.senders.get(address) or self._new_sender(address)
            sender.received += 1
            if second != sender.second:
                sender.second, sender.in_second = second, 0
            sender.in_second += 1
            if sender.in_second > self._most_in_second:
                counts.over_limit += 1
                sender.over_limit += 1
                continue
            weight = len(payload) + _WEIGHT_BYTES
            if (
                self._put_bytes - self._taken_bytes + weight > self._most_queue_bytes
                or 2 * (sender.put_bytes - sender.taken_bytes + weight) > self._most_queue_bytes
            ):
                counts.queue_full += 1
                sender.queue_full += 1
                continue
            self._put_bytes += weight
            sender.put_bytes += weight
            self._queue.append((Received(payload, address, now_us), sender))
            counts.put += 1

    def _new_sender(self, address: str) -> Sender:
        senders = self.counts.senders
        name = address if len(senders) < _MOST_SENDERS else _OF_MANY
        return senders.setdefault(name, Sender())


def _opened(host: str, port: int, buffer_bytes: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(
            f"There is no address {host} to listen at: {error}.", remedy="Correct --host."
        ) from error
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        # A timeout of the socket's own: Python's would take a call of the system for each datagram.
        wait = struct.pack("ll", 0, int(_WAIT_S * 1e6))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
        opened.bind(address)
    except OSError as error:
        opened.close()
        raise ServiceRunning(
            f"UDP port {port} of {host} cannot be listened at: {error}.",
            remedy="Another process may have it: choose another one by --port.",
        ) from error
    return opened


def _drops(inode: int) -> int:
    """The last column of the socket's line."""
    for columns in _sockets():
        if int(columns[9]) == inode:
            return int(columns[-1])
    return 0


def _sockets() -> Iterator[list[str]]:
    for name in ("udp", "udp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{name}").read_text("ascii").splitlines()[1:]:
                yield line.split()
