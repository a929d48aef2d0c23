"""Sending messages, and knowing for certain which of them Kafka has.

What belongs here: a producer's futures. What does not: which messages are sent, and where it is
noted that they were (`publications/`).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.errors import KafkaTimeoutError  # type: ignore[import-untyped]

from gmn_pipeline.errors import BrokerUnavailable
from gmn_pipeline.kafka.client import kafka_errors
from gmn_pipeline.settings import KafkaSettings

# The producer gives a message up one second after the timeout (`client.producer`).
_GIVEN_UP_AFTER_S = 2.0
Headers = list[tuple[str, bytes]]
Message = tuple[bytes | None, bytes | None, Headers]
"""Key (None: any partition), value (None for a tombstone) and headers."""


class Acknowledged(NamedTuple):
    """A message that Kafka has: its place among those sent, and on the topic."""

    at: int
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True)
class Sent:
    """What Kafka has of the messages, in their order; `failure` says what became of the others."""

    acknowledged: list[Acknowledged]
    failure: BrokerUnavailable | None


def send_messages(
    settings: KafkaSettings, kafka: Any, topic: str, messages: Iterable[Message]
) -> Sent:
    """Send messages with a producer; return when each is acknowledged or given up."""
    futures: list[Any] = []
    failure: BrokerUnavailable | None = None
    send = kafka.send
    try:
        with kafka_errors(settings, "sending"):
            for key, value, headers in messages:
                futures.append(send(topic, value, key, headers))
    except BrokerUnavailable as error:
        failure = error
    with suppress(KafkaTimeoutError):
        kafka.flush(timeout=settings.kafka_timeout_s + _GIVEN_UP_AFTER_S)
    acknowledged, lost = _sorted_out(futures)
    if lost is not None and failure is None:
        failure = _not_acknowledged(len(futures) - len(acknowledged), lost)
    return Sent(acknowledged, failure)


def _sorted_out(futures: Sequence[Any]) -> tuple[list[Acknowledged], Exception | None]:
    """What Kafka has for certain, and why the first other is not among it."""
    acknowledged = []
    lost: Exception | None = None
    for at, future in enumerate(futures):
        if future.succeeded():
            sent = future.value
            acknowledged.append(Acknowledged(at, sent.partition, sent.offset, sent.timestamp))
        elif lost is None:
            lost = future.exception or KafkaTimeoutError("no acknowledgement in time")
    return acknowledged, lost


def _not_acknowledged(count: int, why: Exception) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"Kafka did not acknowledge {count} messages: {why}.",
        remedy="They are not recorded, so the next run sends them. See whether the broker runs.",
    )
