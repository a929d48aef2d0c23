"""What the logic of a request asks of the network: the seam between it and a transport.

A flow is a generator that yields what it needs done (open, read, sleep) and is sent what came of
it. So there is one logic of asking, waiting, reading and going on, and two small transports that
carry it out, one blocking and one not.

What belongs here: the effects, and stepping through a flow. What does not: a flow, a socket.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, cast

from gmn_client.requests import Request

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Open:
    """Send a request; the reply is a Head. Whatever was open is closed."""

    request: Request


@dataclass(frozen=True)
class Read:
    """The next bytes of the body; None at its end."""


@dataclass(frozen=True)
class Sleep:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True)
class Call:
    """Do work that may wait for a disk: an event loop lets a thread do it."""

    work: Callable[[], None]


@dataclass(frozen=True)
class Give(Generic[T]):
    """Hand a value to whoever iterates."""

    value: T


@dataclass(frozen=True)
class Head:
    """The beginning of an answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]


Effect: TypeAlias = Open | Read | Sleep | Call
Reply: TypeAlias = Head | bytes | None
Flow: TypeAlias = Generator[Effect, Reply, R]
"""What comes to one result."""
Stream: TypeAlias = Generator[Effect | Give[T], Reply, None]
"""What gives one value after the other."""


def begin(request: Request) -> Flow[Head]:
    """Raises Unreachable."""
    reply = yield Open(request)
    return cast(Head, reply)


def read() -> Flow[bytes | None]:
    """Raises BrokenTransfer."""
    reply = yield Read()
    return cast("bytes | None", reply)


def call(work: Callable[[], R]) -> Flow[R]:
    """What the work comes to. Raises what it does."""
    done: list[R] = []
    failed: list[Exception] = []

    def act() -> None:
        try:
            done.append(work())
        except Exception as error:
            failed.append(error)

    yield Call(act)
    if failed:
        raise failed[0]
    return done[0]


class Steps(Generic[T, R]):
    """A flow, step by step: what is to be done next, until there is a result."""

    def __init__(self, flow: Generator[Effect | Give[T], Reply, R]) -> None:
        self._flow = flow
        self.result: R | None = None

    def after(
        self, reply: Reply = None, failure: Exception | None = None
    ) -> Effect | Give[T] | None:
        """Go on with a reply, or with what went wrong; None when it is done."""
        try:
            return self._flow.throw(failure) if failure else self._flow.send(reply)
        except StopIteration as stop:
            self.result = stop.value
            return None

    def close(self) -> None:
        self._flow.close()
