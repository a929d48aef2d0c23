"""Dead letters: records that are not acceptable, passed on to a topic of their own.

What belongs here: sending them. What does not: why a record is none (who reads the topic knows),
and the warehouse's note of it (`warehouse/dead_letters.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gmn_pipeline.kafka.client import kafka_errors, producer
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.settings import KafkaSettings


@dataclass(frozen=True)
class DeadLetter:
    """A record that is not acceptable, and why."""

    record: Any
    reasons: list[str]


def send_dead_letters(settings: KafkaSettings, topic: Topic, dead: Sequence[DeadLetter]) -> None:
    """Pass dead letters on, bytes unchanged; return when Kafka has acknowledged all."""
    if not dead:
        return
    ensure_topics(settings, topic)
    with producer(settings) as kafka, kafka_errors(settings, "sending dead letters"):
        sent = []
        for letter in dead:
            record = letter.record
            # Neither key nor value: Kafka's client wants one of them.
            value = b"" if record.key is None and record.value is None else record.value
            headers = _headers(letter, topic.name)
            sent.append(
                kafka.send(topic.dead_letters, key=record.key, value=value, headers=headers)
            )
        kafka.flush(timeout=settings.kafka_timeout_s)
        for future in sent:
            future.get(timeout=settings.kafka_timeout_s)


def _headers(letter: DeadLetter, topic: str) -> list[tuple[str, bytes]]:
    """The record's own, and where it came from."""
    record = letter.record
    return [
        *((name, value) for name, value in record.headers or () if value is not None),
        ("dead-letter-reason", "; ".join(letter.reasons)[:2000].encode()),
        ("source-topic", topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset).encode()),
        ("source-timestamp-ms", str(record.timestamp).encode()),
    ]
