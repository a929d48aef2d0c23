"""The terms of the merge: its temporary tables, and expressions that more than one step uses."""

from datetime import timedelta

from gmn_pipeline.schemas.changes import Change, any_of
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.trajectory_tables import (
    TRAJECTORIES,
    TRAJECTORY_CLAIMS,
    TRAJECTORY_STATIONS,
)
from gmn_pipeline.validated.trajectories.quality import OUTSIDE_BIN_DEG

BIN_COMPUTED, OUTSIDE_BIN = "bin_computed", "outside_bin"
"""The quality flags that say how a row came to its bin."""
MADE_HERE = "identifier_made_here"
"""The quality flag of a row whose identifier is not the network's."""

KEY = "trajectory_identifier"
CONTENT = tuple(field.name for field in TRAJECTORY_FIELDS[1:])
BIN = "bin_date, bin_solar_longitude_deg"
COPIED = ", ".join(TRAJECTORY_CLAIMS.columns)
RANK = "origin = 'claim', origin = 'present'"
"""At the same generation and place: what arrives, then what is there, then a claim."""
ENDED = any_of(Change.REVISED, Change.WITHDRAWN)
COMING = any_of(Change.INSERTED, Change.REVISED, Change.RELABELLED)
ENDED_OR_CHANGED = any_of(Change.REVISED, Change.WITHDRAWN, Change.RELABELLED)
TWO_DAYS = timedelta(days=2)
"""How far apart the dates of neighbour bins may be: some dates begin none."""

IS_DAILY = "contains(source_path, '_solrange_')"
"""Whether a row of `source_files` is of a daily file: its name says the bin."""

HISTORY_FILES = f"SELECT source_file_sha256 FROM source_files WHERE NOT {IS_DAILY}"

AT_UTC = f"""
CASE WHEN abs(epoch_us(try_strptime(left({KEY}, 14), '%Y%m%d%H%M%S'))
      - epoch_us(beginning_utc_time)) < 2000000
  THEN try_strptime(left({KEY}, 14), '%Y%m%d%H%M%S') ELSE beginning_utc_time END
"""
"""When a trajectory was, to the second, the same in each of its solutions: the time in its
identifier. Its beginning where the two have nothing to do with each other."""

_NEAR_DEG = 0.01
NEIGHBOUR_DEG = f"""
CASE WHEN abs(solar_longitude_deg - round(solar_longitude_deg)) < {_NEAR_DEG} THEN
  CASE bin_solar_longitude_deg
    WHEN round(solar_longitude_deg)::INTEGER % 360
      THEN (round(solar_longitude_deg)::INTEGER + 359) % 360
    WHEN (round(solar_longitude_deg)::INTEGER + 359) % 360
      THEN round(solar_longitude_deg)::INTEGER % 360 END END
"""
"""The other bin that a trajectory may belong to: limits are computed to some three minutes, 0.002
deg, and near one only a daily file tells the bin. Null for most."""

IS_INSIDE = f"NOT list_contains(quality_flags, '{OUTSIDE_BIN}')"
IS_NAMED = f"NOT list_contains(quality_flags, '{BIN_COMPUTED}')"

SPEAKER_COLUMNS = (
    "speaker INTEGER, is_daily BOOLEAN, bin_date DATE, bin_solar_longitude_deg INTEGER, "
    "covers_from_utc TIMESTAMP, covers_until_utc TIMESTAMP, generated_at_utc TIMESTAMP, "
    "cause VARCHAR"
)
"""Temporary table `speaker`: the files that are loaded, one row for each of their bins."""

ARRIVING_COLUMNS = (
    f"row BIGINT, speaker INTEGER, {KEY} VARCHAR, generated_at_utc TIMESTAMP, cause VARCHAR, "
    "is_named BOOLEAN, bin_date DATE, bin_solar_longitude_deg INTEGER, is_inside BOOLEAN, "
    "beginning_utc_time TIMESTAMP, solar_longitude_deg DOUBLE"
)
"""Temporary table `arriving`: a row for each row of `arriving_row`, which has the columns of the
validated table and `row`."""

GONE_COLUMNS = f"speaker INTEGER, {KEY} VARCHAR, generated_at_utc TIMESTAMP, cause VARCHAR"
"""Temporary table `gone`: tombstones."""


def covers(speaker: str, at_utc: str, place: str) -> str:
    """Whether a history file speaks of a trajectory. Warehouses made before know some intervals
    only to the bin."""
    return f"""({at_utc} >= coalesce({speaker}.covers_from_utc, TIMESTAMP '-infinity')
      AND {at_utc} < coalesce({speaker}.covers_until_utc, TIMESTAMP 'infinity')
      AND (({speaker}.covers_from_utc IS NOT NULL AND {speaker}.covers_until_utc IS NOT NULL)
        OR ({speaker}.bin_date = {place}.bin_date
          AND {speaker}.bin_solar_longitude_deg = {place}.bin_solar_longitude_deg)))"""


def spoken_of(table: str, since: str = "TIMESTAMP '-infinity'") -> str:
    """The newest history file loaded before, but after `since`, that speaks of each row of a
    table."""
    return f"""
        SELECT t.{KEY}, max(s.generated_at_utc) AS generated_at_utc,
          arg_max(s.loaded_at_utc, s.generated_at_utc) AS loaded_at_utc
        FROM {table} t JOIN spoken s ON NOT s.is_daily AND {covers("s", "t.at_utc", "t")}
          AND s.loaded_at_utc > {since}
        GROUP BY 1"""


MERGED_TABLES = (TRAJECTORIES, TRAJECTORY_STATIONS, TRAJECTORY_CLAIMS)
"""The tables that the merge takes rows out of."""


def qualified(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in TRAJECTORY_CLAIMS.columns)


def flags_at(change: str) -> str:
    """The quality flags of a row `r` at the place that a change gives it."""
    without = f"[f FOR f IN r.quality_flags IF f NOT IN ('{BIN_COMPUTED}', '{OUTSIDE_BIN}')]"
    middle_deg = f"({change}.bin_solar_longitude_deg + 0.5)"
    is_outside = (
        f"abs((r.solar_longitude_deg - {middle_deg} + 540) % 360 - 180) > {OUTSIDE_BIN_DEG}"
    )
    return f"""
        CASE WHEN {change}.is_placed AND {change}.place_is_inside THEN {without}
          WHEN {change}.is_placed THEN list_append({without}, '{OUTSIDE_BIN}')
          -- It is in a bin that was named once, which need not be the computed one.
          WHEN NOT {change}.is_named
              AND list_contains(r.quality_flags, '{OUTSIDE_BIN}') <> ({is_outside})
            THEN {without} || CASE WHEN {is_outside} THEN ['{OUTSIDE_BIN}'] ELSE [] END
              || ['{BIN_COMPUTED}']
          WHEN NOT {change}.is_named AND NOT list_contains(r.quality_flags, '{BIN_COMPUTED}')
            THEN list_append(r.quality_flags, '{BIN_COMPUTED}')
          ELSE r.quality_flags END"""
