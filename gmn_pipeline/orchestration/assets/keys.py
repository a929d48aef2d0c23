"""The keys of all assets: `[stage, dataset]` (docs/decisions/0018-rooms-and-keys-of-dagster.md)."""

from dagster import AssetKey

from gmn_pipeline.schemas import showers, station_readings, trajectories
from gmn_pipeline.schemas.dataset import Dataset


def key_of(stage: str, dataset: Dataset) -> AssetKey:
    """The key of a dataset in a stage."""
    return AssetKey([stage, dataset.name])


LANDING_TRAJECTORIES = key_of("landing", trajectories.DATASET)
VALIDATED_TRAJECTORIES = key_of("validated", trajectories.DATASET)
WAREHOUSE_TRAJECTORIES = key_of("warehouse", trajectories.DATASET)
PUBLICATIONS_TRAJECTORIES = key_of("publications", trajectories.DATASET)
STREAMS_TRAJECTORIES = key_of("streams", trajectories.DATASET)
STREAMS_STATION_READINGS = key_of("streams", station_readings.DATASET)
WAREHOUSE_STATION_READINGS = key_of("warehouse", station_readings.DATASET)
WAREHOUSE_IAU_SHOWERS = key_of("warehouse", showers.DATASET)
STREAMS_OBJECTS = AssetKey(["streams", "objects"])
PROCESSING_OBJECTS = AssetKey(["processing", "objects"])
PUBLICATIONS_STATION_DATABASE = AssetKey(["publications", "station_database"])
PUBLICATIONS_STATION_DATABASE_DAYS = AssetKey(["publications", "station_database_days"])
WAREHOUSE_SNAPSHOT = AssetKey(["warehouse", "snapshot"])
WAREHOUSE_MAINTENANCE = AssetKey(["warehouse", "maintenance"])
OBJECTS_CATALOGUE = AssetKey(["objects", "catalogue"])
OBJECTS_CRAWLS = AssetKey(["objects", "crawls"])

WAREHOUSE_IS_SOUND = "warehouse_is_sound"
"""The check of warehouse/trajectories that looks at all of the warehouse."""

BYTES_ARE_RIGHT = "bytes_are_right"
"""The check of objects/catalogue that reads all objects."""
