"""`gmn stream`, `gmn stations take-in`: ingest a topic as it comes, without waiting for a sensor.

The same steps as a run of the sensor's (`consumer.py`), with the connections kept open, and the
same lock: only one of the two works at a time. What it did goes to a reporter (Dagster), gathered
over some seconds, since each report takes Dagster longer than a merge takes the warehouse.

Kafka may come and go, also at another address (the data folder's own broker): the service waits
for it, says so once, and goes on. What waits for Kafka ends at once on a signal, a merge is
finished.

What belongs here: the loop and signals. What does not: what a message means, and Dagster.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from gmn_pipeline.errors import BrokerNotSet, BrokerUnavailable, GmnError, RetryableError
from gmn_pipeline.kafka.client import (
    address,
    bootstrap_servers,
    is_reachable,
    kafka_errors,
)
from gmn_pipeline.kafka.dead_letters import DeadLetter
from gmn_pipeline.kafka.reader import Reader
from gmn_pipeline.kafka.schema_registry import open_registry
from gmn_pipeline.kafka.topics import (
    Clients,
    TopicState,
    end_offsets,
    ensure_topics,
    open_clients,
)
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.settings import TopicSettings
from gmn_pipeline.streams.consumer import (
    ConsumeReport,
    batches,
    consumer_lock,
    planned_ranges,
)
from gmn_pipeline.streams.stream import Batch, Stream

_log = logging.getLogger(__name__)
# How long the topic's shape (partitions, identity) is taken for granted.
_PLAN_S = 10.0
_NEAR = 4  # parts of what is merged at once
_REPORT_S = 10.0
# A DuckDB that stays open remembers something of every commit (0.3 MB each): it is opened anew.
_SESSION_S = 120.0
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# How often it is looked whether a broker that is away takes connections again.
_LOOK_S = 0.5
_NOTHING_LOST = "Nothing is lost: what is not done is done when it is back."


class _Interrupted(BaseException):
    """A signal came while Kafka was waited for; no error, so that nothing takes it for one."""


class _Trouble:
    """What keeps the service from working, for as long as it is the same."""

    def __init__(self, error: GmnError) -> None:
        self._kind = self._kind_of(error)
        self.began = time.monotonic()
        self._pause_s = _PAUSE_S

    @staticmethod
    def _kind_of(error: GmnError) -> type[GmnError]:
        # A broker that is gone is told of in different words by who misses it first.
        return BrokerUnavailable if isinstance(error, BrokerNotSet) else type(error)

    def is_of(self, error: GmnError) -> bool:
        """Whether this error is more of the same."""
        return self._kind is self._kind_of(error)

    def next_pause_s(self) -> float:
        """How long to wait before the next try: each time twice as long."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


