"""What asks for publications by itself, with a real broker and a real Dagster instance."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.assets.keys import PUBLICATIONS_TRAJECTORIES as KEY
from gmn_pipeline.orchestration.run_requests import STATE_TAG, WHY_TAG
from gmn_pipeline.orchestration.sensors.publications import unpublished_sensor
from gmn_pipeline.schemas.tables import STREAM_TABLES
from gmn_pipeline.streams.overview import overview
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support import archive
from gmn_pipeline_tests.support.kafka import RunningBroker, own_broker
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.sample import DAY, sample
from gmn_pipeline_tests.support.stream_bench import ROWS, StreamBench, same_content
from gmn_pipeline_tests.support.warehouse import count

FIRST_DAY, LAST_DAY = date(2025, 8, 1), date(2025, 8, 14)
DAYS = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
BEGIN, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Operator:
    """Dagster with its sensor on one data folder."""

    def __init__(self, bench: StreamBench, instance: dg.DagsterInstance) -> None:
        self.bench = bench
        self.instance = instance
        self._defs = bench.defs()
        self._cursor: str | None = None

    def tick(self) -> dg.RunRequest | str:
        """The run that the sensor asks for, or why none."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self._cursor,
            resources={"pipeline": self._defs.resources["pipeline"]},
        )
        answer: Any = unpublished_sensor(context)
        if isinstance(answer, dg.SkipReason):
            return str(answer.skip_message)
        self._cursor = answer.cursor
        (request,) = answer.run_requests
        assert isinstance(request, dg.RunRequest)
        return request

    def run(self, request: dg.RunRequest | str) -> dg.ExecuteInProcessResult:
        assert isinstance(request, dg.RunRequest), request
        return self._defs.resolve_job_def("publications").execute_in_process(
            instance=self.instance, tags=dict(request.tags), raise_on_error=False
        )


def days_of(request: dg.RunRequest | str) -> tuple[str, str]:
    assert isinstance(request, dg.RunRequest), request
    return request.tags[BEGIN], request.tags[END]


@pytest.fixture
def bench(tmp_path: Path, kafka: RunningBroker) -> StreamBench:
    return StreamBench(tmp_path / "one", kafka)


def load_archive(bench: StreamBench, source: Path) -> int:
    """Load all days of a data directory; how many trajectories there are."""
    bench.set(source_url=str(source))
    assert not load_days(DAYS, bench.settings).failed
    return count(bench.settings, "trajectories")


def test_the_sensor_asks_once_for_the_days_that_wait_and_then_rests(bench: StreamBench) -> None:
    bench.load()
    with dg.DagsterInstance.ephemeral() as instance:
        operator = Operator(bench, instance)
        request = operator.tick()
        assert days_of(request) == (DAY.isoformat(), DAY.isoformat())
        assert operator.run(request).success
        assert operator.tick() == "Everything is published."
        (event,) = instance.fetch_materializations(KEY, limit=1).records
        assert event.partition_key == DAY.isoformat()
    assert len(bench.records()) == ROWS


def test_the_sensor_waits_for_a_run_under_way_and_gives_up_after_some_failures(
    bench: StreamBench,
) -> None:
    bench.load()
    bench.set(sensor_attempts=2)
    with dg.DagsterInstance.ephemeral() as instance:
        operator = Operator(bench, instance)
        first, second = operator.tick(), operator.tick()
        assert isinstance(first, dg.RunRequest)
        assert isinstance(second, dg.RunRequest)
        assert first.run_key != second.run_key, "Dagster would not launch the same key again"
        assert "given up" in str(operator.tick())
        tags = {STATE_TAG: first.tags[STATE_TAG]}
        instance.add_run(
            dg.DagsterRun("publications", tags=tags, status=dg.DagsterRunStatus.STARTED)
        )
        assert "under way" in str(operator.tick())


def test_a_state_that_succeeded_is_forgotten_however_often_as_many_messages_wait(
    bench: StreamBench,
) -> None:
    bench.set(sensor_attempts=2)
    with dg.DagsterInstance.ephemeral() as instance:
        operator = Operator(bench, instance)
        requests = []
        for change in range(5):
            rows = sample().first(ROWS).stamped(f"2022-03-2{change} 00:00:00.000000")
            bench.load(rows.with_fields(0, duration_s=f"  9.{change}0"))
            requests.append(operator.tick())
            assert operator.run(requests[-1]).success
        assert operator.tick() == "Everything is published."
        told = [request.tags[WHY_TAG] for request in requests[1:]]
    # The same number of messages of the same day, each time; none is another attempt.
    assert told[0].startswith(f"1 messages of 1 days, {DAY} to {DAY}, are not published")
    assert len(set(told)) == 1
    assert len({request.run_key for request in requests}) == 5


