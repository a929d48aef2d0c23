"""All parts of the road of stations killed and started again in any order, with a real Kafka,
mosquitto and MariaDB: what was acknowledged is in the lake, and once."""

import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.flows.station_listener import statuses
from gmn_pipeline.settings import load_settings
from gmn_pipeline_tests.support.commands import GMN, Command
from gmn_pipeline_tests.support.kafka import MortalBroker, need_kafka
from gmn_pipeline_tests.support.listener import numbered, wait_for
from gmn_pipeline_tests.support.mariadb import MariaDbServer, own_mariadb
from gmn_pipeline_tests.support.mosquitto import PASSWORD, USER, Mosquitto
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.readings import ReadingsLake

_SET = datetime.fromtimestamp(1_000_000_000, UTC).replace(tzinfo=None)
"""When what has the number 0 is measured; as in `numbered`."""
_AT_ONCE = 20
_UDP, _MQTT, _DATABASE = 0, 100_000, 200_000
"""The first numbers of each way in."""
_NOT_YET = {"records": {"sent": -1, "spooled": 0}, "sources": {"mqtt": {"state": "not yet"}}}
_TABLE = """
CREATE TABLE readings (id BIGINT AUTO_INCREMENT PRIMARY KEY, station VARCHAR(16), sensor INT,
                       measured DATETIME, temp DOUBLE)
"""
_DESCRIPTION = """
address = "{address}"
table = "readings"
key = "id"
grows = "id"
[columns]
timestamp = "measured"
station_code = "station"
sensor_id = "sensor"
temperature = "temp"
"""


