"""What `gmn status` tells of the stream.

What belongs here: numbers of the warehouse and of Kafka beside each other. What does not: how they
are shown (`cli/status.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from gmn_pipeline.errors import GmnError
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.settings import KafkaSettings, TopicSettings
from gmn_pipeline.streams.consumer import is_being_consumed, planned_ranges
from gmn_pipeline.streams.stream import Stream
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.dead_letters import count_dead_letters
from gmn_pipeline.warehouse.offsets import TopicProgress, topic_progress
from gmn_pipeline.warehouse.stream_session import reading_stream_tables
from gmn_pipeline.warehouse.trajectories.publications import (
    PublicationCount,
    UnpublishedChanges,
    count_publications,
)


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


def overview(settings: KafkaSettings, warehouse: WarehouseConnection) -> Overview:
    """The stream as the warehouse knows it, and, if Kafka answers, how far behind that is."""
    known = _known(warehouse, settings.kafka_topic)
    topic_id = known.reached.topic_id or known.published.topic_id
    lag: int | None = None
    kafka = "not set"
    servers = bootstrap_servers(settings)
    if servers is not None:
        impatient = settings.model_copy(update={"kafka_timeout_s": 5.0})
        try:
            found = planned_ranges(TRAJECTORIES, impatient, warehouse)
            kafka = servers
        except GmnError as error:
            kafka, found = f"{servers}: {error.message}", None
        if found is not None:
            topic_id = found[0].topic_id
            lag = sum(r.length for r in found[1])
    return Overview(
        kafka,
        sum(UnpublishedChanges(warehouse, topic_id or "").days().values()),
        known.published.messages,
        known.published.last_sent_at_utc,
        known.reached.offsets,
        lag,
        "running" if is_being_consumed(TRAJECTORIES, settings) else "not running",
        known.dead_letters,
        known.last_dead_letter,
    )


@dataclass(frozen=True)
class _Known:
    """What the warehouse knows of the topic, without asking Kafka."""

    published: PublicationCount
    reached: TopicProgress
    dead_letters: int
    last_dead_letter: str | None


def _known(warehouse: WarehouseConnection, topic: str) -> _Known:
    with reading_stream_tables(warehouse) as connection:
        if connection is None:
            return _Known(PublicationCount(), TopicProgress(), 0, None)
        return _Known(
            count_publications(connection),
            topic_progress(connection, topic),
            *count_dead_letters(connection, topic),
        )


def lag_of(stream: Stream, settings: TopicSettings) -> int | None:
    """So many offsets of a stream's topic are not taken in; None if there is no topic, or Kafka
    does not answer soon."""
    if bootstrap_servers(settings) is None:
        return None
    impatient = settings.model_copy(update={"kafka_timeout_s": 5.0})
    try:
        found = planned_ranges(stream, impatient, stream.place.open(impatient))
    except GmnError:
        return None
    return sum(r.length for r in found[1]) if found else None
