"""Records of any format, as names and values, into rows of the fields that are sent.

What belongs here: names and their spellings, types, hard limits, and what is said of a record that
has not what it needs. What does not: bytes.

A record is looked at by itself, since each sender tells what it has, unless there are many of one
shape (`shapes.py`); all that can be done with columns at once is done with columns.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import polars as pl

from gmn_pipeline.readers.station_readings.instants import measured_at_us
from gmn_pipeline.readers.station_readings.names import (
    COLUMN_OF,
    LOCATION,
    NUMBERS,
    PLACE,
    SENSOR,
    STATION,
    TIME,
)
from gmn_pipeline.readers.station_readings.received import (
    Cause,
    NotAReading,
    ReadBatch,
    Received,
    Refused,
    Transport,
)
from gmn_pipeline.readers.station_readings.shapes import Columns
from gmn_pipeline.schemas.derive import field_range, polars_frame, polars_within_limits
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.station_readings import (
    DATASET,
    SENT_FIELDS,
    STATION_OF_SENSOR,
    about_clock,
    has_wrong_clock,
)

MOST_OTHERS = 100
"""Names of further quantities that a record may tell."""

MOST_OTHER_BYTES = 8_192
"""Size of them together, as JSON."""

_DEEPEST = 4
_HALF_A_PLACE = pl.col("latitude_deg").is_null() != pl.col("longitude_deg").is_null()


@cache
def _within_limits() -> pl.Expr:
    """Not made at import: it starts threads of Polars, which do not live on in a forked process."""
    return polars_within_limits(DATASET.checked[0])


class Gathering:
    """Readings on their way to a frame, and records that are none."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stations: list[str] = []
        self._sensors: list[str] = []
        self._measured_us: list[int] = []
        self._from: list[Received] = []
        self._lines: list[bytes] = []
        self._places: list[int] = []
        self._rows_of: dict[str, list[int]] = {name: [] for name in NUMBERS}
        self._values_of: dict[str, list[float]] = {name: [] for name in NUMBERS}
        self._other_rows: list[int] = []
        self._others: list[str] = []
        self._refused: list[Refused] = []

    def add(
        self,
        record: Mapping[str, Any],
        line: bytes,
        came: Received,
        measured_us: int | None = None,
        place: int | None = None,
    ) -> None:
        """Take in a record, or refuse it. Its time is a value of it, or given by itself."""
        try:
            self._add(record, line, came, measured_us, place)
        except NotAReading as error:
            self.refuse(line, came, str(error), error.cause)

    def refuse(
        self, line: bytes, came: Received, reason: str, cause: Cause = Cause.UNREADABLE
    ) -> None:
        """Note a record that is none."""
        self._refused.append(Refused(line, came.sender, came.received_at_us, cause, reason))

    def _add(
        self,
        record: Mapping[str, Any],
        line: bytes,
        came: Received,
        measured_us: int | None,
        place: int | None,
    ) -> None:
        numbers: list[tuple[str, float]] = []
        named: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, value in record.items():
            column = COLUMN_OF.get(name)
            if value is None:
                continue
            if column is None:
                others[name] = value
            elif column in NUMBERS:
                numbers.append((column, _number(name, value)))
            elif column in named:
                raise NotAReading(f"it tells its {column} twice")
            else:
                named[column] = value
        if LOCATION in named:
            numbers += _place(named[LOCATION])
        station, sensor = _who(named, came)
        if measured_us is None:
            measured_us = _when(named)
        told = _others(others) if others else None
        row = len(self._stations)
        if told is not None:
            self._other_rows.append(row)
            self._others.append(told)
        self._stations.append(station)
        self._sensors.append(sensor)
        self._measured_us.append(measured_us)
        self._from.append(came)
        self._lines.append(line)
        self._places.append(row if place is None else place)
        for column, number in numbers:
            self._rows_of[column].append(row)
            self._values_of[column].append(number)

    def add_columns(
        self,
        columns: Columns,
        lines: Sequence[bytes],
        came: Sequence[Received],
        places: Sequence[int],
    ) -> None:
        """Take in records that are as usual; `places` are theirs among all that came."""
        row, height = len(self._stations), len(lines)
        self._stations += columns.stations
        self._sensors += columns.sensors
        self._measured_us += columns.measured_us
        self._lines += lines
        self._places += places
        self._from += came
        for column, numbers in columns.numbers.items():
            if None in numbers:
                told = [(at, n) for at, n in enumerate(numbers, row) if n is not None]
                self._rows_of[column] += [at for at, _ in told]
                self._values_of[column] += [number for _, number in told]
            else:
                self._rows_of[column] += range(row, row + height)
                self._values_of[column] += numbers  # type: ignore[arg-type]

    def read(self) -> ReadBatch:
        """The rows within the hard limits, and all that is refused."""
        height = len(self._stations)
        wrong: dict[int, tuple[Cause, str]] = {}
        numbers = {name: self._column(name, height, wrong) for name in NUMBERS}
        rows = self._frame(height, numbers)
        is_good, has_half_a_place, is_of_wrong_clock = rows.select(
            good=_within_limits(), half=_HALF_A_PLACE, clock=has_wrong_clock()
        )
        for row in np.flatnonzero(is_of_wrong_clock.to_numpy()).tolist():
            told = rows["measured_at_utc"][row], rows["received_at_utc"][row]
            wrong.setdefault(row, (Cause.WRONG_CLOCK, about_clock(*told)))
        for row in np.flatnonzero(~is_good.to_numpy()).tolist():
            wrong.setdefault(row, (Cause.OUT_OF_LIMITS, _beyond(rows.row(row, named=True))))
        for row in np.flatnonzero(has_half_a_place.to_numpy()).tolist():
            wrong.setdefault(row, (Cause.UNREADABLE, "its place has one coordinate"))
        for row in sorted(wrong):
            cause, reason = wrong[row]
            self.refuse(self._lines[row], self._from[row], reason, cause)
        kept = np.ones(height, dtype=bool)
        kept[list(wrong)] = False
        places = np.array(self._places, dtype=np.int64)[kept]
        if wrong:
            rows = rows.filter(pl.Series(kept))
        if (np.diff(places) < 0).any():
            rows = rows[np.argsort(places, kind="stable")]
        return ReadBatch(rows, self._refused)

    def _column(
        self, name: str, height: int, wrong: dict[int, tuple[Cause, str]]
    ) -> pl.Series | None:
        """The values of a column, and what is wrong with them by themselves."""
        values = np.array(self._values_of[name], dtype=np.float64)
        if not values.size:
            return None
        at = np.array(self._rows_of[name], dtype=np.int64)
        for row in at[1:][np.diff(at) == 0].tolist():
            wrong[row] = Cause.UNREADABLE, f"it tells {name} twice"
        for row in at[~np.isfinite(values)].tolist():
            wrong[row] = Cause.UNREADABLE, f"{name} is no finite number"
        column = np.full(height, np.nan)
        column[at] = values
        return pl.Series(name, column, nan_to_null=True)

    def _frame(self, height: int, numbers: Mapping[str, pl.Series | None]) -> pl.DataFrame:
        told = {
            "station_code": pl.Series(self._stations, dtype=pl.String),
            "sensor_id": pl.Series(self._sensors, dtype=pl.String),
            "measured_at_utc": _instants(self._measured_us),
            "other_quantities": self._other_column(height),
            "received_at_utc": _instants([came.received_at_us for came in self._from]),
            "sender": pl.Series([came.sender for came in self._from], dtype=pl.String),
            "transport": pl.Series([self._transport.value] * height, dtype=pl.String),
            **{name: column for name, column in numbers.items() if column is not None},
        }
        return polars_frame(SENT_FIELDS, told, height)

    def _other_column(self, height: int) -> pl.Series:
        column: list[str | None] = [None] * height
        for row, told in zip(self._other_rows, self._others, strict=True):
            column[row] = told
        return pl.Series(column, dtype=pl.String)


