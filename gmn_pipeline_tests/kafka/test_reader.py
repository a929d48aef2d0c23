"""Reading ranges with a real broker, where Kafka's client stalls though the broker is up."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from gmn_pipeline.errors import BrokerUnavailable, SettingsError
from gmn_pipeline.kafka import client, reader
from gmn_pipeline.kafka.reader import SteadyReader
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.topics import Topic, trajectories_topic
from gmn_pipeline.streams.consumer import steps
from gmn_pipeline_tests.support.kafka import RunningBroker, admin
from gmn_pipeline_tests.support.stream_bench import StreamBench

COUNTS = {0: 700, 1: 430, 2: 511}
ALL = [OffsetRange(partition, 0, count) for partition, count in COUNTS.items()]
TOPIC = "uneven"


@pytest.fixture(scope="module")
def topic(kafka: RunningBroker) -> str:
    """Partitions of different lengths; each message says where it stands."""
    with admin(kafka.bootstrap_servers) as made:
        new = {"num_partitions": len(COUNTS), "replication_factor": 1}
        made.create_topics({TOPIC: new}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    for partition, count in COUNTS.items():
        for n in range(count):
            producer.send(TOPIC, f"{partition}/{n}".encode(), partition=partition)
    producer.flush(timeout=30)
    producer.close()
    return TOPIC


@pytest.fixture
def bench(tmp_path: Path, kafka: RunningBroker, topic: str) -> StreamBench:
    return StreamBench(tmp_path, kafka, topic, kafka_timeout_s=2.0)


def topic_of(bench: StreamBench) -> Topic:
    return trajectories_topic(bench.settings)


def all_steps(bench: StreamBench, kafka: Any, most: int) -> list[bytes]:
    """Every value, read in steps of so many offsets."""
    values: list[bytes] = []
    with SteadyReader(bench.settings, kafka, topic_of(bench)) as steady:
        for step in steps(ALL, most):
            found = steady.read(step)
            assert found is not None
            assert len(found) == sum(r.end - r.begin for r in step)
            values += [record.value for record in found]
    return values


EVERY = sorted(f"{partition}/{n}".encode() for partition, n in COUNTS.items() for n in range(n))


@pytest.mark.parametrize("most", [97, 500, 1000, 10_000])
def test_ranges_of_any_length_bring_every_record_once(bench: StreamBench, most: int) -> None:
    with client.consumer(bench.settings) as kafka:
        assert sorted(all_steps(bench, kafka, most)) == EVERY


def polls_little(kafka: Any) -> Any:
    """A client that hands out its records by the hundred, as it does by itself."""
    kafka.config["max_poll_records"] = 100
    return kafka


def holds_back(kafka: Any) -> Any:
    """A client whose fetches the broker answers only when there is more than there ever is."""
    kafka._fetcher.config |= {"fetch_min_bytes": 1 << 28, "fetch_max_wait_ms": 60_000}
    return kafka


@contextmanager
def consumers(bench: StreamBench, act: Any) -> Iterator[Any]:
    """A consumer that behaves otherwise."""
    with client.consumer(bench.settings) as kafka:
        yield act(kafka)


def test_the_client_loses_what_is_left_of_a_paused_partition_unless_it_hands_out_all(
    bench: StreamBench,
) -> None:
    with client.consumer(bench.settings) as kafka:
        assert kafka.config["max_poll_records"] == sys.maxsize
        low = reader.Reader(polls_little(kafka), topic_of(bench))
        first, rest = (
            [OffsetRange(0, 0, 100), OffsetRange(1, 0, 100)],
            [OffsetRange(0, 100, 200), OffsetRange(1, 100, 430)],
        )
        assert len(low.read(first, 2.0)[0]) == 200
        found, left = low.read(rest, 0.5)
    # Fails when the client is mended: then our own care is not needed any more.
    assert (found, left) == ([], [OffsetRange(0, 100, 200)])


def test_a_client_that_stalls_while_the_broker_is_up_is_replaced(
    bench: StreamBench, caplog: pytest.LogCaptureFixture
) -> None:
    with consumers(bench, holds_back) as kafka:
        assert sorted(all_steps(bench, kafka, 300)) == EVERY
    told = [r.getMessage() for r in caplog.records if "delivered nothing" in r.getMessage()]
    assert len(told) == 1
    assert "though it has offsets 0 to 100 of partition 0" in told[0]


def test_where_no_client_is_delivered_anything_the_error_says_what_was_waited_for(
    bench: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.set(kafka_timeout_s=1.0)
    monkeypatch.setattr(reader, "consumer", lambda settings: consumers(bench, holds_back))
    with (
        consumers(bench, holds_back) as kafka,
        SteadyReader(bench.settings, kafka, topic_of(bench)) as steady,
        pytest.raises(BrokerUnavailable) as raised,
    ):
        steady.read([OffsetRange(2, 500, 511)])
    message = str(raised.value)
    assert "answers and has offsets 500 to 511 of partition 2 of uneven" in message
    assert "3 connections one after the other, in 1.75 s" in message
    assert "the next run reads the same" in message


def test_offsets_that_the_topic_does_not_have_any_more_are_not_waited_for(
    bench: StreamBench,
) -> None:
    with (
        client.consumer(bench.settings) as kafka,
        SteadyReader(bench.settings, kafka, topic_of(bench)) as steady,
        pytest.raises(BrokerUnavailable, match="has lost offsets 430 to 600 of partition 1"),
    ):
        steady.read([OffsetRange(0, 0, 700), OffsetRange(1, 0, 600)])


def test_a_reader_that_is_stopped_returns_at_once(bench: StreamBench) -> None:
    bench.set(kafka_timeout_s=300.0)
    with (
        consumers(bench, holds_back) as kafka,
        SteadyReader(bench.settings, kafka, topic_of(bench), is_stopped=lambda: True) as steady,
    ):
        assert steady.read(ALL) is None


def test_a_timeout_that_the_client_refuses_is_an_error_of_the_settings(bench: StreamBench) -> None:
    bench.set(kafka_timeout_s=600.0)
    with (
        pytest.raises(SettingsError, match=r"request_timeout_ms.*Correct"),
        client.consumer(bench.settings),
    ):
        pass
