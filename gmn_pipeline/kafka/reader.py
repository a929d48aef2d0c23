"""Reading exact ranges of a topic, as bytes, with a client that may stall.

What belongs here: how far a reader is, holes of compaction, and what is done when Kafka delivers
nothing. What does not: which ranges are read, and what the bytes mean (`streams/`); the client's
options (`client.py`).
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import OffsetOutOfRangeError  # type: ignore[import-untyped]

from gmn_pipeline.errors import BrokerUnavailable, StreamGap
from gmn_pipeline.kafka.client import (
    address,
    consumer,
    kafka_errors,
    wait_until_reachable,
)
from gmn_pipeline.kafka.topics import end_offsets
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.settings import KafkaSettings

_UNMERGED = "Nothing of this was merged, and the next run reads the same."
_POLL_MS = 250
# How long each connection may deliver nothing, in parts of kafka_timeout_s: a stalled one is soon
# replaced, and the last one gets the whole time.
_SILENCES = (0.25, 0.5, 1.0)

_log = logging.getLogger(__name__)


def never() -> bool:
    """Not stopped: for a reader that ends by itself."""
    return False


class Reader:
    """Reads records as bytes, and knows how far it is, holes of compaction included."""

    def __init__(self, kafka: Any, topic: Topic) -> None:
        self._kafka = kafka
        self._topic = topic
        self._at: dict[Any, int] = {}
        # What a poll brought beyond the end of a range: the next range often begins there.
        self._beyond: dict[Any, list[Any]] = {}

    def assign(self, ranges: Sequence[OffsetRange]) -> None:
        """Stand at the beginning of each range."""
        self._beyond = {}
        self._at = {TopicPartition(self._topic.name, r.partition): r.begin for r in ranges}
        self._kafka.assign(list(self._at))
        # The client keeps a partition paused that is assigned again.
        self._kafka.resume(*self._at)
        for position, offset in self._at.items():
            self._kafka.seek(position, offset)

    def read(
        self,
        ranges: Sequence[OffsetRange],
        silence_s: float,
        is_stopped: Callable[[], bool] = never,
    ) -> tuple[list[Any], list[OffsetRange]]:
        """The records of the ranges that are still there (compaction leaves holes), and what of
        the ranges is waited for in vain: Kafka delivered nothing for `silence_s`, or all is to
        stop. If anything is, the reader has to be assigned anew.
        """
        ends = {TopicPartition(self._topic.name, r.partition): r.end for r in ranges}
        if any(
            self._at.get(TopicPartition(self._topic.name, r.partition)) != r.begin for r in ranges
        ):
            self.assign(ranges)
        records = [
            record
            for position, end in ends.items()
            for record in self._within(position, self._beyond.pop(position, []), end)
        ]
        self._kafka.resume(*ends)
        unfinished = set(ends)
        deadline = time.monotonic() + silence_s
        while unfinished:
            done = {p for p in unfinished if self._reached(p) >= ends[p]}
            if done:
                self._kafka.pause(*done)
                unfinished -= done
                continue
            for position, found in self._fetch(_POLL_MS).items():
                records += self._within(position, found, ends[position])
                deadline = time.monotonic() + silence_s
            if time.monotonic() > deadline or is_stopped():
                self._at = {}
                return [], self._left(ends, unfinished)
        self._at |= ends
        return records, []

    def _left(self, ends: Mapping[Any, int], unfinished: set[Any]) -> list[OffsetRange]:
        return [
            OffsetRange(position.partition, self._reached(position), end)
            for position, end in ends.items()
            if position in unfinished
        ]

    def _within(self, position: Any, found: list[Any], end: int) -> list[Any]:
        """Of a partition's records those before `end`; the others are kept for the next range."""
        if not found or found[-1].offset < end:
            return found
        self._beyond[position] = [record for record in found if record.offset >= end]
        return [record for record in found if record.offset < end]

    def poll(self, gather_s: float, most: int) -> tuple[list[OffsetRange], list[Any]]:
        """What comes now: waits a moment for a first record, and `gather_s` for more."""
        records = [r for found in self._fetch(_POLL_MS).values() for r in found]
        until = time.monotonic() + gather_s
        while records and len(records) < most and (left := until - time.monotonic()) > 0:
            for found in self._fetch(int(left * 1000)).values():
                records += found
        ranges = []
        for position, begin in self._at.items():
            end = self._reached(position)
            if end > begin:
                ranges.append(OffsetRange(position.partition, begin, end))
                self._at[position] = end
        return ranges, records

    @property
    def waiting(self) -> int:
        """How many offsets the topic was ahead when Kafka answered last."""
        ends = {position: self._kafka.highwater(position) for position in self._at}
        return sum(max(end - self._at[at], 0) for at, end in ends.items() if end is not None)

    def _fetch(self, timeout_ms: int) -> Mapping[Any, list[Any]]:
        try:
            polled: Mapping[Any, list[Any]] = self._kafka.poll(timeout_ms=timeout_ms)
        except OffsetOutOfRangeError as error:
            raise StreamGap(
                f"{self._topic.name} has lost offsets: {error}.", remedy=self._topic.recovery
            ) from error
        return polled

    def _reached(self, position: Any) -> int:
        # Without a limit the client asks a leader that may be gone for as long as a request takes.
        return self._kafka.position(position, timeout_ms=_POLL_MS) or 0


