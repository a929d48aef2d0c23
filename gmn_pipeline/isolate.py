"""Bulk work that costs no more than the items that break it.

What belongs here: finding by halves the rows or lines on which bulk work raises. What does not:
what the work is, and what becomes of those items.

The libraries are trusted with sound data, not with everything that a text can hold: a value that
one of them cannot put into words, or a panic of Polars, is the fault of a row, not of its file.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import polars as pl

T = TypeVar("T")

BROKEN = (Exception, pl.exceptions.PanicException)
"""What work on rows may raise. A panic is no Exception; an interrupt is not ours to catch."""

_MOST_FAILURES = 200


def by_halves(
    work: Callable[[int, int], T], count: int
) -> Iterator[tuple[int, int, T | BaseException]]:
    """(first item, number of items, result) of `work(first, number)`: of all items at once, or
    else of smaller and smaller parts; of an item on which it raises even alone, what it raised.

    Raises the last error if parts fail without end: then the fault is not that of some items.
    """
    parts, failures = [(0, count)], 0
    while parts:
        first, size = parts.pop()
        try:
            result: T | BaseException = work(first, size)
        except BROKEN as error:
            failures += 1
            if failures > _MOST_FAILURES or size == 0:
                raise
            if size > 1:
                half = size // 2
                parts += [(first + half, size - half), (first, half)]
                continue
            result = error
        yield first, size, result


def in_words(error: BaseException) -> str:
    """An error in one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
