"""How readings are summed up, in SQL: the same text in the rollups and in the views.

What belongs here: values out of readings, and sums of values. What does not: which readings, and
writing anything (`rollups.py`, `views.py`).

Sums can be added to each other: count, least, greatest, mean and the last value of two parts give
those of both, in whatever order they come.
"""

from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.station_readings import (
    READINGS_TO_ROLL_UP,
    STATION_READINGS,
    TAKEN_IN_AT,
)

OF_A_SENSOR = ("station_code", "sensor_id")
PLACE = ("latitude_deg", "longitude_deg", "height_m")
KEY = (*OF_A_SENSOR, "quantity")
SUMS = ("reading_count", "minimum", "maximum", "mean", "last", "last_measured_at_utc")
_NAMES = "[0-9A-Za-z_. -]{1,64}"
"""Names of other quantities that are summed up; others stay with the readings only."""
_NUMBERS = ("DOUBLE", "BIGINT", "UBIGINT", "HUGEINT")

NOT_ROLLED_UP = (
    f"SELECT r.* FROM {STATION_READINGS.name} r "
    f"SEMI JOIN {READINGS_TO_ROLL_UP.name} c ON r.{TAKEN_IN_AT.name} = c.{TAKEN_IN_AT.name}"
)
"""Readings that are not in the rollups yet. A join by equality: DuckDB then reads only such row
groups as may have these commits."""


def values_of(readings: str) -> str:
    """The values of readings (a relation), a row each: sensor, time, quantity, value."""
    columns = ", ".join(quantity.name for quantity in QUANTITIES)
    kinds = ", ".join(f"'{kind}'" for kind in _NUMBERS)
    return f"""SELECT station_code, sensor_id, measured_at_utc, quantity, value
FROM (SELECT station_code, sensor_id, measured_at_utc, {columns} FROM {readings})
  UNPIVOT (value FOR quantity IN ({columns}))
UNION ALL
SELECT station_code, sensor_id, measured_at_utc, quantity, value FROM (
  SELECT station_code, sensor_id, measured_at_utc, name AS quantity,
    CASE WHEN json_type(other_quantities, '$."' || name || '"') IN ({kinds})
      THEN TRY_CAST(json_extract_string(other_quantities, '$."' || name || '"') AS DOUBLE)
    END AS value
  FROM (
    SELECT station_code, sensor_id, measured_at_utc, other_quantities,
      unnest(CASE WHEN json_valid(other_quantities)
        THEN list_distinct(json_keys(other_quantities)) END) AS name
    FROM {readings} WHERE other_quantities IS NOT NULL
  )
  WHERE regexp_full_match(name, '{_NAMES}')
) WHERE isfinite(value)"""


def sums_of(values: str, span: str | None) -> str:
    """Sums of values (a relation) for each span of time, or for all time."""
    begin = f"date_trunc('{span}', measured_at_utc) AS begin_utc, " if span else ""
    groups = ", ".join([*KEY, *(["begin_utc"] if span else [])])
    return f"""SELECT {", ".join(KEY)}, {begin}count(*) AS reading_count,
  min(value) AS minimum, max(value) AS maximum, avg(value) AS mean,
  max_by(value, struct_pack(t := measured_at_utc, v := value)) AS last,
  max(measured_at_utc) AS last_measured_at_utc
FROM {values} GROUP BY {groups}"""


def longer(sums: str, span: str | None) -> str:
    """Sums (a relation) of shorter spans as parts of those of longer ones."""
    if span is None:
        return sums
    return f"(SELECT * REPLACE (date_trunc('{span}', begin_utc) AS begin_utc) FROM {sums})"


def sums_together(sums: str, span: str | None) -> str:
    """Sums (a relation, with several rows of a group) as one row of each group."""
    groups = ", ".join([*KEY, *(["begin_utc"] if span else [])])
    return f"""SELECT {groups}, sum(reading_count)::BIGINT AS reading_count,
  min(minimum) AS minimum, max(maximum) AS maximum,
  sum(mean * reading_count) / sum(reading_count) AS mean,
  max_by(last, struct_pack(t := last_measured_at_utc, v := last)) AS last,
  max(last_measured_at_utc) AS last_measured_at_utc
FROM {sums} GROUP BY {groups}"""


def last_place(at: str) -> str:
    """Where something told last that it is, as a structure with `at`, a column of times; of two
    places at one time the greater."""
    parts = ", ".join(f"{name} := {name}" for name in PLACE)
    return (
        f"max(struct_pack(at := {at}, {parts})) "
        "FILTER (latitude_deg IS NOT NULL AND longitude_deg IS NOT NULL)"
    )
