"""Dagster's schedules: what runs at a time of its own. Each says on the run what it is for."""

from datetime import timedelta

import dagster as dg

from gmn_pipeline.orchestration.jobs import (
    iau_showers_job,
    maintenance_job,
    object_crawls_job,
    object_verification_job,
    objects_job,
    station_database_job,
    station_reading_days_job,
    trajectory_days_job,
    verification_job,
)
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import WHY_TAG


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
    days = pipeline.settings().refresh_days
    first = today - timedelta(days=days - 1)
    why = f"every night the last {days} days, {first} to {today}"
    context.log.info(f"Requested a run: {why}.")
    return dg.RunRequest(run_key=today.isoformat(), tags={**range_tags(first, today), WHY_TAG: why})


monthly_iau_showers = dg.ScheduleDefinition(
    name="monthly_iau_showers",
    job=iau_showers_job,
    cron_schedule="30 2 1 * *",
    execution_timezone="UTC",
    description="Refreshes the meteor showers once a month.",
    tags={WHY_TAG: "every month the IAU's list of showers"},
)

daily_maintenance = dg.ScheduleDefinition(
    name="daily_maintenance",
    job=maintenance_job,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    description="Keeps the warehouse quick and small.",
    tags={WHY_TAG: "every night maintenance of the warehouse"},
)

# After maintenance: what that did is verified too.
nightly_verification = dg.ScheduleDefinition(
    name="nightly_verification",
    job=verification_job,
    cron_schedule="0 4 * * *",
    execution_timezone="UTC",
    description="Asks the whole warehouse every night whether it is sound.",
    tags={WHY_TAG: "every night whether the warehouse is sound"},
)


@dg.schedule(
    job=station_reading_days_job,
    cron_schedule="15 0 * * *",
    execution_timezone="UTC",
    description="Sums up the readings of the day that has ended, puts its files together, and "
    "deletes readings by age.",
)
def nightly_readings(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    day = context.scheduled_execution_time.date() - timedelta(days=1)
    return dg.RunRequest(
        run_key=day.isoformat(),
        tags={**range_tags(day, day), WHY_TAG: f"every night the readings of {day}"},
    )


station_database_every_five_minutes = dg.ScheduleDefinition(
    name="station_database_every_five_minutes",
    job=station_database_job,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    description="Takes what is new in a station's own database. Turn it on where there is one.",
    tags={WHY_TAG: "every five minutes what is new in the station's database"},
)

nightly_objects = dg.ScheduleDefinition(
    name="nightly_objects",
    job=objects_job,
    cron_schedule="45 3 * * *",
    execution_timezone="UTC",
    description="Sweeps the lake of objects, and counts what there is.",
    tags={WHY_TAG: "every night the sweep of objects"},
)

weekly_object_verification = dg.ScheduleDefinition(
    name="weekly_object_verification",
    job=object_verification_job,
    cron_schedule="0 5 * * 0",
    execution_timezone="UTC",
    description="Compares the bytes of objects with their hashes, on Sundays.",
    tags={WHY_TAG: "every week whether the bytes of objects are right"},
)

hourly_crawls = dg.ScheduleDefinition(
    name="hourly_crawls",
    job=object_crawls_job,
    cron_schedule="20 * * * *",
    execution_timezone="UTC",
    description="Looks through folders and buckets of crawls for tables that are new or changed.",
    tags={WHY_TAG: "every hour what is new where crawls look"},
)

SCHEDULES = [
    nightly_refresh,
    monthly_iau_showers,
    daily_maintenance,
    nightly_verification,
    nightly_readings,
    station_database_every_five_minutes,
    nightly_objects,
    weekly_object_verification,
    hourly_crawls,
]