def _instants(us: list[int]) -> pl.Series:
    return pl.Series(us, dtype=pl.Int64).cast(pl.Datetime("us"))


def _number(name: str, value: object) -> float:
    if type(value) is float or type(value) is int:
        return value
    raise NotAReading(f"{name} is {_short(value)}, no number")


def _place(location: object) -> list[tuple[str, float]]:
    if not isinstance(location, dict):
        raise NotAReading(f"its location is {_short(location)}, not an object with lon and lat")
    return [
        (PLACE[name], _number(name, value))
        for name, value in location.items()
        if name in PLACE and value is not None
    ]


def _who(named: Mapping[str, Any], came: Received) -> tuple[str, str]:
    """Codes of the station and of its sensor."""
    sensor = _code(named.get(SENSOR), SENSOR)
    if not sensor:
        raise NotAReading("it names no sensor_id")
    station = _code(named.get(STATION), STATION)
    if not station and came.stations is not None and len(came.stations) == 1:
        (station,) = came.stations
    station = station or STATION_OF_SENSOR + sensor
    if came.stations is not None and station not in came.stations:
        reason = f"its sender may not speak for {_short(station)}"
        raise NotAReading(reason, Cause.NOT_ITS_STATION)
    return station, sensor


def _when(named: Mapping[str, Any]) -> int:
    if TIME not in named:
        raise NotAReading("it tells no timestamp")
    return measured_at_us(named[TIME])


