"""`gmn stream` while its broker is away: not there yet, killed, back at another address."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.errors import BrokerNotSet, BrokerUnavailable
from gmn_pipeline.kafka.reader import SteadyReader
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline_tests.support.kafka import RunningBroker, need_kafka, own_broker
from gmn_pipeline_tests.support.sample import sample
from gmn_pipeline_tests.support.stream_bench import (
    ROWS,
    SECOND,
    Merges,
    StreamBench,
    same_content,
    serving,
)

AWAY, BACK = "Waiting for it to pass", "Going on with Kafka at"


def own(folder: Path) -> StreamBench:
    """A warehouse whose Kafka is the data folder's own, which does not run yet."""
    need_kafka()
    nowhere = RunningBroker(folder / "data" / "kafka", 0, 0)
    return StreamBench(folder, nowhere, kafka_bootstrap_servers=None, kafka_timeout_s=5.0)


def published(broker: RunningBroker, folder: Path, topic: str) -> StreamBench:
    """Another warehouse, which has published a day to the topic."""
    made = StreamBench(folder, broker, topic)
    made.load()
    made.publish()
    return made


def said(merges: Merges, what: str) -> int:
    return sum(what in message for message in merges.said)


def test_a_service_waits_for_the_own_broker_and_goes_on_wherever_it_comes_back(
    tmp_path: Path,
) -> None:
    other = own(tmp_path / "two")
    data_dir, topic = other.settings.data_dir, other.settings.kafka_topic
    with serving(other, when_ready=False) as merges:
        merges.wait_until(lambda: said(merges, AWAY) == 1)
        assert "this data folder's own does not run" in merges.said[0]
        with own_broker(data_dir) as broker:
            merges.wait_until(lambda: said(merges, BACK) == 1)
            one = published(broker, tmp_path / "one", topic)
            merges.wait_until(lambda: sum(other.offsets().values()) == ROWS)
            broker.kill()
            merges.wait_until(lambda: said(merges, AWAY) == 2)
            assert "does not run any more" in merges.said[-1]
        with own_broker(data_dir) as back:
            assert back.port != broker.port
            merges.wait_until(lambda: said(merges, BACK) == 2)
            assert back.bootstrap_servers in merges.said[-1]
            one.set(kafka_bootstrap_servers=back.bootstrap_servers)
            changed = sample().first(ROWS + 5).stamped(SECOND)
            one.load(changed)
            sent = one.publish().sent
            merges.wait_until(lambda: sum(other.offsets().values()) == ROWS + sent)
            assert (said(merges, AWAY), said(merges, BACK)) == (2, 2)
    same_content(one, other)


def test_a_broker_that_is_killed_amid_a_fetch_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = own(tmp_path / "two")
    other.set(stream_records=ROWS // 4, kafka_timeout_s=4.0)
    data_dir, topic = other.settings.data_dir, other.settings.kafka_topic
    read, killed = SteadyReader.read, []
    with own_broker(data_dir) as broker:
        one = published(broker, tmp_path / "one", topic)

        def kill_once(*arguments: Any) -> Any:
            if not killed:
                killed.append(broker.kill())
            return read(*arguments)

        monkeypatch.setattr(SteadyReader, "read", kill_once)
        with serving(other) as merges:
            merges.wait_until(lambda: said(merges, AWAY) == 1)
            assert other.offsets() == {}
            with own_broker(data_dir, broker.port):
                merges.wait_until(lambda: sum(other.offsets().values()) == ROWS)
                assert (said(merges, AWAY), said(merges, BACK)) == (1, 1)
    same_content(one, other)
    assert other.changes() == []


def test_a_service_that_is_to_end_at_the_topics_end_does_not_wait_for_a_broker(
    tmp_path: Path,
) -> None:
    other = own(tmp_path)
    with pytest.raises(BrokerNotSet, match="make kafka"):
        StreamService(TRAJECTORIES, other.settings).run(once=True)
    other.set(kafka_bootstrap_servers=f"127.0.0.1:{unused_port()}", kafka_timeout_s=1.0)
    with pytest.raises(BrokerUnavailable):
        StreamService(TRAJECTORIES, other.settings).run(once=True)


# --- signals -------------------------------------------------------------------------------------


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def gmn_stream(data_dir: Path, servers: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {
        "GMN_DATA_DIR": str(data_dir),
        "KAFKA_BOOTSTRAP_SERVERS": servers,
        "GMN_KAFKA_TIMEOUT_S": "100",
    }
    command = [Path(sys.executable).with_name("gmn"), "stream"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, float]:
    """What it says after a signal, and how long it takes to end."""
    process.send_signal(number)
    began = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_that_waits_for_its_broker(
    tmp_path: Path, number: signal.Signals
) -> None:
    with gmn_stream(tmp_path / "data", "") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert AWAY in first
        output, took_s = ended(process, number)
    assert took_s < 30  # of the 100 that the client may take
    assert output.splitlines()[-1] == "Stopped."
    assert AWAY not in output


def test_a_signal_ends_a_service_whose_broker_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        servers = f"127.0.0.1:{server.getsockname()[1]}"
        with gmn_stream(tmp_path / "data", servers) as process, server.accept()[0] as connection:
            # Its first request is there, and it waits for the answer.
            assert connection.recv(4)
            output, took_s = ended(process, signal.SIGTERM)
    assert took_s < 30  # of the 100 that the client may take
    assert output.splitlines()[-1] == "Stopped."
