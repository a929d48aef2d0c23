"""How the sensors of a day were: silent, with gaps, with a wrong clock, with values refused.

What belongs here: questions about the lake of readings that a check asks. What does not: what is
done about the answers (`orchestration/`), and rules for alerts.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.reading import read_rows

SILENT_AFTER = timedelta(minutes=10)
DRIFT_S = 60.0
"""A clock that is further off, or datagrams that take so long, is told of."""
_HEARD_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class DayOfReadings:
    """What a day's readings say; sensors by `station/sensor`."""

    readings: int = 0
    sensors: int = 0
    missing_hours: dict[str, int] = field(default_factory=dict)
    """Hours of the day, between a sensor's first and last reading ever, without a reading."""
    clock_drift_s: dict[str, float] = field(default_factory=dict)
    """Received minus measured, the median, where it is large."""
    refused: dict[str, int] = field(default_factory=dict)
    """Messages that were no readings and came on that day, by what was wrong."""


def day_of_readings(warehouse: WarehouseConnection, day: date, topic: str) -> DayOfReadings:
    """What a day's readings say."""
    begin = datetime.combine(day, datetime.min.time())
    end = begin + timedelta(days=1)
    bounds = f"BETWEEN TIMESTAMP '{begin}' AND TIMESTAMP '{end - timedelta(microseconds=1)}'"
    counts = read_rows(
        warehouse,
        "SELECT count(*), count(DISTINCT (station_code, sensor_id)) FROM station_readings "
        f"WHERE measured_at_utc {bounds}",
    )
    if not counts:
        return DayOfReadings()
    drift = read_rows(
        warehouse,
        "SELECT station_code || '/' || sensor_id, "
        "median(epoch(received_at_utc) - epoch(measured_at_utc)) AS drift "
        f"FROM station_readings WHERE measured_at_utc {bounds} GROUP BY 1 "
        f"HAVING abs(drift) > {DRIFT_S} ORDER BY abs(drift) DESC",
    )
    missing = read_rows(
        warehouse,
        f"""
        WITH there AS (
          SELECT station_code, sensor_id, count(DISTINCT begin_utc) AS hours
          FROM station_readings_by_hour_now WHERE begin_utc {bounds} GROUP BY ALL
        )
        SELECT station_code || '/' || sensor_id, date_diff('hour',
            greatest(date_trunc('hour', first_measured_at_utc), TIMESTAMP '{begin}'),
            least(date_trunc('hour', last_measured_at_utc) + INTERVAL 1 HOUR, TIMESTAMP '{end}'))
          - coalesce(hours, 0) AS missing
        FROM sensors LEFT JOIN there USING (station_code, sensor_id)
        WHERE missing > 0 ORDER BY missing DESC, 1
        """,
    )
    refused = read_rows(
        warehouse,
        "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM dead_letters "
        f"WHERE topic = ? AND recorded_at_utc {bounds}) GROUP BY 1 ORDER BY 2 DESC LIMIT 100",
        [topic],
    )
    [(readings, sensors)] = counts
    return DayOfReadings(readings, sensors, dict(missing), dict(drift), dict(refused))


def silent_sensors(warehouse: WarehouseConnection, now: datetime) -> dict[str, datetime]:
    """Sensors of which nothing has come for some minutes, though it had some days ago; and since
    when."""
    return dict(
        read_rows(
            warehouse,
            "SELECT station_code || '/' || sensor_id, last_received_at_utc FROM sensors "
            "WHERE last_received_at_utc BETWEEN ? AND ? ORDER BY 2",
            [now - _HEARD_WITHIN, now - SILENT_AFTER],
        )
    )