def test_the_sensor_says_why_it_cannot_ask(bench: StreamBench) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        bench.set(kafka_bootstrap_servers=None)
        assert "KAFKA_BOOTSTRAP_SERVERS is not set" in str(Operator(bench, instance).tick())
        bench.set(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", kafka_timeout_s=0.5)
        assert "Nothing is lost" in str(Operator(bench, instance).tick())


def test_a_warehouse_older_than_the_stream_gets_its_tables_and_is_published(
    bench: StreamBench,
) -> None:
    bench.load()
    with WarehouseConnection(bench.settings).writing() as connection:
        for table in STREAM_TABLES:
            connection.execute(f"DROP TABLE {table.name}")
    other = bench.beside("two")
    assert bench.offsets() == {}
    assert overview(bench.settings, WarehouseConnection(bench.settings)).unpublished == ROWS
    with dg.DagsterInstance.ephemeral() as instance:
        operator = Operator(bench, instance)
        assert operator.run(operator.tick()).success
        assert operator.tick() == "Everything is published."
    assert bench.consume().counts.own == ROWS
    other.consume()
    same_content(bench, other)


def test_a_ten_day_refresh_sends_what_changed_and_nothing_else(
    bench: StreamBench, tmp_path: Path
) -> None:
    source, later = tmp_path / "first", tmp_path / "later"
    archive.generate(source, 400, from_date=FIRST_DAY, to_date=LAST_DAY, kinds=("daily",))
    loaded = load_archive(bench, source)
    assert bench.publish().sent == loaded == 400
    shares = archive.Shares(
        resolved=0.1, reidentified=0.03, withdrawn=0.03, duplicated=0, corrupted=0, added=0.05
    )
    truth = archive.next_generation(source, later, shares=shares, last_bins=10)
    load_archive(bench, later)
    with dg.DagsterInstance.ephemeral() as instance:
        operator = Operator(bench, instance)
        request = operator.tick()
        first, last = days_of(request)
        assert FIRST_DAY.isoformat() < first <= last == LAST_DAY.isoformat()
        assert operator.run(request).success
        assert operator.tick() == "Everything is published."
    sent = bench.records()
    assert len(sent) - loaded == (
        truth.total("resolved") + truth.total("added")
        + 2 * truth.total("reidentified") + truth.total("withdrawn")
    )  # fmt: skip
    tombstones = sum(record.value is None for record in sent)
    assert tombstones == truth.total("withdrawn") + truth.total("reidentified") > 0
    other = bench.beside("two")
    other.consume()
    same_content(bench, other)


def test_many_days_that_waited_for_a_broker_are_caught_up_by_one_run(tmp_path: Path) -> None:
    archive.generate(
        tmp_path / "site", 400, from_date=FIRST_DAY, to_date=LAST_DAY, kinds=("daily",)
    )
    with own_broker(tmp_path / "broker") as broker:
        port = broker.port
        bench = StreamBench(tmp_path / "one", broker, run_retries=1, run_retry_pause_s=0.0)
        loaded = load_archive(bench, tmp_path / "site")
        bench.set(kafka_timeout_s=1.0)
        with dg.DagsterInstance.ephemeral() as instance:
            operator = Operator(bench, instance)
            request = operator.tick()
            broker.kill()
            failed = operator.run(request)
            assert not failed.success
            assert [e.event_type_value for e in failed.all_events].count("STEP_RESTARTED") == 1
            (failure,) = (event for event in failed.all_events if event.is_step_failure)
            assert "Nothing is lost" in str(failure.step_failure_data)
            assert "Nothing is lost" in str(operator.tick())
        with own_broker(tmp_path / "broker", port):
            bench.set(kafka_timeout_s=20.0)
            with dg.DagsterInstance.ephemeral() as instance:
                operator = Operator(bench, instance)
                request = operator.tick()
                assert days_of(request) == (FIRST_DAY.isoformat(), LAST_DAY.isoformat())
                assert operator.run(request).success
                assert operator.tick() == "Everything is published."
            keys = [record.key for record in bench.records()]
            assert len(set(keys)) == len(keys) == loaded
