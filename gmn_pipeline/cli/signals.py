"""Ctrl-C and SIGTERM, for commands that go on until they are told to end."""

import _thread
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signals(
    end: Callable[[], None], cut_short: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Let either of the two call something while the block runs: `end` in a thread, since it may
    need a lock that the main thread holds when the signal comes (as that of an event does for a
    moment whenever it is waited for), then `cut_short` in the main thread, where it may raise."""

    def called(_number: int, _frame: FrameType | None) -> None:
        # Not by `threading`, which has a lock of its own.
        _thread.start_new_thread(end, ())
        cut_short()

    former = {number: signal.signal(number, called) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
