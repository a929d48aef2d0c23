"""Who listens: how many in all, and how many of one address.

What belongs here: counting them, whatever they listen to. What does not: what they are told.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from gmn_pipeline.serving.limits import customer
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import ServingSettings

T = TypeVar("T")

_FULL_RETRY_S = 30


class Listeners:
    """All that are connected; `are_ended`: the server ends, and takes no more."""

    def __init__(self, settings: ServingSettings) -> None:
        self._most = settings.serve_listeners
        self._most_of_address = settings.serve_listeners_per_address
        self._counts: Counter[str] = Counter()
        self.are_ended = False

    @property
    def are_any(self) -> bool:
        return bool(self._counts)

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """For as long as somebody listens. Raises Problem where too many do."""
        who = customer(address)
        if self.are_ended or self._counts.total() >= self._most:
            raise Problem(503, "too-many-listeners", "No more can listen just now.", _FULL_RETRY_S)
        if self._counts[who] >= self._most_of_address:
            raise Problem(
                429, "too-many-listeners",
                f"An address may listen {self._most_of_address:,} times at once.", _FULL_RETRY_S,
            )  # fmt: skip
        self._counts[who] += 1
        try:
            yield
        finally:
            leave(self._counts, who)


def leave(counts: "Counter[T]", one: T) -> None:
    """One less of it."""
    counts[one] -= 1
    if not counts[one]:
        del counts[one]
