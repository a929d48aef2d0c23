"""`gmn stream`, with a real broker: reading anew, how far behind it is, and who may consume."""

from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from gmn_pipeline.cli.main import app
from gmn_pipeline.errors import StreamBusy
from gmn_pipeline.kafka.topics import topic_state
from gmn_pipeline.orchestration.assets.keys import STREAMS_TRAJECTORIES as KEY
from gmn_pipeline.orchestration.assets.streams import reporter
from gmn_pipeline.orchestration.sensors.streams import stream_sensor
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.streams.consumer import consumer_lock
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.kafka import RunningBroker, admin
from gmn_pipeline_tests.support.sample import sample
from gmn_pipeline_tests.support.stream_bench import (
    ROWS,
    SECOND,
    Merges,
    StreamBench,
    hearing,
    same_content,
    serving,
)
from gmn_pipeline_tests.support.warehouse import count


@pytest.fixture
def published(tmp_path: Path, kafka: RunningBroker) -> StreamBench:
    bench = StreamBench(tmp_path / "one", kafka)
    bench.load()
    bench.publish()
    return bench


# --- from the beginning --------------------------------------------------------------------------


def test_reading_from_the_beginning_rebuilds_what_came_by_message(published: StreamBench) -> None:
    published.send((b"nothing", b"x"))
    other = published.beside("two")
    other.consume()
    with WarehouseConnection(other.settings).writing() as connection:
        connection.execute("DELETE FROM trajectories")
        connection.execute("DELETE FROM trajectory_stations")
    StreamService(TRAJECTORIES, other.settings).run(once=True, from_beginning=True)
    same_content(published, other)
    assert count(other.settings, "dead_letters") == 1
    assert other.changes() == []


def test_nobody_forgets_offsets_while_somebody_else_consumes(published: StreamBench) -> None:
    other = published.beside("two")
    other.consume()
    before = other.offsets()
    with (
        consumer_lock(TRAJECTORIES, other.settings),
        pytest.raises(StreamBusy, match="takes the topic"),
    ):
        StreamService(TRAJECTORIES, other.settings).run(once=True, from_beginning=True)
    assert other.offsets() == before


# --- lag -----------------------------------------------------------------------------------------


def test_a_service_that_is_behind_says_how_far(
    published: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = published.beside("two", stream_records=10)
    with dg.DagsterInstance.ephemeral() as instance:
        service = StreamService(TRAJECTORIES, other.settings, reporter(instance))
        with hearing(Merges(on_merge=service.stop)):
            service.run()
        event = instance.get_latest_materialization_event(KEY)
    assert event is not None
    told = event.asset_materialization.metadata
    assert told["messages_read"].value == 10
    assert told["lag"].value == ROWS - 10
    assert sum(told["next_offsets"].value.values()) == 10
    assert not_taken_in(other, monkeypatch) == f"{ROWS - 10} offsets"
    StreamService(TRAJECTORIES, other.settings).run(once=True)
    assert not_taken_in(other, monkeypatch) == "0 offsets"


def not_taken_in(bench: StreamBench, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `gmn status` says of it."""
    monkeypatch.setenv("GMN_DATA_DIR", str(bench.settings.data_dir))
    monkeypatch.setenv("GMN_KAFKA_TOPIC", bench.settings.kafka_topic)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bench.broker.bootstrap_servers)
    output = CliRunner().invoke(app, ["status"]).output
    (line,) = [line for line in output.splitlines() if "not taken in" in line]
    return line.strip("│ ").split("│")[-1].strip()


# --- one at a time -------------------------------------------------------------------------------


def test_while_a_service_works_no_other_consumes(published: StreamBench) -> None:
    other = published.beside("two")
    defs = other.defs()
    with dg.DagsterInstance.ephemeral() as instance, serving(other) as merges:
        with pytest.raises(StreamBusy, match="takes the topic"):
            StreamService(TRAJECTORIES, other.settings).run(once=True)
        context = dg.build_sensor_context(
            instance=instance, resources={"pipeline": defs.resources["pipeline"]}
        )
        skipped = stream_sensor(context)
        assert isinstance(skipped, dg.SkipReason)
        assert "takes the topic in already" in str(skipped.skip_message)
        run = defs.resolve_job_def("streams").execute_in_process(
            instance=instance, raise_on_error=False
        )
        (failure,) = (event for event in run.all_events if event.is_step_failure)
        assert "Another process takes the topic" in str(failure.step_failure_data)
        merges.wait_until(lambda: sum(other.offsets().values()) == ROWS)
    same_content(published, other)


def test_a_topic_that_is_deleted_under_a_running_service_is_made_anew(
    published: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmn_pipeline.streams.service._PLAN_S", 0.2)
    other = published.beside("two", kafka_timeout_s=5.0)
    with serving(other) as merges:
        merges.wait_until(lambda: sum(other.offsets().values()) == ROWS)
        former = topic_state(other.settings, trajectories_topic(other.settings))
        with admin(published.broker.bootstrap_servers) as client:
            client.delete_topics([published.settings.kafka_topic])
        published.load(sample().first(ROWS + 40).stamped(SECOND))
        published.publish()
        merges.wait_until(lambda: count(other.settings, "trajectories") == ROWS + 40)
    state = topic_state(other.settings, trajectories_topic(other.settings))
    assert state is not None
    assert former is not None
    assert state.topic_id != former.topic_id
    same_content(published, other)


def test_partitions_added_under_a_running_service_lose_nothing(
    published: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmn_pipeline.streams.service._PLAN_S", 0.2)
    other = published.beside("two")
    with serving(other) as merges:
        merges.wait_until(lambda: sum(other.offsets().values()) == ROWS)
        with admin(published.broker.bootstrap_servers) as client:
            client.create_partitions({published.settings.kafka_topic: 6})
        # Every trajectory again, most of them on another partition than before.
        changed = sample().first(ROWS + 40).stamped(SECOND)
        for row in range(ROWS):
            changed = changed.with_fields(row, duration_s="  9.99")
        published.load(changed)
        sent = published.publish().sent
        assert sent == ROWS + 40
        merges.wait_until(lambda: sum(other.offsets().values()) == ROWS + sent)
    assert set(other.offsets()) == set(range(6))
    same_content(published, other)
    assert other.changes() == published.changes()
