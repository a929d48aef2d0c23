"""Messages in Confluent's framing, with a real schema registry and a real broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline.errors import RegistryUnavailable, SchemaRefused
from gmn_pipeline.schemas.message_schema import canonical
from gmn_pipeline.schemas.messages import CURRENT_VERSION, TRAJECTORY_MESSAGES
from gmn_pipeline_tests.support.kafka import RunningBroker, need_kafka
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.registry import FOLDER, Registry, own_registry
from gmn_pipeline_tests.support.sample import sample
from gmn_pipeline_tests.support.stream_bench import (
    ROWS,
    SECOND,
    StreamBench,
    assert_readable,
    same_content,
)
from gmn_pipeline_tests.support.warehouse import ask, count

OTHERS_SCHEMA = {
    "type": "record",
    "name": "Root",
    "fields": [{"name": "unique_trajectory_identifier", "type": "int"}],
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    need_kafka(FOLDER)
    with own_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, kafka: RunningBroker, registry: Registry) -> StreamBench:
    made = StreamBench(tmp_path / "one", kafka, schema_registry_url=registry.url)
    made.load()
    return made


def subject_of(bench: StreamBench) -> str:
    return f"{bench.settings.kafka_topic}-value"


def nowhere() -> str:
    """A registry that is down."""
    return f"http://127.0.0.1:{free_port()}/apis/ccompat/v7"


def test_a_day_is_registered_and_framed_with_the_id_and_taken_in_equal(
    bench: StreamBench, registry: Registry
) -> None:
    assert bench.publish().sent == ROWS
    registered = registry.ask(f"/subjects/{subject_of(bench)}/versions/1")
    assert registered["subject"] == subject_of(bench)
    prefix = b"\x00" + registered["id"].to_bytes(4, "big")
    assert all(record.value.startswith(prefix) for record in bench.records())
    other = bench.beside("two", schema_registry_url=registry.url)
    assert other.consume().counts.inserted == ROWS
    same_content(bench, other)


def test_an_independent_consumer_reads_every_message_by_the_registered_schema(
    bench: StreamBench, registry: Registry
) -> None:
    bench.publish()
    schema_id = registry.ask(f"/subjects/{subject_of(bench)}/versions/1")["id"]
    schema = registry.ask(f"/subjects/{subject_of(bench)}/versions/1/schema")
    assert canonical(schema) == canonical(TRAJECTORY_MESSAGES.published(CURRENT_VERSION))
    assert_readable(bench, b"\x00" + schema_id.to_bytes(4, "big"), schema)


def test_this_version_is_compatible_with_the_one_before_in_both_directions(
    bench: StreamBench, registry: Registry
) -> None:
    registry.register(subject_of(bench), TRAJECTORY_MESSAGES.published("2.0"))
    registry.demand(subject_of(bench), "FULL_TRANSITIVE")
    assert bench.publish().sent == ROWS
    assert registry.ask(f"/subjects/{subject_of(bench)}/versions") == [1, 2]


def test_an_incompatible_subject_is_an_error_with_the_remedy_and_nothing_is_sent(
    bench: StreamBench, registry: Registry
) -> None:
    registry.register(subject_of(bench), OTHERS_SCHEMA)
    registry.demand(subject_of(bench), "BACKWARD")
    with pytest.raises(SchemaRefused, match=r"(?s)Incompatible.*topic of their own.*PUT /config"):
        bench.publish()
    assert bench.records() == []
    registry.demand(subject_of(bench), "NONE")
    assert bench.publish().sent == ROWS


def test_a_registry_that_is_down_holds_up_and_loses_nothing(
    bench: StreamBench, registry: Registry
) -> None:
    bench.set(schema_registry_url=nowhere())
    with pytest.raises(RegistryUnavailable, match=r"does not answer.*SCHEMA_REGISTRY_URL"):
        bench.publish()
    assert bench.records() == []
    bench.set(schema_registry_url=registry.url)
    assert bench.publish().sent == ROWS

    other = bench.beside("two", schema_registry_url=nowhere())
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        other.consume()
    assert other.offsets() == {}
    assert other.dead_letters() == []
    other.set(schema_registry_url=registry.url)
    assert other.consume().counts.inserted == ROWS
    same_content(bench, other)


def test_both_framings_on_one_topic_are_taken_in_and_unknown_ids_are_dead_letters(
    bench: StreamBench, registry: Registry
) -> None:
    bench.publish()
    unknown = b"\x00" + (2**31 - 1).to_bytes(4, "big") + b"body"
    bench.send((b"20220304000000_aaaaa", unknown))
    bench.load(sample().first(ROWS + 5).stamped(SECOND))
    bench.set(schema_registry_url=None)
    assert bench.publish().sent == 5
    other = bench.beside("two", schema_registry_url=registry.url)
    counts = other.consume().counts
    assert (counts.inserted, counts.dead) == (ROWS + 5, 1)
    same_content(bench, other)
    reason = ask(other.settings, "SELECT reasons[1] FROM dead_letters")[0][0]
    assert f"no Avro record schema of id {2**31 - 1}" in reason
    without = bench.beside("three")
    assert without.consume().counts.dead == ROWS + 1
    assert count(without.settings, "trajectories") == 5
