"""The broker dies while messages go in or out, and comes back: nothing lost, nothing twice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gmn_pipeline.errors import BrokerUnavailable
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.publications import trajectories as publishing
from gmn_pipeline.publications.trajectories import publish
from gmn_pipeline.streams.stream import merging
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline.warehouse.trajectories.messages import merge_messages
from gmn_pipeline.warehouse.trajectories.publications import record_publications
from gmn_pipeline_tests.support import archive, stream_bench
from gmn_pipeline_tests.support.kafka import MortalBroker, need_kafka
from gmn_pipeline_tests.support.stream_bench import StreamBench, same_content, serving
from gmn_pipeline_tests.support.warehouse import count

DAYS = [date(2025, 8, 1) + timedelta(days=n) for n in range(8)]
ROWS, BATCH = 320, 90


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalBroker]:
    need_kafka()
    made = MortalBroker(tmp_path_factory.mktemp("kafka"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "site"
    archive.generate(folder, ROWS, from_date=DAYS[0], to_date=DAYS[-1], kinds=("daily",))
    return folder


@pytest.fixture
def bench(tmp_path: Path, broker: MortalBroker, source: Path) -> StreamBench:
    made = StreamBench(tmp_path / "one", broker.running, source_url=str(source))
    assert not load_days(DAYS, made.settings).failed
    return made


def on_call(
    patch: pytest.MonkeyPatch, function: Any, caller: Any, nth: int, act: Callable[[], None]
) -> None:
    """Let something happen in a module's n-th call of a function, before that does its work."""
    calls = iter(range(1, 1_000))

    def watched(*arguments: Any, **named: Any) -> Any:
        if next(calls) == nth:
            act()
        return function(*arguments, **named)

    patch.setattr(caller, function.__name__, watched)


def contents(bench: StreamBench) -> tuple[int, int]:
    """Messages on the topic, and distinct ones among them."""
    found = [(record.key, record.value) for record in bench.records()]
    return len(found), len(set(found))


def test_a_broker_that_dies_while_publishing_is_caught_up_later(
    bench: StreamBench, broker: MortalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.set(kafka_timeout_s=3.0, publish_batch=BATCH)
    with monkeypatch.context() as patch:
        on_call(patch, record_publications, publishing, 2, broker.kill)
        with pytest.raises(BrokerUnavailable, match=r"next run|Nothing is lost"):
            bench.publish()
    recorded = count(bench.settings, "publications")
    assert 0 < recorded < ROWS
    broker.start()
    bench.set(kafka_timeout_s=20.0, publish_batch=ROWS)
    assert bench.publish().sent == ROWS - recorded
    messages, distinct = contents(bench)
    assert messages >= distinct == ROWS
    other = bench.beside("two")
    assert other.consume().counts.read == messages
    same_content(bench, other)
    assert other.changes() == []


def test_a_restart_of_the_broker_while_publishing_is_not_noticed(
    bench: StreamBench, broker: MortalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.set(kafka_timeout_s=60.0, publish_batch=BATCH)
    on_call(monkeypatch, record_publications, publishing, 2, broker.restart)
    assert bench.publish().sent == ROWS
    assert contents(bench) == (ROWS, ROWS)


def test_a_broker_that_dies_while_it_is_read_is_read_on_later(
    bench: StreamBench, broker: MortalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.publish()
    bench.send((b"nothing", b"x"))
    other = bench.beside("two", stream_records=ROWS // 2, kafka_timeout_s=2.0)
    with monkeypatch.context() as patch:
        merges = SimpleNamespace(merge_messages=merge_messages)
        on_call(patch, merge_messages, merges, 1, broker.kill)
        ingest = merging(TRAJECTORIES.topic, lambda *given: merges.merge_messages(*given))
        merged = replace(TRAJECTORIES, ingest=ingest)
        patch.setattr(stream_bench, "TRAJECTORIES", merged)
        with pytest.raises(BrokerUnavailable, match=r"next run|Nothing is lost"):
            other.consume()
    read = sum(other.offsets().values())
    assert 0 < read < ROWS
    broker.start()
    other.set(kafka_timeout_s=20.0, stream_records=2 * ROWS)
    assert other.consume().counts.read == ROWS + 1 - read
    same_content(bench, other)
    assert count(other.settings, "dead_letters") == 1
    assert other.changes() == []


def test_a_service_outlives_a_restart_of_the_broker(
    bench: StreamBench, broker: MortalBroker
) -> None:
    half = len(DAYS) // 2
    publish(bench.settings, DAYS[0], DAYS[half - 1])
    other = bench.beside("two", kafka_timeout_s=5.0)
    with serving(other) as merges:
        merges.wait_until(lambda: sum(other.offsets().values()) > 0)
        broker.restart()
        bench.publish()
        merges.wait_until(lambda: sum(other.offsets().values()) == ROWS)
    assert contents(bench) == (ROWS, ROWS)
    same_content(bench, other)
