"""Sending many small messages, by librdkafka: seven times as many as kafka-python does in a second
(docs/decisions/0034).

What belongs here: confluent-kafka's producer, its options and errors. What does not: which messages
are sent, and what becomes of those that Kafka does not take (`publications/`).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import confluent_kafka

from gmn_pipeline.kafka.client import MAX_MESSAGE_BYTES, connection_options, is_reachable
from gmn_pipeline.kafka.sending import Message
from gmn_pipeline.settings import KafkaSettings

_log = logging.getLogger(__name__)
_LINGER_MS = 5
_AT_ONCE = 20_000
_LOOK_S = 0.25
_SILENT_S = 1.0
"""So long without an acknowledgement, and it is looked whether anybody is there."""

_OPTION_OF = {
    "client_id": "client.id",
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
}


class FastProducer:
    """A producer that is idempotent, waits for all copies, and gives a broker up that is away; one
    that is silent, too, once `is_stopped`."""

    def __init__(
        self, settings: KafkaSettings, is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._settings = settings
        self._is_stopped = is_stopped
        self.silent_s = 0.0
        """For so long nothing has been acknowledged of what is under way."""
        self._failed: Counter[tuple[bytes | None, bytes | None]] = Counter()
        options = connection_options(settings)
        timeout_ms = int(settings.kafka_timeout_s * 1000)
        quiet = logging.getLogger("confluent_kafka")
        quiet.setLevel(logging.CRITICAL)
        self._kafka: Any = confluent_kafka.Producer(
            {
                "bootstrap.servers": ",".join(options["bootstrap_servers"]),
                **{new: options[old] for old, new in _OPTION_OF.items() if old in options},
                "enable.idempotence": True,
                "linger.ms": _LINGER_MS,
                # Of each message that is given up it tells, and so of all others too.
                "delivery.report.only.error": True,
                "on_delivery": self._on_delivery,
                "message.timeout.ms": timeout_ms,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "queue.buffering.max.messages": 2 * _AT_ONCE,
                "queue.buffering.max.kbytes": 1 << 20,
                # As Java's and kafka-python's clients put keys into partitions.
                "partitioner": "murmur2_random",
                "reconnect.backoff.max.ms": 1_000,
            },
            logger=quiet,
        )

    def send(self, topic: str, messages: Sequence[Message]) -> list[int]:
        """Send messages; return when each is acknowledged or given up: the places of the latter.

        After that the producer is of no further use: some of them may still be under way.
        """
        lost: list[int] = []
        for begin in range(0, len(messages), _AT_ONCE):
            if lost:
                lost += range(begin, min(begin + _AT_ONCE, len(messages)))
            else:
                lost += self._send(topic, messages, begin)
        return lost

    def _send(self, topic: str, messages: Sequence[Message], begin: int) -> list[int]:
        self._failed.clear()
        produce = self._kafka.produce
        chunk = messages[begin : begin + _AT_ONCE]
        for key, value, headers in chunk:
            try:
                if headers:
                    produce(topic, value, key, headers=headers)
                else:  # by far the most, and an argument takes its time
                    produce(topic, value, key)
            except (BufferError, confluent_kafka.KafkaException) as error:
                _log.debug("Not sent: %s", error)
                self._failed[key, value] += 1
        self._wait()
        return [begin + at for at in self._places_of_failed(chunk)]

    def _places_of_failed(self, chunk: Sequence[Message]) -> Iterator[int]:
        """By what they say: of two that are equal it does not matter which one is sent again."""
        failed = self._failed
        for at, (key, value, _) in enumerate(chunk) if failed else ():
            if failed[key, value] > 0:
                failed[key, value] -= 1
                yield at

    def _on_delivery(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failed[message.key(), message.value()] += 1

    def _wait(self) -> None:
        """Wait until none is under way, but not for a broker that is not there: then those under
        way are failed."""
        left, heard_at = len(self._kafka), time.monotonic()
        while now_left := self._kafka.flush(_LOOK_S):
            now = time.monotonic()
            if now_left < left:
                left, heard_at = now_left, now
            self.silent_s = now - heard_at
            if self._is_gone(self.silent_s):
                self._kafka.purge()
                self._kafka.flush(self._settings.kafka_timeout_s)
        self.silent_s = 0.0

    def _is_gone(self, silent_s: float) -> bool:
        if silent_s > self._settings.kafka_timeout_s:
            return True
        return silent_s > _SILENT_S and (self._is_stopped() or not is_reachable(self._settings))

    def close(self) -> None:
        """Let go of it, and of what is not acknowledged: who sent has been told."""
        self._kafka.purge()
        self._kafka.flush(0)


@contextmanager
def fast_producer(settings: KafkaSettings) -> Iterator[FastProducer]:
    """A producer for as long as the block runs."""
    made = FastProducer(settings)
    try:
        yield made
    finally:
        made.close()
