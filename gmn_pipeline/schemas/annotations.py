"""What people note of a station: maintenance, and what else explains its readings.

What belongs here: these values, which those who note, keep and show them share.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class NewAnnotation:
    """What somebody notes. Times are UTC.

    `sensor_id`: None for all of the station. `end_utc`: None if it was at one moment.
    """

    station_code: str
    sensor_id: str | None
    begin_utc: datetime
    end_utc: datetime | None
    text: str
    noted_by: str | None = None


@dataclass(frozen=True)
class Annotation(NewAnnotation):
    """The same as it is kept. One that was taken back says since when, and by whom."""

    number: int = 0
    noted_at_utc: datetime = datetime.min
    withdrawn_at_utc: datetime | None = None
    withdrawn_by: str | None = None
