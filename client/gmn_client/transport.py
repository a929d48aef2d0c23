"""The two ways to carry out what a flow asks for: blocking, and in an event loop.

What belongs here: sockets (httpx) and sleeping. What does not: any decision; those are the flows'.
"""

import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar, cast

import anyio
import anyio.to_thread
import httpx

from gmn_client.effects import (
    Call,
    Effect,
    Flow,
    Give,
    Head,
    Open,
    Read,
    Reply,
    Sleep,
    Steps,
    Stream,
)
from gmn_client.errors import BrokenTransfer, GmnError, Unreachable
from gmn_client.requests import Request

T = TypeVar("T")
R = TypeVar("R")
_CONNECTS_WITHIN_S = 20.0


def _failure(error: Exception, effect: object) -> GmnError:
    """What httpx could not do, in words of ours."""
    said = str(error) or type(error).__name__
    if isinstance(effect, Read):
        return BrokenTransfer(f"The answer broke off: {said}")
    return Unreachable(f"The server does not answer: {said}")


_FAILURES = (httpx.TransportError, httpx.StreamError, httpx.DecodingError)


class Connections:
    """What both transports have in common: what goes to httpx."""

    def __init__(self, url: str, timeout_s: float, headers: dict[str, str]) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = headers

    def request(self, http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        quiet_s = self._timeout_s if request.quiet_s is None else request.quiet_s
        return http.build_request(
            request.method, self.url + request.address,
            headers={**self._headers, **request.headers},
            timeout=httpx.Timeout(
                self._timeout_s, read=quiet_s, connect=min(self._timeout_s, _CONNECTS_WITHIN_S)
            ),
        )  # fmt: skip


def _head(response: httpx.Response) -> Head:
    return Head(response.status_code, dict(response.headers.items()))


class Blocking(Connections):
    """For `Client`."""

    def __init__(self, url: str, timeout_s: float, headers: dict[str, str]) -> None:
        super().__init__(url, timeout_s, headers)
        self._http = httpx.Client(follow_redirects=True)

    def close(self) -> None:
        self._http.close()

    def run(self, flow: Flow[R]) -> R:
        steps: Steps[object, R] = Steps(flow)
        for _ in self._each(steps):
            pass
        return cast(R, steps.result)

    def stream(self, flow: Stream[T]) -> Iterator[T]:
        return self._each(Steps(flow))

    def _each(self, steps: Steps[T, R]) -> Iterator[T]:
        with _Exchange(self, self._http) as exchange:
            effect = steps.after()
            while effect is not None:
                if isinstance(effect, Give):
                    try:
                        yield effect.value
                    except BaseException:
                        steps.close()
                        raise
                    effect = steps.after()
                    continue
                try:
                    reply = exchange.do(effect)
                except _FAILURES as error:
                    effect = steps.after(failure=_failure(error, effect))
                else:
                    effect = steps.after(reply)


class _Exchange:
    """One answer at a time."""

    def __init__(self, connections: Blocking, http: httpx.Client) -> None:
        self._connections = connections
        self._http = http
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._response is not None:
            self._response.close()

    def do(self, effect: Effect) -> Reply:
        match effect:
            case Open(request):
                if self._response is not None:
                    self._response.close()
                sent = self._connections.request(self._http, request)
                self._response = self._http.send(sent, stream=True)
                self._pieces = self._response.iter_bytes()
                return _head(self._response)
            case Read():
                return next(self._pieces, None)
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case Call(work):
                work()
                return None


class Looping(Connections):
    """For `AsyncClient`."""

    def __init__(self, url: str, timeout_s: float, headers: dict[str, str]) -> None:
        super().__init__(url, timeout_s, headers)
        self._http = httpx.AsyncClient(follow_redirects=True)

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, flow: Flow[R]) -> R:
        steps: Steps[object, R] = Steps(flow)
        async for _ in self._each(steps):
            pass
        return cast(R, steps.result)

    def stream(self, flow: Stream[T]) -> AsyncIterator[T]:
        return self._each(Steps(flow))

    async def _each(self, steps: Steps[T, R]) -> AsyncIterator[T]:
        async with _AsyncExchange(self, self._http) as exchange:
            effect = steps.after()
            while effect is not None:
                if isinstance(effect, Give):
                    try:
                        yield effect.value
                    except BaseException:
                        steps.close()
                        raise
                    effect = steps.after()
                    continue
                try:
                    reply = await exchange.do(effect)
                except _FAILURES as error:
                    effect = steps.after(failure=_failure(error, effect))
                else:
                    effect = steps.after(reply)


class _AsyncExchange:
    """One answer at a time."""

    def __init__(self, connections: Looping, http: httpx.AsyncClient) -> None:
        self._connections = connections
        self._http = http
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._response is not None:
            await self._response.aclose()

    async def do(self, effect: Effect) -> Reply:
        match effect:
            case Open(request):
                if self._response is not None:
                    await self._response.aclose()
                sent = self._connections.request(self._http, request)
                self._response = await self._http.send(sent, stream=True)
                self._pieces = self._response.aiter_bytes()
                return _head(self._response)
            case Read():
                return None if self._pieces is None else await anext(self._pieces, None)
            case Sleep(seconds):
                await anyio.sleep(seconds)
                return None
            case Call(work):
                await anyio.to_thread.run_sync(work)
                return None
