"""What `gmn run` does with Kafka: have a broker, publish, take the topic in, tell how it went.

What belongs here: whose broker it is, and sentences for a person. What does not: the work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from gmn_pipeline.config import Settings
from gmn_pipeline.errors import GmnError, KafkaUnavailable
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.kafka.local_broker import process as broker
from gmn_pipeline.streams.consumer import is_being_consumed, pending
from gmn_pipeline.warehouse.stream_store import StreamStore, Unpublished, stream_status


@dataclass(frozen=True)
class Kafka:
    """A cluster to work with, or why there is none."""

    servers: str | None
    note: str


@contextmanager
def a_broker(settings: Settings) -> Iterator[Kafka]:
    """The cluster that is set, or the data folder's broker, or one as long as the block runs."""
    servers = bootstrap_servers(settings)
    if servers is not None:
        yield Kafka(servers, f"Kafka at {servers}.")
        return
    if not settings.own_kafka:
        yield Kafka(None, "Nothing was published: no Kafka is set (KAFKA_BOOTSTRAP_SERVERS).")
        return
    try:
        own = broker.start(settings.data_dir)
    except KafkaUnavailable as error:
        yield Kafka(None, f"Nothing was published, the rest is done: {error}")
        return
    try:
        yield Kafka(own.bootstrap_servers, "Kafka ran for as long as this did ('make kafka').")
    finally:
        own.stop()


@dataclass(frozen=True)
class Overview:
    """What `gmn status` tells of the stream."""

    kafka: str
    unpublished: int
    published: int
    last_published_at_utc: datetime | None
    offsets: dict[int, tuple[int, datetime]]
    lag: int | None
    consumer: str
    dead_letters: int
    last_dead_letter: str | None


def overview(settings: Settings) -> Overview:
    """The stream as the warehouse knows it, and, if Kafka answers, how far behind that is."""
    store = StreamStore(settings)
    status = stream_status(store, settings.kafka_topic)
    servers = bootstrap_servers(settings)
    lag: int | None = None
    kafka = "not set"
    topic_id = status.topic_id
    if servers is not None:
        impatient = settings.model_copy(update={"kafka_timeout_s": 5.0})
        try:
            found = pending(impatient)
            kafka = servers
        except GmnError as error:
            kafka, found = f"{servers}: {error.message}", None
        if found is not None:
            topic_id = found[0].topic_id
            lag = sum(r.end - r.begin for r in found[1])
    return Overview(
        kafka,
        sum(Unpublished(store, topic_id or "").days().values()),
        status.published,
        status.last_published_at_utc,
        status.offsets,
        lag,
        "running" if is_being_consumed(settings) else "not running",
        status.dead_letters,
        status.last_dead_letter,
    )
