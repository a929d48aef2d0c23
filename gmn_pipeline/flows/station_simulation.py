"""Simulated stations that send as real ones do: as time goes, by datagrams.

What belongs here: when what is sent. What does not: what stations measure and send
(`sources/simulated_stations.py`).
"""

import heapq
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gmn_pipeline.clock import from_timestamp
from gmn_pipeline.sources.simulated_stations import datagrams, simulated

_TICK_S = 0.05


@dataclass
class Sent:
    """Datagrams that were sent: readings, and broken ones."""

    whole: int = 0
    broken: int = 0


def simulate(
    to: tuple[str, int],
    *,
    stations: int,
    per_s: float,
    seed: int,
    stopped: threading.Event,
    until_s: float | None = None,
) -> Sent:
    """Send until stopped, or for so many seconds. What is late then is sent at once."""
    family, kind, protocol, _, address = socket.getaddrinfo(*to, type=socket.SOCK_DGRAM)[0]
    sent = Sent()
    late: list[tuple[float, bytes, bool]] = []
    with socket.socket(family, kind, protocol) as opened:
        began = last = time.time()
        while not stopped.wait(_TICK_S) and (until_s is None or last < began + until_s):
            now = time.time() if until_s is None else min(time.time(), began + until_s)
            rows = simulated(stations, from_timestamp(last), from_timestamp(now), 1 / per_s, seed)
            for one in datagrams(rows.sort("received_at_utc"), seed):
                if one.delay_s:
                    heapq.heappush(late, (now + one.delay_s, one.payload, one.is_whole))
                else:
                    _send(opened, address, one.payload, one.is_whole, sent)
            last = now
            while late and late[0][0] <= now:
                _send(opened, address, *heapq.heappop(late)[1:], sent)
        while late:
            _send(opened, address, *heapq.heappop(late)[1:], sent)
    return sent


def _send(opened: socket.socket, address: Any, payload: bytes, is_whole: bool, sent: Sent) -> None:
    with suppress(ConnectionRefusedError):  # nobody listens yet: it is lost, as datagrams are
        opened.sendto(payload, address)
    if is_whole:
        sent.whole += 1
    else:
        sent.broken += 1
