"""What has changed since a state, for mirrors: who applies it has exactly our rows.

What belongs here: `/gmn/changes.<suffix>`. What does not: feeds for people.

Two states are compared by themselves, not by what the tables say of times: so nothing that was
committed between them can be missed, in whatever order it was begun, and a row that only came from
another file is there too.
"""

from starlette.responses import Response

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Asked, Parameter, Route
from gmn_pipeline.serving.tables.addresses import EXPORT_PROBLEMS, STORE, in_formats, suffix
from gmn_pipeline.serving.tables.as_of import AS_OF, named, state
from gmn_pipeline.serving.tables.exports import exported
from gmn_pipeline.serving.tables.questions import ANY_COLUMNS

_KEY = "trajectory_identifier"
_NOTHING = 0
"""The state in which there was no table yet."""
_SUFFIXES = tuple(name for name in ANY_COLUMNS if name != "json")
_SINCE = Parameter(
    "since", "the number of the state that you have (header GMN-Snapshot of your last answer); 0 "
    "if you have nothing; or a time (UTC)", is_required=True, example="0",
)  # fmt: skip
# Whatever else a row has follows from these.
_COMPARED = (
    "revision", "valid_from_utc", "source_file_sha256", "bin_date", "bin_solar_longitude_deg",
    "quality_flags", "summary_generated_at_utc",
)  # fmt: skip
_MEANING = (
    "Trajectories that came (inserted), were solved again (revised), came from another file with "
    "the same content (relabelled) or went (withdrawn), each once, with what it is now; in order "
    "of the time of the change (since 0: in no order). Apply them to what you have: then "
    "it is the state that the header GMN-Snapshot names, from which you go on"
)


# Neither joined nor sorted, which would take memory for all rows.
_EVERYTHING = f"""
SELECT '{Change.INSERTED}' AS change, valid_from_utc AS changed_at_utc,
  CAST(NULL AS INTEGER) AS former_revision, {", ".join(TRAJECTORIES.columns)}
FROM trajectories"""


def changes_sql(since: int) -> str:
    """The query, asked of the later state."""
    if since == _NOTHING:
        return _EVERYTHING
    names = ", ".join((_KEY, *_COMPARED))
    differ = " OR ".join(f"n.{name} IS DISTINCT FROM b.{name}" for name in _COMPARED)
    rest = ", ".join(f"t.{name}" for name in TRAJECTORIES.columns if name != _KEY)
    return f"""
WITH now_there AS (SELECT {names} FROM trajectories),
former AS (SELECT {names} FROM trajectories AT (VERSION => {since:d})),
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


async def _answer(asked: Asked) -> Response:
    stamp = await state(asked)
    since = await _former(asked)
    if since > stamp.snapshot.id:
        raise bad_request(f"since ({since}) is later than the state asked ({stamp.snapshot.id}).")
    one = FORMATS[asked.text("suffix") or ""]
    return await exported(
        asked, stamp, one, changes_sql(since), [], f"changes since state {since}", _MEANING,
        TRAJECTORIES.fields,
    )  # fmt: skip


async def _former(asked: Asked) -> int:
    text = asked.text(_SINCE.name) or ""
    if text == "0":
        return _NOTHING
    snapshot, _ = await named(asked, text, _SINCE.name)
    return snapshot.id


ROUTE = Route(
    "/{store}/changes.{suffix}", "changes", _MEANING, _answer, in_formats(_SUFFIXES),
    (STORE, suffix(_SUFFIXES), _SINCE, AS_OF), problems=EXPORT_PROBLEMS,
)  # fmt: skip
