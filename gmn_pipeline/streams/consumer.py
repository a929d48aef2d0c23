"""Take an exact range of the topic into the warehouse.

    plan     where each partition is to be read on, or why that cannot be (a gap is never skipped)
    read     every record of the ranges, as bytes (`reader.py`)
    arrive   decode, validate with the checks of files, set dead letters apart
    merge    rows, dead letters and next offsets in one transaction (`warehouse/stream_store.py`)

A run that is killed anywhere and run again comes to the same warehouse. Dead letters are sent
before that transaction, so after a crash one may stand twice on the dead-letter topic, with the
same source offset in its headers; in the warehouse's `dead_letters` it stands once.

What belongs here: this order, and the places on the topic. What does not: who asks for it (Dagster,
`service.py`), and Kafka's client (`client.py`).
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.config import Settings
from gmn_pipeline.errors import StreamGap
from gmn_pipeline.kafka.client import (
    TopicState,
    consumer,
    ensure_topics,
    kafka_errors,
    only_one,
    producer,
    topic_state,
)
from gmn_pipeline.kafka.framing import unframe
from gmn_pipeline.kafka.reader import GAP_REMEDY, SteadyReader, never
from gmn_pipeline.kafka.schema_registry import SchemaRegistry, open_registry
from gmn_pipeline.prefetch import ahead
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD
from gmn_pipeline.schemas.messages import GENERATED_AT_HEADER
from gmn_pipeline.schemas.tables import DEAD_LETTERS
from gmn_pipeline.storage.files import is_locked
from gmn_pipeline.streams.trajectories import check_messages
from gmn_pipeline.warehouse.stream_store import (
    ARRIVED_SCHEMA,
    Arrival,
    MergeCounts,
    Range,
    Stored,
    StreamStore,
)

LOCK = "stream.lock"
_KEY = TRAJECTORY_FIELD["trajectory_identifier"]


@dataclass
class ConsumeReport:
    """What was taken in, and where the warehouse is on the topic now; `lag` is None if unknown."""

    topic: str
    counts: MergeCounts = field(default_factory=MergeCounts)
    ranges: list[Range] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    lag: int | None = None
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.counts.read / self.seconds if self.seconds else 0.0


def consuming(settings: Settings) -> Any:
    """Be the only one who reads the topic into this warehouse; StreamBusy if another does."""
    return only_one(settings, LOCK, "takes the topic into the warehouse")


def is_being_consumed(settings: Settings) -> bool:
    """Whether somebody does that right now."""
    return is_locked(settings.data_dir / LOCK)


# --- plan ----------------------------------------------------------------------------------------


def plan(state: TopicState, stored: Mapping[int, Stored]) -> list[Range]:
    """What is to be read of each partition: from where the warehouse is to the topic's end.

    A topic that was made anew is read from its beginning: what the warehouse has already changes
    nothing. Raises StreamGap if messages are gone unread, or the topic was rewound.
    """
    ranges = []
    for partition in sorted(state.end):
        begin, end = state.begin[partition], state.end[partition]
        at = stored.get(partition)
        if at is not None and at.topic_id == state.topic_id:
            _check_no_gap(state.topic, partition, at.next_offset, begin, end)
            begin = at.next_offset
        ranges.append(Range(partition, begin, end))
    return ranges


def _check_no_gap(topic: str, partition: int, at: int, begin: int, end: int) -> None:
    if at > end:
        raise StreamGap(
            f"Partition {partition} of {topic} ends at offset {end}, but the warehouse has read up "
            f"to {at}: the topic was rewound.",
            remedy=GAP_REMEDY,
        )
    if at < begin:
        raise StreamGap(
            f"Partition {partition} of {topic} begins at offset {begin} by now, and the warehouse "
            f"has read up to {at} only: {begin - at} offsets have expired unread.",
            remedy=GAP_REMEDY,
        )


def bounded(ranges: Sequence[Range], most: int) -> list[Range]:
    """The same ranges, together at most so long, shared fairly; empty ones left out."""
    waiting = sorted((r for r in ranges if r.end > r.begin), key=lambda r: r.end - r.begin)
    taken = []
    for place, range_ in enumerate(waiting):
        share = max(most // (len(waiting) - place), 1) if most > 0 else 0
        end = min(range_.end, range_.begin + share)
        if end > range_.begin:
            taken.append(Range(range_.partition, range_.begin, end))
        most -= end - range_.begin
    return sorted(taken, key=lambda r: r.partition)


def steps(ranges: Sequence[Range], most: int) -> Iterator[list[Range]]:
    """The same ranges in steps of at most so many offsets, each partition in its order."""
    left = list(ranges)
    while step := bounded(left, most):
        yield step
        reached = {r.partition: r.end for r in step}
        left = [Range(r.partition, reached.get(r.partition, r.begin), r.end) for r in left]


# --- arrive --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeadLetter:
    """A record that is not acceptable, and why."""

    record: Any
    reasons: list[str]


def arrive(
    records: Sequence[Any],
    state: TopicState,
    ranges: Sequence[Range],
    registry: SchemaRegistry | None,
    run_id: str | None = None,
) -> tuple[Arrival, list[DeadLetter]]:
    """Records as what may be merged, and what may not."""
    reasons: dict[int, list[str]] = {}
    keys = [_text(record.key) for record in records]
    valued = [at for at, record in enumerate(records) if record.value is not None]
    decoded = unframe([records[at].value for at in valued], registry)
    reasons |= {valued[at]: [why] for at, why in decoded.reasons.items()}
    index = [valued[at] for at in decoded.index]
    place = _places(records, state.topic)
    of_rows = place[index]
    checked = check_messages(
        decoded.rows,
        message=index,
        keys=[keys[at] for at in index],
        sent_at_utc=of_rows.get_column("sent_at_utc"),
        cause=of_rows.get_column("cause"),
    )
    reasons |= checked.reasons
    rows = checked.rows
    living = rows.select(
        "message", _KEY.name, "generated_at_utc", "source_file_sha256", "bin_date",
        "bin_solar_longitude_deg", "has_bin", pl.lit(False).alias("is_tombstone"),
    ).join(
        _changes(decoded.rows, index), on="message", how="left", maintain_order="left"
    )  # fmt: skip
    dead_keys, tombstones = _tombstones(records, keys, place)
    reasons |= dead_keys
    messages = pl.concat(
        [
            part.join(place.drop("cause"), on="message", how="left", maintain_order="left")
            .select(ARRIVED_SCHEMA.names())
            .cast(dict(ARRIVED_SCHEMA))  # type: ignore[arg-type]
            for part in (living, tombstones)
        ]
    )
    dead = [DeadLetter(records[at], reasons[at]) for at in sorted(reasons)]
    arrival = Arrival(
        state.topic, state.topic_id, state.cluster_id, ranges, messages, rows,
        _dead_letter_rows(dead, state), run_id,
    )  # fmt: skip
    return arrival, dead


def _changes(decoded: pl.DataFrame, index: Sequence[int]) -> pl.DataFrame:
    """What a message says of itself, as far as it is one of the known words."""
    change = pl.col("change")
    return decoded.select(
        pl.Series("message", index, dtype=pl.Int64),
        pl.when(change == "revised").then(change).otherwise(pl.lit("inserted")).alias("change"),
    )


def _places(records: Sequence[Any], topic: str) -> pl.DataFrame:
    """Where each record stands, when it was sent, and its place as a cause of changes."""
    places = pl.DataFrame(
        [(record.partition, record.offset, record.timestamp) for record in records],
        schema={"topic_partition": pl.Int32, "topic_offset": pl.Int64, "sent_ms": pl.Int64},
        orient="row",
    )
    return places.select(
        pl.int_range(pl.len()).alias("message"),
        "topic_partition",
        "topic_offset",
        (pl.col("sent_ms") * 1000).cast(pl.Datetime("us")).alias("sent_at_utc"),
        pl.format("kafka:{}/{}/{}", pl.lit(topic), "topic_partition", "topic_offset").alias(
            "cause"
        ),
    )


def _tombstones(
    records: Sequence[Any], keys: Sequence[str | None], place: pl.DataFrame
) -> tuple[dict[int, list[str]], pl.DataFrame]:
    """Tombstones with a key that can be a trajectory's; of each other why not."""
    reasons: dict[int, list[str]] = {}
    found = []
    for at, record in enumerate(records):
        if record.value is not None:
            continue
        day = _day(keys[at])
        if day is None:
            reasons[at] = [f"key: a tombstone for {keys[at]!r}, which is no trajectory"]
        else:
            sent_at = place.item(at, "sent_at_utc")
            found.append(
                (at, keys[at], _generated_at(record, sent_at), place.item(at, "cause"), day)
            )
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "message": pl.Int64, _KEY.name: pl.String, "generated_at_utc": pl.Datetime("us"),
        "source_file_sha256": pl.String, "bin_date": pl.Date,
    }  # fmt: skip
    tombstones = pl.DataFrame(found, schema=schema, orient="row").with_columns(
        pl.lit(None, pl.Int32).alias("bin_solar_longitude_deg"),
        pl.lit(False).alias("has_bin"),
        pl.lit(True).alias("is_tombstone"),
        pl.lit("withdrawn").alias("change"),
    )
    return reasons, tombstones