def _code(value: object, what: str) -> str:
    """A name that may be a number."""
    if value is None or type(value) is str:
        return (value or "").strip()
    if type(value) is int or (type(value) is float and value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    raise NotAReading(f"its {what} is {_short(value)}, neither a text nor a whole number")


def _others(told: Mapping[str, Any]) -> str:
    flat: dict[str, Any] = {}
    _flatten(told, "", flat, 1)
    try:
        text = orjson.dumps(flat)
    except (TypeError, ValueError) as error:
        raise NotAReading(f"its further quantities cannot be kept: {error}") from None
    if len(text) > MOST_OTHER_BYTES:
        raise NotAReading(f"its further quantities take more than {MOST_OTHER_BYTES} bytes")
    return text.decode()


def _flatten(told: Mapping[str, Any], before: str, flat: dict[str, Any], depth: int) -> None:
    """Objects within the record as names with dots, so that each number has a name."""
    if depth > _DEEPEST:
        raise NotAReading(f"its objects are more than {_DEEPEST} deep")
    for name, value in told.items():
        if isinstance(value, dict):
            _flatten(value, f"{before}{name}.", flat, depth + 1)
        elif isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
            raise NotAReading(f"{_short(before + name)} is a list of lists or objects")
        else:
            flat[before + name] = value
        if len(flat) > MOST_OTHERS:
            raise NotAReading(f"it tells more than {MOST_OTHERS} further quantities")


def _beyond(row: Mapping[str, Any]) -> str:
    """What of a row is beyond its limits."""
    said = [
        f"{f.name} is {_short(row[f.name])}, not {_allowed(f)}"
        for f in SENT_FIELDS
        if not _is_within(row[f.name], f)
    ]
    return "; ".join(said)


def _is_within(value: Any, field: Field) -> bool:
    if value is None:
        return field.nullable
    if field.earliest and field.latest:
        return bool(field.earliest <= value <= field.latest)
    if field.pattern:
        return re.search(field.pattern, value) is not None
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    return field.kind is not Kind.NUMBER or low <= value <= high


def _allowed(field: Field) -> str:
    if field.earliest and field.latest:
        return f"from {field.earliest:%Y-%m-%d} to {field.latest:%Y-%m-%d}"
    return f"like {field.pattern}" if field.pattern else f"within {field_range(field)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
