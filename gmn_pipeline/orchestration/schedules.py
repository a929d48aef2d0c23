"""Dagster's schedules: what runs at a time of its own."""

from datetime import timedelta

import dagster as dg

from gmn_pipeline.orchestration.jobs import iau_showers_job, maintenance_job, trajectory_days_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.resources import Pipeline


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

SCHEDULES = [nightly_refresh, monthly_iau_showers, daily_maintenance]