def _day(key: str | None) -> Any:
    """The day that an identifier names; None if it is none."""
    text = pl.Series([key], dtype=pl.String)
    if not (text.str.contains(_KEY.pattern or "")).fill_null(False).item():
        return None
    return text.str.head(8).str.to_date("%Y%m%d", strict=False).item()


def _generated_at(record: Any, sent_at: datetime) -> datetime:
    for name, value in record.headers or ():
        if name == GENERATED_AT_HEADER and value:
            try:
                return datetime.fromisoformat(value.decode()).replace(tzinfo=None)
            except ValueError:
                break
    return sent_at


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.decode("utf-8", "backslashreplace")


# --- dead letters --------------------------------------------------------------------------------


def _dead_letter_rows(dead: Sequence[DeadLetter], state: TopicState) -> pl.DataFrame:
    now = utc_now()
    rows = [
        (
            state.topic, state.topic_id, d.record.partition, d.record.offset,
            d.record.timestamp * 1000, _text(d.record.key), len(d.record.value or b""),
            d.reasons, now,
        )
        for d in dead
    ]  # fmt: skip
    wire = polars_schema(DEAD_LETTERS.fields)
    wire["sent_at_utc"] = pl.Int64()
    frame = pl.DataFrame(rows, schema=wire, orient="row")
    return frame.with_columns(pl.col("sent_at_utc").cast(pl.Datetime("us")))


