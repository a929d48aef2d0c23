"""What sensors told last in some readings: the query, and its rows.

What belongs here: what the latest values (`latest.py`) and what comes (`arrivals.py`) have in
common. What does not: what is answered.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gmn_pipeline.schemas.quantities import QUANTITIES, QUANTITY
from gmn_pipeline.schemas.station_readings import TAKEN_IN_AT

PLACE = ("latitude_deg", "longitude_deg", "height_m")
SENSOR = "station_code, sensor_id"
_GREATEST = sys.float_info.max


def last_of(readings: str) -> str:
    """The query of what each sensor told last in some readings (a relation): of each quantity the
    last value that there is and when that was measured."""
    values = ", ".join(
        f"max_by({q.name}, measured_at_utc) AS {q.name}, max(measured_at_utc) FILTER "
        f"({q.name} IS NOT NULL) AS at_{q.name}"
        for q in QUANTITIES
    )
    place = ", ".join(f"max_by({name}, measured_at_utc) AS {name}" for name in PLACE)
    return (
        f"SELECT {SENSOR}, count(*) AS reading_count, "
        "max(measured_at_utc) AS last_measured_at_utc, max(received_at_utc) AS last_heard_at_utc, "
        f"max({TAKEN_IN_AT.name}) AS taken_in_until_utc, {place}, {values}, "
        "max_by(other_quantities, measured_at_utc) AS other_quantities, "
        "max(measured_at_utc) FILTER (other_quantities IS NOT NULL) AS at_others "
        f"FROM {readings} GROUP BY {SENSOR}"
    )


def told_by(row: Mapping[str, Any]) -> Iterable[tuple[str, float, datetime]]:
    """The values in a row of `last_of`."""
    for name in QUANTITY:
        if row[name] is not None:
            yield name, row[name], row[f"at_{name}"]
    if row["other_quantities"]:
        for name, value in others_of(row["other_quantities"]).items():
            yield name, value, row["at_others"]


def others_of(text: str) -> dict[str, float]:
    """The finite numbers among the other quantities that a sensor told."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {
        name: float(value)
        for name, value in told.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _GREATEST
    }
