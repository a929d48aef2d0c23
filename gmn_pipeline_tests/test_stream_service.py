"""`gmn stream`, with a real broker: reading anew, how far behind it is, and who may consume."""

import logging
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from gmn_pipeline.cli import app
from gmn_pipeline.errors import StreamBusy
from gmn_pipeline.streams.assets import KEY
from gmn_pipeline.streams.consumer import consuming
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.warehouse.stream_store import StreamStore
from gmn_pipeline_tests.kafka import RunningBroker
from gmn_pipeline_tests.stream_bench import ROWS, StreamBench, same_content
from gmn_pipeline_tests.warehouse import count


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
    with StreamStore(other.settings).connection.writing() as connection:
        connection.execute("DELETE FROM trajectories")
        connection.execute("DELETE FROM trajectory_stations")
    StreamService(other.settings).run(once=True, from_beginning=True)
    same_content(published, other)
    assert count(other.settings, "dead_letters") == 1
    assert other.changes() == []


def test_nobody_forgets_offsets_while_somebody_else_consumes(published: StreamBench) -> None:
    other = published.beside("two")
    other.consume()
    before = other.offsets()
    with consuming(other.settings), pytest.raises(StreamBusy, match="takes the topic"):
        StreamService(other.settings).run(once=True, from_beginning=True)
    assert other.offsets() == before


# --- lag -----------------------------------------------------------------------------------------


class StopAfterTheFirstMerge(logging.Handler):
    """The service tells of each merge in its log."""

    def __init__(self, service: StreamService) -> None:
        super().__init__()
        self._service = service

    def emit(self, record: logging.LogRecord) -> None:
        self._service.stop()


def test_a_service_that_is_behind_says_how_far(
    published: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = published.beside("two", stream_records=10)
    log = logging.getLogger("gmn_pipeline.streams.service")
    log.setLevel(logging.INFO)
    with dg.DagsterInstance.ephemeral() as instance:
        service = StreamService(other.settings, instance)
        handler = StopAfterTheFirstMerge(service)
        log.addHandler(handler)
        try:
            service.run()
        finally:
            log.removeHandler(handler)
        event = instance.get_latest_materialization_event(KEY)
    assert event is not None
    told = event.asset_materialization.metadata
    assert told["messages_read"].value == 10
    assert told["lag"].value == ROWS - 10
    assert sum(told["next_offsets"].value.values()) == 10
    assert not_taken_in(other, monkeypatch) == f"{ROWS - 10} offsets"
    StreamService(other.settings).run(once=True)
    assert not_taken_in(other, monkeypatch) == "0 offsets"


def not_taken_in(bench: StreamBench, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `gmn status` says of it."""
    monkeypatch.setenv("GMN_DATA_DIR", str(bench.settings.data_dir))
    monkeypatch.setenv("GMN_KAFKA_TOPIC", bench.settings.kafka_topic)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bench.broker.bootstrap_servers)
    output = CliRunner().invoke(app, ["status"]).output
    (line,) = [line for line in output.splitlines() if "not taken in" in line]
    return line.strip("│ ").split("│")[-1].strip()
