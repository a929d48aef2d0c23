"""Beginning an answer: asking again where the server says so, or cannot be reached.

What belongs here: when, how often, and after how long. What does not: what is read. A table that
breaks off is an error, not asked again here: it may be large, and part of it may be handed out.
"""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count

from gmn_client.effects import Flow, Head, R, Sleep, begin, read
from gmn_client.errors import BrokenTransfer, GmnError, TryLater, Unreachable, problem_of
from gmn_client.requests import Request

_MOST_OF_A_PROBLEM = 1 << 20
_GOOD = frozenset({200})


@dataclass(frozen=True)
class Patience:
    """How long to go on asking: so many times, waiting no longer in all than so many seconds."""

    tries: int = 6
    seconds: float = 180.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Before the next attempt: what the server asks for, or twice as long each time.

        By chance a little longer, so that all whom it sent away do not come back at once.
        """
        if asked_s is None:
            asked_s = min(self.longest_wait_s, self.first_wait_s * 2 ** (attempt - 1))
        return asked_s * random.uniform(1, 1.2)  # noqa: S311


def opened(request: Request, patience: Patience, good: Collection[int] = _GOOD) -> Flow[Head]:
    """The head of an answer that is good. Raises Unreachable, and Problem."""
    waited_s = 0.0
    for attempt in count(1):
        failure: GmnError
        try:
            head = yield from begin(request)
        except Unreachable as error:
            failure, asked_s = error, None
        else:
            if head.status in good:
                return head
            problem = problem_of(head.status, head.headers, (yield from _body()))
            if not isinstance(problem, TryLater):
                raise problem
            failure, asked_s = problem, problem.retry_after_s
        wait_s = patience.wait_s(attempt, asked_s)
        if attempt >= patience.tries or waited_s + wait_s > patience.seconds:
            raise failure
        yield Sleep(wait_s)
        waited_s += wait_s
    raise AssertionError("unreachable")


def _body() -> Flow[bytes]:
    """What an error says; a part of it will do."""
    body = bytearray()
    try:
        while len(body) < _MOST_OF_A_PROBLEM and (piece := (yield from read())) is not None:
            body += piece
    except GmnError:
        pass
    return bytes(body)


def whole(request: Request, patience: Patience) -> Flow[tuple[Head, bytes]]:
    """An answer that is small, with its body."""

    def once() -> Flow[tuple[Head, bytes]]:
        head = yield from opened(request, patience)
        parts = []
        while (piece := (yield from read())) is not None:
            parts.append(piece)
        return head, b"".join(parts)

    return (yield from unbroken(once, patience))


def unbroken(once: Callable[[], Flow[R]], patience: Patience) -> Flow[R]:
    """Again where it breaks off; for what is handed out only when it is whole."""
    for attempt in count(1):
        try:
            return (yield from once())
        except BrokenTransfer:
            if attempt >= patience.tries:
                raise
        yield Sleep(patience.wait_s(attempt, None))
    raise AssertionError("unreachable")
