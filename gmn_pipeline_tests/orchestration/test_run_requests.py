"""What sensors and schedules request: in words, not in vain, and not again what was dealt with."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from typer.testing import CliRunner

from gmn_pipeline.cli.main import app
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import GmnError
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.jobs import verification_job
from gmn_pipeline.orchestration.run_requests import STATE_TAG, WHY_TAG, RunRequests
from gmn_pipeline.orchestration.schedules import nightly_refresh, nightly_verification
from gmn_pipeline.orchestration.sensors.trajectories import changed_files_sensor
from gmn_pipeline.readers.solar_longitude_bins import bins_between
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.operator import QUIET, Operator
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import count

MONTHLY = "monthly/traj_summary_monthly_202203.txt"
GENERATED = datetime(2022, 3, 20, 6, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Looks:
    """Looks of a sensor, one after the other."""

    def __init__(
        self, instance: dg.DagsterInstance, most_attempts: int = 2, cursor: str | None = None
    ) -> None:
        self._instance = instance
        self._most_attempts = most_attempts
        self._cursor = cursor

    def look(self, *states: str) -> list[str]:
        """The run keys that are requested of some states."""
        context = dg.build_sensor_context(instance=self._instance, cursor=self._cursor)
        requests = RunRequests(context, self._most_attempts)
        answers = [requests.request(state, f"state {state}") for state in states]
        runs = [answer for answer in answers if isinstance(answer, dg.RunRequest)]
        assert all(WHY_TAG in run.tags for run in runs)
        self._cursor = requests.result(runs).cursor
        return [run.run_key or "" for run in runs]


def test_a_state_has_so_many_attempts_each_with_a_key_of_its_own(
    instance: dg.DagsterInstance,
) -> None:
    looks = Looks(instance)
    keys = looks.look("a") + looks.look("a", "b")
    assert len(set(keys)) == 3
    assert len(looks.look("a", "b")) == 1, "a had its two attempts"


def test_a_state_that_was_dealt_with_and_comes_back_has_all_its_attempts_again(
    instance: dg.DagsterInstance,
) -> None:
    looks = Looks(instance)
    keys = looks.look("a") + looks.look("a")
    assert looks.look("a") == []
    assert looks.look("b")
    keys += looks.look("a")
    assert len(set(keys)) == 3, "Dagster would not launch the same key again"


def test_a_cursor_of_before_is_understood(instance: dg.DagsterInstance) -> None:
    looks = Looks(instance, cursor='{"a": 2, "b": 1}')
    assert [len(looks.look("a", "b")), len(looks.look("a", "b"))] == [2, 2]


def load_month(bench: Bench, instance: dg.DagsterInstance, **settings: object) -> Operator:
    """The day out of a monthly file; then an operator of the daily ones."""
    bench.put(MONTHLY, sample().stamped("2022-03-20 06:00:00.000000"))
    daily = bench.settings
    bench.settings = daily.model_copy(update={"history": "monthly"})
    assert Operator(bench, instance).run(DAY, DAY).success
    bench.settings = daily.model_copy(update=settings)
    return Operator(bench, instance)


def put_daily(bench: Bench, modified: datetime) -> None:
    file = bench.put(DAILY, sample().stamped("2022-03-21 06:00:00.000000"))
    os.utime(file, (modified.timestamp(), modified.timestamp()))


def test_after_a_history_load_the_sensor_leaves_daily_files_that_are_older(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    operator = load_month(bench, instance)
    put_daily(bench, GENERATED - timedelta(hours=15))
    skipped = changed_files_sensor(operator.sensor_context())
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "Everything that the source lists is in the warehouse."


@pytest.mark.parametrize("hours", [-13, 1])
def test_after_a_history_load_the_sensor_asks_for_daily_files_that_may_be_newer(
    bench: Bench, instance: dg.DagsterInstance, hours: int
) -> None:
    """A listing's time is that of the web server's zone."""
    operator = load_month(bench, instance)
    put_daily(bench, GENERATED + timedelta(hours=hours))
    result = changed_files_sensor(operator.sensor_context())
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or []
    assert request.tags[WHY_TAG] == (
        "files of 1 days, 2022-03-04 to 2022-03-04, are not in the warehouse as the source lists "
        "them"
    )
    assert operator.run(DAY, DAY).success
    assert isinstance(changed_files_sensor(operator.sensor_context()), dg.SkipReason)
    # Once landed, a change of it is one as of any other file.
    put_daily(bench, GENERATED - timedelta(days=1))
    assert isinstance(changed_files_sensor(operator.sensor_context()), dg.SensorResult)


def test_after_a_history_load_the_sensor_asks_for_all_daily_files_if_it_is_told_to(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    operator = load_month(bench, instance, sensor_refetch_history=True)
    put_daily(bench, GENERATED - timedelta(days=15))
    assert isinstance(changed_files_sensor(operator.sensor_context()), dg.SensorResult)


def test_a_bin_that_one_month_covers_in_part_is_asked_for(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    """The bin of March 31 ends in April, whose file is not loaded."""
    last = date(2022, 3, 31)
    rows = sample().first(3).spread(datetime(2022, 3, 31, 20), datetime(2022, 3, 31, 21))
    bench.put(MONTHLY, rows.stamped("2022-04-20 06:00:00.000000"))
    daily = bench.settings
    bench.settings = daily.model_copy(update={"history": "monthly"})
    assert Operator(bench, instance).run(last, last).success
    bench.settings = daily
    assert count(bench.settings, "trajectories") == 3
    (timed,) = (
        timed
        for timed in bins_between(datetime(2022, 3, 31), datetime(2022, 4, 1))
        if timed.bin.date == last
    )
    os.utime(bench.put(f"daily/{timed.bin.file_name}", rows), (0, 0))
    answer = changed_files_sensor(Operator(bench, instance).sensor_context())
    assert isinstance(answer, dg.SensorResult)


def test_every_sensor_and_schedule_says_what_it_is_for() -> None:
    repository = build_defs().get_repository_def()
    assert all(sensor.description for sensor in repository.sensor_defs)
    assert all(schedule.description for schedule in repository.schedule_defs)
    assert {"snapshot_automation", "changed_files_sensor"} <= {
        sensor.name for sensor in repository.sensor_defs
    }


def test_a_schedule_says_in_words_what_it_asked_for(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=datetime(2022, 3, 14, 1),
        resources={"pipeline": Operator(bench, instance).pipeline},
    )  # fmt: skip
    request = nightly_refresh(context)
    assert isinstance(request, dg.RunRequest)
    assert request.tags[WHY_TAG] == "every night the last 10 days, 2022-03-05 to 2022-03-14"
    assert STATE_TAG not in request.tags


# --- the nightly question whether the warehouse is sound -----------------------------------------


def double(bench: Bench) -> None:
    with WarehouseConnection(bench.settings).writing() as connection:
        connection.execute("INSERT INTO trajectories FROM trajectories LIMIT 1")
    assert count(bench.settings, "trajectories") == 4


def test_every_night_a_check_asks_whether_the_warehouse_is_sound(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().first(3))
    operator = Operator(bench, instance)
    operator.run(DAY, DAY)
    assert nightly_verification.cron_schedule == "0 4 * * *"

    def check() -> dg.AssetCheckEvaluation:
        (found,) = (
            operator.defs.resolve_job_def(verification_job.name)
            .execute_in_process(instance=instance, run_config=QUIET)
            .get_asset_check_evaluations()
        )
        return found

    assert check().passed
    double(bench)
    failed = check()
    assert not failed.passed
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    assert int(str(failed.metadata["problems"].value)) > 0
    assert "2 times" in str(failed.metadata["which"].value)


def test_a_run_over_days_does_not_ask_the_whole_warehouse(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bench.put(DAILY, sample().first(3))
    done = Operator(bench, instance).run(DAY, DAY)
    names = {found.check_name for found in done.get_asset_check_evaluations()}
    assert "counts_add_up" in names
    assert keys.WAREHOUSE_IS_SOUND not in names


def test_the_command_verify_says_what_is_wrong_and_ends_with_1(
    bench: Bench, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_DATA_DIR", str(bench.settings.data_dir))
    nothing = CliRunner().invoke(app, ["verify"])
    assert isinstance(nothing.exception, GmnError)
    bench.put(DAILY, sample().first(3))
    Operator(bench, instance).run(DAY, DAY)
    sound = CliRunner().invoke(app, ["verify"])
    assert (sound.exit_code, sound.output) == (0, "The warehouse is sound.\n")
    double(bench)
    unsound = CliRunner().invoke(app, ["verify"])
    assert unsound.exit_code == 1
    assert "2 times" in unsound.output
