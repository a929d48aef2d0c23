"""The keys of all assets: `[stage, dataset]` (docs/decisions/0018-rooms-and-keys-of-dagster.md)."""

from dagster import AssetKey

LANDING_TRAJECTORIES = AssetKey(["landing", "trajectories"])
VALIDATED_TRAJECTORIES = AssetKey(["validated", "trajectories"])
WAREHOUSE_TRAJECTORIES = AssetKey(["warehouse", "trajectories"])
PUBLICATIONS_TRAJECTORIES = AssetKey(["publications", "trajectories"])
STREAMS_TRAJECTORIES = AssetKey(["streams", "trajectories"])
WAREHOUSE_IAU_SHOWERS = AssetKey(["warehouse", "iau_showers"])
WAREHOUSE_SNAPSHOT = AssetKey(["warehouse", "snapshot"])
WAREHOUSE_MAINTENANCE = AssetKey(["warehouse", "maintenance"])

WAREHOUSE_IS_SOUND = "warehouse_is_sound"
"""The check of warehouse/trajectories that looks at all of the warehouse."""
