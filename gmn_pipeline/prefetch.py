"""Make the next item of an iterator in a thread while the one before is used.

Kafka's client and Python's loops hold one processor; DuckDB, Polars and the network leave it to
others. So reading, decoding and merging take turns by batches, and the order stays as it is.
"""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

T = TypeVar("T")
_END = object()


def prefetch(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """The same items in the same order, one of them made in advance.

    An error comes where its item would have come. Closing waits for the item under way.
    """
    with closing(items), ThreadPoolExecutor(1, "prefetch") as pool:
        upcoming = pool.submit(next, items, _END)
        while (item := upcoming.result()) is not _END:
            upcoming = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]
