"""The event log that a Dagster instance of the project keeps: whole, shared, and quick to write."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster_graphql.schema import create_schema

from gmn_pipeline.definitions import build_defs
from gmn_pipeline.flows.progress import ProgressListener
from gmn_pipeline.orchestration.asset_checks import COUNTS_ADD_UP, NO_ROWS_REJECTED
from gmn_pipeline.orchestration.assets.trajectories import LANDING, VALIDATED, WAREHOUSE
from gmn_pipeline.orchestration.event_log import BatchingEventLogStorage
from gmn_pipeline.orchestration.home import prepare_dagster_home
from gmn_pipeline.orchestration.jobs import trajectory_days_job
from gmn_pipeline.orchestration.local_runs import run_job
from gmn_pipeline.orchestration.partitions import DAYS, range_tags
from gmn_pipeline.settings import load_settings
from gmn_pipeline_tests.support.operator import put_days
from gmn_pipeline_tests.support.sample import DAILY, Bench, sample

SPECS = (LANDING, VALIDATED, WAREHOUSE)
FIRST = date(2022, 3, 1)
MARCH_3, MARCH_4, MARCH_5 = (date(2022, 3, day) for day in (3, 4, 5))
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both are set when an instance is opened; neither may stay for other tests.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "500")


def open_instance(data_dir: Path) -> dg.DagsterInstance:
    """An instance as `gmn run` and `make dev` open it."""
    return dg.DagsterInstance.from_config(
        str(prepare_dagster_home(load_settings(data_dir=data_dir)))
    )


@pytest.fixture
def instance(bench: Bench) -> Iterator[dg.DagsterInstance]:
    with open_instance(bench.settings.data_dir) as instance:
        yield instance


def execute(
    instance: dg.DagsterInstance, source: str, data_dir: Path, first: date, last: date,
    listener: ProgressListener | None = None,
) -> dg.ExecuteInProcessResult:  # fmt: skip
    overrides = {"source_url": source, "data_dir": data_dir, "run_retries": 0}
    job = build_defs(overrides, listener=listener).resolve_job_def(trajectory_days_job.name)
    return job.execute_in_process(
        instance=instance, tags=range_tags(first, last), raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )  # fmt: skip


def run(
    bench: Bench, instance: dg.DagsterInstance, first: date, last: date
) -> dg.ExecuteInProcessResult:
    return execute(instance, bench.settings.source_url, bench.settings.data_dir, first, last)


def days(first: date, number: int) -> set[str]:
    return {(first + timedelta(days=n)).isoformat() for n in range(number)}


def status(instance: dg.DagsterInstance, spec: dg.AssetSpec) -> dict[str, set[str]]:
    """The days of each colour in the UI."""
    cached = get_and_update_asset_status_cache_value(instance, spec.key, DAYS)
    assert cached is not None
    return {
        "green": set(cached.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()),
        "red": set(cached.deserialize_failed_partition_subsets(DAYS).get_partition_keys()),
        "running": set(cached.deserialize_in_progress_partition_subsets(DAYS).get_partition_keys()),
    }


def number_of(instance: dg.DagsterInstance, run_id: str, kind: DagsterEventType) -> int:
    return len(instance.all_logs(run_id, of_type=kind))


def test_every_day_of_a_long_run_shows_as_materialized_with_its_own_counts(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
    bench.put(DAILY, sample().first(3))
    last = FIRST + timedelta(days=599)
    result = run(bench, instance, FIRST, last)
    assert result.success
    for kind in (DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
                 DagsterEventType.ASSET_MATERIALIZATION):  # fmt: skip
        assert number_of(instance, result.run_id, kind) == 600 * len(SPECS)
    for spec in SPECS:
        assert instance.get_materialized_partitions(spec.key) == days(FIRST, 600)
        assert status(instance, spec) == {"green": days(FIRST, 600), "red": set(), "running": set()}
        event = instance.get_latest_materialization_events([spec.key])[spec.key]
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.partition == last.isoformat()
    (record,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(WAREHOUSE.key, asset_partitions=["2022-03-04"]), limit=5
    ).records
    assert record.asset_materialization is not None
    assert record.asset_materialization.metadata["rows_inserted"].value == 3
    assert record.asset_materialization.tags["dagster/data_version"]


def test_a_failed_day_stays_red_until_it_comes_through(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().with_columns(lambda fields: fields[:9] + fields[10:]))
    assert not run(bench, instance, FIRST, FIRST + timedelta(days=9)).success
    for spec in SPECS:
        found = status(instance, spec)
        assert found["red"] == {"2022-03-04"}
        assert found["green"] == days(FIRST, 10) - {"2022-03-04"}
    bench.put(DAILY, sample().first(3))
    assert run(bench, instance, MARCH_4, MARCH_4).success
    assert status(instance, WAREHOUSE)["red"] == set()


def test_a_day_that_fails_over_days_shown_already_is_red_alone_until_found_unchanged(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    last, whole = FIRST + timedelta(days=9), sample().first(3).to_bytes()
    bench.put(DAILY, whole)
    assert run(bench, instance, FIRST, last).success
    bench.put(DAILY, whole[:-100])
    assert not run(bench, instance, FIRST, last).success
    for spec in SPECS:
        assert status(instance, spec)["red"] == {"2022-03-04"}
    bench.put(DAILY, whole)
    assert run(bench, instance, FIRST, last).success
    for spec in SPECS:
        assert status(instance, spec) == {"green": days(FIRST, 10), "red": set(), "running": set()}


def test_a_check_of_a_run_is_one_row_that_its_evaluation_completes(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().first(3))
    assert run(bench, instance, FIRST, FIRST + timedelta(days=9)).success
    history = instance.event_log_storage.get_asset_check_execution_history(
        NO_ROWS_REJECTED.key, limit=100
    )
    assert [row.status for row in history] == [AssetCheckExecutionRecordStatus.SUCCEEDED]


class Meeting(ProgressListener):
    """Has a run wait, when it has loaded rows and told of no day, until others are where they are
    to be."""

    def __init__(self, loaded: threading.Event, others: threading.Event) -> None:
        self._loaded, self._others = loaded, others

    def rows_done(self, count: int) -> None:
        self._loaded.set()
        assert self._others.wait(60)


CHECKS = """{ assetNodeOrError(assetKey: {path: ["warehouse", "trajectories"]}) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization {
    runId status } } } } } } }"""


def shown_checks(instance: dg.DagsterInstance) -> dict[str, str | None]:
    """What the UI shows of the checks of warehouse/trajectories; None is 'Not evaluated'."""
    checks = ask_ui(instance, CHECKS)["assetNodeOrError"]["assetChecksOrError"]["checks"]
    return {
        check["name"]: execution and execution["status"]
        for check in checks
        for execution in [check["executionForLatestMaterialization"]]
    }


@pytest.mark.parametrize("last", [MARCH_4, MARCH_5])
def test_checks_show_as_evaluated_after_two_runs_that_overlap(
    bench: Bench, instance: dg.DagsterInstance, last: date
) -> None:
    """The first run begins before the second and ends after it, with one day or two of its own."""
    put_days(bench, MARCH_3, MARCH_4, MARCH_5)
    loaded, others = threading.Event(), threading.Event()
    source, data_dir = bench.settings.source_url, bench.settings.data_dir
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            execute, instance, source, data_dir, MARCH_4, last, Meeting(loaded, others)
        )
        assert loaded.wait(60)
        assert run(bench, instance, MARCH_3, MARCH_3).success
        others.set()
        assert first.result(60).success
    assert shown_checks(instance)[COUNTS_ADD_UP.name] == "SUCCEEDED"
    # A run that finds nothing to do leaves them shown, too.
    assert run(bench, instance, MARCH_3, last).success
    assert shown_checks(instance)[COUNTS_ADD_UP.name] == "SUCCEEDED"


class Killer(ProgressListener):
    """Kills the process when rows are loaded, before Dagster is told of their day."""

    def rows_done(self, count: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(source: str, data_dir: Path, where: str) -> None:
    with open_instance(data_dir) as instance:
        if where == "in a batch":
            storage, store = BatchingEventLogStorage, BatchingEventLogStorage._store_asset_event

            def die(self: BatchingEventLogStorage, *args: object) -> None:
                store(self, *args)  # type: ignore[arg-type]
                if args[1].dagster_event.is_step_materialization:  # type: ignore[attr-defined]
                    os.kill(os.getpid(), signal.SIGKILL)

            storage._store_asset_event = die  # type: ignore[method-assign,assignment]
        listener = Killer() if where == "before the events" else None
        execute(instance, source, data_dir, FIRST, FIRST + timedelta(days=9), listener)


@pytest.mark.parametrize("where", ["before the events", "in a batch"])
def test_a_killed_run_leaves_its_days_unfinished_and_the_next_run_takes_them(
    bench: Bench, instance: dg.DagsterInstance, where: str
) -> None:
    put_days(bench, MARCH_3, MARCH_4)
    process = SPAWN.Process(
        target=run_and_die, args=(bench.settings.source_url, bench.settings.data_dir, where)
    )
    assert ended(process) == -signal.SIGKILL
    unfinished = {"green": set(), "red": set(), "running": days(FIRST, 10)}
    assert status(instance, LANDING) == unfinished
    (left,) = instance.get_runs()
    instance.report_run_failed(left)  # as the daemon's monitor does
    assert status(instance, LANDING) == {"green": set(), "red": days(FIRST, 10), "running": set()}
    assert run(bench, instance, FIRST, FIRST + timedelta(days=9)).success
    for spec in SPECS:
        assert status(instance, spec)["green"] == days(FIRST, 10)
        assert status(instance, spec)["red"] == set()


def ended(process: BaseProcess) -> int | None:
    process.start()
    process.join(120)
    return process.exitcode


def run_days(source: str, data_dir: Path, first: date, last: date) -> None:
    with open_instance(data_dir) as instance:
        assert execute(instance, source, data_dir, first, last).success


def test_processes_share_the_log_and_a_watcher_sees_what_they_write(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().first(3))
    parts = [(day, day + timedelta(days=99)) for day in (FIRST, FIRST + timedelta(days=100))]
    source, data_dir = bench.settings.source_url, bench.settings.data_dir
    processes = [SPAWN.Process(target=run_days, args=(source, data_dir, *part)) for part in parts]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):  # a UI that asks all the while
        instance.get_materialized_partitions(WAREHOUSE.key)
        for process in processes:
            process.join(0.05)
    assert [process.exitcode for process in processes] == [0, 0]
    assert instance.get_materialized_partitions(WAREHOUSE.key) == days(FIRST, 200)
    for spec in SPECS:
        (record,) = instance.get_asset_records([spec.key])
        newest = instance.fetch_materializations(spec.key, limit=1).records[0]
        assert record.asset_entry.last_materialization_storage_id == newest.storage_id
    seen, is_over = list[EventLogEntry](), threading.Event()

    def watch(event: EventLogEntry, _cursor: str) -> None:
        seen.append(event)
        if event.is_dagster_event and event.get_dagster_event().is_job_success:
            is_over.set()

    run_id = instance.get_runs()[0].run_id
    instance.watch_event_logs(run_id, None, watch)
    assert is_over.wait(30)
    instance.end_watch_event_logs(run_id, watch)
    assert len(seen) == len(instance.all_logs(run_id))


def test_events_of_a_run_that_goes_on_elsewhere_reach_the_watcher(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    with open_instance(bench.settings.data_dir) as elsewhere:
        run_id, is_seen = "0" * 32, threading.Event()
        instance.watch_event_logs(run_id, None, lambda _event, _cursor: is_seen.set())
        elsewhere.report_engine_event("It goes on.", run_id=run_id, job_name="any")
        assert is_seen.wait(30)


def test_what_the_default_storage_knew_of_the_assets_is_taken_over(
    bench: Bench,
) -> None:
    bench.put(DAILY, sample().first(3))
    home = prepare_dagster_home(bench.settings)
    yaml = (home / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(home)) as before:
        run(bench, before, FIRST, FIRST + timedelta(days=9))
    (home / "dagster.yaml").write_text(yaml)
    with open_instance(bench.settings.data_dir) as instance:
        assert status(instance, WAREHOUSE)["green"] == days(FIRST, 10)
        run(bench, instance, FIRST + timedelta(days=10), FIRST + timedelta(days=19))
        assert status(instance, WAREHOUSE)["green"] == days(FIRST, 20)


QUERY = """{ assetNodeOrError(assetKey: {path: ["landing", "trajectories"]}) {
 ... on AssetNode {
  partitionStats { numMaterialized numFailed numMaterializing numPartitions }
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey status } } }
  latestMaterializationByPartition(partitions: ["2022-03-03"]) {
    metadataEntries { label ... on TextMetadataEntry { text } } }
} } }"""


def ask_ui(instance: dg.DagsterInstance, query: str) -> Any:
    """What the web server would answer."""
    target = ModuleTarget(
        module_name="gmn_pipeline.definitions", attribute="defs",
        working_directory=str(Path(__file__).parents[2]), location_name="gmn_pipeline.definitions",
    )  # fmt: skip
    with WorkspaceProcessContext(instance, target) as process:
        context = process.create_request_context()
        answer = asyncio.run(create_schema().execute_async(query, context=context))
    assert answer.errors is None
    return answer.data


def test_the_ui_gets_the_status_of_the_days_from_it(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().with_columns(lambda fields: fields[:9] + fields[10:]))
    run(bench, instance, MARCH_3, MARCH_4)
    node = ask_ui(instance, QUERY)["assetNodeOrError"]
    assert {name: node["partitionStats"][name] for name in ("numMaterialized", "numFailed")} == {
        "numMaterialized": 1, "numFailed": 1}  # fmt: skip
    ranges = node["assetPartitionStatuses"]["ranges"]
    assert {(r["startKey"], r["status"]) for r in ranges} == {
        ("2022-03-03", "MATERIALIZED"), ("2022-03-04", "FAILED")}  # fmt: skip
    (latest,) = node["latestMaterializationByPartition"]
    assert {"label": "note", "text": "The network has no file of this date."} in latest[
        "metadataEntries"
    ]


JOBS = """{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs {
  name runs(limit: 5) { runId status repositoryOrigin { repositoryLocationName } tags { key value }
} } } } } }"""


def test_a_run_of_the_command_line_is_among_the_runs_of_its_job(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().first(3))
    overrides = {"source_url": bench.settings.source_url, "data_dir": bench.settings.data_dir}
    tags = range_tags(MARCH_4, MARCH_4)
    done = run_job(build_defs(overrides), trajectory_days_job.name, instance, tags)
    assert (done.is_success, done.failures) == (True, [])
    (repository,) = ask_ui(instance, JOBS)["repositoriesOrError"]["nodes"]
    runs = {job["name"]: job["runs"] for job in repository["jobs"]}
    (shown,) = runs[trajectory_days_job.name]
    assert (shown["runId"], shown["status"]) == (done.run_id, "SUCCESS")
    assert shown["repositoryOrigin"] == {"repositoryLocationName": "gmn_pipeline.definitions"}
    assert instance.get_materialized_partitions(WAREHOUSE.key) == {"2022-03-04"}


def test_a_run_of_the_command_line_says_what_failed(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    nobody = {"source_url": "http://127.0.0.1:1/", "http_retries": 0, "run_retries": 0}
    definitions = build_defs({**nobody, "data_dir": bench.settings.data_dir})
    tags = range_tags(MARCH_4, MARCH_4)
    done = run_job(definitions, trajectory_days_job.name, instance, tags)
    assert not done.is_success
    said = done.failures[0].user_failure_data
    assert said is not None
    assert "cannot be reached" in str(said.description)
