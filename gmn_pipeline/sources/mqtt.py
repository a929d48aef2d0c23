"""MQTT: readings from a broker's topics, acknowledged once they outlive this process.

What belongs here: the session with the broker. What does not: what a message says
(`readers/station_readings/`).

QoS 1 and a session that the broker keeps: what comes while nobody listens waits there. A message is
acknowledged when it is on Kafka or on disk (`finished`), so a listener that dies loses nothing: the
broker delivers again what it has no acknowledgement of, and a reading that comes twice is one.
"""

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.readers.station_readings.received import Received

_log = logging.getLogger(__name__)
_QOS = 1
_KEEPALIVE_S = 30
_RECONNECT_S = (1, 30)
_ROOM_S = 0.05
_LONGEST_SENDER = 200


@dataclass(frozen=True)
class Broker:
    """A broker, and who we are there."""

    host: str
    port: int
    topic: str
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: bool = False
    cafile: Path | None = None


class _Delivery(NamedTuple):
    """How a message is acknowledged: by its number, in the connection that it came by."""

    mid: int
    qos: int
    connection: int


class MqttSource:
    """A subscription; the client's own thread receives and reconnects."""

    def __init__(self, broker: Broker, most_waiting: int = 10_000) -> None:
        self._broker = broker
        self._most_waiting = most_waiting
        self._queue: deque[tuple[Received, _Delivery]] = deque()
        self._taken: deque[_Delivery] = deque()
        self._connection = 0
        self._stopping = threading.Event()
        self._received = self._read = self._acknowledged = self._again = 0
        self._state = "not connected yet"
        self._client = _client(broker)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect; a broker that is away is tried again for as long as it takes."""
        self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """What comes from now on is left to the broker, which delivers it again."""
        self._stopping.set()

    def close(self) -> None:
        """End the connection once the acknowledgements are sent; the session stays."""
        self.stop()
        with suppress(ValueError):  # not connected
            self._client.disconnect()
        self._client.loop_stop()

    @property
    def waits(self) -> bool:
        """The broker keeps what is not acknowledged."""
        return True

    def take(self, most: int) -> list[Received]:
        """What waits, the oldest first; without waiting for more."""
        found: list[Received] = []
        with suppress(IndexError):
            while len(found) < most:
                received, delivery = self._queue.popleft()
                self._taken.append(delivery)
                found.append(received)
        self._read += len(found)
        return found

    def finished(self, payloads: int) -> None:
        """Acknowledge the oldest of those taken."""
        for _ in range(payloads):
            delivery = self._taken.popleft()
            # In a new connection the same number may be another message's.
            if delivery.qos and delivery.connection == self._connection:
                self._client.ack(delivery.mid, delivery.qos)
                self._acknowledged += 1

    def status(self) -> dict[str, Any]:
        """Counts of messages: received = read + waiting."""
        return {
            "broker": f"{self._broker.host}:{self._broker.port}",
            "topic": self._broker.topic,
            "state": self._state,
            "received": self._received,
            "delivered_again": self._again,
            "read": self._read,
            "waiting": self._received - self._read,
            "acknowledged": self._acknowledged,
        }

    # --- in the client's thread ----------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._tell(f"refused: {reason}")
            return
        self._connection += 1
        client.subscribe(self._broker.topic, _QOS)
        self._tell("connected")

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self._tell("not connected: it takes no connection, or not this TLS")

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if not self._state.startswith("refused"):  # which says more
            self._tell(f"not connected: {reason}")

    def _tell(self, state: str) -> None:
        if state != self._state and not self._stopping.is_set():
            _log.info("MQTT's broker at %s: %s.", self._broker.host, state)
        self._state = state

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        # Waiting here is what makes the broker wait.
        while len(self._queue) >= self._most_waiting and not self._stopping.wait(_ROOM_S):
            pass
        if self._stopping.is_set():
            return
        self._received += 1
        self._again += message.dup
        received = Received(
            bytes(message.payload),
            message.topic[:_LONGEST_SENDER],
            time.time_ns() // 1000,
            station_of(message.topic, self._broker.topic),
        )
        delivery = _Delivery(message.mid, message.qos, self._connection)
        self._queue.append((received, delivery))


def station_of(topic: str, subscribed: str) -> frozenset[str] | None:
    """The station that a topic names, where what is subscribed to has its first +."""
    levels = subscribed.split("/")
    if "+" not in levels:
        return None
    at = levels.index("+")
    return frozenset(topic.split("/")[at : at + 1])


def _client(broker: Broker) -> Client:
    made = Client(
        CallbackAPIVersion.VERSION2,
        client_id=broker.client_id,
        clean_session=False,
        manual_ack=True,
    )
    made.reconnect_delay_set(*_RECONNECT_S)
    if broker.username is not None:
        made.username_pw_set(broker.username, broker.password)
    if broker.tls:
        try:
            made.tls_set(ca_certs=str(broker.cafile) if broker.cafile else None)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"The certificates in {broker.cafile} cannot be used: {error}.",
                remedy="Correct MQTT_CAFILE.",
            ) from error
    return made
