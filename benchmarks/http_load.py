"""Requests to a server by several connections at once, and how long their answers took.

What belongs here: asking and timing. What does not: which servers are asked for what.
"""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

_PATIENCE_S = 120.0


@dataclass
class Load:
    """What came of so many seconds of requests."""

    lasted_s: float
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def answers_a_second(self) -> float:
        return len(self.seconds) / self.lasted_s

    def percentile_ms(self, percent: int) -> float:
        """NaN of fewer than two answers."""
        if len(self.seconds) < 2:
            return float("nan")
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1e3

    def cells(self) -> tuple[str, ...]:
        """Answers a second, p50, p95 and p99 in ms, and how many requests were not answered."""
        return (
            f"{self.answers_a_second:,.1f}",
            *(f"{self.percentile_ms(percent):,.0f}" for percent in (50, 95, 99)),
            f"{self.failed:,}" if self.failed else "",
        )


CELLS = ("answers/s", "p50 ms", "p95 ms", "p99 ms", "not answered")


def load(
    port: int,
    paths: Sequence[str],
    connections: int,
    seconds: float,
    *,
    follows_links: bool = False,
) -> Load:
    """Ask for the paths in turn, each connection for the next one, for so long.

    `follows_links`: each connection asks for a path of its own, and goes on by the links.
    """
    begun = time.monotonic()
    ends, done = begun + seconds, Load(seconds)
    lock, numbers = threading.Lock(), iter(range(10**9))

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        link = ""
        while time.monotonic() < ends:
            with lock:
                path = link or paths[next(numbers) % len(paths)]
            asked = time.monotonic()
            try:
                connection.request("GET", path, headers={"Accept-Encoding": "identity"})
                answer = connection.getresponse()
                answer.read()
                is_answer = answer.status == 200
                if follows_links:
                    link = answer.headers.get("Link", "")[1:].partition(">")[0]
            except (OSError, HTTPException):
                connection.close()
                is_answer = False
            with lock:
                if is_answer:
                    done.seconds.append(time.monotonic() - asked)
                else:
                    done.failed += 1
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.lasted_s = time.monotonic() - begun
    return done
