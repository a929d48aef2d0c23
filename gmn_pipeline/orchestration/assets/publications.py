"""The publications as Dagster shows them.

What belongs here: spec, operation and metadata. What does not: sending (`publications/`).
They run as a job of their own, not with the days: a run in which one day failed would leave them
out.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from gmn_pipeline.errors import GmnError
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.metadata import OWNERS, TAGS
from gmn_pipeline.orchestration.partition_events import add_metadata
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.pools import PUBLISHER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.publications.trajectories import DayPublished, PublishReport, publish

SPEC = dg.AssetSpec(
    keys.PUBLICATIONS_TRAJECTORIES,
    deps=[keys.WAREHOUSE_TRAJECTORIES],
    group_name="publications",
    owners=OWNERS,
    kinds={"kafka", "avro"},
    tags=TAGS,
    partitions_def=DAYS,
    description="New and revised trajectories of the days, and tombstones for withdrawn ones, as "
    "messages on the Kafka topic. At least once to the topic, each content normally once: only "
    "what is not recorded as published is sent, and it is recorded after the acknowledgement. "
    "Fails if Kafka cannot be reached; nothing is lost, a later run sends what was left.",
)


@dg.multi_asset(
    name="publish_trajectories",
    specs=[SPEC],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=PUBLISHER,
)
def publish_trajectories(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """Publish what is not published of the run's days."""
    settings = pipeline.settings()
    days = [date.fromisoformat(key) for key in context.partition_keys]
    try:
        report = publish(settings, min(days), max(days), run_id=context.run.run_id)
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    add_metadata(
        context,
        keys.PUBLICATIONS_TRAJECTORIES,
        {day.isoformat(): _metadata(report.days.get(day, DayPublished())) for day in days},
    )
    context.log.info(_summary(report))
    return dg.MaterializeResult(metadata={"topic": report.topic, "messages": report.sent})


def _metadata(published: DayPublished) -> Mapping[str, Any]:
    return {
        "messages_inserted": published.inserted,
        "messages_revised": published.revised,
        "tombstones": published.withdrawn,
    }


def _summary(report: PublishReport) -> str:
    return f"{report.sent} messages sent to {report.topic}, last offsets {report.last_offsets}."
