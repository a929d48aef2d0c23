"""A connection on which no request comes whole within some time is closed.

What belongs here: that time. What does not: how much of a request is taken (`app.py`), and clients
that take their answer slowly (`streaming.py`). uvicorn itself closes a connection only that is idle
after an answer.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol(head_within_s: float) -> type[H11Protocol]:
    """HTTP with this limit."""
    return type("Http", (_Http,), {"head_within_s": head_within_s})


class _Http(H11Protocol):
    """HTTP as uvicorn speaks it, with a limit for the time that a request's head may take."""

    head_within_s: float
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        is_between = self._is_between_requests
        super().data_received(data)
        if not self._is_between_requests:
            self._stop_waiting()
        elif is_between and self._head_timer is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _is_between_requests(self) -> bool:
        cycle = self.cycle
        return cycle is None or cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_within_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        # It may be a WebSocket's by now, or at work.
        if self in self.connections and self._is_between_requests:
            self.transport.close()
