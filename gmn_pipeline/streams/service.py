"""`gmn stream`: take the topic in as it comes, without waiting for a sensor.

The same steps as a run of the sensor's (`consumer.py`), with the connections kept open, and the
same lock: only one of the two works at a time. What it did goes to a reporter (Dagster), gathered
over some seconds, since each report takes Dagster longer than a merge takes the warehouse.

What belongs here: the loop and signals. What does not: what a message means, and Dagster.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]

from gmn_pipeline.config import Settings
from gmn_pipeline.errors import RetryableError
from gmn_pipeline.streams.client import TopicState, consumer, ensure_topics, kafka_errors
from gmn_pipeline.streams.consumer import (
    ConsumeReport,
    DeadLetter,
    Reader,
    arrivals,
    arrive,
    consuming,
    pending,
    take_in,
)
from gmn_pipeline.streams.registry import open_registry
from gmn_pipeline.warehouse.stream_store import Arrival, Range, StreamStore

_log = logging.getLogger(__name__)
# How long the topic's shape (partitions, identity) is taken for granted.
_PLAN_S = 10.0
_REPORT_S = 10.0
# A DuckDB that stays open remembers something of every commit (0.3 MB each): it is opened anew.
_SESSION_S = 120.0
_RUN_ID = "gmn stream"
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class StreamService:
    """Takes the topic in until it is stopped."""

    def __init__(
        self, settings: Settings, reporter: Callable[[ConsumeReport], None] | None = None
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        self._store = StreamStore(settings)
        self._stopped = threading.Event()
        self._next: dict[int, int] = {}
        self._report = ConsumeReport(settings.kafka_topic)
        self._reported_at = time.monotonic()

    def stop(self) -> None:
        """Finish what is under way, and end."""
        self._stopped.set()

    def run(
        self,
        *,
        once: bool = False,
        from_beginning: bool = False,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Work until stopped, or (`once`) until the topic's end is reached.

        Kafka may come and go; a gap or any other lasting error ends the service.
        """
        pause_s = _PAUSE_S
        is_ready = False
        with consuming(self._settings):
            if from_beginning:
                # Only now: whoever has the lock would be put out of step.
                self._store.forget_offsets(self._settings.kafka_topic)
            while not self._stopped.is_set():
                try:
                    ensure_topics(self._settings)
                    with consumer(self._settings) as kafka, self._store.kept_open():
                        if not is_ready:
                            on_ready()
                        is_ready = True
                        self._work(kafka, once=once)
                    pause_s = _PAUSE_S
                    if once:
                        break
                except RetryableError as error:
                    if once:
                        raise
                    _log.warning("%s Trying again in %.0f s.", error, pause_s)
                    self._stopped.wait(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._tell(now=True)

    def _work(self, kafka: Any, *, once: bool) -> None:
        """Plan anew every some seconds, and read on in between, for the time of a session."""
        until = time.monotonic() + _SESSION_S
        while not self._stopped.is_set() and (once or time.monotonic() < until):
            found = pending(self._settings, kafka, self._store)
            if found is None:
                break
            topic, planned = found
            self._next = {r.partition: r.begin for r in planned}
            if any(r.end > r.begin for r in planned):
                self._catch_up(kafka, topic, planned)
            elif once:
                break
            else:
                self._follow(kafka, topic, planned)
            self._tell(kafka)
        self._tell(kafka, now=True)

    def _catch_up(self, kafka: Any, topic: TopicState, planned: list[Range]) -> None:
        """Behind the topic: read on while what was read is merged."""
        with closing(arrivals(self._settings, kafka, topic, planned, _RUN_ID)) as found:
            began = time.monotonic()
            for arrival, dead in found:
                self._take_in(arrival, dead, began)
                if self._stopped.is_set():
                    return
                # Without the lag: Kafka's client is at work in the thread that reads ahead.
                self._tell()
                began = time.monotonic()

    def _follow(self, kafka: Any, topic: TopicState, planned: list[Range]) -> None:
        """At the end of the topic: wait for messages and take them in as they come."""
        registry = open_registry(self._settings)
        reader = Reader(kafka, topic.topic)
        reader.assign(planned)
        until = time.monotonic() + _PLAN_S
        while time.monotonic() < until and not self._stopped.is_set():
            with kafka_errors(self._settings, f"reading {topic.topic}"):
                ranges, records = reader.arrived(
                    self._settings.stream_wait_s, self._settings.stream_records
                )
            if ranges:
                began = time.monotonic()
                self._take_in(*arrive(records, topic, ranges, registry, _RUN_ID), began)
            self._tell(kafka)

    def _take_in(self, arrival: Arrival, dead: list[DeadLetter], began: float) -> None:
        counts = take_in(self._settings, self._store, arrival, dead)
        self._report.counts.add(counts)
        self._next |= {r.partition: r.end for r in arrival.ranges}
        self._report.seconds += time.monotonic() - began
        _log.info("%s", {name: count for name, count in counts.as_dict().items() if count})

    def _tell(self, kafka: Any | None = None, *, now: bool = False) -> None:
        due = time.monotonic() - self._reported_at >= _REPORT_S
        if self._reporter is None or not self._report.counts.read or not (due or now):
            return
        self._report.next_offsets = dict(self._next)
        self._report.lag = self._lag(kafka) if kafka else None
        self._reporter(self._report)
        self._report = ConsumeReport(self._settings.kafka_topic)
        self._reported_at = time.monotonic()

    def _lag(self, kafka: Any) -> int:
        """How many offsets the topic is ahead right now."""
        topic = self._settings.kafka_topic
        at = {TopicPartition(topic, p): offset for p, offset in self._next.items()}
        with kafka_errors(self._settings, f"asking for the end of {topic}"):
            ends = kafka.end_offsets(list(at))
        return sum(max(ends[place] - offset, 0) for place, offset in at.items())


@contextmanager
def stopping_on_signals(service: StreamService) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C stop the service once the merge under way is done."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        service.stop()

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
