"""Reading exact ranges of the topic, as bytes, with a client that may stall.

What belongs here: how far a reader is, holes of compaction, and what is done when Kafka delivers
nothing. What does not: which ranges are read (`consumer.py`), and the client's options
(`client.py`).
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import OffsetOutOfRangeError  # type: ignore[import-untyped]

from gmn_pipeline.config import Settings
from gmn_pipeline.errors import BrokerUnavailable, StreamGap
from gmn_pipeline.kafka.client import (
    address,
    consumer,
    kafka_errors,
    limits,
    wait_until_reachable,
)
from gmn_pipeline.warehouse.stream_store import Range

GAP_REMEDY = (
    "Stop 'gmn stream' and run 'gmn stream --from-beginning --once': it reads all that the topic "
    "still has, and merging twice changes nothing. Days that the topic has lost come back by "
    "loading their files ('gmn run --from ... --to ...')."
)
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

    def __init__(self, kafka: Any, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._at: dict[Any, int] = {}
        # What a poll brought beyond the end of a range: the next range often begins there.
        self._beyond: dict[Any, list[Any]] = {}

    def assign(self, ranges: Sequence[Range]) -> None:
        """Stand at the beginning of each range."""
        self._beyond = {}
        self._at = {TopicPartition(self._topic, r.partition): r.begin for r in ranges}
        self._kafka.assign(list(self._at))
        # The client keeps a partition paused that is assigned again.
        self._kafka.resume(*self._at)
        for place, offset in self._at.items():
            self._kafka.seek(place, offset)

    def read(
        self, ranges: Sequence[Range], silence_s: float, is_stopped: Callable[[], bool] = never
    ) -> tuple[list[Any], list[Range]]:
        """The records of the ranges that are still there (compaction leaves holes), and what of
        the ranges is waited for in vain: Kafka delivered nothing for `silence_s`, or all is to
        stop. If anything is, the reader has to be assigned anew.
        """
        ends = {TopicPartition(self._topic, r.partition): r.end for r in ranges}
        if any(self._at.get(TopicPartition(self._topic, r.partition)) != r.begin for r in ranges):
            self.assign(ranges)
        records = [
            record
            for place, end in ends.items()
            for record in self._within(place, self._beyond.pop(place, []), end)
        ]
        self._kafka.resume(*ends)
        unfinished = set(ends)
        deadline = time.monotonic() + silence_s
        while unfinished:
            done = {place for place in unfinished if self._position(place) >= ends[place]}
            if done:
                self._kafka.pause(*done)
                unfinished -= done
                continue
            for place, found in self._poll(_POLL_MS).items():
                records += self._within(place, found, ends[place])
                deadline = time.monotonic() + silence_s
            if time.monotonic() > deadline or is_stopped():
                self._at = {}
                return [], self._left(ends, unfinished)
        self._at |= ends
        return records, []

    def _left(self, ends: Mapping[Any, int], unfinished: set[Any]) -> list[Range]:
        return [
            Range(place.partition, self._position(place), end)
            for place, end in ends.items()
            if place in unfinished
        ]

    def _within(self, place: Any, found: list[Any], end: int) -> list[Any]:
        """Of a partition's records those before `end`; the others are kept for the next range."""
        if not found or found[-1].offset < end:
            return found
        self._beyond[place] = [record for record in found if record.offset >= end]
        return [record for record in found if record.offset < end]

    def arrived(self, gather_s: float, most: int) -> tuple[list[Range], list[Any]]:
        """What comes now: waits a moment for a first record, and `gather_s` for more."""
        records = [r for found in self._poll(_POLL_MS).values() for r in found]
        until = time.monotonic() + gather_s
        while records and len(records) < most and (left := until - time.monotonic()) > 0:
            for found in self._poll(int(left * 1000)).values():
                records += found
        ranges = []
        for place, begin in self._at.items():
            end = self._position(place)
            if end > begin:
                ranges.append(Range(place.partition, begin, end))
                self._at[place] = end
        return ranges, records

    def _poll(self, timeout_ms: int) -> Mapping[Any, list[Any]]:
        try:
            polled: Mapping[Any, list[Any]] = self._kafka.poll(timeout_ms=timeout_ms)
        except OffsetOutOfRangeError as error:
            raise StreamGap(
                f"{self._topic} has lost offsets: {error}.", remedy=GAP_REMEDY
            ) from error
        return polled

    def _position(self, place: Any) -> int:
        # Without a limit the client asks a leader that may be gone for as long as a request takes.
        return self._kafka.position(place, timeout_ms=_POLL_MS) or 0


class SteadyReader:
    """Reads ranges with a new connection where one delivers nothing though the broker is up.

    A context manager, which closes the connections that it opened, and not the one it was given.
    """

    def __init__(
        self,
        settings: Settings,
        kafka: Any,
        topic: str,
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

    def read(self, ranges: Sequence[Range]) -> list[Any] | None:
        """Every record of the ranges that is still there; None if all is to stop.

        Raises BrokerUnavailable if the broker is down for `kafka_timeout_s`, or delivers nothing
        to several connections one after the other.
        """
        silent_s = 0.0
        for part in _SILENCES:
            silence_s = part * self._settings.kafka_timeout_s
            with kafka_errors(self._settings, f"reading {self._topic}"):
                records, left = self._reader.read(ranges, silence_s, self._is_stopped)
            if self._is_stopped():
                return None
            if not left:
                return records
            silent_s += silence_s
            if not self._reopen(left):
                return None
        raise BrokerUnavailable(
            f"Kafka at {address(self._settings)} answers and has {_said(left)} of "
            f"{self._topic}, but delivered none of it to {len(_SILENCES)} connections one after "
            f"the other, in {silent_s:g} s.",
            remedy=f"{_UNMERGED} See the broker's log, and its load.",
        )

    def _reopen(self, left: Sequence[Range]) -> bool:
        """Read on with a new connection, if the broker has what is waited for; False to stop."""
        settings, waited_for = self._settings, f"{_said(left)} of {self._topic}"
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
        with kafka_errors(settings, f"asking for the offsets of {self._topic}"):
            _, ends = limits(kafka, [TopicPartition(self._topic, r.partition) for r in left])
        if missing := [r for r in left if ends[r.partition] < r.end]:
            raise BrokerUnavailable(
                f"{self._topic} has lost {_said(missing)}, which it had a moment ago.",
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


def _said(ranges: Sequence[Range]) -> str:
    return ", ".join(f"offsets {r.begin} to {r.end} of partition {r.partition}" for r in ranges)
