"""What work says of itself in numbers: the seconds of its steps.

What belongs here: measuring, for any stage. What does not: what time it is (`clock.py`), and who
shows the numbers.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Seconds spent in each named step. Steps in different threads may overlap."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count the time that the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.monotonic() - began

    def add(self, other: "Stopwatch") -> None:
        """Count what another one measured."""
        for step, spent in other.seconds.items():
            self.seconds[step] = self.seconds.get(step, 0.0) + spent

    def each(self, step: str, items: Iterable[T]) -> Iterator[T]:
        """The items, counting the time it takes to come by each."""
        iterator = iter(items)
        while True:
            with self.timed(step):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
