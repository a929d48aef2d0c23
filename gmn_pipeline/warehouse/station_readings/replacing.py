"""Readings out of objects into the lake of readings: those of an object take the place of the ones
that were read out of it before.

What belongs here: putting and taking away readings by their sender, with all sums that have them.
What does not: readings that come by the topic (`messages.py`), which nobody takes back.

All that is there is summed up first. Then, in one transaction, readings that the object has no more
go, the spans that had them are summed up anew out of what is left, and those that are not there yet
come in a commit of their own, which is summed up as any other. Killed in between, the same again
does the rest. What was deleted by age is in the sums and stays there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.station_readings import (
    LATEST_VALUES,
    READINGS_TO_ROLL_UP,
    ROLLUPS,
    SENSORS,
    SENT_FIELDS,
    STATION_READINGS,
)
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.station_readings.messages import MEASURED, current, insert
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline.warehouse.station_readings.summing import (
    OF_A_SENSOR,
    sums_of,
    sums_together,
    values_of,
)

_ATTEMPTS = 10
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Replaced:
    """What became of an object's readings: given = kept + inserted + duplicate + outdated, where
    duplicates are there by another sender. `removed`: sensor and time of those that went."""

    kept: int = 0
    inserted: int = 0
    duplicate: int = 0
    outdated: int = 0
    removed: Sequence[tuple[str, str, datetime]] = field(default=())


def replace(
    lake: WarehouseConnection, sender: str, rows: pl.DataFrame, former: Span | None
) -> Replaced:
    """Let `rows`, acceptable readings as they are sent, be all readings of this sender. `former`:
    first and last time of measuring of those that it may have; None if it has none."""
    if rows.is_empty() and (former is None or not lake.exists):
        return Replaced()
    for _ in range(_ATTEMPTS):
        roll_up(lake)
        done = retry_while_busy(lambda: _once(lake, sender, rows, former))
        if done is not None:
            roll_up(lake)
            return done
    raise WarehouseBusy(
        "Readings come so fast that none can be taken out of the sums.",
        remedy="It is tried again by itself.",
    )


def _once(
    lake: WarehouseConnection, sender: str, rows: pl.DataFrame, former: Span | None
) -> Replaced | None:
    """None if some readings came meanwhile that are not in the sums yet."""
    with lake.writing() as connection, transaction(connection):
        kept_rows = current(connection, rows)
        _note_wanted(connection, kept_rows)
        span = _span(kept_rows, former)
        removed = _note_removed(connection, sender, span) if span else []
        if removed:
            waiting = connection.execute(
                f"SELECT count(*) FROM {READINGS_TO_ROLL_UP.name}"
            ).fetchone()
            if waiting != (0,):
                return None
            _remove(connection, sender, span)
        kept = _count_kept(connection, sender, span) if span else 0
        inserted = insert(connection, kept_rows) if kept_rows.height else 0
    outdated = rows.height - kept_rows.height
    duplicate = kept_rows.height - kept - inserted
    return Replaced(kept, inserted, duplicate, outdated, removed)


def _note_wanted(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> None:
    """`wanted`: the readings that the object has."""
    known = rows if rows.width else pl.DataFrame(schema=polars_schema(SENT_FIELDS))
    connection.register("wanted_rows", known.to_arrow())
    try:
        connection.execute("CREATE OR REPLACE TEMP TABLE wanted AS FROM wanted_rows")
    finally:
        connection.unregister("wanted_rows")


def _span(rows: pl.DataFrame, former: Span | None) -> Span | None:
    times = list(former or ())
    if rows.height:
        measured = rows.get_column("measured_at_utc")
        times += [measured.min(), measured.max()]  # type: ignore[list-item]
    return (min(times), max(times)) if times else None


def _of_sender(span: Span) -> str:
    """The condition, with the times written out, so that few files are looked into."""
    first, last = span
    return (
        f"transport = 'object' AND sender = ? AND measured_at_utc "
        f"BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}'"
    )


def _note_removed(
    connection: duckdb.DuckDBPyConnection, sender: str, span: Span
) -> list[tuple[str, str, datetime]]:
    """`removed`: the readings of the sender that it has no more."""
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM w.{name}" for name in MEASURED)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE removed AS SELECT r.* FROM "
        f"(SELECT * FROM {STATION_READINGS.name} WHERE {_of_sender(span)}) r "
        f"ANTI JOIN wanted w ON {same}",
        [sender],
    )
    return connection.execute(
        "SELECT DISTINCT station_code, sensor_id, measured_at_utc FROM removed ORDER BY ALL"
    ).fetchall()


def _count_kept(connection: duckdb.DuckDBPyConnection, sender: str, span: Span) -> int:
    row = connection.execute(
        f"SELECT count(*) FROM {STATION_READINGS.name} WHERE {_of_sender(span)}", [sender]
    ).fetchone()
    return int(row[0]) if row else 0


def _remove(connection: duckdb.DuckDBPyConnection, sender: str, span: Span | None) -> None:
    assert span is not None
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM removed.{name}" for name in MEASURED)
    connection.execute(
        f"DELETE FROM {STATION_READINGS.name} t WHERE {_of_sender(span)} "
        f"AND EXISTS (SELECT 1 FROM removed WHERE {same})",
        [sender],
    )
    for length, table in ROLLUPS.items():
        _sum_anew(connection, table.name, length)
    _sum_all_anew(connection)
    _note_sensors_anew(connection)


def _sum_anew(connection: duckdb.DuckDBPyConnection, table: str, length: str) -> None:
    """The sums of spans that had removed readings, out of those that are left."""
    sensor = ", ".join(OF_A_SENSOR)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE spans AS SELECT DISTINCT {sensor}, "
        f"date_trunc('{length}', measured_at_utc) AS begin_utc FROM removed"
    )
    first, last = _one(
        connection, f"SELECT min(begin_utc), max(begin_utc) + INTERVAL 1 {length} FROM spans"
    )
    in_spans = " AND ".join(f"t.{name} = spans.{name}" for name in (*OF_A_SENSOR, "begin_utc"))
    connection.execute(
        f"DELETE FROM {table} t WHERE begin_utc BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}' "
        f"AND EXISTS (SELECT 1 FROM spans WHERE {in_spans})"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE left_over AS SELECT r.* FROM {STATION_READINGS.name} r "
        f"SEMI JOIN spans ON r.station_code = spans.station_code "
        "AND r.sensor_id = spans.sensor_id "
        f"AND date_trunc('{length}', r.measured_at_utc) = spans.begin_utc "
        f"WHERE r.measured_at_utc BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}'"
    )
    _insert_sums(connection, table, sums_of(f"({values_of('left_over')})", length))


def _sum_all_anew(connection: duckdb.DuckDBPyConnection) -> None:
    """The sums over all time of the sensors, out of those of days: these have all that ever was."""
    sensor = ", ".join(OF_A_SENSOR)
    of_them = f"SEMI JOIN removed USING ({sensor})"
    days = ROLLUPS["day"].name
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE of_days AS SELECT t.* FROM {days} t {of_them}"
    )
    same = " AND ".join(f"t.{name} = removed.{name}" for name in OF_A_SENSOR)
    connection.execute(
        f"DELETE FROM {LATEST_VALUES.name} t WHERE EXISTS (SELECT 1 FROM removed WHERE {same})"
    )
    _insert_sums(connection, LATEST_VALUES.name, sums_together("of_days", None))


def _insert_sums(connection: duckdb.DuckDBPyConnection, table: str, sums: str) -> None:
    columns = ", ".join((LATEST_VALUES if table == LATEST_VALUES.name else ROLLUPS["day"]).columns)
    connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM ({sums})")


def _note_sensors_anew(connection: duckdb.DuckDBPyConnection) -> None:
    """What is known of the sensors: fewer readings, and their first and last ones that are left.
    One without any is gone. Where it is, it stays."""
    sensor = ", ".join(OF_A_SENSOR)
    same = " AND ".join(f"t.{name} = removed.{name}" for name in OF_A_SENSOR)
    columns = ", ".join(SENSORS.columns)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE known AS
        WITH gone AS (SELECT {sensor}, count(*) AS gone_count,
            min(measured_at_utc) AS first_gone, max(measured_at_utc) AS last_gone
          FROM removed GROUP BY ALL),
        there AS (SELECT {sensor}, min(measured_at_utc) AS first_there,
            max(measured_at_utc) AS last_there, max(received_at_utc) AS last_received
          FROM {STATION_READINGS.name} SEMI JOIN removed USING ({sensor}) GROUP BY ALL),
        told AS (SELECT {sensor}, list_sort(list(DISTINCT quantity)) AS told
          FROM {LATEST_VALUES.name} SEMI JOIN removed USING ({sensor}) GROUP BY ALL)
        SELECT s.* REPLACE (
          CASE WHEN s.first_measured_at_utc < first_gone THEN s.first_measured_at_utc
            ELSE coalesce(first_there, s.first_measured_at_utc) END AS first_measured_at_utc,
          CASE WHEN s.last_measured_at_utc > last_gone THEN s.last_measured_at_utc
            ELSE coalesce(last_there, s.last_measured_at_utc) END AS last_measured_at_utc,
          coalesce(last_received, s.last_received_at_utc) AS last_received_at_utc,
          s.reading_count - gone_count AS reading_count,
          coalesce(told, []) AS quantities)
        FROM {SENSORS.name} s JOIN gone USING ({sensor})
          LEFT JOIN there USING ({sensor}) LEFT JOIN told USING ({sensor})
        WHERE s.reading_count > gone_count
        """
    )
    connection.execute(
        f"DELETE FROM {SENSORS.name} t WHERE EXISTS (SELECT 1 FROM removed WHERE {same})"
    )
    connection.execute(f"INSERT INTO {SENSORS.name} ({columns}) SELECT {columns} FROM known")


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row
