"""What a listener is told as server-sent events (text/event-stream).

What belongs here: the format, sending, and noticing that the client has gone or takes nothing. What
does not: what is told (`listening.py`).

A change is an event without a name, which browsers call `message`; `bulk` and `gone` are named. A
block that has an id and no data moves a client's position on without being an event.
"""

import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gmn_pipeline.serving.events.batches import encoded, joined
from gmn_pipeline.serving.events.listening import Bulk, Changes, Gone, Still, Told

MEDIA_TYPE = "text/event-stream"
HEADERS = {
    "Content-Type": MEDIA_TYPE,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would gather pieces
}
TAKEN_WITHIN_S = 120.0
"""Who takes nothing for so long is given up; the position is the client's to keep."""
_RETRY_MS = 3_000
PIECE_BYTES = 64 << 10
"""As much as is handed over at once: the memory that a slow listener takes."""

_log = logging.getLogger(__name__)


class EventStream(Response):
    """The answer to a listener: pieces of events, as they come; `held` is given back at its end."""

    def __init__(self, told: AsyncIterator[Iterable[bytes]], held: ExitStack) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["Content-Length"]
        self._told = told
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        is_whole = False
        with self._held:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                is_whole = await self._send(send)
                tasks.cancel_scope.cancel()
        if is_whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> bool:
        """Whether it came to its end."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _take(send, f"retry: {_RETRY_MS}\n\n".encode())
        try:
            async for told in self._told:
                for piece in told:
                    await _take(send, piece)
        except TimeoutError:
            _log.info("A listener took nothing for %d s.", TAKEN_WITHIN_S)
            return False
        except Exception:
            # It connects again, with its position.
            _log.exception("Events were broken off")
            return False
        return True


async def _take(send: Send, piece: bytes) -> None:
    """Raises TimeoutError."""
    with anyio.fail_after(TAKEN_WITHIN_S):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive, listening: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listening.cancel()


def _pieces(told: Told) -> Iterable[bytes]:
    match told:
        case Changes():
            return joined(encoded(told.batch, told.chosen, MEDIA_TYPE, event), PIECE_BYTES)
        case Bulk():
            return [named("bulk", told.told(), str(told.after))]
        case Gone():
            return [named("gone", told.problem.body())]
        case Still():
            return [still_there(told.position)]


async def written(told: AsyncIterator[Told]) -> AsyncIterator[Iterable[bytes]]:
    """What a listener is told of changes, as events."""
    async for one in told:
        yield _pieces(one)


def still_there(position: object) -> bytes:
    """A block that is no event, and moves the client's position."""
    return f": still here\nid: {position}\n\n".encode()


def event(position: object, data: str) -> bytes:
    """An event without a name."""
    return f"id: {position}\ndata: {data}\n\n".encode()


def named(name: str, data: dict[str, object], position: object = None) -> bytes:
    """An event with a name."""
    at = "" if position is None else f"id: {position}\n"
    return f"{at}event: {name}\ndata: {json.dumps(data)}\n\n".encode()
