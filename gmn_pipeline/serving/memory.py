"""What the process gives back to the system of the memory that it does not use.

What belongs here: settings of the allocators, and asking them from time to time. What does not:
limits of queries (`queries/limits.py`) and of kept answers (`cache.py`).

Answers are made in many threads, out of pieces of all sizes. Each of glibc's arenas keeps what is
free between two pieces in use, so that memory grew for as long as anybody looked, though no more
was in use (docs/decisions/0058-memory-is-given-back.md).
"""

import ctypes
import threading
from contextlib import suppress

_EACH_S = 30.0
_ARENA_MAX = -8
"""Of malloc.h: what mallopt sets."""
_ARENAS = 2
"""As many as a small machine has processors; more threads than that are seldom at work at once."""


def few_arenas() -> None:
    """To be called before anything is imported that starts threads, as Arrow and Polars do: each of
    these takes an arena of its own, and every thread that follows uses all that are there."""
    with suppress(AttributeError):  # another C library, which has no arenas
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


class Memory:
    """Gives memory back from time to time. `start` it before others start, `stop` it at the end."""

    def __init__(self) -> None:
        self._system = ctypes.CDLL(None)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def start(self) -> None:
        import pyarrow as pa  # not before `few_arenas`

        pa.set_memory_pool(pa.system_memory_pool())  # which is glibc's, so there is one to ask
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        with suppress(AttributeError):  # another C library
            while not self._ended.wait(_EACH_S):
                self._system.malloc_trim(0)
