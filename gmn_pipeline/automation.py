"""When things run by themselves: jobs, the nightly schedule, the sensor on the source's listing.

What belongs here: what asks for runs, and for which days. What does not: what a run does.
Sensors carry no data: they compare the listing with ledger and warehouse, and ask for days.
"""

import hashlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from gmn_pipeline.asking import Asking
from gmn_pipeline.assets import LANDING, VALIDATED, WAREHOUSE, Pipeline
from gmn_pipeline.errors import RetryableError
from gmn_pipeline.landing.land import FOLDERS
from gmn_pipeline.ledger import Ledger
from gmn_pipeline.sources.bins import FileKind, bin_of_name
from gmn_pipeline.sources.directory import Directory, open_directory
from gmn_pipeline.warehouse.store import Warehouse

trajectory_days_job = dg.define_asset_job(
    "trajectory_days",
    selection=dg.AssetSelection.assets(LANDING.key, VALIDATED.key, WAREHOUSE.key),
    description="Takes a range of days from the source to the warehouse.",
)
iau_showers_job = dg.define_asset_job(
    "iau_showers",
    selection=dg.AssetSelection.assets(["warehouse", "iau_showers"]),
    description="Refreshes the table of meteor showers from the IAU list.",
)

snapshot_job = dg.define_asset_job(
    "snapshot",
    selection=dg.AssetSelection.assets(["warehouse", "snapshot"]),
    description="Makes gmn.duckdb and Parquet for analysts from the warehouse as it is.",
)

maintenance_job = dg.define_asset_job(
    "maintenance",
    selection=dg.AssetSelection.assets(["warehouse", "maintenance"]),
    description="Puts small files together and removes what nothing needs.",
)


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make a run take all days from `first` to `last` at once."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
    }


@dg.schedule(
    job=trajectory_days_job,
    cron_schedule="0 1 * * *",
    execution_timezone="UTC",
    description="Loads the last ten days again every night: upstream rewrites that many.",
)
def nightly_refresh(
    context: dg.ScheduleEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.RunRequest:
    today = context.scheduled_execution_time.date()
    first = today - timedelta(days=pipeline.settings().refresh_days - 1)
    return dg.RunRequest(run_key=today.isoformat(), tags=range_tags(first, today))


monthly_iau_showers = dg.ScheduleDefinition(
    name="monthly_iau_showers",
    job=iau_showers_job,
    cron_schedule="30 2 1 * *",
    execution_timezone="UTC",
    description="Refreshes the meteor showers once a month.",
)

daily_maintenance = dg.ScheduleDefinition(
    name="daily_maintenance",
    job=maintenance_job,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    description="Keeps the warehouse quick and small.",
)


@dg.sensor(
    job=trajectory_days_job,
    minimum_interval_seconds=300,
    description="Compares the source's directory listing with what was landed and loaded, and asks "
    "for the days of which a file is new, changed, or did not get into the warehouse: this is also "
    "what fills gaps.",
)
def changed_files_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    settings = pipeline.settings()
    try:
        changed = changed_days(
            open_directory(settings), Ledger(settings.data_dir), Warehouse(settings).taken_files()
        )
    except RetryableError as error:
        return dg.SkipReason(str(error))
    asking = Asking(context, settings.sensor_attempts)
    requests: list[dg.RunRequest] = []
    for days in _ranges(sorted(changed), settings.sensor_days_per_run):
        if len(requests) + asking.under_way == settings.sensor_runs_at_once:
            break
        answer = asking.ask(
            _state({day: changed[day] for day in days}),
            f"{days[0]} to {days[-1]}",
            tags=range_tags(days[0], days[-1]),
        )
        if isinstance(answer, dg.RunRequest):
            requests.append(answer)
    if not requests:
        return dg.SkipReason(
            f"{len(changed)} days are not in the warehouse as listed; {asking.under_way} runs "
            "under way."
            if changed
            else "Everything that the source lists is in the warehouse."
        )
    return asking.result(requests)


def changed_days(directory: Directory, ledger: Ledger, taken: Container[str]) -> dict[date, str]:
    """Days with a listed file that was not landed in this state, or not taken in, and the files.

    A file is landed before it is loaded: a process that ends in between leaves it landed only.
    """
    landed = ledger.newest_landed()
    states: dict[date, list[str]] = {}
    for entry in directory.list(FOLDERS[FileKind.DAILY]):
        bin_ = bin_of_name(entry.path.rsplit("/", 1)[-1])
        if bin_ is None:
            continue
        known = landed.get(entry.path)
        if known is None or known.listed_state != entry.state or known.sha256 not in taken:
            states.setdefault(bin_.date, []).append(f"{entry.path} {entry.state}")
    return {day: "; ".join(sorted(files)) for day, files in states.items()}


def _ranges(days: Sequence[date], most: int) -> Iterator[list[date]]:
    """Runs of neighbouring days, none longer than `most`.

    Upstream has no file for some dates; a gap of a day or two does not end a run.
    """
    group: list[date] = []
    for day in days:
        if group and (day - group[-1] > timedelta(days=3) or (day - group[0]).days >= most):
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _state(changed: Mapping[date, str]) -> str:
    text = json.dumps({day.isoformat(): state for day, state in changed.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


JOBS = [trajectory_days_job, iau_showers_job, snapshot_job, maintenance_job]
SCHEDULES = [nightly_refresh, monthly_iau_showers, daily_maintenance]
SENSORS = [changed_files_sensor]
