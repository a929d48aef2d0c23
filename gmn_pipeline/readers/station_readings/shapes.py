"""Records of one shape (the same names in the same order) at once, by columns.

What belongs here: the usual record, in a third of the time. What does not: any other one: what is
not as usual in a shape sends all its records of a batch the long way (`Gathering.add`), which says
what is wrong with which. Both ways give the same rows; a test holds them equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from gmn_pipeline.readers.station_readings.names import (
    COLUMN_OF,
    LOCATION,
    NUMBERS,
    PLACE,
    SENSOR,
    STATION,
    TIME,
)
from gmn_pipeline.schemas.station_readings import STATION_OF_SENSOR

FEWEST = 8
"""Records of a shape for which this is worth while."""

# What this and `datetime.fromisoformat` read alike.
_TIME_FORM = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,6})?$"
_NUMBER_TYPES = {float, int}
_NONE = type(None)
Numbers = list[float | None]


@dataclass(frozen=True)
class Columns:
    """Values of some records; those of a quantity may be missing."""

    stations: list[str]
    sensors: list[str]
    measured_us: list[int]
    numbers: dict[str, Numbers]


def columns_of(shape: Sequence[str], records: Sequence[dict[str, Any]]) -> Columns | None:
    """The records by columns; None if one of them is not as usual."""
    names: dict[str, str] = {}
    for name in shape:
        column = COLUMN_OF.get(name)
        if column is None or column in names:
            return None
        names[column] = name
    if TIME not in names or SENSOR not in names:
        return None
    sensors = _codes([record[names[SENSOR]] for record in records])
    measured_us = _times([record[names[TIME]] for record in records])
    numbers = _numbers(names, records)
    if sensors is None or measured_us is None or numbers is None:
        return None
    if STATION not in names:
        stations: list[str] | None = [STATION_OF_SENSOR + sensor for sensor in sensors]
    else:
        stations = _codes([record[names[STATION]] for record in records])
    return None if stations is None else Columns(stations, sensors, measured_us, numbers)


def _codes(values: list[Any]) -> list[str] | None:
    kinds = set(map(type, values))
    if kinds == {int}:
        return list(map(str, values))
    if kinds != {str}:
        return None
    codes = list(map(str.strip, values))
    return codes if all(codes) else None


def _times(values: list[Any]) -> list[int] | None:
    if set(map(type, values)) != {str}:
        return None
    texts = pl.Series(values, dtype=pl.String)
    if not texts.str.contains(_TIME_FORM).all():
        return None
    times = texts.str.replace("T", " ", literal=True).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False
    )
    return None if times.null_count() else times.dt.epoch("us").to_list()


def _numbers(names: dict[str, str], records: Sequence[dict[str, Any]]) -> dict[str, Numbers] | None:
    numbers: dict[str, Numbers] = {
        column: [record[name] for record in records]
        for column, name in names.items()
        if column in NUMBERS
    }
    if LOCATION in names:
        places = [record[names[LOCATION]] for record in records]
        if set(map(type, places)) != {dict} or len({tuple(place) for place in places}) != 1:
            return None
        for name in places[0]:
            column = PLACE.get(name)
            if column in numbers:
                return None
            if column is not None:
                numbers[column] = [place[name] for place in places]
    is_usual = all(set(map(type, values)) - {_NONE} <= _NUMBER_TYPES for values in numbers.values())
    return numbers if is_usual else None
