"""Answers kept for the next one who asks the same of the same state.

What belongs here: which are kept, how much memory they take, and that those who ask the same at the
same time wait for one answer. What does not: what clients and
proxies keep (`conditional.py`). An answer never changes, since its state does not: none is out of
date, and those that nobody asks for go first.
"""

import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio

from gmn_pipeline.serving.problems import Problem

Key: TypeAlias = tuple[str, str, str]
"""Mark of the state, path, and parameters."""

_OF_THE_MOMENT = 500
"""Statuses from here on say nothing of the request."""
_LARGEST_SHARE = 8
"""None is kept that would take more than this part of it all."""


@dataclass(frozen=True)
class Kept:
    """A body, and what was said with it."""

    body: bytes
    media_type: str
    headers: dict[str, str]


class Cache:
    """The last ones asked for, up to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Kept | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key, kept: Kept) -> None:
        if len(kept.body) > self._most_bytes // _LARGEST_SHARE:
            return
        with self._lock:
            self._forget(key)
            self._kept[key] = kept
            self._bytes += _size(key, kept)
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        former = self._kept.pop(key, None)
        if former is not None:
            self._bytes -= _size(key, former)


@dataclass
class _UnderWay:
    """An answer that is being found, and it itself once it is."""

    ended: anyio.Event = field(default_factory=anyio.Event)
    found: Kept | None = None
    failed: Problem | None = None


class Once:
    """Of those who ask the same at the same time one does the work."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._under_way: dict[Key, _UnderWay] = {}

    async def answer(self, key: Key, ask: Callable[[], Awaitable[Kept]]) -> Kept:
        """What `ask` finds, or another one does who has asked the same and is not answered yet."""
        while (other := self._under_way.get(key)) is not None:
            await other.ended.wait()
            if other.found is not None:
                return other.found
            if other.failed is not None:
                raise other.failed
            # Its client has gone, say: whoever is the next to wake does the work.
            if (kept := self._cache.get(key)) is not None:
                return kept
        mine = self._under_way[key] = _UnderWay()
        try:
            mine.found = await ask()
            self._cache.put(key, mine.found)
            return mine.found
        except Problem as problem:
            if problem.status < _OF_THE_MOMENT:
                mine.failed = problem
            raise
        finally:
            del self._under_way[key]
            mine.ended.set()


def _size(key: Key, kept: Kept) -> int:
    said = sum(len(name) + len(value) for name, value in kept.headers.items())
    return len(kept.body) + len(key[1]) + len(key[2]) + said + 500
