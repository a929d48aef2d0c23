"""Readings of senders who wait for the answer (a database, HTTP): on the topic, or not taken.

What belongs here: records from such senders through their reader to the topic. What does not:
senders who do not wait (`station_listener.py`), for whom readings are kept on disk meanwhile.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gmn_pipeline.errors import BrokerUnavailable
from gmn_pipeline.flows.station_listener import folder_of
from gmn_pipeline.publications.station_readings import ReadingsPublication
from gmn_pipeline.readers.station_readings.received import (
    ReadBatch,
    Received,
    Refused,
    Transport,
)
from gmn_pipeline.settings import KafkaSettings
from gmn_pipeline.storage.spool import Spool

Read = Callable[[Sequence[Received], Transport], ReadBatch]


@dataclass(frozen=True)
class Acknowledged:
    """What became of the records of payloads: Kafka has the readings, and the others with their
    reasons among the dead letters."""

    published: int
    refused: list[Refused]


Publish = Callable[[Sequence[bytes], str], Acknowledged]
"""Send the records in payloads of a sender; return when Kafka has all of them."""


@contextmanager
def publishing(settings: KafkaSettings, transport: Transport, read: Read) -> Iterator[Publish]:
    """A way to the topic, for one thread at a time. It raises BrokerUnavailable for what Kafka did
    not take: the sender has it still, and sends it again."""
    nothing_on_disk = Spool(folder_of(settings.data_dir) / transport.value, 0)
    publication = ReadingsPublication(settings, nothing_on_disk)
    publication.start()

    def publish(payloads: Sequence[bytes], sender: str) -> Acknowledged:
        now_us = time.time_ns() // 1_000
        batch = read([Received(payload, sender, now_us) for payload in payloads], transport)
        published = publication.publish(batch.rows)
        letters = publication.publish_refused(batch.refused, transport)
        lost = published.dropped + len(batch.refused) - letters
        if lost:
            raise BrokerUnavailable(
                f"Kafka did not take {lost} of {batch.records} records.",
                remedy="Nothing is lost: who sent them has them still.",
            )
        return Acknowledged(published.sent, batch.refused)

    try:
        yield publish
    finally:
        publication.stop()
