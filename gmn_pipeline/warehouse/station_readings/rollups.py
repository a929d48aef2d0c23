"""Sum readings up: by minute, hour and day, by sensor, and where stations are.

What belongs here: adding what was taken in to what is summed up already. What does not: the sums
(`summing.py`), and when it is done (`upkeep.py`).

Each commit's readings are added once, in the transaction that takes the commit off the list of
those that are not rolled up. So the sums are right whatever comes late, twice or out of order, and
stay so once readings are deleted by age.
"""

from dataclasses import dataclass

import duckdb

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.station_readings import (
    LATEST_VALUES,
    READINGS_TO_ROLL_UP,
    ROLLUPS,
    SENSORS,
    TAKEN_IN_AT,
)
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.station_readings.places import note_places
from gmn_pipeline.warehouse.station_readings.summing import (
    KEY,
    NOT_ROLLED_UP,
    OF_A_SENSOR,
    PLACE,
    last_place,
    longer,
    sums_of,
    sums_together,
    values_of,
)

_MOST_READINGS = 1_000_000
"""So many are rolled up in one transaction, if several commits wait: writers wait for it."""


@dataclass(frozen=True)
class RolledUp:
    """What was rolled up."""

    commits: int = 0
    readings: int = 0


def roll_up(warehouse: WarehouseConnection) -> RolledUp:
    """Add all that is not rolled up yet."""
    commits = readings = 0
    while True:
        done = retry_while_busy(lambda: _once(warehouse))
        if not done.commits:
            return RolledUp(commits, readings)
        commits, readings = commits + done.commits, readings + done.readings


def _once(warehouse: WarehouseConnection) -> RolledUp:
    with warehouse.writing() as connection, transaction(connection):
        waiting = connection.execute(
            f"SELECT {TAKEN_IN_AT.name}, reading_count, first_measured_at_utc, "
            f"last_measured_at_utc FROM {READINGS_TO_ROLL_UP.name} ORDER BY 1"
        ).fetchall()
        taken: list[tuple] = []  # type: ignore[type-arg]
        readings = 0
        for row in waiting:
            if taken and readings + row[1] > _MOST_READINGS:
                break
            taken.append(row)
            readings += row[1]
        if not taken:
            return RolledUp()
        _gather(connection, taken)
        for span, table in ROLLUPS.items():
            _add(connection, table, span)
        _add(connection, LATEST_VALUES, None)
        _note_sensors(connection)
        note_places(connection)
        first, last = taken[0][0], taken[-1][0]
        connection.execute(
            f"DELETE FROM {READINGS_TO_ROLL_UP.name} WHERE {TAKEN_IN_AT.name} BETWEEN ? AND ?",
            [first, last],
        )
        return RolledUp(len(taken), readings)


def _gather(connection: duckdb.DuckDBPyConnection, commits: list[tuple]) -> None:  # type: ignore[type-arg]
    """`rolling`: the readings of these commits; `by_minute`: their values' sums.

    Conditions are written out too, so that files are left out by what the catalogue says of them.
    They alone would not do: a clock may have run backwards."""
    first, last = commits[0][0], commits[-1][0]
    earliest, latest = min(c[2] for c in commits), max(c[3] for c in commits)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE rolling AS {NOT_ROLLED_UP} "
        f"WHERE r.{TAKEN_IN_AT.name} BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}' "
        f"AND r.measured_at_utc BETWEEN TIMESTAMP '{earliest}' AND TIMESTAMP '{latest}'"
    )
    values = f"({values_of('rolling')})"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE by_minute AS {sums_of(values, 'minute')}")


def _add(connection: duckdb.DuckDBPyConnection, table: Table, span: str | None) -> None:
    """Add the values' sums to a table of sums: those of minutes make the others."""
    columns = ", ".join(table.columns)
    key = [*KEY, *(["begin_utc"] if span else [])]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE part AS SELECT {columns} "
        f"FROM ({sums_together(longer('by_minute', span), span)})"
    )
    bounds = _bounds(connection, "begin_utc") if span else "true"
    same = " AND ".join(f"t.{name} = part.{name}" for name in key)
    connection.execute(
        f"INSERT INTO part SELECT {columns} FROM {table.name} t WHERE {bounds} "
        f"AND EXISTS (SELECT 1 FROM part WHERE {same})"
    )
    connection.execute(
        f"DELETE FROM {table.name} t WHERE {bounds} AND EXISTS (SELECT 1 FROM part WHERE {same})"
    )
    connection.execute(
        f"INSERT INTO {table.name} ({columns}) SELECT {columns} "
        f"FROM ({sums_together('part', span)})"
    )


def _bounds(connection: duckdb.DuckDBPyConnection, column: str) -> str:
    row = connection.execute(f"SELECT min({column}), max({column}) FROM part").fetchone()
    assert row is not None
    if row[0] is None:
        return "false"
    return f"t.{column} BETWEEN TIMESTAMP '{row[0]}' AND TIMESTAMP '{row[1]}'"


def _note_sensors(connection: duckdb.DuckDBPyConnection) -> None:
    """What is known of each sensor that told something."""
    columns = ", ".join(SENSORS.columns)
    sensor = ", ".join(OF_A_SENSOR)
    told = " || ".join(
        f"CASE WHEN count({q.name}) > 0 THEN ['{q.name}'] ELSE [] END" for q in QUANTITIES
    )
    place = ", ".join([*(f"place.{name}" for name in PLACE), "place.at AS placed_at_utc"])
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE heard AS SELECT * EXCLUDE (place), {place} FROM (
        SELECT {sensor}, min(measured_at_utc) AS first_measured_at_utc,
          max(measured_at_utc) AS last_measured_at_utc,
          max(received_at_utc) AS last_received_at_utc, count(*) AS reading_count,
          {told} || coalesce(list_sort(list_distinct(flatten(list(
            CASE WHEN json_valid(other_quantities) THEN json_keys(other_quantities) END))
          )), []) AS quantities, {last_place("measured_at_utc")} AS place
        FROM rolling GROUP BY {sensor})
        """
    )
    connection.execute(
        f"INSERT INTO heard SELECT {columns} FROM {SENSORS.name} SEMI JOIN heard USING ({sensor})"
    )
    connection.execute(
        f"DELETE FROM {SENSORS.name} t WHERE EXISTS (SELECT 1 FROM heard h WHERE "
        "t.station_code = h.station_code AND t.sensor_id = h.sensor_id)"
    )
    connection.execute(
        f"""
        INSERT INTO {SENSORS.name} ({columns})
        SELECT * EXCLUDE (place), {place} FROM (
        SELECT {sensor}, min(first_measured_at_utc), max(last_measured_at_utc),
          max(last_received_at_utc), sum(reading_count)::BIGINT,
          list_sort(list_distinct(flatten(list(quantities)))),
          {last_place("coalesce(placed_at_utc, last_measured_at_utc)")} AS place
        FROM heard GROUP BY {sensor})
        """
    )
