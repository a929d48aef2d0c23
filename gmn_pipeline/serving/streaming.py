"""Answers of any length, sent as they come.

What belongs here: pieces of bytes out of a thread, their sending, and their end: whole, given up by
the client, or broken. What does not: queries (`work.py`) and what is written (`formats/`).

An answer that breaks off is not ended: the connection is closed without the end of the transfer,
so no client takes what it has for all there is.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import anyio
import anyio.to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gmn_pipeline.queries.answer import Answer, Cancellation

_TAKEN_WITHIN_S = 120.0
"""A client that takes nothing for so long is given up: maintenance waits for its query."""

_log = logging.getLogger(__name__)


class Pieces:
    """What is written of an answer; the first piece is there at once, or it raises."""

    def __init__(
        self,
        answer: Answer,
        write: Callable[[Answer], Iterator[bytes]],
        cancellation: Cancellation,
    ) -> None:
        self._answer = answer
        self._cancellation = cancellation
        try:
            self._pieces = write(answer)
            self._first: bytes | None = next(self._pieces, b"")
        except BaseException:
            answer.close()
            raise

    def next(self) -> bytes | None:
        """The next one; None after the last."""
        first, self._first = self._first, None
        return next(self._pieces, None) if first is None else first

    def cancel(self) -> None:
        self._cancellation.cancel()

    def close(self) -> None:
        self._answer.close()


class Streamed(StreamingResponse):
    """An answer that is sent as it comes; `held` is given back at its end."""

    def __init__(
        self, pieces: Pieces, held: AsyncExitStack, threads: anyio.CapacityLimiter
    ) -> None:
        super().__init__(())
        self._pieces = pieces
        self._held = held
        self._threads = threads

    def says(self, headers: dict[str, str], media_type: str) -> "Streamed":
        """With these headers."""
        for name, value in {**headers, "Content-Type": media_type}.items():
            self.headers[name] = value
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        is_whole = False
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, receive)
                try:
                    is_whole = await self._send(send)
                finally:
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                # In a thread, since a query that still works is waited for.
                await anyio.to_thread.run_sync(self._pieces.close, limiter=self._threads)
                await self._held.aclose()
        if is_whole:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._pieces.cancel()

    async def _send(self, send: Send) -> bool:
        """Whether it came to its end."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        try:
            while (piece := await self._next()) is not None:
                with anyio.fail_after(_TAKEN_WITHIN_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Exception as error:
            # Whatever it is, what was sent must not look whole.
            _log.warning("An export was broken off: %s", error)
            return False
        return True

    async def _next(self) -> bytes | None:
        return await anyio.to_thread.run_sync(self._pieces.next, limiter=self._threads)
