"""An answer that may take long: the client is kept waiting, and does not give up.

What belongs here: blanks before the answer, as S3 itself sends them. What does not: what takes long
(parts of many gigabytes that are put together).
"""

from collections.abc import Awaitable, Callable

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gmn_pipeline.serving.s3.errors import MEDIA_TYPE
from gmn_pipeline.serving.s3.xml import HEAD

_SOON_S, _EVERY_S = 5.0, 5.0


class Patient(Response):
    """The answer of some work. If it is not soon there, the status is 200 whatever comes of it: an
    error stands in the answer, where clients of S3 look for it."""

    def __init__(
        self, work: Callable[[], Awaitable[Response]], soon_s: float = _SOON_S,
        every_s: float = _EVERY_S,
    ) -> None:  # fmt: skip
        super().__init__(media_type=MEDIA_TYPE)
        del self.headers["Content-Length"]
        self._work = work
        self._soon_s, self._every_s = soon_s, every_s
        self._answer: Response | None = None
        self._is_done = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._do)
            with anyio.move_on_after(self._soon_s):
                await self._is_done.wait()
            if self._answer is None:
                await self._keep_waiting(send)
                return
            for name, value in self.headers.items():
                self._answer.headers.setdefault(name, value)
            await self._answer(scope, receive, send)

    async def _do(self) -> None:
        self._answer = await self._work()
        self._is_done.set()

    async def _keep_waiting(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": HEAD, "more_body": True})
        while self._answer is None:
            with anyio.move_on_after(self._every_s):
                await self._is_done.wait()
            if self._answer is None:
                await send({"type": "http.response.body", "body": b" ", "more_body": True})
        body = bytes(self._answer.body).removeprefix(HEAD)
        await send({"type": "http.response.body", "body": body, "more_body": False})
