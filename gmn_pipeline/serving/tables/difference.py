"""What changed between two states, as a query.

What belongs here: the query. What does not: addresses (`changes.py`, `events/`).

Two states are compared by themselves, not by what the tables say of times: so nothing that was
committed between them can be missed, in whatever order it was begun, and a row that only came from
another file is there too.
"""

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES

NOTHING = 0
"""The state in which there was no table yet."""
_KEY = "trajectory_identifier"
# Whatever else a row has follows from these.
_COMPARED = (
    "revision", "valid_from_utc", "source_file_sha256", "bin_date", "bin_solar_longitude_deg",
    "quality_flags", "summary_generated_at_utc",
)  # fmt: skip


# Neither joined nor sorted, which would take memory for all rows.
_EVERYTHING = f"""
SELECT '{Change.INSERTED}' AS change, valid_from_utc AS changed_at_utc,
  CAST(NULL AS INTEGER) AS former_revision, {", ".join(TRAJECTORIES.columns)}
FROM trajectories"""


# Who ended has a row in the revisions, in the same commit. Maintenance keeps the number of the
# commit that a row came with, or puts its own: so these are all that changed, and some more.
_TOUCHED = f"""
  SELECT {_KEY} FROM trajectories WHERE snapshot_id > {{since:d}}
  UNION SELECT {_KEY} FROM trajectory_revisions WHERE snapshot_id > {{since:d}}"""


def changes_sql(since: int, *, is_recent: bool = False) -> str:
    """The query, asked of the later state.

    `is_recent`: look only at rows that came with a later commit, which leaves most files out.
    """
    if since == NOTHING:
        return _EVERYTHING
    touched = _TOUCHED.format(since=since) if is_recent else ""
    which = f"WHERE {_KEY} IN (FROM touched)" if is_recent else ""
    names = ", ".join((_KEY, *_COMPARED))
    differ = " OR ".join(f"n.{name} IS DISTINCT FROM b.{name}" for name in _COMPARED)
    rest = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns if name != _KEY)
    return f"""
WITH {f"touched AS ({touched})," if touched else ""}
now_there AS (SELECT {names} FROM trajectories {which}),
former AS (SELECT {names} FROM trajectories AT (VERSION => {since:d}) {which}),
changed AS (
  SELECT {_KEY}, b.revision AS former_revision,
    CASE WHEN n.revision IS NULL THEN '{Change.WITHDRAWN}'
      WHEN b.revision IS NULL THEN '{Change.INSERTED}'
      WHEN n.revision IS DISTINCT FROM b.revision
        OR n.valid_from_utc IS DISTINCT FROM b.valid_from_utc THEN '{Change.REVISED}'
      ELSE '{Change.RELABELLED}' END AS change,
    n.valid_from_utc AS came_at_utc, n.source_file_sha256, n.bin_date, n.bin_solar_longitude_deg
  FROM now_there n FULL JOIN former b USING ({_KEY})
  WHERE {differ}
), ended AS (
  SELECT {_KEY}, max(valid_until_utc) AS at_utc FROM trajectory_revisions
  WHERE change = '{Change.WITHDRAWN}' AND {_KEY} IN (
    SELECT {_KEY} FROM changed WHERE change = '{Change.WITHDRAWN}')
  GROUP BY {_KEY}
), loaded AS (
  SELECT source_file_sha256, bin_date, bin_solar_longitude_deg, max(loaded_at_utc) AS at_utc
  FROM source_files GROUP BY ALL
)
SELECT c.change,
  CASE c.change WHEN '{Change.WITHDRAWN}' THEN ended.at_utc
    WHEN '{Change.RELABELLED}' THEN coalesce(loaded.at_utc, c.came_at_utc)
    ELSE c.came_at_utc END AS changed_at_utc,
  c.former_revision, {_KEY}, {rest}
FROM changed c LEFT JOIN ended USING ({_KEY})
LEFT JOIN loaded ON loaded.source_file_sha256 = c.source_file_sha256
  AND loaded.bin_date = c.bin_date
  AND loaded.bin_solar_longitude_deg = c.bin_solar_longitude_deg
LEFT JOIN trajectories t USING ({_KEY})
ORDER BY changed_at_utc, {_KEY}"""
