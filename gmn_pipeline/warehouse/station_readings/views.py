"""Views of the lake of readings: its rollups up to this very moment, and the latest values.

What belongs here: each view with its query and the meaning of its columns. What does not: tables
(`schemas/station_readings.py`) and how views are made (`../views.py`).

A rollup is some seconds to a minute behind; these add what it does not have yet.
"""

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.fields import Field, Null
from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.station_readings import LATEST_VALUES, ROLLUPS, SENSORS
from gmn_pipeline.warehouse.station_readings.summing import (
    NOT_ROLLED_UP,
    sums_of,
    sums_together,
    values_of,
)
from gmn_pipeline.warehouse.views import View


def _now(table: Table, span: str | None) -> str:
    """The query of a rollup with what is not in it yet."""
    columns = ", ".join(table.columns)
    return f"""WITH arrived AS ({NOT_ROLLED_UP}),
arrived_values AS ({values_of("arrived")}),
parts AS (
  SELECT {columns} FROM {table.name}
  UNION ALL
  SELECT {columns} FROM ({sums_of("arrived_values", span)})
)
SELECT {columns} FROM ({sums_together("parts", span)})"""


def _rollup_now(span: str, table: Table) -> View:
    return View(
        f"{table.name}_now",
        f"{table.meaning}, up to the last reading that came",
        _now(table, span),
        table.fields,
    )


_DEW_POINT = """CASE WHEN humidity_percent > 0 AND temperature_deg_c > -60 THEN
    243.12 * (ln(least(humidity_percent, 100) / 100)
      + 17.62 * temperature_deg_c / (243.12 + temperature_deg_c))
    / (17.62 - ln(least(humidity_percent, 100) / 100)
      - 17.62 * temperature_deg_c / (243.12 + temperature_deg_c)) END"""
"""Magnus' formula with the constants of Sonntag 1990 (over water)."""

_MARGIN = Field(
    "dew_point_margin_deg_c",
    "how much warmer than the dew point the lens is (where it has no sensor, the air): near 0 it "
    "dews over. The dew point as told, or else by temperature and humidity",
    unit="deg C",
    null=Null.UNDEFINED,
)
_LATEST_QUANTITIES = ",\n  ".join(
    f"max(last) FILTER (quantity = '{q.name}') AS {q.name}" for q in QUANTITIES
)
_OF_SENSOR = [f for f in SENSORS.fields if f.name in ("station_code", "sensor_id")]
_PLACE = [f for f in SENSORS.fields if f.name in ("latitude_deg", "longitude_deg", "height_m")]
_LAST_MEASURED = next(f for f in SENSORS.fields if f.name == "last_measured_at_utc")

_LATEST_READINGS = View(
    "latest_readings",
    "the latest value of each quantity of each sensor, up to the last reading that came, and "
    "where the sensor is",
    f"""WITH latest AS ({_now(LATEST_VALUES, None)}),
wide AS (
  SELECT station_code, sensor_id, max(last_measured_at_utc) AS last_measured_at_utc,
  {_LATEST_QUANTITIES}
  FROM latest GROUP BY station_code, sensor_id
)
SELECT w.*, s.latitude_deg, s.longitude_deg, s.height_m,
  coalesce(lens_temperature_deg_c, temperature_deg_c)
    - coalesce(dew_point_deg_c, {_DEW_POINT}) AS dew_point_margin_deg_c
FROM wide w LEFT JOIN sensors s
  ON w.station_code = s.station_code AND w.sensor_id = s.sensor_id""",
    (
        *_OF_SENSOR,
        _LAST_MEASURED,
        *(quantity.field for quantity in QUANTITIES),
        *_PLACE,
        _MARGIN,
    ),
)

READINGS_VIEWS = (*(_rollup_now(span, table) for span, table in ROLLUPS.items()), _LATEST_READINGS)
