"""What sensors told last in some readings: the query, its rows, and adding them to what is known.

What belongs here: what the latest values (`latest.py`) and what comes (`arrivals.py`) have in
common. What does not: of which readings (`latest_held.py`), and what is answered.

Of several values of a quantity that were measured at one time the greatest is the last, of places
too: so it does not matter in which order readings come, in which parts, and how often.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow as pa

from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.station_readings import TAKEN_IN_AT
from gmn_pipeline.warehouse.station_readings.summing import (
    OF_A_SENSOR,
    PLACE,
    last_place,
    sums_of,
    values_of,
)

SENSOR = ", ".join(OF_A_SENSOR)
_READ = ", ".join(
    [SENSOR, *PLACE, *(quantity.name for quantity in QUANTITIES), "other_quantities",
     "measured_at_utc", "received_at_utc", TAKEN_IN_AT.name]
)  # fmt: skip
Row: TypeAlias = Mapping[str, Any]


def last_of(readings: str) -> str:
    """The query of what each sensor told last in some readings (a relation). `quantities`, `values`
    and `times` have an element for each quantity that it told; null where it told none."""
    return f"""WITH arrived AS MATERIALIZED (SELECT {_READ} FROM {readings}),
told AS (
  SELECT {SENSOR}, list(quantity) AS quantities, list(last) AS values,
    list(last_measured_at_utc) AS times
  FROM ({sums_of(f"({values_of('arrived')})", None)}) GROUP BY {SENSOR}
),
heard AS (
  SELECT {SENSOR}, count(*) AS reading_count, max(measured_at_utc) AS last_measured_at_utc,
    max(received_at_utc) AS last_heard_at_utc, max({TAKEN_IN_AT.name}) AS taken_in_until_utc,
    {last_place("measured_at_utc")} AS place
  FROM arrived GROUP BY {SENSOR}
)
SELECT * FROM heard LEFT JOIN told USING ({SENSOR})"""


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of a table: a column after the other takes half the time of `to_pylist`."""
    columns = [table.column(name).to_pylist() for name in table.column_names]
    names = table.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def told_by(row: Row) -> Iterable[tuple[str, float, datetime]]:
    """The values in a row of `last_of`, each with when it was measured."""
    names = row["quantities"]
    return zip(names, row["values"], row["times"], strict=True) if names else ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """What is known of one: `place` with when it told that, the last value of each quantity, and
    `times` (UTC) at which these were measured. `last_heard` is by the platform's clock."""

    last_measured: datetime = datetime.min
    last_heard: datetime = datetime.min
    place: Mapping[str, Any] | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)

    def having_told(self, row: Row) -> "Sensor":
        """The same, and what a row of `last_of` says of it."""
        values, times = dict(self.values), dict(self.times)
        for name, value, when in told_by(row):
            known = times.get(name, datetime.min)
            if when > known or (when == known and value > values[name]):
                values[name], times[name] = value, when
        place = row["place"]
        if place is None or (self.place is not None and not _is_later(place, self.place)):
            place = self.place
        return Sensor(
            max(self.last_measured, row["last_measured_at_utc"]),
            max(self.last_heard, row["last_heard_at_utc"]),
            place,
            values,
            times,
        )


def _is_later(place: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Of two at one time as DuckDB orders them: what is not told is the greatest."""
    if place["at"] != known["at"]:
        return bool(place["at"] > known["at"])
    one, other = (
        tuple(math.inf if told[name] is None else told[name] for name in PLACE)
        for told in (place, known)
    )
    return one > other
