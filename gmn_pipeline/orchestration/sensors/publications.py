"""The sensor on what is not published yet."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date

import dagster as dg

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.kafka.topics import TopicState, topic_state
from gmn_pipeline.orchestration.jobs import publications_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import RunRequests
from gmn_pipeline.readers.solar_longitude_bins import FIRST_DAY
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.reading import read_rows
from gmn_pipeline.warehouse.trajectories.publications import UnpublishedChanges


def unpublished_days(warehouse: WarehouseConnection, topic_id: str | None) -> dict[date, int]:
    """Messages that wait to be sent, by day; of a topic that is not there yet, all of them."""
    changes = UnpublishedChanges(warehouse, topic_id or "")
    return {day: count for day, count in changes.days().items() if day >= FIRST_DAY}


@dg.sensor(
    job=publications_job,
    minimum_interval_seconds=60,
    description="Requests a run for the days of which something is not published yet, whatever the "
    "reason: a load, a failed publication, or a topic made anew.",
)
def unpublished_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    """One run for all days of which something waits."""
    settings = pipeline.settings()
    if bootstrap_servers(settings) is None:
        return dg.SkipReason("No Kafka: KAFKA_BOOTSTRAP_SERVERS is not set.")
    try:
        topic = topic_state(settings, trajectories_topic(settings))
    except RetryableError as error:
        return dg.SkipReason(str(error))
    requests = RunRequests(context, settings.sensor_attempts)
    warehouse = pipeline.warehouse()
    days = unpublished_days(warehouse, topic.topic_id if topic else None)
    if not days:
        return requests.none("Everything is published.")
    messages = sum(days.values())
    return requests.single(
        _state(warehouse, topic, days),
        f"{messages:,} messages of {len(days):,} days, {min(days)} to {max(days)}, are not "
        f"published on {settings.kafka_topic}",
        tags=range_tags(min(days), max(days)),
        of_job=publications_job.name,
    )


def _state(
    warehouse: WarehouseConnection, topic: TopicState | None, days: Mapping[date, int]
) -> str:
    """What waits. As many messages of the same days may wait again after they were published: the
    warehouse is in another state then, or the topic is another."""
    [(snapshot_id,)] = read_rows(
        warehouse, f"SELECT id FROM ducklake_current_snapshot('{CATALOG}')"
    )
    waiting = {day.isoformat(): count for day, count in days.items()}
    text = json.dumps([snapshot_id, topic.topic_id if topic else None, waiting])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
