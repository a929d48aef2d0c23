"""A listener to stations within the tests' own process, and what it has put on the topic."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl

from gmn_pipeline.flows.station_listener import StationListener
from gmn_pipeline.flows.station_ways import datagram_way
from gmn_pipeline.kafka.framing import unframe
from gmn_pipeline.readers.station_readings.received import Transport
from gmn_pipeline.schemas.station_readings import STATION_READING_MESSAGES, STATION_READINGS
from gmn_pipeline.schemas.table_messages import to_rows
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.kafka import records

_SET_S = 1_000_000_000
"""A time that a clock may tell (s)."""


def wait_for(is_true: Callable[[], object], within_s: float = 30) -> None:
    """Wait until something is so; not for ever."""
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.02)


@dataclass
class Listening:
    """A listener at work."""

    listener: StationListener
    port: int
    line_protocol_port: int

    def wait_until_read(self, records: int) -> None:
        wait_for(lambda: self.listener.counts.read == records)


@contextmanager
def listening(settings: Settings) -> Iterator[Listening]:
    """Listen to datagrams for as long as the block runs, and end cleanly."""
    udp = datagram_way(settings, "127.0.0.1", 0)
    line_protocol = datagram_way(settings, "127.0.0.1", 0, Transport.LINE_PROTOCOL)
    with running(StationListener(settings, "listen", [udp, line_protocol])) as listener:
        yield Listening(
            listener, udp.source.status()["port"], line_protocol.source.status()["port"]
        )


@contextmanager
def running(listener: StationListener) -> Iterator[StationListener]:
    """Let it work for as long as the block runs, and end cleanly."""
    ready, failed = threading.Event(), []

    def run() -> None:
        try:
            listener.run(ready.set)
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(60)
    try:
        yield listener
    finally:
        listener.stop()
        thread.join()
        if failed:
            raise failed[0]


def readings(settings: Settings) -> pl.DataFrame:
    """What the topic has, as the consumers read it."""
    servers, topic = settings.kafka_bootstrap_servers, settings.kafka_readings_topic
    found = records(servers or "", topic)
    decoded = unframe([one.value for one in found], STATION_READING_MESSAGES, None)
    assert not decoded.reasons
    keys = [f"{s}/{n}".encode() for s, n in decoded.rows["station_code", "sensor_id"].iter_rows()]
    assert [one.key for one in found] == keys
    return to_rows(decoded.rows, STATION_READING_MESSAGES, STATION_READINGS)


def dead_letters(settings: Settings) -> list[tuple[bytes, dict[str, str]]]:
    """What was refused: the record, and what its headers say."""
    servers, topic = settings.kafka_bootstrap_servers, f"{settings.kafka_readings_topic}.dlq"
    return [
        (one.value, {name: value.decode() for name, value in one.headers})
        for one in records(servers or "", topic)
    ]


def numbered(first: int, last: int, **more: Any) -> list[bytes]:
    """Datagrams that can be told apart by their time."""
    return [
        json.dumps({
            "station_code": f"HR{n % 7:04d}", "sensor_id": n % 3, "timestamp": _SET_S + n,
            "temp": 1.5, **more,
        }).encode()
        for n in range(first, last)
    ]  # fmt: skip


def numbers(rows: pl.DataFrame) -> list[int]:
    """Which of them came, each as often as it did."""
    return sorted((rows.get_column("measured_at_utc").dt.epoch("s") - _SET_S).to_list())