class Road:
    """Its parts, each alive or dead, and what each way in has acknowledged."""

    def __init__(
        self, folder: Path, broker: MortalBroker, mosquitto: Mosquitto, mariadb: MariaDbServer
    ) -> None:
        self._folder, self._port = folder, free_port()
        self._mosquitto, self._mariadb = mosquitto, mariadb
        (folder / "table.toml").write_text(_DESCRIPTION.format(address=mariadb.address))
        self._command = Command(
            GMN_DATA_DIR=str(folder / "data"), GMN_KAFKA_TIMEOUT_S="2", GMN_READINGS_KEEP_DAYS="",
            GMN_READINGS_ROLLUP_S="0.5",
            KAFKA_BOOTSTRAP_SERVERS=broker.running.bootstrap_servers, MQTT_PORT=str(mosquitto.port),
            MQTT_USERNAME=USER, MQTT_PASSWORD=PASSWORD,
            GMN_STATION_DATABASE=str(folder / "table.toml"),
            GMN_STATION_DATABASE_PASSWORD=mariadb.password,
        )  # fmt: skip
        self.settings = load_settings(data_dir=folder / "data")
        self.lake = ReadingsLake(self.settings)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ways = {
            "broker": (broker.kill, broker.start),
            # Only as it ends does it write to disk what it has acknowledged.
            "mosquitto": (mosquitto.stop, mosquitto.start),
            "mariadb": (mariadb.kill, mariadb.restart),
            "listener": self._service("listener", "stations", "listen", "--port", str(self._port)),
            "mqtt": self._service("mqtt", "stations", "mqtt"),
            "database": self._service("database", "stations", "database", "--every", "1"),
            "taking in": self._service("taking in", "stations", "take-in"),
        }
        self.alive = {"broker", "mosquitto", "mariadb"}
        self.sent = {_UDP: 0, _MQTT: 0, _DATABASE: 0}
        self.acknowledged: set[int] = set()

    @property
    def parts(self) -> list[str]:
        return list(self._ways)

    def kill(self, part: str) -> None:
        self._ways[part][0]()
        self.alive.remove(part)

    def start(self, part: str) -> None:
        self._ways[part][1]()
        self.alive.add(part)

    def _service(self, name: str, *arguments: str) -> tuple[Callable[[], None], Callable[[], None]]:
        def start() -> None:
            with (self._folder / "log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [*GMN, *arguments], env=self._command.environment, stdout=log, stderr=log
                )
            if name == "listener":
                wait_for(lambda: self._handled() == 0, within_s=60)
            if name == "mqtt" and not self.sent[_MQTT]:  # a broker keeps only for whom it knows
                wait_for(lambda: self._told("mqtt")["sources"]["mqtt"]["state"] == "connected")

        def kill() -> None:
            process = self._processes[name]
            assert process.poll() is None, (self._folder / "log").read_text()
            process.kill()
            process.wait()

        return kill, start

    def _told(self, name: str) -> Any:
        """What a service says of itself; nothing known until it does."""
        process = self._processes[name].pid
        of_it = [one for one in statuses(self.settings.data_dir) if one["pid"] == process]
        return of_it[0] if of_it else _NOT_YET

    def _handled(self) -> int:
        """Records that the listener has sent or put on disk; -1 until it listens."""
        records = self._told("listener")["records"]
        return int(records["sent"] + records["spooled"])

    def send(self) -> None:
        """Some readings by each way; remember those that were acknowledged."""
        self._by("listener", _UDP, self._send_datagrams)
        self._by("mosquitto", _MQTT, self._publish)
        self._by("mariadb", _DATABASE, self._insert)

    def _by(self, taker: str, first: int, send: Callable[[int, int], None]) -> None:
        if taker in self.alive:
            begin = first + self.sent[first]
            self.sent[first] += _AT_ONCE
            send(begin, begin + _AT_ONCE)
            self.acknowledged |= set(range(begin, begin + _AT_ONCE))

    def _send_datagrams(self, begin: int, end: int) -> None:
        before = self._handled()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            for payload in numbered(begin, end):
                opened.sendto(payload, ("127.0.0.1", self._port))
        wait_for(lambda: self._handled() == before + end - begin)

    def _publish(self, begin: int, end: int) -> None:
        payloads = enumerate(numbered(begin, end), begin)
        self._mosquitto.publish(*((f"stations/HR{n % 7:04d}/readings", p) for n, p in payloads))

    def _insert(self, begin: int, end: int) -> None:
        rows = ", ".join(
            f"('HR{n % 7:04d}', {n % 3}, '{_SET + timedelta(seconds=n)}', 1.5)"
            for n in range(begin, end)
        )
        self._mariadb.run(f"INSERT INTO readings (station, sensor, measured, temp) VALUES {rows}")

    def in_lake(self) -> list[int]:
        """Numbers of the readings that the lake has, each as often as it has it."""
        if not self.lake.warehouse.exists:
            return []
        rows = self.lake.ask(
            f"SELECT epoch(measured_at_utc - TIMESTAMP '{_SET}')::BIGINT FROM station_readings"
        )
        return sorted(number for (number,) in rows)

    def end(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            process.wait(60)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    need_kafka()
    with ExitStack() as opened:
        for name in ("kafka", "mosquitto"):
            (tmp_path / name).mkdir()
        mosquitto = Mosquitto(tmp_path / "mosquitto")
        opened.callback(mosquitto.stop)
        mariadb = opened.enter_context(own_mariadb())
        mariadb.run(_TABLE)
        broker = MortalBroker(tmp_path / "kafka")
        opened.callback(broker.end)
        made = Road(tmp_path, broker, mosquitto, mariadb)
        opened.callback(made.end)
        yield made


@pytest.mark.parametrize("seed", [1])
def test_what_was_acknowledged_is_in_the_lake_once_whatever_died_when(
    road: Road, seed: int
) -> None:
    drawn = random.Random(seed)
    for part in ("mqtt", "listener", "database", "taking in"):
        road.start(part)
    road.send()
    for part in drawn.sample(road.parts, len(road.parts)):
        road.kill(part)
        road.send()
        dead = sorted(set(road.parts) - road.alive)
        if drawn.random() < 0.6:
            road.start(drawn.choice(dead))
            road.send()
    for part in drawn.sample(dead := sorted(set(road.parts) - road.alive), len(dead)):
        road.start(part)
    road.send()
    wait_for(lambda: set(road.in_lake()) == road.acknowledged, within_s=120)
    assert len(road.in_lake()) == len(road.acknowledged)
    wait_for(lambda: road.lake.ask("FROM readings_to_roll_up") == [], within_s=60)
    road.end()
    [(summed,)] = road.lake.ask("SELECT sum(reading_count) FROM station_readings_by_day")
    assert summed == len(road.acknowledged)
    assert road.lake.ask("FROM dead_letters") == []
