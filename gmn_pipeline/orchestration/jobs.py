"""Dagster's jobs: which assets one run makes together.

A job that somebody waits for, and that has one step, does it in the process of its run: a process
of its own for the step would import everything once more, which takes as long as most of these
runs. Dagster notices that a process of a run ended just as it does for one of a step.
"""

import dagster as dg

from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.assets.keys import WAREHOUSE_IS_SOUND

_IS_SOUND = dg.AssetSelection.checks(
    dg.AssetCheckKey(keys.WAREHOUSE_TRAJECTORIES, WAREHOUSE_IS_SOUND)
)

trajectory_days_job = dg.define_asset_job(
    "trajectory_days",
    selection=dg.AssetSelection.assets(
        keys.LANDING_TRAJECTORIES, keys.VALIDATED_TRAJECTORIES, keys.WAREHOUSE_TRAJECTORIES
    )
    # That one asks all of the warehouse, however few the days: it has a job of its own.
    - _IS_SOUND,
    description="Takes a range of days from the source to the warehouse.",
)
publications_job = dg.define_asset_job(
    "publications",
    selection=dg.AssetSelection.assets(keys.PUBLICATIONS_TRAJECTORIES),
    description="Publishes what changed on a range of days.",
)
streams_job = dg.define_asset_job(
    "streams",
    selection=dg.AssetSelection.assets(keys.STREAMS_TRAJECTORIES),
    description="Takes what is new on the topic into the warehouse.",
    executor_def=dg.in_process_executor,
)
station_readings_job = dg.define_asset_job(
    "station_readings",
    selection=dg.AssetSelection.assets(keys.STREAMS_STATION_READINGS),
    description="Takes what is new on the topic of readings into their lake.",
    executor_def=dg.in_process_executor,
)
objects_topic_job = dg.define_asset_job(
    "objects_topic",
    selection=dg.AssetSelection.assets(keys.STREAMS_OBJECTS),
    description="Puts what is new on the topic of objects.",
    executor_def=dg.in_process_executor,
)
station_reading_days_job = dg.define_asset_job(
    "station_reading_days",
    selection=dg.AssetSelection.assets(keys.WAREHOUSE_STATION_READINGS),
    description="Keeps the lake of readings in order, and looks at its days.",
)
iau_showers_job = dg.define_asset_job(
    "iau_showers",
    selection=dg.AssetSelection.assets(keys.WAREHOUSE_IAU_SHOWERS),
    description="Refreshes the table of meteor showers from the IAU list.",
)
snapshot_job = dg.define_asset_job(
    "snapshot",
    selection=dg.AssetSelection.assets(keys.WAREHOUSE_SNAPSHOT),
    description="Makes gmn.duckdb and Parquet for analysts from the warehouse as it is.",
)
maintenance_job = dg.define_asset_job(
    "maintenance",
    selection=dg.AssetSelection.assets(keys.WAREHOUSE_MAINTENANCE),
    description="Puts small files together and removes what nothing needs.",
)
verification_job = dg.define_asset_job(
    "verification",
    selection=_IS_SOUND,
    description="Asks the whole warehouse whether what it promises holds.",
)
station_database_job = dg.define_asset_job(
    "station_database",
    selection=dg.AssetSelection.assets(keys.PUBLICATIONS_STATION_DATABASE),
    description="Takes what is new in a station's own database to the topic of readings.",
)
object_processing_job = dg.define_asset_job(
    "object_processing",
    selection=dg.AssetSelection.assets(keys.PROCESSING_OBJECTS),
    description="Reads the next batch of objects that wait.",
    executor_def=dg.in_process_executor,
)
_BYTES_ARE_RIGHT = dg.AssetSelection.checks(
    dg.AssetCheckKey(keys.OBJECTS_CATALOGUE, keys.BYTES_ARE_RIGHT)
)
objects_job = dg.define_asset_job(
    "objects",
    selection=dg.AssetSelection.assets(keys.OBJECTS_CATALOGUE) - _BYTES_ARE_RIGHT,
    description="Sweeps the lake of objects, and counts what there is.",
)
object_crawls_job = dg.define_asset_job(
    "object_crawls",
    selection=dg.AssetSelection.assets(keys.OBJECTS_CRAWLS),
    description="Looks through the folders and buckets of all crawls for tables.",
)
object_verification_job = dg.define_asset_job(
    "object_verification",
    selection=_BYTES_ARE_RIGHT,
    description="Reads the bytes of all objects, and compares them with their hashes.",
)

JOBS = [
    trajectory_days_job,
    publications_job,
    streams_job,
    station_readings_job,
    objects_topic_job,
    station_reading_days_job,
    iau_showers_job,
    snapshot_job,
    maintenance_job,
    verification_job,
    station_database_job,
    objects_job,
    object_processing_job,
    object_crawls_job,
    object_verification_job,
]
