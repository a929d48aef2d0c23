"""The server's application in this process: no lake is opened, and nothing listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette

Ask = Callable[..., httpx.Response]


@contextmanager
def asking(app: Starlette, base: str = "http://127.0.0.1:8001") -> Iterator[Ask]:
    """A function that asks it: `ask("GET", "/objects", headers=...)`."""
    with start_blocking_portal() as portal:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)

        def ask(method: str, path: str, **more: Any) -> httpx.Response:
            return portal.call(lambda: client.request(method, path, **more))

        yield ask
        portal.call(client.aclose)
