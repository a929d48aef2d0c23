"""From MQTT to the topic, with a real mosquitto and a real Kafka: what was acknowledged is kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline.flows.station_listener import StationListener
from gmn_pipeline.flows.station_ways import mqtt_way
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.kafka import RunningBroker
from gmn_pipeline_tests.support.listener import (
    dead_letters,
    numbered,
    numbers,
    readings,
    running,
    wait_for,
)
from gmn_pipeline_tests.support.mosquitto import PASSWORD, USER, Mosquitto
from gmn_pipeline_tests.support.registry import free_port


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    yield broker
    broker.stop()


def settings_of(folder: Path, mosquitto: Mosquitto, servers: str, **more: object) -> Settings:
    given = {"mqtt_port": mosquitto.port, "mqtt_username": USER, "mqtt_password": PASSWORD, **more}
    return load_settings(
        data_dir=folder / "data", kafka_bootstrap_servers=servers,
        kafka_readings_topic=f"readings_{folder.name}"[:60], **given,
    )  # fmt: skip


def listener_of(settings: Settings) -> StationListener:
    return StationListener(settings, "mqtt", [mqtt_way(settings)])


def messages(first: int, last: int) -> list[tuple[str, bytes]]:
    return [
        (f"stations/HR{n % 7:04d}/readings", payload)
        for n, payload in zip(range(first, last), numbered(first, last), strict=True)
    ]


def state(listener: StationListener) -> dict[str, object]:
    status: dict[str, object] = listener.status()["sources"]["mqtt"]
    return status


def kept(settings: Settings) -> set[int]:
    """Numbers that are on the topic; a broker marks not all that it delivers again."""
    return set(numbers(readings(settings)))


def wait_until_connected(listener: StationListener) -> None:
    wait_for(lambda: state(listener)["state"] == "connected")


def test_messages_come_through_restarts_of_either_side(
    kafka: RunningBroker, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, mosquitto, kafka.bootstrap_servers)
    with running(listener_of(settings)) as first:
        wait_until_connected(first)
        mosquitto.publish(*messages(0, 300), ("stations/HR0009/readings", numbered(1, 2)[0]))
        wait_for(lambda: first.counts.read == 301)
        wait_for(lambda: state(first)["acknowledged"] == 301)
        mosquitto.stop()
        mosquitto.start()
        wait_until_connected(first)
        mosquitto.publish(*messages(300, 400))
        wait_for(lambda: kept(settings) == set(range(400)))
    mosquitto.publish(*messages(400, 500))  # nobody listens
    with running(listener_of(settings)):
        wait_for(lambda: kept(settings) == set(range(500)))
    assert set(readings(settings).get_column("transport")) == {"mqtt"}
    assert first.counts.refused.keys() == {"not_its_station"}
    assert dead_letters(settings)[0][0] == numbered(1, 2)[0]


def test_what_was_not_kept_is_not_acknowledged_and_comes_again(
    kafka: RunningBroker, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    full = settings_of(tmp_path, mosquitto, nowhere, stations_spool_mb=0.0)
    with running(listener_of(full)) as first:
        wait_until_connected(first)
        mosquitto.publish(*messages(0, 50))
        wait_for(lambda: state(first)["received"] == 50)
        mosquitto.publish(*messages(0, 1))  # waits behind what waits for room
        wait_for(lambda: state(first)["received"] == 51)
    assert state(first)["acknowledged"] == 0
    assert first.counts.spooled == 0
    with running(listener_of(settings_of(tmp_path, mosquitto, nowhere))) as second:
        wait_for(lambda: second.counts.spooled == 51)
        wait_for(lambda: state(second)["acknowledged"] == 51)
    with running(listener_of(settings_of(tmp_path, mosquitto, kafka.bootstrap_servers))) as third:
        wait_for(lambda: third.status()["spool"]["readings_sent"] == 51)
        assert state(third)["received"] == 0
    found = numbers(readings(settings_of(tmp_path, mosquitto, kafka.bootstrap_servers)))
    assert found == [0, *range(50)]


def test_tls_is_spoken_and_a_wrong_password_is_told_of(
    kafka: RunningBroker, tmp_path: Path
) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    mosquitto = Mosquitto(folder, tls=True)
    try:
        secure = {"mqtt_tls": True, "mqtt_cafile": mosquitto.certificate, "mqtt_host": "localhost"}
        settings = settings_of(tmp_path, mosquitto, kafka.bootstrap_servers, **secure)
        with running(listener_of(settings)) as listener:
            wait_until_connected(listener)
        for wrong, said in (({"mqtt_password": "battery staple"}, "refused: Not auth"),
                            ({"mqtt_cafile": None}, "not connected")):  # fmt: skip
            settings = settings_of(tmp_path, mosquitto, kafka.bootstrap_servers, **secure | wrong)
            with running(listener_of(settings)) as listener:
                wait_for(lambda: said in str(state(listener)["state"]))  # noqa: B023
    finally:
        mosquitto.stop()
