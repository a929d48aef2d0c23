"""Names that senders have, and the columns that they mean.

What belongs here: what a name means in a record of any format. What does not: names of quantities
(`schemas/quantities.py`).
"""

from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.schemas.quantities import NAME_OF_SPELLING
from gmn_pipeline.schemas.station_readings import SENT_FIELDS

TIME, STATION, SENSOR, LOCATION = "time", "station", "sensor", "location"
"""What is none of the columns by itself."""

PLACE = {
    **dict.fromkeys(("lat", "latitude", "latitude_deg"), "latitude_deg"),
    **dict.fromkeys(("lon", "lng", "longitude", "longitude_deg"), "longitude_deg"),
    **dict.fromkeys(("height", "altitude", "alt", "elevation", "height_m"), "height_m"),
}
"""Columns of a place by their names, within a location or outside."""

COLUMN_OF = {
    **NAME_OF_SPELLING,
    **PLACE,
    **dict.fromkeys(("timestamp", "time", "measured_at", "measured_at_utc"), TIME),
    **dict.fromkeys(("station_code", "station"), STATION),
    **dict.fromkeys(("sensor_id", "sensor"), SENSOR),
    "location": LOCATION,
}
"""Columns by the names that senders have; any other name is a further quantity's."""

NUMBERS = frozenset(f.name for f in SENT_FIELDS if f.kind is Kind.NUMBER)
"""Columns of numbers."""

NO_QUANTITIES = frozenset(
    name for name, column in COLUMN_OF.items() if column in (TIME, STATION, SENSOR, LOCATION)
)
"""Names that no quantity can have."""
