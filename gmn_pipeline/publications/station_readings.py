"""Readings as they come in, to their topic; and what is refused, to the topic's dead letters.

The guarantee: when `publish` returns, each reading is acknowledged by Kafka, or in the spool on
disk, or counted as dropped by its sender, since there was no room. What is in the spool is sent in
its order as soon as Kafka is back, by whichever process comes. A kill in between sends some of it
again: doubled readings are found where they are taken in.

What belongs here: rows into messages, and when the spool is used. What does not: sockets
(`sources/`), who counts (`flows/station_listener.py`), and files (`storage/spool.py`).
"""

import io
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
import polars as pl

from gmn_pipeline.clock import from_timestamp
from gmn_pipeline.errors import BrokerNotSet, BrokerUnavailable, GmnError, RetryableError
from gmn_pipeline.kafka.client import is_reachable
from gmn_pipeline.kafka.fast_producer import FastProducer
from gmn_pipeline.kafka.framing import Framing, confluent_framing, single_object_framing
from gmn_pipeline.kafka.schema_registry import open_registry
from gmn_pipeline.kafka.sending import Message
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.publications.spool_shares import SpoolShares
from gmn_pipeline.readers.station_readings.received import Refused, Transport
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.schemas.topics import Topic, readings_topic
from gmn_pipeline.settings import KafkaSettings
from gmn_pipeline.storage.spool import Frame, Spool, Taken

_log = logging.getLogger(__name__)
_LOOK_S = 0.5
_MOST_LETTER_BYTES = 65_536
_MESSAGE = {
    "type": "record",
    "name": "Message",
    "fields": [
        {"name": "key", "type": ["null", "bytes"]},
        {"name": "value", "type": "bytes"},
        {"name": "headers", "type": {"type": "map", "values": "bytes"}},
    ],
}
_SPOOLED = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Spooled",
        "fields": [
            {"name": "topic", "type": "string"},
            {"name": "readings", "type": "int"},
            {"name": "senders", "type": {"type": "map", "values": "long"}},
            {"name": "messages", "type": {"type": "array", "items": _MESSAGE}},
        ],
    }
)


@dataclass(frozen=True)
class Published:
    """What became of readings: sent, spooled and dropped are together what was given."""

    sent: int = 0
    spooled: int = 0
    dropped_of: Counter[str] = field(default_factory=Counter)
    """How many were dropped of each sender."""

    @property
    def dropped(self) -> int:
        """How many were dropped."""
        return self.dropped_of.total()


@dataclass
class SpoolCounts:
    """Readings in the spool: what was put in, and what was taken out of it, also of others.
    `lost_messages`: what could not be read of it, as far as that is known."""

    put: int = 0
    sent: int = 0
    lost_messages: int = 0


