"""What Dagster is told: materializations day by day, checks, runs asked for by themselves."""

import logging
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.assets.snapshot import snapshot_opens_with_all_rows
from gmn_pipeline.orchestration.assets.trajectories import (
    LANDING,
    VALIDATED,
    WAREHOUSE,
    load_trajectory_days,
)
from gmn_pipeline.orchestration.jobs import iau_showers_job, snapshot_job, trajectory_days_job
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.schedules import nightly_refresh
from gmn_pipeline.orchestration.sensors.trajectories import changed_days, changed_files_sensor
from gmn_pipeline.warehouse.trajectories.files import Warehouse
from gmn_pipeline_tests.support.gmn_site import GmnSite, status
from gmn_pipeline_tests.support.operator import (
    QUIET,
    Operator,
    materializations,
    metadata_by_day,
    put_days,
)
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import ask, count

SPECS = (LANDING, VALIDATED, WAREHOUSE)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def operator(bench: Bench, instance: dg.DagsterInstance) -> Operator:
    return Operator(bench, instance)


MARCH_3, MARCH_4, MARCH_5 = (date(2022, 3, day) for day in (3, 4, 5))


def test_a_range_of_days_is_one_run_and_every_day_shows_as_materialized(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3, MARCH_5)
    assert operator.run(MARCH_3, MARCH_5).success
    for spec in SPECS:
        assert operator.materialized(spec) == {"2022-03-03", "2022-03-04", "2022-03-05"}
    assert load_trajectory_days.backfill_policy == dg.BackfillPolicy.single_run()


def test_a_file_that_is_not_read_for_its_name_stands_in_the_log_of_the_run(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3)
    odd = DAILY.replace(".txt", " (1).txt")
    bench.put(odd, sample().first(2))
    result = operator.run(MARCH_3, MARCH_3)
    assert result.success
    logged = operator.instance.all_logs(result.run_id)
    warnings = [entry.user_message for entry in logged if entry.level == logging.WARNING]
    assert [message for message in warnings if odd in message and "is not read" in message]


def test_each_day_carries_its_own_counts_that_add_up(bench: Bench, operator: Operator) -> None:
    put_days(bench, MARCH_3)
    bench.put(DAILY, sample().with_fields(5, begin_latitude_deg="   +91.000000"))
    result = operator.run(MARCH_3, MARCH_4)
    metadata = metadata_by_day(operator, result)
    day = metadata["2022-03-04"]
    assert (day["rows_read"], day["dagster/partition_row_count"], day["rows_rejected"]) == (
        534,
        533,
        1,
    )
    changes = ("rows_inserted", "rows_revised", "rows_unchanged")
    assert [day[name] for name in changes] == [533, 0, 0]
    assert metadata["2022-03-03"]["rows_inserted"] == 3
    assert len(day["source_sha256"]) == 64


def test_a_date_without_a_file_succeeds_with_a_word_about_it(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3)
    result = operator.run(MARCH_4, MARCH_4)
    assert result.success
    assert (
        metadata_by_day(operator, result)["2022-03-04"]["note"]
        == "The network has no file of this date."
    )


def test_a_bad_file_fails_its_day_alone_and_visibly(bench: Bench, operator: Operator) -> None:
    put_days(bench, MARCH_3, MARCH_5)
    bench.put(DAILY, sample().with_columns(lambda fields: fields[:9] + fields[10:]))
    result = operator.run(MARCH_3, MARCH_5)
    assert not result.success
    for spec in SPECS:
        assert operator.materialized(spec) == {"2022-03-03", "2022-03-05"}
    (failure,) = result.get_step_failure_events()
    message = failure.step_failure_data.user_failure_data
    assert message is not None
    assert "1 of 3 days failed, the others came through. 2022-03-04" in (message.description or "")
    assert ask(bench.settings, "SELECT DISTINCT bin_date FROM trajectories ORDER BY 1") == [
        (MARCH_3,), (MARCH_5,)]  # fmt: skip
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert checks["all_days_came_through"] is False
    # The day mended, it alone is missing and comes through.
    bench.put(DAILY, sample())
    assert operator.run(MARCH_4, MARCH_4).success
    assert "2022-03-04" in operator.materialized(WAREHOUSE)
    assert bench.ledger.failures() == []


def test_checks_count_what_is_odd_and_what_was_rejected(bench: Bench, operator: Operator) -> None:
    odd = sample().with_fields(0, perihelion_distance_au="   0.500000", station_count="    9")
    bench.put(
        DAILY, odd.with_fields(1, convergence_angle_deg="  4.00").with_fields(2, vgeo_km_s="x")
    )
    result = operator.run(DAY, DAY)
    assert result.success
    checks = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert {name for name, check in checks.items() if not check.passed} == {
        "no_rows_rejected", "identities_hold", "quality_limits_hold"}  # fmt: skip
    identities = {k: v.value for k, v in checks["identities_hold"].metadata.items()}
    assert identities["perihelion_distance_inconsistent"] == 1
    assert identities["station_count_inconsistent"] == 1
    assert checks["quality_limits_hold"].metadata["convergence_angle_small"].value == 1
    assert checks["no_rows_rejected"].metadata["rows_rejected"].value == 1


