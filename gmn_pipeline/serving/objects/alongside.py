"""Work of a disk beside that of the network.

What belongs here: one piece of work in a thread while the event loop goes on. What does not: what
that work is (`incoming.py`, `reading.py`).
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel

from gmn_pipeline.serving.objects.service import ObjectService

T = TypeVar("T")


class Alongside(Generic[T]):
    """One piece of work at a time; the next one begins when the one before has ended."""

    def __init__(self, service: ObjectService) -> None:
        self._service = service
        self._task: asyncio.Task[T] | None = None

    async def begin(self, work: Callable[[], T]) -> None:
        """Raises what the one before raised, and begins nothing then."""
        await self.end()
        self._task = asyncio.create_task(self._service.run(work))

    async def end(self) -> T | None:
        """What came of the last one, once. Raises what it raised.

        It is waited for though nobody may want it any more: a file is not closed under a thread."""
        task, self._task = self._task, None
        if task is None:
            return None
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task})
        await anyio.lowlevel.checkpoint_if_cancelled()
        return task.result()