class StreamService:
    """Ingests the topic until it is stopped."""

    def __init__(
        self,
        stream: Stream,
        settings: TopicSettings,
        reporter: Callable[[ConsumeReport], None] | None = None,
    ) -> None:
        self._stream = stream
        self._settings = settings
        self._reporter = reporter
        self._topic = stream.topic(settings)
        self._target = stream.place.open(settings)
        self._beside = stream.beside(settings, self._target)
        self._stopped = threading.Event()
        self._waits_for_kafka = self._is_cut_short = False
        self._trouble: _Trouble | None = None
        self._servers: str | None = None
        self._next: dict[int, int] = {}
        self._is_delivering = False
        # What is farther behind is read beside the merges, which takes in more a second.
        self._near = stream.most(settings) // _NEAR
        self._report = self._new_report()
        self._reported_at = time.monotonic()

    def stop(self) -> None:
        """Finish what is under way, and end."""
        self._stopped.set()

    def cut_short(self) -> None:
        """Do not even wait for Kafka: for a signal's handler, which runs in the thread that works,
        beside `stop` in another."""
        self._is_cut_short = True
        if self._waits_for_kafka:
            raise _Interrupted

    @contextmanager
    def _waiting_for_kafka(self) -> Iterator[None]:
        """What a signal may cut short: nothing is lost by it."""
        self._waits_for_kafka = True
        try:
            if self._is_cut_short:  # just before
                raise _Interrupted
            yield
        finally:
            self._waits_for_kafka = False

    def run(
        self,
        *,
        once: bool = False,
        from_beginning: bool = False,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Work until stopped, or (`once`) until the topic's end is reached.

        Kafka may come and go, or not be there yet (but for `once`); a gap or any other lasting
        error ends the service.
        """
        with consumer_lock(self._stream, self._settings):
            if from_beginning:
                # Only with the lock: whoever else has it relies on these offsets.
                self._stream.place.forget_offsets(self._target, self._topic.name)
            try:
                self._run(once, on_ready)
            except _Interrupted:
                _log.info("Stopped while waiting for Kafka.")
            self._tell(now=True)

    def _run(self, once: bool, on_ready: Callable[[], None]) -> None:
        is_ready = False
        while not self._stopped.is_set():
            try:
                with ExitStack() as opened:
                    with self._waiting_for_kafka():
                        self._servers = bootstrap_servers(self._settings)
                        ensure_topics(self._settings, self._topic)
                        clients = opened.enter_context(open_clients(self._settings))
                    opened.enter_context(self._stream.place.session(self._target))
                    if not is_ready:
                        on_ready()
                    is_ready = True
                    self._work(clients, once=once)
                if once:
                    break
            except (RetryableError, BrokerNotSet) as error:
                if once:
                    raise
                self._wait_out(error)

    def _wait_out(self, error: GmnError) -> None:
        """Say what is wrong, unless it is known already, and wait until it is worth another try."""
        if self._trouble is None or not self._trouble.is_of(error):
            self._trouble = _Trouble(error)
            _log.warning("%s Waiting for it to pass.", error)
        pause_s = self._trouble.next_pause_s()
        if not isinstance(error, BrokerUnavailable | BrokerNotSet):
            self._stopped.wait(pause_s)
            return
        with self._waiting_for_kafka():
            while not is_reachable(self._settings):
                # Once it is there it is new: it may answer at once.
                pause_s = _LOOK_S
                if self._stopped.wait(_LOOK_S):
                    return
        self._stopped.wait(pause_s)

    def _is_well(self) -> None:
        """Say that what was wrong has passed."""
        if self._trouble is not None:
            _log.info(
                "Going on with Kafka at %s after %.0f s.",
                address(self._settings),
                time.monotonic() - self._trouble.began,
            )
        self._trouble = None

    def _check_address(self) -> None:
        """Kafka's client would look for a broker at its former address for ever."""
        servers = bootstrap_servers(self._settings)
        if servers is None:
            raise BrokerUnavailable(
                f"The data folder's Kafka at {self._servers} does not run any more.",
                remedy=_NOTHING_LOST,
            )
        if servers != self._servers:
            raise BrokerUnavailable(
                f"Kafka is at {servers} now, and no longer at {self._servers}.",
                remedy=_NOTHING_LOST,
            )

    def _check_reachable(self) -> None:
        """The client would try for as long as a request may take."""
        if not is_reachable(self._settings):
            raise BrokerUnavailable(
                f"Kafka at {self._servers} takes no connections.", remedy=_NOTHING_LOST
            )

    def _work(self, clients: Clients, *, once: bool) -> None:
        """Plan anew every some seconds, and read on in between, for the time of a session."""
        kafka = clients.consumer
        until = time.monotonic() + _SESSION_S
        while not self._stopped.is_set() and (once or time.monotonic() < until):
            with self._waiting_for_kafka():
                self._check_address()
                self._check_reachable()
                found = planned_ranges(self._stream, self._settings, self._target, clients)
            if found is None:
                break
            self._is_well()
            state, planned = found
            self._next = {r.partition: r.begin for r in planned}
            waiting = sum(r.length for r in planned)
            # Where messages always come, some wait at each plan: to read just these and to plan
            # again takes longer than to read on.
            is_near = self._is_delivering and waiting <= self._near
            if waiting and (once or not is_near):
                self._catch_up(kafka, state, planned)
                self._is_delivering = True
            elif once:
                break
            else:
                self._is_delivering = self._follow(kafka, state, planned)
            self._tell(kafka)
        if once or self._stopped.is_set():
            self._beside.look(is_last=True)
        self._tell(kafka, now=True)

    def _catch_up(self, kafka: Any, state: TopicState, planned: list[OffsetRange]) -> None:
        """Behind the topic: read on while what was read is merged."""
        found = batches(
            self._stream, self._settings, kafka, state, planned, self._stream.command,
            is_stopped=self._stopped.is_set,
        )  # fmt: skip
        with closing(found):
            while True:
                began = time.monotonic()
                with self._waiting_for_kafka():
                    decoded = next(found, None)
                if decoded is None:
                    return
                self._ingest(*decoded, began)
                if self._stopped.is_set():
                    return
                # Without the lag: Kafka's client is at work in the thread that reads ahead.
                self._tell()

    def _follow(self, kafka: Any, state: TopicState, planned: list[OffsetRange]) -> bool:
        """Near the end of the topic: wait for messages and ingest them as they come. Whether any
        came: a client may stall, and only catching up opens another one."""
        registry = open_registry(self._settings)
        reader = Reader(kafka, self._topic)
        reader.assign(planned)
        until = time.monotonic() + _PLAN_S
        has_come = False
        while (
            not self._stopped.is_set() and time.monotonic() < until and reader.waiting <= self._near
        ):
            with self._waiting_for_kafka(), kafka_errors(self._settings, f"reading {state.topic}"):
                ranges, records = reader.poll(
                    self._stream.gather_s(self._settings), self._stream.most(self._settings)
                )
            if ranges:
                began = time.monotonic()
                decoded = self._stream.decode(
                    records, state, ranges, registry, self._stream.command
                )
                self._ingest(*decoded, began)
                has_come = True
            else:
                self._check_address()
                self._beside.look()
            self._tell(kafka)
        return has_come

    def _ingest(self, batch: Batch, dead: list[DeadLetter], began: float) -> None:
        counts = self._stream.ingest(self._settings, self._target, batch, dead)
        self._report.counts.add(counts)
        self._next |= {r.partition: r.end for r in batch.ranges}
        self._report.seconds += time.monotonic() - began
        _log.info("%s", {name: count for name, count in counts.as_dict().items() if count})
        self._beside.look()

    def _tell(self, kafka: Any | None = None, *, now: bool = False) -> None:
        due = time.monotonic() - self._reported_at >= _REPORT_S
        if self._reporter is None or not self._report.counts.read or not (due or now):
            return
        self._report.next_offsets = dict(self._next)
        is_there = kafka is not None and is_reachable(self._settings)
        self._report.lag = self._lag(kafka) if is_there else None
        self._reporter(self._report)
        self._report = self._new_report()
        self._reported_at = time.monotonic()

    def _new_report(self) -> ConsumeReport:
        return ConsumeReport(self._topic.name, self._stream.no_counts())

    def _lag(self, kafka: Any) -> int:
        """How many offsets the topic is ahead right now."""
        with self._waiting_for_kafka():
            ends = end_offsets(self._settings, kafka, self._topic.name, self._next)
        return sum(max(ends[partition] - at, 0) for partition, at in self._next.items())
