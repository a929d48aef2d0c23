"""Where stations are, and were: a history of places out of what their sensors tell.

What belongs here: when a station has moved. What does not: reading positions (`rollups.py` gathers
them).

A station has moved when readings come from more than 100 m away, and none later from where it was;
less is the jitter of its receiver, and sensors that are far apart are at one station nevertheless.
A late reading of a former place changes nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime

import duckdb
import polars as pl

from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.station_readings import STATION_PLACES

MOVED_M = 100.0
_DIGITS = 3
"""Of degrees: readings within a tenth of a kilometre are taken together first."""
_EARTH_RADIUS_M = 6_371_000.0


@dataclass
class Place:
    """A place of a station, since when and until when."""

    station_code: str
    latitude_deg: float
    longitude_deg: float
    height_m: float | None
    since_utc: datetime
    until_utc: datetime | None = None


def note_places(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the places up to date with the readings in the table `rolling`."""
    told = connection.execute(
        f"""
        SELECT station_code, avg(latitude_deg), avg(longitude_deg),
          max_by(height_m, measured_at_utc), min(measured_at_utc), max(measured_at_utc)
        FROM rolling WHERE latitude_deg IS NOT NULL AND longitude_deg IS NOT NULL
        GROUP BY station_code, round(latitude_deg, {_DIGITS}), round(longitude_deg, {_DIGITS})
        ORDER BY 1, 5, 2, 3
        """
    ).fetchall()
    if not told:
        return
    columns = ", ".join(STATION_PLACES.columns)
    known = {
        row[0]: Place(*row)
        for row in connection.execute(
            f"SELECT {columns} FROM {STATION_PLACES.name} WHERE until_utc IS NULL"
        ).fetchall()
    }
    changed = _moves(known, told)
    if changed:
        _write(connection, changed)


def _moves(known: dict[str, Place], told: Iterable[tuple]) -> list[Place]:  # type: ignore[type-arg]
    """Places that are new or have ended."""
    changed: list[Place] = []
    still_there: dict[str, datetime] = {}
    for station, latitude, longitude, height, first, last in told:
        place = known.get(station)
        if place is None:
            known[station] = Place(station, latitude, longitude, height, first)
            changed.append(known[station])
            still_there[station] = last
        elif distance_m(place.latitude_deg, place.longitude_deg, latitude, longitude) <= MOVED_M:
            still_there[station] = max(last, still_there.get(station, last))
        elif first > still_there.get(station, place.since_utc):
            place.until_utc = first
            known[station] = Place(station, latitude, longitude, height, first)
            changed += [place] * (place not in changed) + [known[station]]
            still_there[station] = last
    return changed


def _write(connection: duckdb.DuckDBPyConnection, places: list[Place]) -> None:
    rows = pl.DataFrame(
        [astuple(place) for place in places],
        schema=polars_schema(STATION_PLACES.fields),
        orient="row",
    )
    columns = ", ".join(STATION_PLACES.columns)
    connection.register("changed_place", rows.to_arrow())
    connection.execute(
        f"DELETE FROM {STATION_PLACES.name} WHERE until_utc IS NULL "
        "AND station_code IN (SELECT station_code FROM changed_place)"
    )
    connection.execute(
        f"INSERT INTO {STATION_PLACES.name} ({columns}) SELECT {columns} FROM changed_place"
    )
    connection.unregister("changed_place")


def distance_m(latitude: float, longitude: float, latitude_2: float, longitude_2: float) -> float:
    """Between two places on the ground."""
    a, b = math.radians(latitude), math.radians(latitude_2)
    half = math.radians(longitude_2 - longitude) / 2
    chord = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(half) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))
