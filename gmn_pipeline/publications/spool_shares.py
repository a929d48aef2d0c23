"""How much of the spool each sender has: one that floods is not to take all of it.

What belongs here: counting, and who has had enough. What does not: the spool
(`storage/spool.py`), and what is put into it (`station_readings.py`).
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gmn_pipeline.kafka.sending import Message

_MOST_SENDERS = 10_000
_OF_MANY = "others"
"""Senders beyond so many are one: addresses can be made up."""
_BESIDE_BYTES = 8
"""What a message takes beside its key and its value."""


class SpoolShares:
    """Bytes of each sender that wait on disk: at most half of what may wait at all."""

    def __init__(self, most_bytes: float) -> None:
        self._most_bytes = most_bytes / 2
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def of(self, messages: Iterable[Message], senders: Iterable[str]) -> Counter[str]:
        """The bytes that each of the senders wants to put on disk."""
        wanted: Counter[str] = Counter()
        for (key, value, _), sender in zip(messages, senders, strict=True):
            wanted[sender] += len(key or b"") + len(value or b"") + _BESIDE_BYTES
        return wanted

    def over(self, wanted: Mapping[str, int]) -> set[str]:
        """Those of the senders who would have too much."""
        with self._lock:
            return {
                sender
                for sender, size in wanted.items()
                if self._waiting[self._known(sender)] + size > self._most_bytes
            }

    def put(self, sizes: Mapping[str, int]) -> None:
        """So much of each is on disk."""
        with self._lock:
            for sender, size in sizes.items():
                self._waiting[self._known(sender)] += size

    def taken(self, sizes: Sequence[Mapping[str, int]]) -> None:
        """So much is gone from there; also of what another process has put there."""
        with self._lock:
            for one in sizes:
                for sender, size in one.items():
                    self._waiting[self._known(sender)] -= size
            self._waiting = +self._waiting

    def clear(self) -> None:
        """Nothing waits."""
        with self._lock:
            self._waiting.clear()

    def _known(self, sender: str) -> str:
        known = sender in self._waiting or len(self._waiting) < _MOST_SENDERS
        return sender if known else _OF_MANY
