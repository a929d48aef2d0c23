"""The publications as Dagster shows them, and what asks for them by itself.

What belongs here: key, partitions, metadata, job and sensor. What does not: sending
(`publish.py`). They run as a job of their own, not with the days: a run in which one day failed
would leave them out.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from gmn_pipeline.asking import Asking
from gmn_pipeline.assets import DAYS, WAREHOUSE, Pipeline, retry_or_fail
from gmn_pipeline.automation import range_tags
from gmn_pipeline.config import Settings
from gmn_pipeline.day_events import add_metadata
from gmn_pipeline.errors import GmnError, RetryableError
from gmn_pipeline.publications.publish import DayPublished, PublishReport, publish
from gmn_pipeline.sources.bins import FIRST_DAY
from gmn_pipeline.streams.client import bootstrap_servers, topic_state
from gmn_pipeline.warehouse.stream_store import StreamStore, Unpublished

KEY = dg.AssetKey(["publications", "trajectory_summary_raw"])


PUBLICATIONS = dg.AssetSpec(
    KEY,
    deps=[WAREHOUSE],
    group_name="publications",
    owners=["team:gmn-operators"],
    kinds={"kafka", "avro"},
    tags={"domain": "meteors", "licence": "cc-by-4.0"},
    partitions_def=DAYS,
    description="New and revised trajectories of the days, and tombstones for withdrawn ones, as "
    "messages on the Kafka topic. At least once to the topic, each content normally once: only "
    "what is not recorded as published is sent, and it is recorded after the acknowledgement. "
    "Fails if Kafka cannot be reached; nothing is lost, a later run sends what was left.",
)


@dg.multi_asset(
    name="publications_trajectory_summary_raw",
    specs=[PUBLICATIONS],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="gmn_publisher",
)
def publications_trajectory_summary_raw(
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
        KEY,
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


publications_job = dg.define_asset_job(
    "publications",
    selection=dg.AssetSelection.assets(KEY),
    description="Publishes what changed on a range of days.",
)


def unpublished_days(settings: Settings, topic_id: str | None) -> dict[date, int]:
    """Messages that wait to be sent, by day; of a topic that is not there yet, all of them."""
    return {
        day: count
        for day, count in Unpublished(StreamStore(settings), topic_id or "").days().items()
        if day >= FIRST_DAY
    }


@dg.sensor(
    job=publications_job,
    minimum_interval_seconds=60,
    description="Asks for the days of which something is not published yet, whatever the reason: "
    "a load, a failed publication, or a topic made anew.",
)
def unpublished_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    """One run for all days of which something waits."""
    settings = pipeline.settings()
    if bootstrap_servers(settings) is None:
        return dg.SkipReason("No Kafka: KAFKA_BOOTSTRAP_SERVERS is not set.")
    try:
        topic = topic_state(settings)
    except RetryableError as error:
        return dg.SkipReason(str(error))
    days = unpublished_days(settings, topic.topic_id if topic else None)
    if not days:
        return dg.SkipReason("Everything is published.")
    text = json.dumps({day.isoformat(): count for day, count in days.items()})
    state = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Asking(context, settings.sensor_attempts).one(
        state, f"{min(days)} to {max(days)}", tags=range_tags(min(days), max(days))
    )
