"""One request at a time at an upload, and that the newest one.

What belongs here: ending the former request. What does not: what a request does.

The connection of a client that was cut off may hang here for minutes. When the client comes back,
that request has nothing more to say: it is ended, with all that came by it.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import anyio

from gmn_pipeline.serving.objects.uploads import Upload, UploadBusy
from gmn_pipeline.serving.problems import Problem

_WITHIN_S = 15.0
_POLL_S = 0.02


class Takeover:
    """Knows which request is at which upload."""

    def __init__(self) -> None:
        self._scopes: dict[str, anyio.CancelScope] = {}

    @asynccontextmanager
    async def __call__(self, upload: Upload) -> AsyncIterator[None]:
        """Be at an upload, alone. Raises Problem: 423 if the former request is not to be ended (it
        is just being named), 409 if a newer one came."""
        with ExitStack() as held:
            await self._lock(held, upload)
            with anyio.CancelScope() as scope:
                self._scopes[upload.id] = scope
                try:
                    yield
                finally:
                    del self._scopes[upload.id]
            if scope.cancelled_caught:
                raise Problem(409, "taken-over", "Another request went on with this upload.")

    async def _lock(self, held: ExitStack, upload: Upload) -> None:
        try:
            with anyio.fail_after(_WITHIN_S):
                while True:
                    if upload.id in self._scopes:
                        self._scopes[upload.id].cancel()
                    try:
                        held.enter_context(upload.locked())
                    except UploadBusy:
                        await anyio.sleep(_POLL_S)
                    else:
                        return
        except TimeoutError:
            raise Problem(423, "busy", "Another request is at this upload.", 5) from None
