"""What tests ask of a warehouse, and have done to it."""

from datetime import datetime
from typing import Any

import polars as pl

from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.flows import maintenance
from gmn_pipeline.flows.maintenance import Maintenance
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import WarehouseConnection

CONTENT = ", ".join(field.name for field in TRAJECTORY_FIELDS)


def ask(settings: Settings, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with WarehouseConnection(settings).open(read_only=True) as connection:
        return connection.execute(sql, list(values)).fetchall()


def frame(settings: Settings, sql: str, *values: object) -> pl.DataFrame:
    with WarehouseConnection(settings).open(read_only=True) as connection:
        return connection.execute(sql, list(values)).pl()


def count(settings: Settings, table: str) -> int:
    return int(ask(settings, f"SELECT count(*) FROM {table}")[0][0])


def maintain(settings: Settings, now: datetime | None = None) -> Maintenance:
    return maintenance.maintain(settings, open_ledger(settings), now)


_WITHOUT_TIMES = "EXCLUDE (valid_from_utc, first_loaded_at_utc)"
_STATE = {
    "trajectories": f"SELECT * {_WITHOUT_TIMES} FROM trajectories ORDER BY trajectory_identifier",
    "revisions": "SELECT * EXCLUDE (valid_from_utc, first_loaded_at_utc, valid_until_utc) "
    "FROM trajectory_revisions ORDER BY trajectory_identifier, revision",
    "links": "FROM trajectory_stations ORDER BY ALL",
    "stations": "SELECT station_code FROM stations ORDER BY 1",
    "rejected": "FROM rejected_rows ORDER BY source_file_sha256, line_number",
    "files": "SELECT DISTINCT bin_date, source_file_sha256, rows_read, rows_accepted, "
    "rows_rejected FROM source_files ORDER BY ALL",
}


def state(settings: Settings, *names: str) -> dict[str, pl.DataFrame]:
    """What two loads of the same files have to agree on: all but the times of loading."""
    # In one session: opening one takes longer than asking.
    with WarehouseConnection(settings).open(read_only=True) as connection:
        return {name: connection.execute(_STATE[name]).pl() for name in names or _STATE}


def assert_same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    for name in one:
        assert one[name].equals(other[name]), name