class SteadyReader:
    """Reads ranges with a new connection where one delivers nothing though the broker is up.

    A context manager, which closes the connections that it opened, and not the one it was given.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        kafka: Any,
        topic: Topic,
        is_stopped: Callable[[], bool] = never,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._is_stopped = is_stopped
        self._reader = Reader(kafka, topic)
        self._opened = ExitStack()

    def __enter__(self) -> "SteadyReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def read(self, ranges: Sequence[OffsetRange]) -> list[Any] | None:
        """Every record of the ranges that is still there; None if all is to stop.

        Raises BrokerUnavailable if the broker is down for `kafka_timeout_s`, or delivers nothing
        to several connections one after the other.
        """
        silent_s = 0.0
        for part in _SILENCES:
            silence_s = part * self._settings.kafka_timeout_s
            with kafka_errors(self._settings, f"reading {self._topic.name}"):
                records, left = self._reader.read(ranges, silence_s, self._is_stopped)
            if self._is_stopped():
                return None
            if not left:
                return records
            silent_s += silence_s
            if not self._reopen(left):
                return None
        raise BrokerUnavailable(
            f"Kafka at {address(self._settings)} answers and has {_in_words(left)} of "
            f"{self._topic.name}, but delivered none of it to {len(_SILENCES)} connections one "
            f"after the other, in {silent_s:g} s.",
            remedy=f"{_UNMERGED} See the broker's log, and its load.",
        )

    def _reopen(self, left: Sequence[OffsetRange]) -> bool:
        """Read on with a new connection, if the broker has what is waited for; False to stop."""
        settings, waited_for = self._settings, f"{_in_words(left)} of {self._topic.name}"
        if not wait_until_reachable(settings, settings.kafka_timeout_s, self._is_stopped):
            if self._is_stopped():
                return False
            raise BrokerUnavailable(
                f"Kafka at {address(settings)} takes no connection for "
                f"{settings.kafka_timeout_s:g} s; waited for {waited_for}.",
                remedy=f"{_UNMERGED} See whether the broker runs.",
            )
        self._opened.close()
        kafka = self._opened.enter_context(consumer(settings))
        ends = end_offsets(settings, kafka, self._topic.name, [r.partition for r in left])
        if missing := [r for r in left if ends[r.partition] < r.end]:
            raise BrokerUnavailable(
                f"{self._topic.name} has lost {_in_words(missing)}, which it had a moment ago.",
                remedy=f"{_UNMERGED} If the topic was made anew, that run reads it from its "
                "beginning.",
            )
        _log.warning(
            "Kafka delivered nothing for a while, though it has %s. Reading on with a new "
            "connection.",
            waited_for,
        )
        self._reader = Reader(kafka, self._topic)
        return True


def _in_words(ranges: Sequence[OffsetRange]) -> str:
    return ", ".join(f"offsets {r.begin} to {r.end} of partition {r.partition}" for r in ranges)
