"""What tests with a real broker share: the broker itself, a warehouse with a day in it, records."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import (  # type: ignore[import-untyped]
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    TopicPartition,
)

from gmn_pipeline.errors import KafkaUnavailable
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.local_broker.install import default_libs_dir, find_java
from gmn_pipeline.kafka.local_broker.process import RunningBroker
from gmn_pipeline_tests.support.absent import not_run

PROJECT = Path(__file__).resolve().parents[2]
LIBS = default_libs_dir(PROJECT / "data")


def need_kafka(*folders: Path) -> None:
    """Skip where no broker can be had; under CI that is a failure, not an excuse.

    Other folders that Maven fills may be needed as well.
    """
    try:
        find_java()
        if not all(folder.is_dir() for folder in (LIBS, *folders)) and shutil.which("mvn") is None:
            raise KafkaUnavailable("Neither all the jars nor Maven are here.")
    except KafkaUnavailable as error:
        not_run(f"there is no Kafka broker to test with ({error})")


def records(servers: str, topic: str) -> list[Any]:
    """Every record of a topic, in the order of partitions and offsets."""
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=None, fetch_max_wait_ms=50)
    try:
        places = [
            TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        found: list[Any] = []
        while any(consumer.position(place) < ends[place] for place in places):
            for polled in consumer.poll(timeout_ms=200).values():
                found += polled
        return sorted(found, key=lambda r: (r.partition, r.offset))
    finally:
        consumer.close()


def send(servers: str, topic: str, *messages: tuple[bytes | None, bytes | None]) -> list[Any]:
    """Send (key, value) pairs as somebody else would."""
    producer = KafkaProducer(bootstrap_servers=servers, max_request_size=8_000_000)
    try:
        sent = [producer.send(topic, key=key, value=value) for key, value in messages]
        producer.flush(timeout=30)
        return [future.get(timeout=30) for future in sent]
    finally:
        producer.close()


@contextmanager
def admin(servers: str) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=servers)
    try:
        yield client
    finally:
        client.close()


def own_broker(folder: Path, port: int | None = None) -> Any:
    return brokers.own_broker(folder, port, libs_dir=LIBS)


class MortalBroker:
    """A broker that dies and comes back on the same port, with the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: Any = None
        self.start()

    def start(self) -> None:
        self._opened = own_broker(self._folder, self.running.port if self._opened else None)
        self.running: RunningBroker = self._opened.__enter__()

    def kill(self) -> None:
        self.running.kill()

    def restart(self) -> None:
        self.running.stop()
        self.start()

    def end(self) -> None:
        self.running.stop()


__all__ = [
    "LIBS",
    "PROJECT",
    "MortalBroker",
    "RunningBroker",
    "admin",
    "need_kafka",
    "own_broker",
    "records",
    "send",
]
