"""What an entry says of a trajectory.

What belongs here: title, text and categories. What does not: ids and times.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from gmn_pipeline.serving.feeds.atom import TAG

Row: TypeAlias = Mapping[str, Any]

COLUMNS = (
    "trajectory_identifier", "beginning_utc_time", "iau_shower_code", "peak_absolute_magnitude",
    "mass_kg", "duration_s", "vgeo_km_s", "begin_latitude_deg", "begin_longitude_deg",
    "begin_height_km", "end_latitude_deg", "end_longitude_deg", "end_height_km",
    "participating_stations", "revision", "valid_from_utc", "first_loaded_at_utc",
)  # fmt: skip
"""What of a row is said."""
_SPORADIC = "..."


def title(row: Row) -> str:
    """When, which shower, how bright, how fast, seen by how many."""
    begins: datetime = row["beginning_utc_time"]
    stations = row["participating_stations"] or []
    said = [
        _shower(row),
        _number("mag", row["peak_absolute_magnitude"], 1, before=True),
        _number("km/s", row["vgeo_km_s"], 1),
        f"{len(stations)} stations",
    ]
    return f"{begins:%Y-%m-%d %H:%M:%S} UTC: {', '.join(one for one in said if one)}"


def content(row: Row) -> str:
    """The same in sentences, with where it was."""
    mass = row["mass_kg"]
    lines = [
        f"Trajectory {row['trajectory_identifier']}, revision {row['revision']}.",
        f"Beginning: {row['beginning_utc_time'].isoformat(timespec='milliseconds')}Z"
        f"{_place(row, 'begin')}. End{_place(row, 'end')}.",
        f"Shower: {_shower(row)}.",
        f"Geocentric speed: {_number('km/s', row['vgeo_km_s'], 2) or 'unknown'}. "
        f"Duration: {_number('s', row['duration_s'], 2) or 'unknown'}. "
        f"Absolute peak magnitude: {_number('', row['peak_absolute_magnitude'], 2) or 'unknown'}. "
        f"Mass: {f'{mass:.2g} kg' if _is_known(mass) else 'unknown'}.",
        f"Stations: {', '.join(row['participating_stations'] or [])}.",
    ]
    return "\n".join(lines)


def categories(row: Row, state: str) -> Sequence[tuple[str, str]]:
    """The shower, and what became of the trajectory."""
    return (f"{TAG}shower", row["iau_shower_code"] or _SPORADIC), (f"{TAG}state", state)


def _shower(row: Row) -> str:
    code = row["iau_shower_code"]
    return "sporadic" if code in (None, _SPORADIC) else str(code)


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _number(unit: str, value: float | None, digits: int, *, before: bool = False) -> str:
    if value is None or not math.isfinite(value):
        return ""
    number = f"{value:.{digits}f}"
    return f"{unit} {number}" if before else f"{number} {unit}".rstrip()


def _place(row: Row, end: str) -> str:
    values = [row[f"{end}_{name}"] for name in ("latitude_deg", "longitude_deg", "height_km")]
    if not all(map(_is_known, values)):
        return ""
    latitude, longitude, height = values
    return f" at latitude {latitude:.4f}, longitude {longitude:.4f} deg, height {height:.1f} km"
