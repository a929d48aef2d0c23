"""The sensor on what is not published yet."""

import hashlib
import json
from datetime import date

import dagster as dg

from gmn_pipeline.config import Settings
from gmn_pipeline.errors import RetryableError
from gmn_pipeline.orchestration.jobs import publications_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import RunRequests
from gmn_pipeline.sources.bins import FIRST_DAY
from gmn_pipeline.streams.client import bootstrap_servers, topic_state
from gmn_pipeline.warehouse.stream_store import StreamStore, Unpublished


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
    return RunRequests(context, settings.sensor_attempts).single(
        state, f"{min(days)} to {max(days)}", tags=range_tags(min(days), max(days))
    )