def send_dead_letters(settings: Settings, topic: str, dead: Sequence[DeadLetter]) -> None:
    """Pass dead letters on, bytes unchanged; return when Kafka has acknowledged all."""
    if not dead:
        return
    ensure_topics(settings)
    with producer(settings) as kafka, kafka_errors(settings, "sending dead letters"):
        sent = []
        for letter in dead:
            record = letter.record
            headers = [
                *((name, value) for name, value in record.headers or () if value is not None),
                ("dead-letter-reason", "; ".join(letter.reasons)[:2000].encode()),
                ("source-topic", topic.encode()),
                ("source-partition", str(record.partition).encode()),
                ("source-offset", str(record.offset).encode()),
                ("source-timestamp-ms", str(record.timestamp).encode()),
            ]
            # Neither key nor value: Kafka's client wants one of them.
            value = b"" if record.key is None and record.value is None else record.value
            sent.append(
                kafka.send(settings.dead_letter_topic, key=record.key, value=value, headers=headers)
            )
        kafka.flush(timeout=settings.kafka_timeout_s)
        for future in sent:
            future.get(timeout=settings.kafka_timeout_s)


# --- all of it -----------------------------------------------------------------------------------


def take_in(
    settings: Settings, store: StreamStore, arrival: Arrival, dead: Sequence[DeadLetter]
) -> MergeCounts:
    """Bring what arrived into the warehouse."""
    send_dead_letters(settings, arrival.topic, dead)
    return store.merge(arrival)


