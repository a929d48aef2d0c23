"""The lake of readings as Dagster shows it: an asset with a partition for each day of measuring.

What belongs here: the asset of a day, and its checks. What does not: taking in (`streams.py`), and
what is done (`warehouse/station_readings/`).
"""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import GmnError
from gmn_pipeline.orchestration.asset_checks import check_result
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.metadata import TAGS, asset_spec
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.pools import READINGS_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.station_readings import DATASET
from gmn_pipeline.schemas.topics import readings_topic
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.health import (
    DRIFT_S,
    SILENT_AFTER,
    DayOfReadings,
    day_of_readings,
    silent_sensors,
)
from gmn_pipeline.warehouse.station_readings.upkeep import keep_in_order

_SHOWN = 50

_NOT_SILENT = dg.AssetCheckSpec(
    "no_sensor_is_silent",
    asset=keys.WAREHOUSE_STATION_READINGS,
    description=f"Every sensor that told something in the last week did so in the last "
    f"{SILENT_AFTER.seconds // 60} minutes.",
)
_NO_GAPS = dg.AssetCheckSpec(
    "no_hour_is_missing",
    asset=keys.WAREHOUSE_STATION_READINGS,
    description="Every sensor told something in each hour of the days, from its first reading on.",
)
_CLOCKS = dg.AssetCheckSpec(
    "clocks_are_right",
    asset=keys.WAREHOUSE_STATION_READINGS,
    description="Readings are received within a minute of when they say that they were measured.",
)
_POSSIBLE = dg.AssetCheckSpec(
    "all_values_are_possible",
    asset=keys.WAREHOUSE_STATION_READINGS,
    description="No message of the days was refused: for a value beyond the hard limits, or "
    "because it could not be read. They stand in dead_letters.",
)

_SPEC = asset_spec(
    DATASET,
    "warehouse",
    "Readings of stations, by the day on which they were measured, with their sums by minute, hour "
    "and day. A run sums up what is not summed up yet, puts small files together, deletes readings "
    "that are older than GMN_READINGS_KEEP_DAYS, and looks at its days.",
    deps=[dg.AssetSpec(keys.STREAMS_STATION_READINGS)],
    kinds={"duckdb", "ducklake"},
    partitions_def=DAYS,
    tags=TAGS,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
    ),
)


@dg.multi_asset(
    name="keep_station_readings",
    specs=[_SPEC],
    check_specs=[_NOT_SILENT, _NO_GAPS, _CLOCKS, _POSSIBLE],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=READINGS_WRITER,
)
def warehouse_station_readings(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Keep the lake in order, and look at the run's days."""
    settings = pipeline.settings()
    readings = WarehouseConnection(settings, READINGS)
    try:
        done = keep_in_order(readings, settings)
        topic = readings_topic(settings).name
        days = {
            key: day_of_readings(readings, date.fromisoformat(key), topic)
            for key in context.partition_keys
        }
        silent = silent_sensors(readings, utc_now())
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    yield dg.MaterializeResult(
        asset_key=_SPEC.key,
        metadata={
            **done,
            "readings": sum(day.readings for day in days.values()),
            "readings_by_day": {key: day.readings for key, day in days.items()},
            "sensors": max((day.sensors for day in days.values()), default=0),
        },
    )
    since = {sensor: when.isoformat() for sensor, when in list(silent.items())[:_SHOWN]}
    for spec, found in (
        (_NOT_SILENT, {"sensors": len(silent), "silent_since": since} if silent else {}),
        (_NO_GAPS, _by_day(days, "missing_hours")),
        (_CLOCKS, {**_by_day(days, "clock_drift_s"), "limit_s": DRIFT_S}),
        (_POSSIBLE, _by_day(days, "refused")),
    ):
        passed = not found.keys() - {"limit_s"}
        yield check_result(spec, passed, found)[1]


def _by_day(days: dict[str, DayOfReadings], what: str) -> dict[str, dict[str, float]]:
    """Of each day that has any, the worst."""
    return {
        key: dict(list(getattr(day, what).items())[:_SHOWN])
        for key, day in days.items()
        if getattr(day, what)
    }
