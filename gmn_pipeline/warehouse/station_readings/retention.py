"""Delete readings by age; what was summed up of them stays.

What belongs here: which readings go. What does not: when (`upkeep.py`), and their files.
"""

from datetime import datetime, timedelta

from gmn_pipeline.clock import utc_now
from gmn_pipeline.schemas.station_readings import (
    READINGS_DELETED,
    READINGS_TO_ROLL_UP,
    STATION_READINGS,
)
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.station_readings.messages import deleted_before
from gmn_pipeline.warehouse.station_readings.rollups import roll_up


def delete_old(warehouse: WarehouseConnection, keep: timedelta, now: datetime | None = None) -> int:
    """Delete whole days of measuring that are older; how many readings that were.

    They are rolled up first. What comes of those days later is not taken in any more: it could not
    be told from what was there.
    """
    now = now or utc_now()
    before = (now - keep).replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        roll_up(warehouse)
        deleted = retry_while_busy(lambda: _delete(warehouse, before, now))
        if deleted is not None:
            return deleted


def _delete(warehouse: WarehouseConnection, before: datetime, now: datetime) -> int | None:
    """None if some came meanwhile that are not rolled up."""
    with warehouse.writing() as connection, transaction(connection):
        former = deleted_before(connection)
        if former is not None and former >= before:
            return 0
        waiting = connection.execute(
            f"SELECT count(*) FROM {READINGS_TO_ROLL_UP.name} WHERE first_measured_at_utc < ?",
            [before],
        ).fetchone()
        if waiting != (0,):
            return None
        deleted = connection.execute(
            f"DELETE FROM {STATION_READINGS.name} WHERE measured_at_utc < TIMESTAMP '{before}'"
        ).fetchone()
        count = int(deleted[0]) if deleted else 0
        connection.execute(
            f"INSERT INTO {READINGS_DELETED.name} VALUES (?, ?, ?)", [before, count, now]
        )
        return count
