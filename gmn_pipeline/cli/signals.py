"""Ctrl-C and SIGTERM, for commands that go on until they are told to end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signals(end: Callable[[], None]) -> Iterator[None]:
    """Let either of the two call something, in the main thread, while the block runs."""

    def called(_number: int, _frame: FrameType | None) -> None:
        end()

    former = {number: signal.signal(number, called) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
