"""Send to the topic what it does not say yet: new and revised trajectories, and tombstones.

The guarantee: at least once to the topic, each content normally once. A batch is sent, all its
acknowledgements are awaited (idempotent producer, acks of all copies), and then it is recorded in
the warehouse's `publications`. What is to be sent is what is not recorded there, so a run that
fails or is killed loses nothing: the next one sends what was left, over any number of days. Killed
between acknowledgement and record, it sends that batch (`GMN_PUBLISH_BATCH`) once more, unless the
stream was read meanwhile: messages read back are recorded too.

What belongs here: sending and recording. What does not: which trajectories those are
(`warehouse/trajectories/publications.py`), bytes and acknowledgements (`kafka/`), and Dagster
(`orchestration/`).
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import BrokerUnavailable, StreamBusy
from gmn_pipeline.kafka.avro.codec import record_lengths
from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.framing import Framing, confluent_framing, single_object_framing
from gmn_pipeline.kafka.schema_registry import open_registry
from gmn_pipeline.kafka.sending import Acknowledged, Headers, Message, send_messages
from gmn_pipeline.kafka.topics import ensure_topics, topic_state
from gmn_pipeline.prefetch import prefetch
from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.messages import (
    CURRENT_VERSION,
    GENERATED_AT_HEADER,
    KEY_FIELD,
    to_message_fields,
)
from gmn_pipeline.schemas.topics import Topic, trajectories_topic
from gmn_pipeline.schemas.trajectory_tables import PUBLICATIONS
from gmn_pipeline.settings import KafkaSettings, TopicSettings
from gmn_pipeline.storage.files import alone
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline.warehouse.trajectories.publications import (
    PUBLISHED,
    UnpublishedChanges,
    record_publications,
)

LOCK = "publish.lock"
_CONTENT_FIELDS = len(TRAJECTORY_FIELDS)


@dataclass(frozen=True)
class DayPublished:
    """What was sent of one day."""

    inserted: int = 0
    revised: int = 0
    withdrawn: int = 0

    def __add__(self, other: "DayPublished") -> "DayPublished":
        return DayPublished(
            self.inserted + other.inserted,
            self.revised + other.revised,
            self.withdrawn + other.withdrawn,
        )


@dataclass
class PublishReport:
    """What was sent."""

    topic: str
    topic_id: str
    days: dict[date, DayPublished] = field(default_factory=dict)
    last_offsets: dict[int, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """Messages sent."""
        return sum(day.inserted + day.revised + day.withdrawn for day in self.days.values())

    def add(self, recorded: pl.DataFrame) -> None:
        """Count what is recorded as sent."""
        counts = [
            (pl.col("change") == change.value).sum().alias(change.value)
            for change in (Change.INSERTED, Change.REVISED, Change.WITHDRAWN)
        ]
        for day, inserted, revised, withdrawn in recorded.group_by("bin_date").agg(counts).rows():
            sent = DayPublished(inserted, revised, withdrawn)
            self.days[day] = self.days.get(day, DayPublished()) + sent
        ends = recorded.group_by("topic_partition").agg(pl.col("topic_offset").max())
        for partition, offset in ends.iter_rows():
            self.last_offsets[partition] = max(offset, self.last_offsets.get(partition, 0))


def publish(
    settings: TopicSettings,
    first: date = date.min,
    last: date = date.max,
    *,
    run_id: str | None = None,
) -> PublishReport:
    """Send what is not published of the days; return when all of it is acknowledged and recorded.

    Raises BrokerUnavailable, RegistryUnavailable or SchemaRefused; what was acknowledged before
    is recorded. Two publishers take turns: the second finds nothing left to do.
    """
    topic = trajectories_topic(settings)
    warehouse = WarehouseConnection(settings)
    lock = _publisher_lock(settings.data_dir, settings.warehouse_busy_timeout_s)
    with lock, stream_session(warehouse):
        ensure_topics(settings, topic)
        state = topic_state(settings, topic)
        if state is None:
            raise BrokerUnavailable(
                f"Kafka has no topic {topic.name}, though it was just made.",
                remedy="See the broker's log.",
            )
        report = PublishReport(state.topic, state.topic_id)
        unpublished = UnpublishedChanges(warehouse, state.topic_id)
        days = unpublished.days(first, last)
        if days:
            framing = _framing(settings, topic)
            with producer(settings) as kafka:
                sending = _Sending(settings, kafka, framing, warehouse, report, run_id)
                sending.send_all(unpublished, days)
    return report


@contextmanager
def _publisher_lock(folder: Path, timeout_s: float) -> Iterator[None]:
    """Be the only one who publishes; it goes with its process, come what may."""
    busy = StreamBusy(
        "Another process publishes to the topic already.",
        remedy="Let it work: what it leaves is published by the next run.",
    )
    with alone(folder / LOCK, busy, timeout_s):
        yield


def _framing(settings: KafkaSettings, topic: Topic) -> Framing:
    registry = open_registry(settings)
    if registry is None:
        return single_object_framing(topic.messages)
    schema_id = registry.register(topic.subject, topic.messages.text(CURRENT_VERSION))
    return confluent_framing(topic.messages, schema_id)


def batches(days: Mapping[date, int], most: int) -> Iterator[tuple[date, date]]:
    """Ranges of days with about so many messages each; a day is never cut."""
    first = previous = None
    count = 0
    for day, messages in days.items():
        if first is None or previous is None or count + messages > most:
            if first is not None and previous is not None:
                yield first, previous
            first, count = day, 0
        previous, count = day, count + messages
    if first is not None and previous is not None:
        yield first, previous


@dataclass(frozen=True)
class _Batch:
    """Messages of some days: `values` for the first of them, the rest are tombstones.

    `messages` has what is to be recorded of each, but for its place on the topic.
    """

    messages: pl.DataFrame
    values: list[bytes]


class _Sending:
    """One run's work with one producer."""

    def __init__(
        self,
        settings: TopicSettings,
        kafka: Any,
        framing: Framing,
        warehouse: WarehouseConnection,
        report: PublishReport,
        run_id: str | None,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._framing = framing
        self._warehouse = warehouse
        self._report = report
        self._run_id = run_id

    def send_all(self, unpublished: UnpublishedChanges, days: Mapping[date, int]) -> None:
        """Send batch by batch: one is sent, the next is made, and the one before is recorded."""
        acknowledged: pl.DataFrame | None = None
        made = prefetch(self._batches(unpublished, days))
        with closing(made), ThreadPoolExecutor(1, "record") as pool:
            for batch in made:
                recording = pool.submit(self._record, acknowledged)
                acknowledged, failure = self._send(batch)
                recording.result()
                if failure is not None:
                    self._record(acknowledged)
                    raise failure
        self._record(acknowledged)

    def _batches(
        self, unpublished: UnpublishedChanges, days: Mapping[date, int]
    ) -> Generator[_Batch, None, None]:
        for first, last in batches(days, self._settings.publish_batch):
            yield self._batch(unpublished.rows(first, last), unpublished.tombstones(first, last))

    def _record(self, acknowledged: pl.DataFrame | None) -> None:
        if acknowledged is not None and acknowledged.height:
            record_publications(self._warehouse, acknowledged)
            self._report.add(acknowledged)

    def _batch(self, rows: pl.DataFrame, withdrawn: pl.DataFrame) -> _Batch:
        values, hashes = self._values(rows)
        messages = pl.concat([
            rows.select(KEY_FIELD.name, "bin_date", "change", "revision",
                        hashes.alias("content_sha256"),
                        pl.col("summary_generated_at_utc").alias("generated_at_utc")),
            withdrawn.select(KEY_FIELD.name, "bin_date",
                        pl.lit(Change.WITHDRAWN.value).alias("change"),
                        pl.lit(0, pl.Int32).alias("revision"),
                        pl.lit(None, pl.String).alias("content_sha256"), "generated_at_utc"),
        ])  # fmt: skip
        return _Batch(messages, values)

    def _values(self, rows: pl.DataFrame) -> tuple[list[bytes], pl.Series]:
        """The value of each row's message, and the hash of its content."""
        if not rows.height:
            return [], pl.Series([], dtype=pl.String)
        fields = to_message_fields(rows)
        values = self._framing.frame(fields)
        begin = len(self._framing.prefix)
        ends = (record_lengths(fields[:, :_CONTENT_FIELDS]) + begin).to_list()
        sha256 = hashlib.sha256
        hashes = [
            sha256(value[begin:end]).hexdigest() for value, end in zip(values, ends, strict=True)
        ]
        return values, pl.Series(hashes, dtype=pl.String)

    def _send(self, batch: _Batch) -> tuple[pl.DataFrame, BrokerUnavailable | None]:
        """Send a batch: what was acknowledged of it, and what went wrong with the rest."""
        sent = send_messages(self._settings, self._kafka, self._report.topic, self._messages(batch))
        return self._publications(batch.messages, sent.acknowledged), sent.failure

    def _messages(self, batch: _Batch) -> Iterator[Message]:
        headers = self._headers()
        keys = batch.messages.get_column(KEY_FIELD.name).head(len(batch.values)).to_list()
        for key, value in zip(keys, batch.values, strict=True):
            yield key.encode(), value, headers
        withdrawn = batch.messages.select(KEY_FIELD.name, "generated_at_utc")[len(batch.values) :]
        for key, generated_at in withdrawn.iter_rows():
            generation = (GENERATED_AT_HEADER, generated_at.isoformat().encode())
            yield key.encode(), None, [*headers, generation]

    def _headers(self) -> Headers:
        headers = [
            ("content-type", self._framing.content_type.encode()),
            ("schema-version", CURRENT_VERSION.encode()),
        ]
        if self._run_id:
            headers.append(("run-id", self._run_id.encode()))
        return headers

    def _publications(
        self, messages: pl.DataFrame, acknowledged: Sequence[Acknowledged]
    ) -> pl.DataFrame:
        positions = pl.DataFrame(
            acknowledged,
            schema={"at": pl.UInt32, "topic_partition": pl.Int32, "topic_offset": pl.Int64,
                    "sent_ms": pl.Int64},
            orient="row",
        )  # fmt: skip
        found = messages[positions.get_column("at")].with_columns(
            positions.get_column("topic_partition"),
            positions.get_column("topic_offset"),
            (positions.get_column("sent_ms") * 1000).cast(pl.Datetime("us")).alias("sent_at_utc"),
            pl.lit(PUBLISHED).alias("origin"),
            pl.lit(self._report.topic_id).alias("topic_id"),
            pl.lit(self._run_id, pl.String).alias("run_id"),
            pl.lit(utc_now()).alias("recorded_at_utc"),
        )
        schema = dict(polars_schema(PUBLICATIONS.fields))
        return found.select(PUBLICATIONS.columns).cast(schema)  # type: ignore[arg-type]
