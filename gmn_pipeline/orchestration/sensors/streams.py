"""Sensors on the ends of topics. They carry no data: a run is given offsets, and reads them."""

from typing import Any

import dagster as dg

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.kafka.client import bootstrap_servers
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.assets.streams import OffsetRangeConfig, StreamConfig
from gmn_pipeline.orchestration.jobs import objects_topic_job, station_readings_job, streams_job
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import RunRequests
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.streams.consumer import bounded, is_being_consumed, planned_ranges
from gmn_pipeline.streams.object_arrivals import OBJECTS
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.streams.stream import Stream
from gmn_pipeline.streams.trajectories import TRAJECTORIES


def _sensor(name: str, stream: Stream, key: dg.AssetKey, job: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=30,
        description="Compares the topic's end offsets with those in the lake, and requests a "
        f"run with the exact range of each partition. Rests while '{stream.command}' works.",
    )
    def look(
        context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> dg.SensorResult | dg.SkipReason:
        """One run for what is new, as far as a run goes."""
        settings = pipeline.settings()
        if bootstrap_servers(settings) is None:
            return dg.SkipReason("No Kafka: KAFKA_BOOTSTRAP_SERVERS is not set.")
        if is_being_consumed(stream, settings):
            return dg.SkipReason(f"'{stream.command}' (or a run) takes the topic in already.")
        try:
            found = planned_ranges(stream, settings, stream.place.open(settings))
        except RetryableError as error:
            return dg.SkipReason(str(error))
        if found is None:
            return dg.SkipReason(f"There is no topic {stream.topic(settings).name} yet.")
        requests = RunRequests(context, settings.sensor_attempts)
        topic, planned = found
        ranges = bounded(planned, settings.stream_records)
        if not ranges:
            return requests.none("The warehouse is at the end of the topic.")
        return _request(requests, topic, ranges, key)

    return look


stream_sensor = _sensor("stream_sensor", TRAJECTORIES, keys.STREAMS_TRAJECTORIES, streams_job)
station_readings_sensor = _sensor(
    "station_readings_sensor", STATION_READINGS, keys.STREAMS_STATION_READINGS,
    station_readings_job,
)  # fmt: skip
objects_topic_sensor = _sensor(
    "objects_topic_sensor", OBJECTS, keys.STREAMS_OBJECTS, objects_topic_job
)


def _request(
    requests: RunRequests, topic: TopicState, ranges: list[OffsetRange], key: dg.AssetKey
) -> dg.SensorResult | dg.SkipReason:
    # The beginnings name the state: an end that moves on is no reason for a second run.
    begins = "-".join(f"{r.partition}.{r.begin}" for r in ranges)
    state = f"{topic.topic_id[:8]}-{begins}"
    config = StreamConfig(
        topic_id=topic.topic_id,
        ranges=[OffsetRangeConfig(partition=r.partition, begin=r.begin, end=r.end) for r in ranges],
    )
    offsets = ", ".join(f"{r.begin:,} to {r.end:,} of partition {r.partition}" for r in ranges)
    return requests.single(
        state,
        f"{sum(r.length for r in ranges):,} offsets of {topic.topic} are not in "
        f"the warehouse: {offsets}",
        run_config=dg.RunConfig(ops={key.to_python_identifier(): config}),
    )