class ReadingsPublication:
    """The way to the topic, with its spool. One thread publishes; another one sends what waits."""

    def __init__(
        self,
        settings: KafkaSettings,
        spool: Spool,
        is_stopping: Callable[[], bool] = lambda: False,
        patience_s: float = math.inf,
    ) -> None:
        """`patience_s`: so long without an answer of Kafka, if the settings do not say less, and
        readings go to the spool, which is sent from there with all the time of the settings."""
        self._settings = settings
        timeout_s = min(patience_s, settings.kafka_timeout_s)
        self._impatient = settings.model_copy(update={"kafka_timeout_s": timeout_s})
        # Room in the spool is not waited for any longer then.
        self._is_stopping = is_stopping
        self._topic: Topic = readings_topic(settings)
        self._spool = spool
        self._shares = SpoolShares(spool.most_bytes)
        self._framing: Framing | None = None
        self._kafka: FastProducer | None = None
        self._sends_directly = True
        # Held by who finds the spool empty, so that nothing is put in meanwhile and forgotten.
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._spool_thread = threading.Thread(target=self._send_spooled, name="spool")
        self.spool_counts = SpoolCounts()
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin to send what waits on disk."""
        if not self._spool.is_empty:
            self._sends_directly = False
            self._wake.set()
        self._spool_thread.start()

    def stop(self) -> None:
        """End; what waits stays on disk."""
        self._stopped.set()
        self._wake.set()
        self._spool_thread.join()
        self._let_go()
        self._spool.close()

    @property
    def kafka(self) -> str:
        """How it is with Kafka, in words."""
        if self.trouble is not None:
            return self.trouble
        kafka = self._kafka
        silent_s = kafka.silent_s if kafka is not None else 0.0
        return "well" if silent_s < 1 else f"has acknowledged nothing for {silent_s:.0f} s"

    def publish(self, rows: pl.DataFrame, *, waits: bool = False) -> Published:
        """Send readings, or put them into the spool; where that is full, wait or drop them. Of who
        does not wait, those are dropped too of whom enough is there already."""
        if not rows.height:
            return Published()
        messages, senders = self._messages(rows), rows.get_column("sender").to_list()
        lost = list(range(rows.height))
        if self._sends_directly:
            lost = self._send(self._topic.name, messages)
        sent = rows.height - len(lost)
        dropped: Counter[str] = Counter()
        if lost and not waits:
            lost, dropped = self._within_shares(messages, senders, lost)
        put = self._to_spool([messages[at] for at in lost], [senders[at] for at in lost], waits)
        if not put:
            dropped.update(senders[at] for at in lost)
        return Published(sent, put, dropped)

    def _within_shares(
        self, messages: Sequence[Message], senders: Sequence[str], lost: Sequence[int]
    ) -> tuple[list[int], Counter[str]]:
        """Those that may be put on disk, and how many of each sender may not."""
        wanted = self._shares.of((messages[at] for at in lost), (senders[at] for at in lost))
        over = self._shares.over(wanted)
        return (
            [at for at in lost if senders[at] not in over],
            Counter(senders[at] for at in lost if senders[at] in over),
        )

    def publish_refused(self, refused: Iterable[Refused], transport: Transport) -> int:
        """Send what is refused to the dead letters; how many of it are on Kafka or on disk."""
        letters = [self._letter(one, transport) for one in refused]
        if not letters:
            return 0
        lost = letters
        if self._sends_directly:
            lost = [letters[at] for at in self._send(self._topic.dead_letters, letters)]
        is_kept = not lost or self._append(self._topic.dead_letters, lost, 0, {})
        return len(letters) if is_kept else len(letters) - len(lost)

    def _messages(self, rows: pl.DataFrame) -> list[Message]:
        values = self._value_framing().frame(to_fields(rows, self._topic.messages))
        keys = rows.select(
            pl.concat_str("station_code", "sensor_id", separator="/").cast(pl.Binary)
        ).to_series()
        return [(key, value, []) for key, value in zip(keys.to_list(), values, strict=True)]

    def _value_framing(self) -> Framing:
        """Asked for once; while a registry is away, messages name their schema by themselves."""
        if self._framing is not None:
            return self._framing
        own = single_object_framing(self._topic.messages)
        registry = open_registry(self._settings)
        if registry is None:
            self._framing = own
            return own
        version = self._topic.messages.current_version
        try:
            schema_id = registry.register(self._topic.subject, self._topic.messages.text(version))
        except RetryableError as error:
            self._say(str(error))
            return own
        self._framing = confluent_framing(self._topic.messages, schema_id)
        return self._framing

    def _letter(self, refused: Refused, transport: Transport) -> Message:
        payload = refused.payload[:_MOST_LETTER_BYTES]
        headers = [
            ("dead-letter-reason", refused.reason[:2000].encode("utf-8", "replace")),
            ("dead-letter-cause", refused.cause.value.encode()),
            ("source-topic", self._topic.name.encode()),
            ("sender", refused.sender.encode()),
            ("transport", transport.value.encode()),
            ("received-at-utc", from_timestamp(refused.received_at_us / 1e6).isoformat().encode()),
            ("payload-bytes", str(len(refused.payload)).encode()),
        ]
        return None, payload, headers

    # --- Kafka ---------------------------------------------------------------------------------

    def _send(self, topic: str, messages: Sequence[Message]) -> list[int]:
        """The places of those that Kafka has not acknowledged."""
        try:
            lost = self._producer().send(topic, messages)
        except (RetryableError, BrokerNotSet) as error:
            self._say(str(error))
            self._give_up()
            return list(range(len(messages)))
        if lost:
            self._say(f"Kafka has not acknowledged {len(lost)} messages in time.")
            self._give_up()
        return lost

    def _producer(self) -> FastProducer:
        if self._kafka is None:
            self._kafka = self._connected(self._impatient)
        return self._kafka

    def _connected(self, settings: KafkaSettings) -> FastProducer:
        if not is_reachable(settings):
            raise BrokerUnavailable("Kafka takes no connections.")
        ensure_topics(self._impatient, self._topic)
        return FastProducer(settings, self._stopped.is_set)

    def _give_up(self) -> None:
        """From here on all goes to the spool, until that is sent."""
        self._let_go()
        self._sends_directly = False
        self._wake.set()

    def _let_go(self) -> None:
        if self._kafka is not None:
            self._kafka.close()
        self._kafka = None

    def _say(self, trouble: str) -> None:
        if self.trouble is None:
            _log.warning("%s Readings wait on disk.", trouble)
        self.trouble = trouble

    # --- the spool -----------------------------------------------------------------------------

    def _to_spool(self, messages: Sequence[Message], senders: Sequence[str], waits: bool) -> int:
        """How many readings are on disk: all or none."""
        if not messages:
            return 0
        sizes = self._shares.of(messages, senders)

        def put() -> bool:
            return self._append(self._topic.name, messages, len(messages), sizes)

        is_put = put()
        while waits and not is_put and not self._is_stopping():
            time.sleep(_LOOK_S)
            is_put = put()
        self.spool_counts.put += len(messages) * is_put
        return len(messages) * is_put

    def _append(
        self, topic: str, messages: Sequence[Message], readings: int, sizes: Mapping[str, int]
    ) -> bool:
        body = io.BytesIO()
        record = {
            "topic": topic,
            "readings": readings,
            "senders": sizes,
            "messages": [
                {"key": key, "value": value or b"", "headers": dict(headers)}
                for key, value, headers in messages
            ],
        }
        fastavro.schemaless_writer(body, _SPOOLED, record)
        with self._turn:
            is_kept = self._spool.append(Frame(len(messages), body.getvalue()))
            if is_kept:
                self._shares.put(sizes)
                self._sends_directly = False
                self._wake.set()
        return is_kept

    def _send_spooled(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(None if self._sends_directly else _LOOK_S)
            self._wake.clear()
            if self._stopped.is_set() or self._sends_directly or not is_reachable(self._settings):
                continue
            try:
                self._send_all_spooled()
            except GmnError:
                pass  # it is away again, which is known
            except Exception as error:
                # Whatever it is: what waits is still there, and this thread is to try again.
                self._say(f"What waits on disk cannot be sent: {type(error).__name__}: {error}.")

    def _send_all_spooled(self) -> None:
        """Send segment by segment; with the last one gone, the spool is done with."""
        kafka = self._connected(self._settings)
        try:
            while not self._stopped.is_set():
                taken = self._next_segment()
                if taken is None:
                    return
                is_sent = False
                try:
                    is_sent = self._send_frames(kafka, taken.frames())
                finally:
                    self._remove(taken) if is_sent else taken.leave()
                if not is_sent:
                    return
        finally:
            kafka.close()

    def _remove(self, taken: Taken) -> None:
        kept = taken.remove()
        if kept is not None:
            self.spool_counts.lost_messages += taken.lost_items
            _log.warning(
                "What waited on disk was damaged in %d places: %d or more messages are lost, the "
                "others are sent. See whether the disk is sound; %s is kept until you remove it.",
                taken.damages, taken.lost_items, kept,
            )  # fmt: skip

    def _send_frames(self, kafka: FastProducer, frames: Iterable[Frame]) -> bool:
        readings, sizes = 0, []
        for frame in frames:
            spooled: Any = fastavro.schemaless_reader(io.BytesIO(frame.body), _SPOOLED, None)
            messages = [
                (m["key"], m["value"], list(m["headers"].items())) for m in spooled["messages"]
            ]
            if self._stopped.is_set() or kafka.send(spooled["topic"], messages):
                return False
            readings += spooled["readings"]
            sizes.append(spooled["senders"])
        self.spool_counts.sent += readings
        self._shares.taken(sizes)
        return True

    def _next_segment(self) -> Taken | None:
        """What is to be sent next; where nothing is, readings go to Kafka directly again."""
        with self._turn:
            taken = self._spool.take()
            if taken is None:
                if self.trouble is not None:
                    _log.info("What waited on disk is sent; readings go to Kafka again.")
                self.trouble = None
                self._shares.clear()
                self._sends_directly = True
            return taken
