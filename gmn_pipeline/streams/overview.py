"""What `gmn status` tells of the stream.

What belongs here: numbers of the warehouse and of Kafka beside each other. What does not: how they
are shown (`cli/status.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gmn_pipeline.errors import GmnError
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.settings import KafkaSettings
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
    behind = behind_topic(TRAJECTORIES, settings, warehouse)
    topic_id = behind.topic_id or known.reached.topic_id or known.published.topic_id
    return Overview(
        behind.kafka,
        sum(UnpublishedChanges(warehouse, topic_id or "").days().values()),
        known.published.messages,
        known.published.last_sent_at_utc,
        known.reached.offsets,
        behind.lag,
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


@dataclass(frozen=True)
class Behind:
    """How far behind its topic a stream is: in offsets, None if there is no topic or Kafka does
    not answer soon. `kafka`: who was asked, and why there is no answer."""

    kafka: str
    topic_id: str | None = None
    lag: int | None = None


def behind_topic(stream: Stream, settings: KafkaSettings, target: Any) -> Behind:
    """Ask Kafka. `target`: the stream's place, opened (`Place.open`)."""
    servers = bootstrap_servers(settings)
    if servers is None:
        return Behind("not set")
    impatient = settings.model_copy(update={"kafka_timeout_s": 5.0})
    try:
        found = planned_ranges(stream, impatient, target)
    except GmnError as error:
        return Behind(f"{servers}: {error.message}")
    if found is None:
        return Behind(servers)
    return Behind(servers, found[0].topic_id, sum(r.length for r in found[1]))
