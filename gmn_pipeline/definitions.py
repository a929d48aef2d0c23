"""What Dagster loads: `defs`. Wiring only."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from gmn_pipeline.flows.progress import ProgressListener
from gmn_pipeline.orchestration.assets.maintenance import warehouse_maintenance
from gmn_pipeline.orchestration.assets.object_crawls import crawl_objects
from gmn_pipeline.orchestration.assets.object_processing import process_objects
from gmn_pipeline.orchestration.assets.objects import bytes_are_right, objects_catalogue
from gmn_pipeline.orchestration.assets.publications import publish_trajectories
from gmn_pipeline.orchestration.assets.showers import warehouse_iau_showers
from gmn_pipeline.orchestration.assets.snapshot import (
    snapshot_opens_with_all_rows,
    warehouse_snapshot,
)
from gmn_pipeline.orchestration.assets.station_database import (
    publish_station_database,
    publish_station_database_days,
)
from gmn_pipeline.orchestration.assets.station_readings import warehouse_station_readings
from gmn_pipeline.orchestration.assets.streams import (
    streams_objects,
    streams_station_readings,
    streams_trajectories,
)
from gmn_pipeline.orchestration.assets.trajectories import load_trajectory_days
from gmn_pipeline.orchestration.assets.verification import warehouse_is_sound
from gmn_pipeline.orchestration.automation import snapshot_automation
from gmn_pipeline.orchestration.jobs import JOBS
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.schedules import SCHEDULES
from gmn_pipeline.orchestration.sensors.objects import objects_sensor
from gmn_pipeline.orchestration.sensors.publications import unpublished_sensor
from gmn_pipeline.orchestration.sensors.streams import (
    objects_topic_sensor,
    station_readings_sensor,
    stream_sensor,
)
from gmn_pipeline.orchestration.sensors.trajectories import changed_files_sensor

ASSETS = [
    load_trajectory_days,
    warehouse_iau_showers,
    warehouse_snapshot,
    warehouse_maintenance,
    publish_trajectories,
    streams_trajectories,
    streams_station_readings,
    streams_objects,
    warehouse_station_readings,
    publish_station_database,
    publish_station_database_days,
    objects_catalogue,
    process_objects,
    crawl_objects,
]


def build_defs(
    overrides: Mapping[str, Any] | None = None, *, listener: ProgressListener | None = None
) -> dg.Definitions:
    """The definitions. Settings in `overrides` take the place of the environment's."""
    return dg.Definitions(
        assets=ASSETS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[
            changed_files_sensor,
            unpublished_sensor,
            stream_sensor,
            station_readings_sensor,
            objects_topic_sensor,
            objects_sensor,
            snapshot_automation,
        ],
        asset_checks=[warehouse_is_sound, snapshot_opens_with_all_rows, bytes_are_right],
        resources={"pipeline": Pipeline(overrides or {}, listener)},
    )


defs = build_defs()
