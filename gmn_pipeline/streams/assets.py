"""The stream as Dagster shows it: an asset without partitions, a job, and a sensor.

What belongs here: key, run config, metadata, and what asks for runs. What does not: reading and
merging (`consumer.py`). The sensor carries no data: a run is given offsets, and reads them itself.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from gmn_pipeline.asking import Asking
from gmn_pipeline.assets import WRITER_POOL, Pipeline, retry_or_fail
from gmn_pipeline.config import Settings
from gmn_pipeline.errors import GmnError, RetryableError
from gmn_pipeline.publications.assets import KEY as PUBLICATIONS_KEY
from gmn_pipeline.streams.client import bootstrap_servers
from gmn_pipeline.streams.consumer import (
    ConsumeReport,
    bounded,
    consume,
    is_being_consumed,
    pending,
)
from gmn_pipeline.warehouse.stream_store import Range

KEY = dg.AssetKey(["streams", "trajectory_summary_raw"])


class OffsetRange(dg.Config):
    """Offsets of a partition, from `begin` to before `end`."""

    partition: int
    begin: int
    end: int


class StreamConfig(dg.Config):
    """What a run reads; without ranges everything up to the topic's end."""

    topic_id: str = Field("", description="Kafka's identifier of the topic that was meant.")
    ranges: list[OffsetRange] = Field([], description="Exact offsets, at most one range each.")


@dg.asset(
    key=KEY,
    deps=[PUBLICATIONS_KEY],
    group_name="streams",
    owners=["team:gmn-operators"],
    kinds={"kafka", "ducklake"},
    tags={"domain": "meteors", "licence": "cc-by-4.0"},
    pool=WRITER_POOL,
    description="The topic read back into the warehouse: newest generation wins, our own messages "
    "change nothing, what cannot be read goes to the dead-letter topic. Rows, dead letters and "
    "next offsets are one transaction. Fails if messages are gone unread; the message says what "
    "to do.",
)
def streams_trajectory_summary_raw(
    context: dg.AssetExecutionContext, config: StreamConfig, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    """Take the run's offsets into the warehouse."""
    settings = pipeline.settings()
    wanted = [Range(r.partition, r.begin, r.end) for r in config.ranges] or None
    try:
        report = consume(
            settings, wanted, topic_id=config.topic_id or None, run_id=context.run.run_id
        )
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    return dg.MaterializeResult(metadata=metadata(report))


def metadata(report: ConsumeReport) -> Mapping[str, Any]:
    """What the UI shows of a run, or of some time of the service."""
    counts = {f"messages_{name}": count for name, count in report.counts.as_dict().items()}
    lag = {} if report.lag is None else {"lag": report.lag}
    return {
        **counts,
        **lag,
        "next_offsets": {str(p): at for p, at in report.next_offsets.items()},
        "messages_per_second": round(report.rate, 1),
    }


streams_job = dg.define_asset_job(
    "streams",
    selection=dg.AssetSelection.assets(KEY),
    description="Takes what is new on the topic into the warehouse.",
)


@dg.sensor(
    job=streams_job,
    minimum_interval_seconds=30,
    description="Compares the topic's end offsets with those in the warehouse, and asks for a run "
    "with the exact range of each partition. Rests while 'gmn stream' works.",
)
def stream_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    """One run for what is new, as far as a run goes."""
    settings = pipeline.settings()
    if bootstrap_servers(settings) is None:
        return dg.SkipReason("No Kafka: KAFKA_BOOTSTRAP_SERVERS is not set.")
    if is_being_consumed(settings):
        return dg.SkipReason("'gmn stream' (or a run) takes the topic in already.")
    try:
        found = pending(settings)
    except RetryableError as error:
        return dg.SkipReason(str(error))
    if found is None:
        return dg.SkipReason(f"There is no topic {settings.kafka_topic} yet.")
    topic, planned = found
    ranges = bounded(planned, settings.stream_records)
    if not ranges:
        return dg.SkipReason("The warehouse is at the end of the topic.")
    return _request(context, settings, topic.topic_id, ranges)


def _request(
    context: dg.SensorEvaluationContext, settings: Settings, topic_id: str, ranges: list[Range]
) -> dg.SensorResult | dg.SkipReason:
    # The beginnings name the state: an end that moves on is no reason for a second run.
    begins = "-".join(f"{r.partition}.{r.begin}" for r in ranges)
    state = f"{topic_id[:8]}-{begins}"
    config = StreamConfig(
        topic_id=topic_id,
        ranges=[OffsetRange(partition=r.partition, begin=r.begin, end=r.end) for r in ranges],
    )
    return Asking(context, settings.sensor_attempts).one(
        state,
        f"Offsets {begins}",
        run_config=dg.RunConfig(ops={KEY.to_python_identifier(): config}),
    )