def test_stages_can_be_run_one_by_one(bench: Bench, operator: Operator) -> None:
    bench.put(DAILY, sample())
    for number, spec in enumerate(SPECS):
        assert operator.run(DAY, DAY, assets=[spec.key]).success
        there = [s for s in SPECS if operator.materialized(s)]
        assert there == list(SPECS[: number + 1])
    assert count(bench.settings, "trajectories") == 534


def test_a_source_that_is_down_fails_the_run_with_the_reason(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    bench = Bench(tmp_path, source_url="http://127.0.0.1:1/", http_retries=0, run_retries=0)
    result = Operator(bench, instance).run(DAY, DAY)
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    assert "cannot be reached" in (failure.step_failure_data.user_failure_data.description or "")


def test_a_failure_that_may_pass_is_tried_again_within_the_run(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_RUN_RETRY_PAUSE_S", "0")
    bench = Bench(tmp_path)
    bench.put(DAILY, sample())
    with GmnSite(bench.site) as site:
        site.faults[DAILY] = [status(500)]
        there = bench.settings.model_copy(
            update={"source_url": site.url, "http_retries": 0, "run_retries": 2}
        )
        bench.settings = there
        assert Operator(bench, instance).run(DAY, DAY).success
    assert count(bench.settings, "trajectories") == 534


def test_showers_come_from_the_bundled_list_where_the_source_is_out_of_reach(
    bench: Bench, operator: Operator
) -> None:
    assert operator.run(DAY, DAY, job=iau_showers_job.name).success
    geminids = (
        "SELECT iau_shower_code, iau_shower_name FROM iau_showers WHERE iau_shower_number = 4"
    )
    assert ask(bench.settings, geminids) == [("GEM", "Geminids")]


def test_the_snapshot_job_makes_the_analysts_database(bench: Bench, operator: Operator) -> None:
    bench.put(DAILY, sample())
    operator.run(DAY, DAY)
    result = operator.run(DAY, DAY, job=snapshot_job.name)
    assert result.success
    assert (bench.settings.snapshot_dir / "gmn.duckdb").exists()
    [opened] = result.get_asset_check_evaluations()
    assert opened.passed
    assert opened.metadata["rows"] == opened.metadata["rows_of_manifest"]


def test_a_snapshot_with_fewer_rows_than_its_manifest_says_fails_its_check(
    bench: Bench, operator: Operator
) -> None:
    assert not snapshot_opens_with_all_rows(pipeline=operator.pipeline).passed  # there is none yet
    bench.put(DAILY, sample())
    operator.run(DAY, DAY)
    operator.run(DAY, DAY, job=snapshot_job.name)
    assert snapshot_opens_with_all_rows(pipeline=operator.pipeline).passed
    with duckdb.connect(str(bench.settings.snapshot_dir / "gmn.duckdb")) as connection:
        connection.execute("DELETE FROM stations")
    found = snapshot_opens_with_all_rows(pipeline=operator.pipeline)
    assert not found.passed
    assert found.metadata["rows"].value["stations"] == 0


def test_the_nightly_schedule_asks_for_the_last_ten_days(operator: Operator) -> None:
    context = dg.build_schedule_context(
        instance=operator.instance, scheduled_execution_time=datetime(2022, 3, 14, 1),
        resources={"pipeline": operator.pipeline},
    )  # fmt: skip
    request = nightly_refresh(context)
    assert isinstance(request, dg.RunRequest)
    assert set(request.tags.values()) >= {"2022-03-05", "2022-03-14"}
    assert nightly_refresh.cron_schedule == "0 1 * * *"


def requests(operator: Operator, cursor: str | None = None) -> dg.SensorResult:
    result = changed_files_sensor(operator.sensor_context(cursor))
    assert isinstance(result, dg.SensorResult), result
    return result


def test_the_sensor_asks_for_days_never_landed_and_then_is_content(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3, MARCH_4, MARCH_5)
    (request,) = requests(operator).run_requests or []
    tags = operator.defs.resolve_job_def(trajectory_days_job.name).execute_in_process(
        instance=operator.instance, tags=dict(request.tags), run_config=QUIET
    )
    assert tags.success
    assert count(bench.settings, "trajectories") == 9
    content = changed_files_sensor(operator.sensor_context())
    assert isinstance(content, dg.SkipReason)


def test_the_sensor_asks_again_for_a_day_whose_file_changed(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3, MARCH_4)
    operator.run(MARCH_3, MARCH_4)
    put_days(bench, MARCH_4, rows=5)
    taken = Warehouse(bench.settings).taken_files()
    assert set(changed_days(bench.directory, bench.ledger, taken, {})) == {MARCH_4}
    (request,) = requests(operator).run_requests or []
    assert set(request.tags.values()) >= {"2022-03-04"}


def test_the_sensor_asks_again_for_a_day_that_was_landed_and_not_loaded(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3, MARCH_4)
    operator.run(MARCH_3, MARCH_3)
    operator.run(MARCH_4, MARCH_4, assets=[LANDING.key])  # all that a killed run may leave
    (request,) = requests(operator).run_requests or []
    assert {"2022-03-04"} == set(request.tags.values()) & {"2022-03-03", "2022-03-04"}
    operator.run(MARCH_4, MARCH_4)
    assert isinstance(changed_files_sensor(operator.sensor_context()), dg.SkipReason)


def test_the_sensor_is_content_with_a_file_older_than_the_loaded_one(
    bench: Bench, operator: Operator
) -> None:
    bench.put(DAILY, sample().first(3))
    assert operator.run(DAY, DAY).success
    bench.put(DAILY, sample().first(2).stamped("2022-03-04 00:00:00.000000"))
    assert operator.run(DAY, DAY).success
    assert ask(bench.settings, "SELECT outcome FROM source_files ORDER BY loaded_at_utc") == [
        ("loaded",), ("older_than_loaded",)]  # fmt: skip
    assert isinstance(changed_files_sensor(operator.sensor_context()), dg.SkipReason)


def test_the_sensor_asks_for_no_second_run_while_one_is_under_way(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3, MARCH_4)
    result = requests(operator)
    (request,) = result.run_requests or []
    job = operator.defs.resolve_job_def(trajectory_days_job.name)
    operator.instance.create_run_for_job(job, tags=dict(request.tags))
    waiting = changed_files_sensor(operator.sensor_context(result.cursor))
    assert isinstance(waiting, dg.SkipReason)
    assert "1 runs under way" in (waiting.skip_message or "")


def test_the_sensor_tries_a_failed_state_again_a_bounded_number_of_times(
    bench: Bench, operator: Operator
) -> None:
    bench.put(DAILY, sample().to_bytes()[:-40])  # half written, for ever
    cursor, keys = None, []
    for _ in range(operator.pipeline.settings().sensor_attempts):  # type: ignore[attr-defined]
        result = requests(operator, cursor)
        (request,) = result.run_requests or []
        keys.append(request.run_key)
        cursor = result.cursor
        assert not operator.run(DAY, DAY).success
    assert len(set(keys)) == len(keys)
    assert isinstance(changed_files_sensor(operator.sensor_context(cursor)), dg.SkipReason)


def test_the_sensor_says_why_it_waits_when_the_source_is_down(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    bench = Bench(tmp_path, source_url="http://127.0.0.1:1/", http_retries=0)
    skipped = changed_files_sensor(Operator(bench, instance).sensor_context())
    assert isinstance(skipped, dg.SkipReason)
    assert "cannot be reached" in (skipped.skip_message or "")


def test_unchanged_days_do_no_work_downstream(bench: Bench, operator: Operator) -> None:
    put_days(bench, MARCH_3, MARCH_4)
    operator.run(MARCH_3, MARCH_4)
    snapshot = ask(bench.settings, "FROM ducklake_current_snapshot('warehouse')")
    written = sorted(p.stat().st_mtime_ns for p in bench.settings.validated_dir.iterdir())
    result = operator.run(MARCH_3, MARCH_4)
    assert result.success
    assert not materializations(operator, result)
    assert all(operator.materialized(spec) == {"2022-03-03", "2022-03-04"} for spec in SPECS)
    assert ask(bench.settings, "FROM ducklake_current_snapshot('warehouse')") == snapshot
    assert sorted(p.stat().st_mtime_ns for p in bench.settings.validated_dir.iterdir()) == written


def test_one_day_that_is_new_is_told_of_alone(bench: Bench, operator: Operator) -> None:
    put_days(bench, MARCH_3)
    operator.run(MARCH_3, MARCH_3)
    put_days(bench, MARCH_4)
    counts = metadata_by_day(operator, operator.run(MARCH_3, MARCH_4))
    assert set(counts) == {"2022-03-04"}
    assert counts["2022-03-04"]["rows_inserted"] == 3


def test_days_loaded_by_a_run_that_died_before_it_told_of_them_show_after_the_next(
    bench: Bench, operator: Operator
) -> None:
    put_days(bench, MARCH_3)
    load_days([MARCH_3], bench.settings)
    assert not operator.materialized(WAREHOUSE)
    operator.run(MARCH_3, MARCH_3)
    assert all(operator.materialized(spec) == {"2022-03-03"} for spec in SPECS)


def test_partitions_are_utc_days_from_the_first_of_the_network() -> None:
    keys = DAYS.get_partition_keys(current_time=datetime(2019, 1, 1, 0, 30))
    assert (keys[0], keys[-1]) == ("2018-12-09", "2019-01-01")
    assert DAYS.timezone == "UTC"
