"""Readings from their topic into their lake, with a real Kafka: exact counts, whatever dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.errors import StreamBusy
from gmn_pipeline.schemas.station_readings import STATION_READING_MESSAGES
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.streams.consumer import consumer_lock, planned_ranges
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.station_readings import STATION_READINGS, checked
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline_tests.support.kafka import RunningBroker, admin, need_kafka, own_broker
from gmn_pipeline_tests.support.readings import NIGHT, ReadingsBench, frame, night, reading, values
from gmn_pipeline_tests.support.stream_bench import Merges, hearing


@pytest.fixture
def bench(tmp_path: Path, kafka: RunningBroker) -> ReadingsBench:
    return ReadingsBench(tmp_path, kafka)


# --- what a message means ------------------------------------------------------------------------


def test_what_is_no_reading_is_refused_with_its_reason() -> None:
    readings = [
        reading(),
        reading(humidity_percent=106.0),
        reading(station_code="no such\ncode"),
        reading(other_quantities="[1]"),
        reading(other_quantities='{"uv": NaN}'),
        reading(temperature_deg_c=float("inf")),
        reading(humidity_percent=float("nan")),
        reading(measured_at_utc=NIGHT.replace(year=2300)),
        reading(measured_at_utc=NIGHT.replace(year=1970)),
        reading(measured_at_utc=NIGHT.replace(year=2002)),
    ]
    accepted, reasons = checked(to_fields(frame(readings), STATION_READING_MESSAGES))
    assert accepted.height == 3
    assert accepted.get_column("humidity_percent").null_count() == 3
    assert sorted(reasons) == [1, 2, 3, 4, 5, 7, 8]
    assert "humidity_percent" in reasons[1][0]
    assert reasons[3] == reasons[4] == ["type: other_quantities is no JSON object"]
    assert "a clock is wrong" in reasons[7][0]
    (why,) = reasons[8]
    assert why == "clock: its time 1970-08-12 22:00:00 is before 2001: its clock is not set"


# --- taking in -----------------------------------------------------------------------------------


def test_a_topic_is_taken_in_once_and_read_again_it_changes_nothing(bench: ReadingsBench) -> None:
    readings = night(300)
    (unset,) = values([reading(measured_at_utc=NIGHT.replace(year=1970))])
    bench.send(*values(readings), values(readings)[0], b"garbage", None, unset)
    counts = bench.consume().counts
    assert counts.as_dict() == {
        "read": 304, "inserted": 300, "duplicate": 1, "outdated": 0, "dead": 3
    }  # fmt: skip
    assert bench.consume().counts.read == 0
    StreamService(STATION_READINGS, bench.settings).run(once=True, from_beginning=True)
    assert (bench.count(), bench.count("dead_letters")) == (300, 3)
    assert bench.lake.ask("SELECT sum(reading_count) FROM station_readings_by_day") == [(300,)]
    assert bench.count("readings_to_roll_up") == 0


def test_a_topic_that_is_made_anew_is_read_from_its_beginning(bench: ReadingsBench) -> None:
    bench.send_readings(night(30))
    bench.consume()
    topic = bench.settings.kafka_readings_topic
    with admin(str(bench.settings.kafka_bootstrap_servers)) as client:
        client.delete_topics([topic])
        while topic in client.list_topics():
            time.sleep(0.1)
    bench.send_readings(night(40))
    assert bench.consume().counts.as_dict()["inserted"] == 10
    assert bench.count() == 40


def test_trajectories_and_readings_are_taken_in_at_the_same_time(bench: ReadingsBench) -> None:
    bench.send_readings(night(3))
    with consumer_lock(TRAJECTORIES, bench.settings):
        assert bench.consume().counts.inserted == 3
    held = consumer_lock(STATION_READINGS, bench.settings)
    with held, pytest.raises(StreamBusy, match="gmn stations take-in"):
        bench.consume()


def test_where_readings_always_come_they_are_read_on_and_not_planned_each_time(
    bench: ReadingsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans, merges = count(1), count(1)
    bench.send_readings(night(5))

    def plan(*given: Any) -> Any:
        bench.send_readings(night(1, first=1_000 + next(plans)))  # some wait whenever it looks
        return planned_ranges(*given)

    def on_merge() -> None:
        number = next(merges)
        bench.send_readings(night(1, first=2_000 + number))
        if number == 4:
            service.stop()

    monkeypatch.setattr("gmn_pipeline.streams.service.planned_ranges", plan)
    service = StreamService(STATION_READINGS, bench.settings)
    with hearing(Merges(on_merge)):
        service.run()
    assert next(plans) == 3
    assert bench.count() == 5 + 2 + 3


# --- killed --------------------------------------------------------------------------------------

TAKE_IN = """
import sys
from gmn_pipeline.settings import load_settings
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.station_readings import STATION_READINGS
settings = load_settings(readings_batch=40, readings_gather_s=0.01, readings_rollup_s=0.3)
StreamService(STATION_READINGS, settings).run(on_ready=lambda: print("ready", flush=True))
"""


class Service:
    """The service in a process of its own, to be killed."""

    def __init__(self, bench: ReadingsBench) -> None:
        environment = os.environ | {
            "GMN_DATA_DIR": str(bench.settings.data_dir),
            "KAFKA_BOOTSTRAP_SERVERS": str(bench.settings.kafka_bootstrap_servers),
            "GMN_KAFKA_READINGS_TOPIC": bench.settings.kafka_readings_topic,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_IN], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # each look takes a part of what is looked at


def test_a_service_that_is_killed_again_and_again_loses_and_doubles_nothing(
    bench: ReadingsBench,
) -> None:
    bench.send_readings(night(600))
    for seen in (1, 200, 400):
        service = Service(bench)
        until(lambda seen=seen: bench.lake.warehouse.exists and bench.count() >= seen)
        service.kill()
    bench.send_readings(night(700, first=500))
    StreamService(STATION_READINGS, bench.settings).run(once=True)
    assert bench.count() == 1200
    assert bench.lake.ask("SELECT sum(reading_count) FROM station_readings_by_hour") == [(1200,)]
    assert bench.lake.ask(
        "SELECT count(*) FROM (SELECT DISTINCT station_code, measured_at_utc FROM station_readings)"
    ) == [(1200,)]
    stored = bench.lake.ask("SELECT sum(next_offset) FROM stream_offsets")
    assert stored == [(1300,)]


def test_a_broker_that_is_killed_is_waited_for(tmp_path: Path) -> None:
    need_kafka()
    with own_broker(tmp_path / "one") as broker:
        bench = ReadingsBench(tmp_path, broker, "readings")
        bench.send_readings(night(200))
        service = Service(bench)
        until(lambda: bench.lake.warehouse.exists and bench.count() >= 40)
        broker.kill()
    with own_broker(tmp_path / "one", broker.port):
        bench.send_readings(night(200, first=100))
        until(lambda: bench.count() == 300)
        service.kill()
    assert bench.lake.ask("SELECT sum(next_offset) FROM stream_offsets") == [(400,)]
