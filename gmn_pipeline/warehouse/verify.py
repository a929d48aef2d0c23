"""Ask the whole warehouse whether it is sound.

What belongs here: what has to hold between the tables, whatever was loaded in whichever order, as
one query for each rule. What does not: whether the rows are what the source has (the tests compare
with a model), and mending.
"""

from dataclasses import dataclass

import duckdb

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.warehouse import ddl, statistics
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy

_SHOWN = 3


@dataclass(frozen=True)
class Rule:
    """What must hold; `breaches` selects what breaks it, one text for each."""

    name: str
    breaches: str


RULES = (
    Rule(
        "identifiers are unique",
        "SELECT trajectory_identifier || ' (' || count(*) || ' times)' FROM trajectories "
        "GROUP BY trajectory_identifier HAVING count(*) > 1",
    ),
    Rule(
        "station links are unique",
        "SELECT trajectory_identifier || ' ' || station_code FROM trajectory_stations "
        "GROUP BY ALL HAVING count(*) > 1",
    ),
    Rule(
        "station links are those of the trajectories",
        """
        WITH listed AS (
          SELECT trajectory_identifier, unnest(list_distinct(participating_stations))
            AS station_code, bin_date FROM trajectories
        ), linked AS (
          SELECT trajectory_identifier, station_code, bin_date FROM trajectory_stations
        )
        SELECT trajectory_identifier || ' ' || station_code
        FROM ((FROM listed EXCEPT FROM linked) UNION ALL (FROM linked EXCEPT FROM listed))
        """,
    ),
    Rule(
        "every station has a number of its own",
        """
        SELECT station_code FROM (SELECT DISTINCT station_code FROM trajectory_stations)
        ANTI JOIN stations USING (station_code)
        UNION ALL SELECT any_value(station_code) FROM stations
        GROUP BY station_number HAVING count(*) > 1
        UNION ALL SELECT station_code FROM stations GROUP BY 1 HAVING count(*) > 1
        """,
    ),
    Rule(
        "the file that a trajectory names is loaded",
        "SELECT trajectory_identifier FROM trajectories "
        "WHERE NOT starts_with(source_file_sha256, 'kafka:') "
        "AND source_file_sha256 NOT IN (SELECT source_file_sha256 FROM source_files) "
        # A message names the file that its sender loaded.
        "AND trajectory_identifier NOT IN (SELECT trajectory_identifier FROM publications "
        "WHERE origin = 'consumed')",
    ),
    Rule(
        "revisions count up without a gap, and their times join",
        f"""
        WITH state AS (
          SELECT trajectory_identifier, revision, valid_from_utc, NULL AS valid_until_utc,
            NULL AS change FROM trajectories
          UNION ALL
          SELECT trajectory_identifier, revision, valid_from_utc, valid_until_utc, change
          FROM trajectory_revisions
        ), followed AS (
          SELECT *, lead(revision) OVER later AS next_revision,
            lead(valid_from_utc) OVER later AS next_valid_from_utc,
            row_number() OVER later AS number
          FROM state WINDOW later AS (PARTITION BY trajectory_identifier ORDER BY revision)
        )
        SELECT DISTINCT trajectory_identifier FROM followed
        WHERE revision <> number OR valid_until_utc < valid_from_utc
          OR (next_revision IS NOT NULL AND change IS NULL)
          OR (change = '{Change.REVISED}' AND next_valid_from_utc IS DISTINCT FROM valid_until_utc)
          OR (change = '{Change.WITHDRAWN}' AND next_valid_from_utc < valid_until_utc)
        """,
    ),
    Rule(
        "the counts of a file add up",
        """
        SELECT source_path || ' ' || bin_date FROM source_files
        WHERE rows_read <> rows_accepted + rows_rejected
          OR (rows_superseded IS NOT NULL AND rows_accepted <>
            rows_inserted + rows_revised + rows_unchanged + rows_superseded)
        """,
    ),
    Rule(
        "rejected rows are as many as their file counts",
        """
        SELECT f.source_file_sha256 FROM (
          SELECT source_file_sha256, bin_date, bin_solar_longitude_deg,
            arg_max(rows_rejected, loaded_at_utc) AS rows_rejected
          FROM source_files GROUP BY 1, 2, 3
        ) f LEFT JOIN (
          SELECT source_file_sha256, bin_date, bin_solar_longitude_deg, count(*) AS there_are
          FROM rejected_rows GROUP BY 1, 2, 3
        ) r USING (source_file_sha256, bin_date, bin_solar_longitude_deg)
        WHERE f.rows_rejected <> coalesce(r.there_are, 0)
        """,
    ),
    Rule(
        "as many trajectories are there as came and did not go",
        # What messages brought and took is counted nowhere.
        """
        SELECT came || ' inserted, ' || went || ' withdrawn, but ' || present || ' are there'
        FROM (SELECT coalesce(sum(rows_inserted), 0) AS came,
          coalesce(sum(rows_withdrawn), 0) AS went,
          (SELECT count(*) FROM trajectories) AS present FROM source_files)
        WHERE came - went <> present
          AND NOT EXISTS (FROM publications WHERE origin = 'consumed')
        """,
    ),
    Rule(
        "a claim is of a trajectory that is current from another file",
        """
        SELECT c.trajectory_identifier FROM trajectory_claims c
        LEFT JOIN trajectories t ON c.trajectory_identifier = t.trajectory_identifier
        WHERE t.trajectory_identifier IS NULL OR (c.bin_date = t.bin_date
          AND c.bin_solar_longitude_deg = t.bin_solar_longitude_deg
          AND c.source_file_sha256 = t.source_file_sha256)
        """,
    ),
)


def verify(warehouse: WarehouseConnection) -> list[str]:
    """What is wrong with the warehouse, in words; nothing if it is sound or not there yet.

    Reads every table whole, as of one moment. One that an earlier version made is brought up to
    date first.
    """
    if not warehouse.exists:
        return []
    ddl.bring_up_to_date(warehouse)
    with warehouse.open(read_only=True) as connection:
        connection.execute("BEGIN")
        problems = [p for rule in RULES if (p := _broken(connection, rule))]
        problems += [p for table in WAREHOUSE_TABLES if (p := _wrong_statistics(connection, table))]
        connection.execute("ROLLBACK")
    return problems


def _broken(connection: duckdb.DuckDBPyConnection, rule: Rule) -> str | None:
    rows = retry_while_busy(lambda: connection.execute(rule.breaches).fetchall())
    if not rows:
        return None
    shown = ", ".join(str(row[0]) for row in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    return f"It does not hold that {rule.name}: {shown}{more}."


def _wrong_statistics(connection: duckdb.DuckDBPyConnection, table: Table) -> str | None:
    wrong = statistics.wrong_columns(connection, table)
    if not wrong:
        return None
    return f"The statistics of {table.name} are wrong ({', '.join(wrong)}): run 'gmn maintain'."
