"""How many requests at once, and how many a minute.

What belongs here: counting and refusing. What does not: what a query may take (`queries/limits`).
"""

import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from gmn_pipeline.serving.problems import Problem, response_of

_FORGET_FROM = 10_000
_IPV6_PREFIX = 64
"""What a provider gives to one customer."""


class Slots:
    """So many may work at once; some more wait for their turn; the rest is told to come later."""

    def __init__(self, slots: int, waiting: int, patience_s: float) -> None:
        self._limiter = anyio.CapacityLimiter(slots)
        self._most_waiting = waiting
        self._patience_s = patience_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Problem (503) where too many wait, or it takes too long."""
        if self._limiter.statistics().tasks_waiting >= self._most_waiting and (
            self._limiter.available_tokens <= 0
        ):
            raise self._busy()
        me = object()
        try:
            with anyio.fail_after(self._patience_s):
                await self._limiter.acquire_on_behalf_of(me)
        except TimeoutError:
            raise self._busy() from None
        try:
            yield
        finally:
            self._limiter.release_on_behalf_of(me)

    def _busy(self) -> Problem:
        return Problem(
            503, "busy", "Too many queries are waiting for their turn.", max(1, self._patience_s)
        )


class Minutes:
    """Counts what addresses do in windows of a minute, up to a limit for each."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._window = -1
        self._counts: dict[str, int] = {}

    def wait_s(self, host: str) -> float | None:
        """Count one more of an address; seconds that it has to wait if that is too many."""
        now = self._clock()
        window = int(now // 60)
        if window != self._window:
            self._window, self._counts = window, {}
        address = customer(host)
        count = self._counts.get(address, 0) + 1
        if count > self.limit:
            return 60 - now % 60
        # With addresses without end, those that came once are forgotten first.
        if len(self._counts) >= _FORGET_FROM and address not in self._counts:
            self._counts = {a: n for a, n in self._counts.items() if n > 1}
        self._counts[address] = count
        return None


class RequestsPerMinute:
    """Refuses requests of an address above so many a minute."""

    def __init__(
        self, app: ASGIApp, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._minutes = Minutes(limit, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        wait_s = self._minutes.wait_s(scope["client"][0] if scope.get("client") else "")
        if wait_s is None:
            await self._app(scope, receive, send)
            return
        problem = Problem(
            429, "too-many-requests",
            f"An address may ask {self._minutes.limit:,} times a minute.", wait_s,
        )  # fmt: skip
        await response_of(problem, scope["path"])(scope, receive, send)


def customer(address: str) -> str:
    """An address, or the network of an IPv6 address: its holder has all of that."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
    return address
