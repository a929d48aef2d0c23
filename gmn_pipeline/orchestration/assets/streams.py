"""Streams as Dagster shows them: assets without partitions.

What belongs here: specs, run config and metadata. What does not: reading and merging
(`streams/consumer.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from gmn_pipeline.errors import GmnError
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.metadata import OWNERS, TAGS
from gmn_pipeline.orchestration.pools import OBJECTS_TOPIC, READINGS_WRITER, WAREHOUSE_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.streams.consumer import ConsumeReport, consume
from gmn_pipeline.streams.object_arrivals import OBJECTS
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.streams.stream import Stream
from gmn_pipeline.streams.trajectories import TRAJECTORIES


class OffsetRangeConfig(dg.Config):
    """Offsets of a partition, from `begin` to before `end`."""

    partition: int
    begin: int
    end: int


class StreamConfig(dg.Config):
    """What a run reads; without ranges everything up to the topic's end."""

    topic_id: str = Field("", description="Kafka's identifier of the topic that was meant.")
    ranges: list[OffsetRangeConfig] = Field(
        [], description="Exact offsets, at most one range each."
    )


def _asset(
    stream: Stream, key: dg.AssetKey, deps: Sequence[dg.AssetKey], pool: str, description: str,
    kinds: frozenset[str] = frozenset({"kafka", "ducklake"}),
) -> dg.AssetsDefinition:  # fmt: skip
    @dg.asset(
        key=key,
        deps=deps,
        group_name="streams",
        owners=OWNERS,
        kinds=set(kinds),
        tags=TAGS,
        pool=pool,
        description=f"{description} Rows, dead letters and next offsets are one transaction. Fails "
        "if messages are gone unread; the message says what to do.",
    )
    def take_in(
        context: dg.AssetExecutionContext,
        config: StreamConfig,
        pipeline: dg.ResourceParam[Pipeline],
    ) -> dg.MaterializeResult[None]:
        """Take the run's offsets into the lake."""
        settings = pipeline.settings()
        wanted = [OffsetRange(r.partition, r.begin, r.end) for r in config.ranges] or None
        topic_id, run_id = config.topic_id or None, context.run.run_id
        try:
            report = consume(stream, settings, wanted, topic_id=topic_id, run_id=run_id)
        except GmnError as error:
            raise retry_or_fail(context, settings, [error]) from error
        return dg.MaterializeResult(metadata=stream_metadata(report))

    return take_in


streams_trajectories = _asset(
    TRAJECTORIES,
    keys.STREAMS_TRAJECTORIES,
    [keys.PUBLICATIONS_TRAJECTORIES],
    WAREHOUSE_WRITER,
    "The topic read back into the warehouse: newest generation wins, our own messages change "
    "nothing, what cannot be read goes to the dead-letter topic.",
)
streams_station_readings = _asset(
    STATION_READINGS,
    keys.STREAMS_STATION_READINGS,
    [],
    READINGS_WRITER,
    "Readings of stations into their lake: each once, however often it was sent; what is no "
    "reading goes to the dead-letter topic.",
)


streams_objects = _asset(
    OBJECTS,
    keys.STREAMS_OBJECTS,
    [],
    OBJECTS_TOPIC,
    "Files that came by the topic of objects, with their bytes or an address, into their lake: "
    "each once, however often it was sent; what is refused goes to the dead-letter topic.",
    frozenset({"kafka"}),
)


def stream_metadata(report: ConsumeReport) -> Mapping[str, Any]:
    """What the UI shows of a run, or of some time of the service."""
    counts = {f"messages_{name}": count for name, count in report.counts.as_dict().items()}
    lag = {} if report.lag is None else {"lag": report.lag}
    return {
        **counts,
        **lag,
        "next_offsets": {str(p): at for p, at in report.next_offsets.items()},
        "messages_per_second": round(report.rate, 1),
    }


def reporter(
    instance: dg.DagsterInstance, key: dg.AssetKey = keys.STREAMS_TRAJECTORIES
) -> Callable[[ConsumeReport], None]:
    """What tells an instance of what was taken in without a run (by a service)."""

    def report(of: ConsumeReport) -> None:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(key, metadata=stream_metadata(of))
        )

    return report
