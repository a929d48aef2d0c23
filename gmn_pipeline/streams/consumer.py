"""Take an exact range of a topic into its lake.

    plan     where each partition is to be read on, or why that cannot be (a gap is never skipped)
    read     every record of the ranges, as bytes (`kafka/reader.py`)
    decode   what may be merged; dead letters apart (`trajectories.py`, `station_readings.py`)
    merge    rows, dead letters and next offsets in one transaction (`warehouse/`)

A run that is killed anywhere and run again comes to the same warehouse. Dead letters are sent
before that transaction, so after a crash one may stand twice on the dead-letter topic, with the
same source offset in its headers; in the warehouse's `dead_letters` it stands once.

What belongs here: this order. What does not: who asks for it (Dagster, `service.py`), and Kafka's
client (`kafka/`).
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from gmn_pipeline.errors import StreamBusy, StreamGap
from gmn_pipeline.kafka.dead_letters import DeadLetter
from gmn_pipeline.kafka.reader import SteadyReader, never
from gmn_pipeline.kafka.schema_registry import open_registry
from gmn_pipeline.kafka.topics import Clients, TopicState, open_clients, topic_state
from gmn_pipeline.prefetch import prefetch
from gmn_pipeline.schemas.offsets import OffsetRange, StoredOffset
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.settings import FolderSettings, KafkaSettings, TopicSettings
from gmn_pipeline.storage.files import alone, is_locked
from gmn_pipeline.streams.stream import Batch, Stream


@dataclass
class ConsumeReport:
    """What was ingested, and where the warehouse is on the topic now; `lag` is None if unknown."""

    topic: str
    counts: Any
    ranges: list[OffsetRange] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    lag: int | None = None
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.counts.read / self.seconds if self.seconds else 0.0


@contextmanager
def consumer_lock(stream: Stream, settings: FolderSettings) -> Iterator[None]:
    """Be the only one who reads the topic into this warehouse; it goes with its process, come what
    may. Raises StreamBusy if another does."""
    busy = StreamBusy(
        "Another process takes the topic into the warehouse already.",
        remedy=f"Let it work, or stop it ('{stream.command}' ends on Ctrl-C or SIGTERM).",
    )
    with alone(settings.data_dir / stream.lock, busy):
        yield


def is_being_consumed(stream: Stream, settings: FolderSettings) -> bool:
    """Whether somebody does that right now."""
    return is_locked(settings.data_dir / stream.lock)


# --- plan ----------------------------------------------------------------------------------------


def planned_ranges(
    stream: Stream,
    settings: KafkaSettings,
    target: Any,
    clients: Clients | None = None,
) -> tuple[TopicState, list[OffsetRange]] | None:
    """The topic as it is, asked through clients if they are given, and what is to be read of it;
    None if there is no topic yet."""
    topic = stream.topic(settings)
    state = topic_state(settings, topic, clients)
    if state is None:
        return None
    return state, plan(topic, state, stream.place.stored_offsets(target, topic.name))


def plan(topic: Topic, state: TopicState, stored: Mapping[int, StoredOffset]) -> list[OffsetRange]:
    """What is to be read of each partition: from where the warehouse is to the topic's end.

    A topic that was made anew is read from its beginning: what the warehouse has already changes
    nothing. Raises StreamGap if messages are gone unread, or the topic was rewound.
    """
    ranges = []
    for partition in sorted(state.end):
        begin, end = state.begin[partition], state.end[partition]
        at = stored.get(partition)
        if at is not None and at.topic_id == state.topic_id:
            _check_no_gap(topic, partition, at.next_offset, begin, end)
            begin = at.next_offset
        ranges.append(OffsetRange(partition, begin, end))
    return ranges


def _check_no_gap(topic: Topic, partition: int, at: int, begin: int, end: int) -> None:
    if at > end:
        raise StreamGap(
            f"Partition {partition} of {topic.name} ends at offset {end}, but the warehouse has "
            f"read up to {at}: the topic was rewound.",
            remedy=topic.recovery,
        )
    if at < begin:
        raise StreamGap(
            f"Partition {partition} of {topic.name} begins at offset {begin} by now, and the "
            f"warehouse has read up to {at} only: {begin - at} offsets have expired unread.",
            remedy=topic.recovery,
        )


def _wanted(
    stream: Stream, planned: Sequence[OffsetRange], wanted: Sequence[OffsetRange] | None
) -> list[OffsetRange]:
    """What of the wanted ranges is not in the warehouse yet."""
    if wanted is None:
        return list(planned)
    _check_attached(stream, planned, wanted)
    ends = {r.partition: r.end for r in wanted}
    return [
        OffsetRange(r.partition, r.begin, min(r.end, ends[r.partition]))
        for r in planned
        if r.partition in ends
    ]


def _check_attached(
    stream: Stream, planned: Sequence[OffsetRange], wanted: Sequence[OffsetRange]
) -> None:
    """A wanted range that begins beyond where the warehouse is would leave a hole."""
    at = {r.partition: r.begin for r in planned}
    for range_ in wanted:
        if range_.begin > at.get(range_.partition, range_.begin):
            raise StreamGap(
                f"Offsets {at[range_.partition]} to {range_.begin} of partition "
                f"{range_.partition} were not read yet.",
                remedy=f"Materialize streams/{stream.name} without a range: it reads on "
                "from where the warehouse is.",
            )


def bounded(ranges: Sequence[OffsetRange], most: int) -> list[OffsetRange]:
    """The same ranges, together at most so long, shared fairly; empty ones left out."""
    waiting = sorted((r for r in ranges if r.length), key=lambda r: r.length)
    taken = []
    for served, range_ in enumerate(waiting):
        share = max(most // (len(waiting) - served), 1) if most > 0 else 0
        end = min(range_.end, range_.begin + share)
        if end > range_.begin:
            taken.append(OffsetRange(range_.partition, range_.begin, end))
        most -= end - range_.begin
    return sorted(taken, key=lambda r: r.partition)


def steps(ranges: Sequence[OffsetRange], most: int) -> Iterator[list[OffsetRange]]:
    """The same ranges in steps of at most so many offsets, each partition in its order."""
    left = list(ranges)
    while step := bounded(left, most):
        yield step
        reached = {r.partition: r.end for r in step}
        left = [OffsetRange(r.partition, reached.get(r.partition, r.begin), r.end) for r in left]


# --- read and decode -----------------------------------------------------------------------------


def batches(
    stream: Stream,
    settings: TopicSettings,
    kafka: Any,
    state: TopicState,
    ranges: Sequence[OffsetRange],
    run_id: str | None = None,
    is_stopped: Callable[[], bool] = never,
) -> Generator[tuple[Batch, list[DeadLetter]], None, None]:
    """What the ranges hold, in bounded steps; the next is read and decoded while one is merged.

    Reading and decoding share a thread: both hold Python's lock, and taking turns costs more.
    Ends early when `is_stopped`, which is asked several times a second.
    """
    registry = open_registry(settings)
    topic = stream.topic(settings)

    def found() -> Generator[tuple[Batch, list[DeadLetter]], None, None]:
        with SteadyReader(settings, kafka, topic, is_stopped) as reader:
            for step in steps(ranges, stream.most(settings)):
                records = reader.read(step)
                if records is None:
                    return
                yield stream.decode(records, state, step, registry, run_id)

    return prefetch(found())


# --- all of it -----------------------------------------------------------------------------------


def consume(
    stream: Stream,
    settings: TopicSettings,
    wanted: Sequence[OffsetRange] | None = None,
    *,
    topic_id: str | None = None,
    run_id: str | None = None,
) -> ConsumeReport:
    """Ingest the wanted ranges, or everything up to the topic's end, in bounded steps.

    Of a wanted range that is partly in the warehouse only the rest is read; of a topic that was
    made anew since it was asked for, nothing.
    """
    report = ConsumeReport(stream.topic(settings).name, stream.no_counts())
    began = time.monotonic()
    target = stream.place.open(settings)
    with (
        consumer_lock(stream, settings),
        stream.place.session(target),
        open_clients(settings) as clients,
    ):
        found = planned_ranges(stream, settings, target, clients)
        if found is not None and topic_id in (None, found[0].topic_id):
            state, planned = found
            ranges = _wanted(stream, planned, wanted)
            read = batches(stream, settings, clients.consumer, state, ranges, run_id)
            with closing(read) as decoded:
                for batch, dead in decoded:
                    report.counts.add(stream.ingest(settings, target, batch, dead))
                    report.ranges += batch.ranges
        left = planned_ranges(stream, settings, target, clients)
        if left is not None:
            report.next_offsets = {r.partition: r.begin for r in left[1]}
            report.lag = sum(r.length for r in left[1])
    report.seconds = time.monotonic() - began
    return report
