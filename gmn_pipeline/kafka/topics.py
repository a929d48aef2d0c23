"""Topics as they are on the cluster: made where they are missing, described, and how far they go.

What belongs here: what is asked of a cluster about a topic. What does not: which topics there are
(`schemas/topics.py`), and reading them (`reader.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.errors import (  # type: ignore[import-untyped]
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from gmn_pipeline.errors import BrokerUnavailable
from gmn_pipeline.kafka.client import admin_client, consumer, kafka_errors
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.settings import KafkaSettings

_DEAD_LETTER_PARTITIONS = 1
_DEAD_LETTER_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1"}
_LARGEST = "max.message.bytes"
_MORE_OF_A_LETTER = 64 << 10  # the reason and the source in its headers


@dataclass(frozen=True)
class TopicState:
    """A topic as it is now: offsets from the first kept to the next to be written."""

    topic: str
    topic_id: str
    cluster_id: str
    begin: Mapping[int, int]
    end: Mapping[int, int]


def ensure_topics(settings: KafkaSettings, topic: Topic) -> None:
    """Make the topic and its dead-letter topic, if they are not there."""
    wanted = {
        topic.name: (topic.partitions, dict(topic.config)),
        topic.dead_letters: (_DEAD_LETTER_PARTITIONS, _dead_letter_config(topic)),
    }
    with admin_client(settings) as admin, kafka_errors(settings, "making topics"):
        present = set(admin.list_topics())
        for name, (partitions, configs) in wanted.items():
            if name in present:
                continue
            new = {
                "num_partitions": partitions,
                "replication_factor": topic.replication,
                "configs": configs,
            }
            try:
                admin.create_topics({name: new}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                continue


def _dead_letter_config(topic: Topic) -> dict[str, str]:
    """Each message of the topic has to fit as a dead letter, with what is said of it."""
    if _LARGEST not in topic.config:
        return _DEAD_LETTER_CONFIG
    largest = int(topic.config[_LARGEST]) + _MORE_OF_A_LETTER
    return _DEAD_LETTER_CONFIG | {_LARGEST: str(largest)}


@dataclass(frozen=True)
class Clients:
    """What a cluster is asked through: kafka-python's consumer, and its admin client."""

    consumer: Any
    admin: Any


@contextmanager
def open_clients(settings: KafkaSettings) -> Iterator[Clients]:
    """Connected ones: to connect takes longer than all that is asked of a topic."""
    with consumer(settings) as kafka, admin_client(settings) as admin:
        yield Clients(kafka, admin)


def topic_state(
    settings: KafkaSettings, topic: Topic, clients: Clients | None = None
) -> TopicState | None:
    """The topic as it is now, asked through clients if they are given; None if there is none."""
    if clients is None:
        with open_clients(settings) as opened:
            return topic_state(settings, topic, opened)
    name, kafka, admin = topic.name, clients.consumer, clients.admin
    with kafka_errors(settings, f"asking for {name}"):
        try:
            described = admin.describe_topics([name])
        except UnknownTopicOrPartitionError:
            return None
        if not described or not described[0].get("partitions"):
            return None
        partitions = [p["partition_index"] for p in described[0]["partitions"]]
        positions = _positions(kafka, name, partitions)
        return TopicState(
            name,
            str(described[0]["topic_id"]),
            str(admin.describe_cluster()["cluster_id"]),
            _offsets(kafka.beginning_offsets, positions),
            _offsets(kafka.end_offsets, positions),
        )


def end_offsets(
    settings: KafkaSettings, kafka: Any, topic: str, partitions: Iterable[int]
) -> dict[int, int]:
    """The next offset to be written of each partition."""
    with kafka_errors(settings, f"asking for the offsets of {topic}"):
        return _offsets(kafka.end_offsets, _positions(kafka, topic, partitions))


def _positions(kafka: Any, topic: str, partitions: Iterable[int]) -> list[TopicPartition]:
    """The partitions in the client's terms, which it knows from here on."""
    positions = [TopicPartition(topic, partition) for partition in partitions]
    if not {at.partition for at in positions} <= (kafka.partitions_for_topic(topic) or set()):
        # The client looks for new partitions every five minutes only; this makes it look.
        kafka.topics()
    return positions


def _offsets(
    asked: Callable[[list[TopicPartition]], Mapping[Any, int]], positions: list[TopicPartition]
) -> dict[int, int]:
    try:
        return {position.partition: at for position, at in asked(positions).items()}
    except KeyError as error:
        # The client's way of saying that it knows no leader of a partition.
        raise BrokerUnavailable(
            f"{positions[0].topic} has a partition without a leader: {error}.",
            remedy="If it is new it will have one in a moment; else see the brokers' logs.",
        ) from error
