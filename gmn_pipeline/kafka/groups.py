"""Reading topics as one of a consumer group, whose offsets Kafka keeps.

What belongs here: kafka-python's group consumer. What does not: who reads so (`serving/topics/`);
what goes into a lake keeps its offsets there (`reader.py`).
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition  # type: ignore[import-untyped]

from gmn_pipeline.kafka.client import connection_options, kafka_errors
from gmn_pipeline.settings import KafkaSettings


@dataclass(frozen=True)
class Place:
    """A place on a topic: of a record, or the next one to be read."""

    topic: str
    partition: int
    offset: int


class GroupReader:
    """One member of a group. For one thread at a time."""

    def __init__(
        self, settings: KafkaSettings, group: str, *, from_earliest: bool, commits_by_itself: bool
    ) -> None:
        self._settings = settings
        with kafka_errors(settings, "connecting"):
            self._kafka: Any = KafkaConsumer(
                **connection_options(settings), group_id=group,
                enable_auto_commit=commits_by_itself,
                auto_offset_reset="earliest" if from_earliest else "latest",
                isolation_level="read_committed", allow_auto_create_topics=False,
                metrics_enabled=False, max_poll_records=sys.maxsize,
            )  # fmt: skip

    def subscribe(self, topics: Sequence[str]) -> None:
        self._kafka.subscribe(topics=list(topics))

    @property
    def topics(self) -> list[str]:
        return sorted(self._kafka.subscription() or ())

    def poll(self, timeout_s: float, most: int) -> list[Any]:
        """Records that came within a time, at most so many."""
        with kafka_errors(self._settings, "reading"):
            found = self._kafka.poll(timeout_ms=int(timeout_s * 1000), max_records=most)
        return [record for records in found.values() for record in records]

    def commit(self, places: Sequence[Place] | None = None) -> None:
        """Note what was read: all that was polled, or up to these places (their `offset` is the
        next to be read)."""
        offsets = places and {
            TopicPartition(at.topic, at.partition): OffsetAndMetadata(at.offset, "", -1)
            for at in places
        }
        with kafka_errors(self._settings, "committing offsets"):
            self._kafka.commit(offsets)

    def committed(self, asked: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        """The next offset to be read of each partition, as the group noted it."""
        with kafka_errors(self._settings, "asking for offsets"):
            return {at: self._kafka.committed(TopicPartition(*at)) for at in asked}

    def close(self) -> None:
        self._kafka.close(autocommit=False)
