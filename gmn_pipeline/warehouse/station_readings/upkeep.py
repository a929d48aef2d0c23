"""Keep the lake of readings quick beside a commit every fraction of a second.

What belongs here: what is done when, between commits (docs/decisions/0038). What does not: how
rollups are made (`rollups.py`), and DuckLake's functions (`../maintenance.py`).

A round takes tenths of a second, in which readings wait in Kafka: it is done between two commits
by the process that commits. Whoever reads is waited for half a second; if that is in vain the next
round tries again.
"""

import logging
import time
from datetime import timedelta

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.schemas.station_readings import ROLLUPS, STATION_READINGS
from gmn_pipeline.settings import ReadingsSettings
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.maintenance import call, older_than
from gmn_pipeline.warehouse.station_readings.retention import delete_old
from gmn_pipeline.warehouse.station_readings.rollups import roll_up

_log = logging.getLogger(__name__)

_TABLES = (STATION_READINGS.name, *(table.name for table in ROLLUPS.values()))
_SMALL_BYTES = 8 << 20
"""Files below are put together between commits; larger ones by maintenance, once a day: else what
came this morning would be written anew each minute."""
_PATIENCE_S = 0.5
_PATIENCE_OF_A_NIGHT_S = 10.0
_FILES_A_STEP = 1
_EXPIRY_S, _RETENTION_S = 600.0, 3600.0


class Upkeep:
    """See `streams.stream.Beside`."""

    def __init__(self, settings: ReadingsSettings, warehouse: WarehouseConnection) -> None:
        self._settings = settings
        self._warehouse = warehouse
        now = time.monotonic()
        self._rolled_up_s, self._expired_s = now, now
        self._deleted_s = now - _RETENTION_S

    def look(self, *, is_last: bool = False) -> None:
        """Do what is due, one thing at a time. What cannot be done since another writes or reads
        is tried again in the next round."""
        try:
            if is_last:
                self._roll_up()
            elif self._is_due(self._rolled_up_s, self._settings.readings_rollup_s):
                self._rolled_up_s = time.monotonic()
                self._roll_up()
                put_together(self._warehouse)
            elif self._is_due(self._expired_s, _EXPIRY_S):
                self._expired_s = time.monotonic()
                let_go(self._warehouse, self._settings)
            elif self._is_due(self._deleted_s, _RETENTION_S):
                self._deleted_s = time.monotonic()
                apply_retention(self._warehouse, self._settings)
        except WarehouseBusy as error:
            _log.info("%s", error)

    @staticmethod
    def _is_due(last_s: float, every_s: float) -> bool:
        return time.monotonic() - last_s >= every_s

    def _roll_up(self) -> None:
        done = roll_up(self._warehouse)
        if done.commits:
            _log.info("rolled up %d readings of %d commits", done.readings, done.commits)


def put_together(warehouse: WarehouseConnection, patience_s: float = _PATIENCE_S) -> None:
    """Make few files of many small ones. Raises WarehouseBusy if somebody reads for so long."""
    with warehouse.writing() as connection, warehouse.without_readers(patience_s):
        call(connection, "flush_inlined_data")
        for table in _TABLES:
            call(
                connection, "merge_adjacent_files", f"'{table}'",
                f"max_file_size => {_SMALL_BYTES}",
            )  # fmt: skip
        warehouse.renew()


def let_go(warehouse: WarehouseConnection, settings: ReadingsSettings) -> None:
    """Forget former states, and remove files that nothing needs any more."""
    gone = older_than(utc_now() - timedelta(minutes=settings.readings_states_keep_minutes))
    with warehouse.writing() as connection:
        call(connection, "expire_snapshots", gone)
        call(connection, "cleanup_old_files", gone)


def apply_retention(warehouse: WarehouseConnection, settings: ReadingsSettings) -> int:
    """Delete readings that are older than the settings say; how many."""
    days = settings.readings_keep_days
    return delete_old(warehouse, timedelta(days=days)) if days else 0


def keep_in_order(warehouse: WarehouseConnection, settings: ReadingsSettings) -> dict[str, int]:
    """All of it, and the small files of whole days too; what was done. Nothing where no lake is.

    Writers get their turn between the steps, so that the lake goes on taking readings in.
    """
    if not warehouse.exists:
        return {}
    ddl.bring_up_to_date(warehouse)
    rolled_up = roll_up(warehouse).readings
    deleted = apply_retention(warehouse, settings)
    put_together(warehouse, _PATIENCE_OF_A_NIGHT_S)
    files = _compact(warehouse)
    let_go(warehouse, settings)
    return {
        "readings_rolled_up": rolled_up, "readings_deleted": deleted, "files_put_together": files
    }  # fmt: skip


def _compact(warehouse: WarehouseConnection) -> int:
    """Make files as large as they are to be, sorted by station; how many became fewer."""
    put = 0
    for table in _TABLES:
        while True:
            with (
                warehouse.writing() as connection,
                warehouse.without_readers(_PATIENCE_OF_A_NIGHT_S),
            ):
                done = call(
                        connection, "merge_adjacent_files", f"'{table}'",
                        f"max_compacted_files => {_FILES_A_STEP}",
                    )  # fmt: skip
                warehouse.renew()
            put += sum(row[-2] for row in done)
            if not done:
                break
    return put
