"""Change data capture with a real MariaDB, Debezium on Kafka Connect, and a real Kafka."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.kafka import connect
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.kafka import LIBS, RunningBroker, need_kafka, records
from gmn_pipeline_tests.support.mariadb import MariaDbServer, own_mariadb
from gmn_pipeline_tests.support.ports import free_port

_LIBS = connect.libs_dir(LIBS.parents[1])
TOPIC = "changes.weather.readings"
LARGEST = 2**64 - 1
TABLE = """
CREATE TABLE readings (id BIGINT UNSIGNED PRIMARY KEY, measured DATETIME(6), temp DECIMAL(6,2))
"""


@contextmanager
def capturing(command: Command, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Kafka Connect, ended as by Ctrl-C: after a crash the last second would come again."""
    process = command.start("kafka", "connect", "--port", str(port))
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def changes(broker: RunningBroker, process: "subprocess.Popen[str]", number: int) -> list[Any]:
    """So many changes, as soon as they are on the topic."""
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "Debezium wrote too little"
        try:
            found = [r for r in records(broker.bootstrap_servers, TOPIC) if r.value is not None]
        except ValueError:  # there is no such topic yet
            found = []
        if len(found) >= number:
            return [json.loads(record.value) for record in found]
        time.sleep(0.2)


def test_every_change_of_a_table_comes_to_its_topic_also_after_a_restart(
    kafka: RunningBroker, tmp_path: Path
) -> None:
    need_kafka(_LIBS)
    connect.fetch(_LIBS)
    data = tmp_path / "data: a,b"
    own = connect.libs_dir(data)
    own.parent.mkdir(parents=True)
    own.symlink_to(_LIBS)
    with own_mariadb() as mariadb:
        mariadb.run(TABLE, f"INSERT INTO readings VALUES ({LARGEST}, '2024-01-21', 1.50)")
        command = Command(
            GMN_DATA_DIR=str(data), KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers,
            GMN_STATION_DATABASE=str(described(mariadb, tmp_path)),
            GMN_STATION_DATABASE_PASSWORD=mariadb.password,
        )  # fmt: skip
        port = free_port()
        with capturing(command, port) as process:
            [whole] = changes(kafka, process, 1)
            assert int.from_bytes(base64.b64decode(whole["after"]["id"])) == LARGEST
            mariadb.run(
                "INSERT INTO readings VALUES (1, '2024-01-22', 2.50)",
                "UPDATE readings SET temp = 3 WHERE id = 1",
            )
            changes(kafka, process, 3)
        mariadb.run("DELETE FROM readings WHERE id = 1")  # while nobody follows
        with capturing(command, port) as process:
            found = changes(kafka, process, 4)
    assert [change["op"] for change in found] == ["r", "c", "u", "d"]
    assert [change["before"] and change["before"]["temp"] for change in found] == [
        None, None, "2.50", "3.00",
    ]  # fmt: skip
    for file in (data / "kafka" / "connect").glob("*.properties"):
        assert mariadb.password not in file.read_text()


def described(mariadb: MariaDbServer, folder: Path) -> Path:
    path = folder / "readings.toml"
    path.write_text(
        f'address = "{mariadb.address}"\ntable = "readings"\nkey = "id"\ngrows = "id"\n'
        '[columns]\ntimestamp = "measured"\ntemperature = "temp"\n'
    )
    return path


def test_without_a_database_or_a_broker_it_says_what_to_do(tmp_path: Path) -> None:
    command = Command(GMN_DATA_DIR=str(tmp_path))
    assert "make kafka" in command.refuses("kafka", "connect")
    command = Command(GMN_DATA_DIR=str(tmp_path), KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert "GMN_STATION_DATABASE" in command.refuses("kafka", "connect")


@pytest.mark.parametrize("value", ["a\\b", "a\nb"])
def test_a_value_of_java_properties_stays_one_line(value: str, tmp_path: Path) -> None:
    table = connect.CapturedTable(value, 1, "user", "database", "table")
    connect.write_properties(tmp_path, "127.0.0.1:1", table, 1)
    text = (tmp_path / "connector.properties").read_text()
    assert len([line for line in text.splitlines() if line.startswith("database.hostname=")]) == 1
