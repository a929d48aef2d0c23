"""Warehouses that publish to a topic and take it in."""

import io
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import confluent_kafka
import dagster as dg
import fastavro
import polars as pl

from gmn_pipeline.definitions import build_defs
from gmn_pipeline.flows.report import Report
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.publications.trajectories import PublishReport, publish
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.streams.consumer import ConsumeReport, consume
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.offsets import stored_offsets
from gmn_pipeline_tests.support.kafka import RunningBroker, records, send
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, Summary, sample
from gmn_pipeline_tests.support.warehouse import frame, state

ROWS = 60
FIRST, SECOND, THIRD = (f"2022-03-{day} 00:00:00.000000" for day in (10, 11, 12))


class StreamBench(Bench):
    """A warehouse, and a topic of its own on a broker that others use too."""

    def __init__(
        self, folder: Path, broker: RunningBroker, topic: str | None = None, **settings: Any
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.broker = broker
        given = {
            "kafka_bootstrap_servers": broker.bootstrap_servers,
            "kafka_topic": topic or f"topic-{uuid.uuid4().hex[:8]}",
            "kafka_timeout_s": 20.0,
            "run_retries": 0,
        }
        super().__init__(folder, **given | settings)

    def beside(self, name: str, **settings: Any) -> "StreamBench":
        """Another, empty warehouse on the same topic."""
        return self.elsewhere(self.site.parent.parent / name, **settings)

    def elsewhere(self, folder: Path, **settings: Any) -> "StreamBench":
        """The same in a folder of one's own, for a topic that several tests read."""
        return StreamBench(folder, self.broker, self.settings.kafka_topic, **settings)

    def set(self, **settings: Any) -> None:
        """Go on with other settings."""
        self.settings = self.settings.model_copy(update=settings)

    def defs(self) -> dg.Definitions:
        """What Dagster loads, with these settings."""
        return build_defs(self.settings.model_dump(exclude_unset=True))

    def offsets(self) -> dict[int, int]:
        """The next offset of each partition."""
        stored = stored_offsets(WarehouseConnection(self.settings), self.settings.kafka_topic)
        return {partition: at.next_offset for partition, at in stored.items()}

    def load(self, content: Summary | None = None, *days: date) -> Report:
        self.put(DAILY, content or sample().first(ROWS).stamped(FIRST))
        report = load_days(days or (DAY,), self.settings)
        assert not report.failed
        return report

    def publish(self) -> PublishReport:
        return publish(self.settings)

    def consume(self, *arguments: Any, **named: Any) -> ConsumeReport:
        return consume(TRAJECTORIES, self.settings, *arguments, **named)

    def records(self) -> list[Any]:
        return records(self.broker.bootstrap_servers, self.settings.kafka_topic)

    def dead_letters(self) -> list[Any]:
        return records(
            self.broker.bootstrap_servers, trajectories_topic(self.settings).dead_letters
        )

    def send(self, *messages: tuple[bytes | None, bytes | None]) -> list[Any]:
        return send(self.broker.bootstrap_servers, self.settings.kafka_topic, *messages)

    def trajectories(self) -> pl.DataFrame:
        return state(self.settings, "trajectories")["trajectories"]

    def changes(self) -> list[tuple[Any, ...]]:
        return frame(
            self.settings,
            "SELECT trajectory_identifier, change FROM trajectory_revisions ORDER BY ALL",
        ).rows()


def same_content(one: StreamBench, other: StreamBench) -> None:
    """The tables that a day fills are equal, revision numbers and all."""
    tables = ("trajectories", "links", "stations")
    mine, theirs = state(one.settings, *tables), state(other.settings, *tables)
    for name in tables:
        assert mine[name].equals(theirs[name]), name
    assert mine["trajectories"].height


def assert_readable(bench: StreamBench, prefix: bytes, schema: Any) -> None:
    """Another Kafka client and another Avro library read every message of the topic."""
    messages = _by_confluent_kafka(bench)
    assert len(messages) == ROWS
    parsed = fastavro.parse_schema(schema)
    for message in messages:
        assert message.value().startswith(prefix)
        opened = io.BytesIO(message.value()[len(prefix) :])
        record: Any = fastavro.schemaless_reader(opened, parsed, None)
        assert not opened.read()
        assert record["unique_trajectory_identifier"] == message.key().decode()
        assert record["schema_version"] == "2.1"
        assert record["beginning_utc_time"].tzinfo is not None
        assert isinstance(record["participating_stations"], list)
        assert dict(message.headers())["schema-version"] == b"2.1"


def _by_confluent_kafka(bench: StreamBench) -> list[Any]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bench.broker.bootstrap_servers,
            "group.id": bench.settings.kafka_topic,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([bench.settings.kafka_topic])
    try:
        return consumer.consume(ROWS, timeout=30)
    finally:
        consumer.close()


class Merges(logging.Handler):
    """Hears of each merge of a service, and of its troubles: it tells of them in its log."""

    def __init__(self, on_merge: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._on_merge = on_merge
        self._event = threading.Event()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self._on_merge()
        self._event.set()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 90) -> None:
        """Look after each merge."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self._event.wait(deadline - time.monotonic()), f"nothing more: {self.said}"
            self._event.clear()


@contextmanager
def hearing(merges: Merges) -> Iterator[Merges]:
    log = logging.getLogger("gmn_pipeline.streams.service")
    log.setLevel(logging.INFO)
    log.addHandler(merges)
    try:
        yield merges
    finally:
        log.removeHandler(merges)


@contextmanager
def serving(bench: StreamBench, *, when_ready: bool = True) -> Iterator[Merges]:
    """`gmn stream` at work in a thread for as long as the block runs; begins when it is ready."""
    service, ready = StreamService(TRAJECTORIES, bench.settings), threading.Event()
    with ThreadPoolExecutor(1) as pool, hearing(Merges()) as merges:
        running = pool.submit(service.run, on_ready=ready.set)
        try:
            assert not when_ready or ready.wait(60)
            yield merges
        finally:
            service.stop()
            running.result(timeout=60)


__all__ = [
    "FIRST",
    "ROWS",
    "SECOND",
    "THIRD",
    "Merges",
    "StreamBench",
    "assert_readable",
    "hearing",
    "same_content",
    "serving",
]