def pending(
    settings: Settings, reader: Any | None = None, store: StreamStore | None = None
) -> tuple[TopicState, list[Range]] | None:
    """The topic as it is, and what is to be read of it; None if there is no topic yet."""
    state = topic_state(settings, reader)
    if state is None:
        return None
    return state, plan(state, (store or StreamStore(settings)).offsets(state.topic))


def arrivals(
    settings: Settings,
    kafka: Any,
    state: TopicState,
    ranges: Sequence[Range],
    run_id: str | None = None,
    is_stopped: Callable[[], bool] = never,
) -> Generator[tuple[Arrival, list[DeadLetter]], None, None]:
    """What the ranges hold, in bounded steps; the next is read and decoded while one is used.

    Reading and decoding share a thread: both hold Python's lock, and taking turns costs more.
    Ends early when `is_stopped`, which is asked several times a second.
    """
    registry = open_registry(settings)

    def found() -> Generator[tuple[Arrival, list[DeadLetter]], None, None]:
        with SteadyReader(settings, kafka, state.topic, is_stopped) as reader:
            for step in steps(ranges, settings.stream_records):
                records = reader.read(step)
                if records is None:
                    return
                yield arrive(records, state, step, registry, run_id)

    return ahead(found())


def consume(
    settings: Settings,
    wanted: Sequence[Range] | None = None,
    *,
    topic_id: str | None = None,
    run_id: str | None = None,
) -> ConsumeReport:
    """Take in the wanted ranges, or everything up to the topic's end, in bounded steps.

    Of a wanted range that is partly in the warehouse only the rest is read; of a topic that was
    made anew since it was asked for, nothing.
    """
    report = ConsumeReport(settings.kafka_topic)
    began = time.monotonic()
    store = StreamStore(settings)
    with consuming(settings), store.kept_open(), consumer(settings) as kafka:
        state, ranges = _wanted(settings, store, kafka, wanted, topic_id)
        if state is not None:
            with closing(arrivals(settings, kafka, state, ranges, run_id)) as found:
                for arrival, dead in found:
                    report.counts.add(take_in(settings, store, arrival, dead))
                    report.ranges += arrival.ranges
        left = pending(settings, kafka, store)
        if left is not None:
            report.next_offsets = {r.partition: r.begin for r in left[1]}
            report.lag = sum(r.end - r.begin for r in left[1])
    report.seconds = time.monotonic() - began
    return report


def _wanted(
    settings: Settings,
    store: StreamStore,
    kafka: Any,
    wanted: Sequence[Range] | None,
    topic_id: str | None,
) -> tuple[TopicState | None, list[Range]]:
    """What of the wanted ranges is not in the warehouse yet."""
    found = pending(settings, kafka, store)
    if found is None or (topic_id is not None and topic_id != found[0].topic_id):
        return None, []
    state, planned = found
    _check_attached(planned, wanted)
    limits = {r.partition: r.end for r in wanted} if wanted is not None else dict(state.end)
    return state, [
        Range(r.partition, r.begin, min(r.end, limits[r.partition]))
        for r in planned
        if r.partition in limits
    ]


def _check_attached(planned: Sequence[Range], wanted: Sequence[Range] | None) -> None:
    """A wanted range that begins beyond where the warehouse is would leave a hole."""
    at = {r.partition: r.begin for r in planned}
    for range_ in wanted or ():
        if range_.begin > at.get(range_.partition, range_.begin):
            raise StreamGap(
                f"Offsets {at[range_.partition]} to {range_.begin} of partition "
                f"{range_.partition} were not read yet.",
                remedy="Materialize streams/trajectory_summary_raw without a range: it reads on "
                "from where the warehouse is.",
            )
