"""How the files of readings are cut and sorted (docs/decisions/0037).

What belongs here: partitions and orders of the lake's tables. What does not: putting files together
(`upkeep.py`).
"""

from gmn_pipeline.schemas.station_readings import ROLLUPS, STATION_READINGS

_DAY = "year(measured_at_utc), month(measured_at_utc), day(measured_at_utc)"

LAYOUT = {
    # A day's files are put together to one, and go together when its readings are old.
    STATION_READINGS.name: (
        f"SET PARTITIONED BY ({_DAY})",
        "SET SORTED BY (station_code, sensor_id, measured_at_utc)",
    ),
    **{
        table.name: ("SET SORTED BY (station_code, sensor_id, quantity, begin_utc)",)
        for table in ROLLUPS.values()
    },
}
"""What follows ALTER TABLE, by the table's name."""
