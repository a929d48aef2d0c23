"""Readings of stations for tests: rows, messages, and a lake that takes them in.

What belongs here: making and asking them. What does not: what is expected of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.framing import single_object_framing
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.station_readings import DATASET, STATION_READING_MESSAGES
from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.schemas.topics import readings_topic
from gmn_pipeline.settings import Settings
from gmn_pipeline.streams.consumer import ConsumeReport, consume
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.messages import ReadingBatch, ReadingCounts, take_in
from gmn_pipeline_tests.support.kafka import RunningBroker
from gmn_pipeline_tests.support.sample import Bench

NIGHT = datetime(2026, 8, 12, 22)
SENT = polars_schema(DATASET.validated[0].fields)
_USUAL = {
    "station_code": "HR0010", "sensor_id": "1", "measured_at_utc": NIGHT, "latitude_deg": 45.0,
    "longitude_deg": 15.0, "height_m": 100.0, "temperature_deg_c": 12.5,
    "received_at_utc": NIGHT, "sender": "127.0.0.1", "transport": "udp",
}  # fmt: skip
NO_DEAD_LETTERS = pl.DataFrame(schema=polars_schema(DEAD_LETTERS.fields))


def reading(**values: object) -> dict[str, object]:
    """A reading, as usual but for these values."""
    return dict.fromkeys(SENT) | _USUAL | values


def night(readings: int, stations: int = 5, first: int = 0) -> list[dict[str, object]]:
    """So many readings, one a second from one station after the other, each another."""
    return [
        reading(
            station_code=f"HR{at % stations:04}",
            measured_at_utc=NIGHT + timedelta(seconds=at),
            temperature_deg_c=10 + at / 1000,
        )
        for at in range(first, first + readings)
    ]


def frame(readings: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(list(readings), schema=SENT, orient="row")


def values(readings: Sequence[Mapping[str, object]]) -> list[bytes]:
    """The value of each reading's message."""
    fields = to_fields(frame(readings), STATION_READING_MESSAGES)
    return single_object_framing(STATION_READING_MESSAGES).frame(fields)


class ReadingsLake:
    """A lake of readings that is given batches without Kafka."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.warehouse = WarehouseConnection(settings, READINGS)
        self._at = 0

    def take_in(self, readings: Sequence[Mapping[str, object]]) -> ReadingCounts:
        """The next batch of a topic."""
        begin, self._at = self._at, self._at + len(readings)
        ranges = [OffsetRange(0, begin, self._at)]
        batch = ReadingBatch("t", "topic", "cluster", ranges, frame(readings), NO_DEAD_LETTERS)
        return take_in(self.warehouse, batch)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.open(read_only=True) as connection:
            return connection.execute(sql).fetchall()


class ReadingsBench(Bench):
    """A data folder whose topic of readings is on a broker."""

    def __init__(self, folder: Path, broker: RunningBroker, topic: str | None = None) -> None:
        super().__init__(
            folder,
            kafka_bootstrap_servers=broker.bootstrap_servers,
            kafka_readings_topic=topic or f"readings-{folder.name}",
        )
        self.lake = ReadingsLake(self.settings)

    def send(self, *given: bytes | None, key: bytes = b"HR0010/1") -> None:
        """Values of messages; the topic is made if it is not there."""
        topic = replace(readings_topic(self.settings))
        ensure_topics(self.settings, topic)
        with producer(self.settings) as kafka:
            for at, value in enumerate(given):
                kafka.send(topic.name, key=key, value=value, partition=at % topic.partitions)
            kafka.flush()

    def send_readings(self, readings: Sequence[Mapping[str, object]]) -> None:
        self.send(*values(readings))

    def consume(self, *arguments: Any, **named: Any) -> ConsumeReport:
        return consume(STATION_READINGS, self.settings, *arguments, **named)

    def count(self, table: str = "station_readings") -> int:
        ((count,),) = self.lake.ask(f"SELECT count(*) FROM {table}")
        return int(count)
