"""From a sender's socket to the topic, with a real Kafka: nothing is lost without being counted."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.errors import BrokerUnavailable
from gmn_pipeline.flows.acknowledged_readings import publishing
from gmn_pipeline.flows.station_listener import StationListener, statuses
from gmn_pipeline.flows.station_ways import datagram_way, mqtt_way
from gmn_pipeline.readers.station_readings.ndjson import read_ndjson
from gmn_pipeline.readers.station_readings.received import Transport
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
    running,
    wait_for,
)
from gmn_pipeline_tests.support.mosquitto import PASSWORD, USER, Mosquitto
from gmn_pipeline_tests.support.registry import free_port
from gmn_pipeline_tests.support.relay import Relay, relayed_brokers


def settings_of(folder: Path, servers: str, **more: object) -> Settings:
    return load_settings(
        data_dir=folder / "data", kafka_bootstrap_servers=servers,
        kafka_readings_topic=f"readings_{folder.name}"[:60], **more,
    )  # fmt: skip


def send(port: int, *payloads: bytes, sender: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((sender, 0))
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
def network() -> Iterator[tuple[Relay, str]]:
    """Between a listener and the broker, and the address behind it."""
    with relayed_brokers() as made:
        yield made


@pytest.fixture(scope="module")
def broker(
    tmp_path_factory: pytest.TempPathFactory, network: tuple[Relay, str]
) -> Iterator[MortalBroker]:
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


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    made = Mosquitto(folder)
    yield made
    made.stop()


def test_what_was_acknowledged_outlives_a_split_of_the_network_that_is_told_of_meanwhile(
    broker: MortalBroker, network: tuple[Relay, str], mosquitto: Mosquitto, tmp_path: Path
) -> None:
    relay, servers = network
    settings = settings_of(
        tmp_path, servers, kafka_timeout_s=2.0, mqtt_port=mosquitto.port, mqtt_username=USER,
        mqtt_password=PASSWORD,
    )  # fmt: skip
    udp, mqtt = datagram_way(settings, "127.0.0.1", 0), mqtt_way(settings)
    with (
        publishing(settings, Transport.HTTP, read_ndjson) as publish,
        running(StationListener(settings, "both", [udp, mqtt])) as listener,
    ):

        def is_read(records: int) -> bool:
            return listener.counts.read == records

        def send_both(first: int) -> None:
            send(udp.source.status()["port"], *numbered(first, first + 100))
            mosquitto.publish(
                *((f"stations/HR{n % 7:04d}/readings", payload) for n, payload in
                  enumerate(numbered(first + 100, first + 200), first + 100))
            )  # fmt: skip

        def kafka() -> str:
            return str(listener.status()["kafka"])

        wait_for(lambda: mqtt.source.status()["state"] == "connected")
        send_both(0)
        wait_for(lambda: is_read(200))
        assert publish(numbered(900, 950), "http").published == 50
        relay.split()
        send_both(200)
        wait_for(lambda: kafka().startswith("has acknowledged nothing for"))
        send_both(400)
        wait_for(lambda: mqtt.source.status()["acknowledged"] == 300)
        wait_for(lambda: is_read(600))
        assert "has not acknowledged" in kafka()
        with pytest.raises(BrokerUnavailable, match="did not take 50 of 50"):
            publish(numbered(950, 1000), "http")
        counts = listener.counts
        assert (counts.sent, counts.spooled, counts.dropped) == (200, 400, 0)
        relay.heal()
        wait_for(lambda: kafka() == "well")
        send_both(600)
        wait_for(lambda: is_read(800))
        assert listener.status()["spool"]["readings_sent"] == 400
    assert (counts.sent, counts.spooled) == (400, 400)
    found = numbers(readings(settings_of(tmp_path, broker.running.bootstrap_servers)))
    # What was on its way when the network was split comes twice, or although nobody was told so.
    assert {n for n in found if n < 950} == {*range(800), *range(900, 950)}


def test_a_flood_of_one_while_kafka_is_behind_costs_nobody_else_a_reading(
    broker: MortalBroker, network: tuple[Relay, str], tmp_path: Path
) -> None:
    (relay, servers), flood, other = network, "127.0.0.2", "127.0.0.3"
    settings = settings_of(
        tmp_path, servers, kafka_timeout_s=2.0, stations_sender_per_s=1_000, stations_queue_mb=0.3,
        stations_spool_mb=0.1,
    )  # fmt: skip
    with listening(settings) as at:

        def udp() -> Any:
            return at.listener.status()["sources"]["udp"]

        send(at.port, *numbered(0, 1), sender=other)
        at.wait_until_read(1)
        relay.split()
        for step in range(40):
            send(at.port, *numbered(1000 + 300 * step, 1300 + 300 * step), sender=flood)
            send(at.port, *numbered(1 + 5 * step, 6 + 5 * step), sender=other)
            # Sent more quickly, the system itself would lose some of either.
            wait_for(lambda: udp()["received"] == 1 + 305 * (step + 1))  # noqa: B023
        wait_for(lambda: not udp()["waiting"])
        relay.heal()
        wait_for(lambda: at.listener.status()["kafka"] == "well")
    told, counts = udp(), at.listener.counts
    of_flood, of_other = told["senders"][flood], told["senders"][other]
    assert of_other == {"received": 201, "over_limit": 0, "queue_full": 0}
    assert of_flood["received"] == 12_000
    assert of_flood["over_limit"] > 0
    assert of_flood["queue_full"] > 0
    assert counts.dropped_of.keys() <= {flood}  # what was not lost before it was read
    found = set(numbers(readings(settings_of(tmp_path, broker.running.bootstrap_servers))))
    assert found >= set(range(201))
    lost = of_flood["over_limit"] + of_flood["queue_full"] + counts.dropped
    assert len(found) == 201 + 12_000 - lost


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
