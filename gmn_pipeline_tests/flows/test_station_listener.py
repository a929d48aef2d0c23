"""From a sender's socket to the topic, with a real Kafka: nothing is lost without being counted."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline.flows.station_listener import statuses
from gmn_pipeline.readers.station_readings.signed import signature_line
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.kafka import MortalBroker, RunningBroker, need_kafka
from gmn_pipeline_tests.support.listener import (
    dead_letters,
    listening,
    numbered,
    numbers,
    readings,
    wait_for,
)
from gmn_pipeline_tests.support.registry import free_port


def settings_of(folder: Path, servers: str, **more: object) -> Settings:
    return load_settings(
        data_dir=folder / "data", kafka_bootstrap_servers=servers,
        kafka_readings_topic=f"readings_{folder.name}"[:60], **more,
    )  # fmt: skip


def send(port: int, *payloads: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        for payload in payloads:
            opened.sendto(payload, ("127.0.0.1", port))


def test_readings_are_on_the_topic_and_what_is_none_is_among_the_dead_letters(
    kafka: RunningBroker, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, kafka.bootstrap_servers)
    good, beyond = numbered(0, 300), numbered(0, 1, temp=999)
    unset = b'{"timestamp": 3, "sensor_id": 1, "temp": 1}'
    with listening(settings) as at:
        send(at.port, *good[:200], b"\n".join(good[200:]), b"\xff", *beyond, unset)
        at.wait_until_read(303)
    counts = at.listener.counts
    refused = {"unreadable": 1, "out_of_limits": 1, "wrong_clock": 1}
    assert (counts.sent, counts.refused) == (300, refused)
    rows = readings(settings)
    assert numbers(rows) == list(range(300))
    assert set(rows.get_column("sender")) == {"127.0.0.1"}
    letters = dict(dead_letters(settings))
    assert letters.keys() == {b"\xff", *beyond, unset}
    assert "its clock is not set" in letters[unset]["dead-letter-reason"]
    said = letters[b"\xff"]
    assert "UTF-8" in said["dead-letter-reason"]
    assert (said["sender"], said["dead-letter-cause"]) == ("127.0.0.1", "unreadable")
    (status,) = statuses(settings.data_dir)
    assert status["records"]["sent"] == 300
    assert status["sources"]["udp"]["received"] == 204
    assert not status["is_running"]


def test_what_is_signed_or_in_line_protocol_comes_the_same_way(
    kafka: RunningBroker, tmp_path: Path
) -> None:
    keys, secret = tmp_path / "keys", b"0123456789abcdef"
    keys.write_text(f"one {secret.decode()} HR0001\n")
    settings = settings_of(
        tmp_path, kafka.bootstrap_servers, stations_keys_file=keys, stations_signed_only=True
    )
    now = time.time()

    def signed(payload: bytes, at_s: float = now) -> bytes:
        return signature_line("one", secret, at_s, payload) + payload

    first, second, third = numbered(0, 3, station_code="HR0001")
    with listening(settings) as at:
        send(at.port, signed(first), second, signed(second, now - 1000), signed(third) + b"x")
        at.wait_until_read(4)
        points = b"m,station=HR0001 temp=1 1000000003000000000\nm,station=A temp=2"
        send(at.line_protocol_port, signed(points))
        at.wait_until_read(6)
    assert at.listener.counts.refused == {"bad_signature": 2, "replay": 1, "not_its_station": 1}
    assert numbers(readings(settings)) == [0, 3]
    assert len(dead_letters(settings)) == 4


def test_a_flood_of_garbage_is_counted_and_not_all_of_it_kept(
    kafka: RunningBroker, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, kafka.bootstrap_servers, stations_refused_kept_per_s=1.0)
    with listening(settings) as at:
        send(at.port, b"x\n" * 20_000, *numbered(0, 5), b"y" * 65_000)
        at.wait_until_read(20_006)
    counts = at.listener.counts
    assert (counts.sent, counts.refused) == (5, {"unreadable": 20_001})
    assert 10 <= counts.letters == len(dead_letters(settings)) < 100
    assert at.listener.status()["refused_of_senders"] == {"127.0.0.1": {"unreadable": 20_001}}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalBroker]:
    need_kafka()
    made = MortalBroker(tmp_path_factory.mktemp("kafka"))
    yield made
    made.end()


def test_a_broker_that_dies_and_comes_back_gets_every_reading(
    broker: MortalBroker, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, broker.running.bootstrap_servers, kafka_timeout_s=5.0)
    with listening(settings) as at:
        send(at.port, *numbered(0, 500))
        at.wait_until_read(500)
        broker.kill()
        send(at.port, *numbered(500, 1000), b"garbage")
        at.wait_until_read(1001)
        counts = at.listener.counts
        assert (counts.sent, counts.spooled, counts.dropped) == (500, 500, 0)
        broker.start()
        send(at.port, *numbered(1000, 1500))
        at.wait_until_read(1501)
        wait_for(lambda: at.listener.status()["kafka"] == "well")
        send(at.port, *numbered(1500, 1600))
        at.wait_until_read(1601)
        assert at.listener.status()["spool"]["bytes"] == 0
    assert sorted(set(numbers(readings(settings)))) == list(range(1600))
    assert [value for value, _ in dead_letters(settings)] == [b"garbage"]


def test_a_full_spool_drops_readings_and_counts_them(broker: MortalBroker, tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    settings = settings_of(tmp_path, nowhere, stations_spool_mb=0.02)
    with listening(settings) as at:
        for first in range(0, 1000, 100):
            send(at.port, *numbered(first, first + 100))
            at.wait_until_read(first + 100)
    counts = at.listener.counts
    assert counts.spooled + counts.dropped == 1000
    assert counts.spooled > 0
    assert counts.dropped > 0
    with listening(settings_of(tmp_path, broker.running.bootstrap_servers)) as again:
        wait_for(lambda: again.listener.status()["spool"]["readings_sent"] == counts.spooled)
    sent = readings(settings_of(tmp_path, broker.running.bootstrap_servers))
    assert sent.height == counts.spooled


def test_what_is_damaged_on_disk_is_told_and_the_rest_is_sent(
    broker: MortalBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(settings_of(tmp_path, f"127.0.0.1:{free_port()}")) as at:
        for first in range(0, 30, 10):
            send(at.port, *numbered(first, first + 10))
            at.wait_until_read(first + 10)
    settings = settings_of(tmp_path, broker.running.bootstrap_servers)
    (segment,) = (settings.data_dir / "stations" / "spool").iterdir()
    data = segment.read_bytes()
    harmed = data.index(b"HR0001", len(data) // 2)
    segment.write_bytes(data[:harmed] + b"XX" + data[harmed + 2 :])
    with listening(settings) as at:
        wait_for(lambda: at.listener.status()["spool"]["readings_sent"])
        wait_for(lambda: at.listener.status()["spool"]["damaged_files"])
        told = at.listener.status()["spool"]
    kept = segment.with_suffix(".damaged")
    assert (told["readings_sent"], told["lost_messages"]) == (20, 10)
    assert told["damaged_files"] == [str(kept)]
    assert "See whether the disk is sound" in caplog.text
    said = Command(GMN_DATA_DIR=str(settings.data_dir)).says("stations", "status")
    assert "damaged on disk: 1 files, of which 10 or more messages could not be sent" in said
    assert len(numbers(readings(settings))) == 20
    assert kept.read_bytes() != data


class Listener:
    """`gmn stations listen` as a process."""

    def __init__(self, folder: Path, servers: str, port: int) -> None:
        self.settings = settings_of(folder, servers)
        self.port = port
        self._command = Command(
            GMN_DATA_DIR=str(self.settings.data_dir), KAFKA_BOOTSTRAP_SERVERS=servers,
            GMN_KAFKA_READINGS_TOPIC=self.settings.kafka_readings_topic,
        )  # fmt: skip
        self.process = self._command.start("stations", "listen", "--port", str(port))
        assert self.process.stdout is not None
        assert "Listening" in self.process.stdout.readline()

    def count(self, part: str, what: str) -> int:
        """One of its own counts, as it told them last."""
        told = statuses(self.settings.data_dir)
        return sum(one[part][what] for one in told if one["pid"] == self.process.pid)

    def says(self, *options: str) -> str:
        return self._command.says("stations", "status", *options)

    def end(self, number: signal.Signals) -> "subprocess.CompletedProcess[str]":
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=60)
        return subprocess.CompletedProcess([], self.process.returncode, out, errors)


def test_what_is_on_disk_outlives_a_listener_that_is_killed(
    broker: MortalBroker, tmp_path: Path
) -> None:
    port, nowhere = free_port(), f"127.0.0.1:{free_port()}"
    first = Listener(tmp_path, nowhere, port)
    send(port, *numbered(0, 400))
    wait_for(lambda: first.count("records", "spooled") == 400)
    first.end(signal.SIGKILL)
    second = Listener(tmp_path, broker.running.bootstrap_servers, port)
    send(port, *numbered(400, 500))
    # All of the former's, and those of its own that came before they were sent.
    wait_for(lambda: second.count("records", "read") == 100)
    wait_for(lambda: second.count("spool", "readings_sent") >= 400)
    wait_for(lambda: second.count("spool", "bytes") == 0)
    assert "runs (pid" in second.says()
    ended = second.end(signal.SIGTERM)
    assert (ended.returncode, ended.stderr.count("Traceback")) == (0, 0), ended.stderr
    assert "100 records" in ended.stdout
    assert sorted(set(numbers(readings(second.settings)))) == list(range(500))
    assert json.loads(second.says("--json"))[0]["name"] == f"listen-{port}"
