"""One trajectory: what it is now, what it was, and where that comes from.

What belongs here: `/gmn/trajectories/<identifier>.json`. What does not: pages of trajectories.
"""

import json
from operator import itemgetter
from typing import Any

import anyio.to_thread
from starlette.responses import Response

from gmn_pipeline.errors import GmnError
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD
from gmn_pipeline.schemas.trajectory_tables import SOURCE_FILES, STATIONS, TRAJECTORIES
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import answered
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.serving.tables.addresses import PROBLEMS, STORE
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.relations import RELATIONS
from gmn_pipeline.serving.tables.shapes import line_sql

_KEY = "trajectory_identifier"
_IDENTIFIER = Parameter(
    "trajectory", "identifier of the trajectory", is_required=True, is_in_path=True,
    pattern=TRAJECTORY_FIELD[_KEY].pattern, example="20220304220741_yrPTs",
)  # fmt: skip
_STATES, _FILES, _STATIONS = "state", "file", "station"
_HISTORY = next(one for one in RELATIONS if one.name == "trajectory_history")
# One query: each looks for the newest commit, is planned, and reads the catalogue anew.
_ALL = f"""
WITH states AS MATERIALIZED (SELECT * FROM trajectory_history WHERE {_KEY} = ?)
SELECT '{_STATES}' AS kind, line FROM (
  SELECT {line_sql(_HISTORY.fields, "objects")} AS line FROM states)
UNION ALL SELECT '{_FILES}', line FROM (
  SELECT {line_sql(SOURCE_FILES.fields, "objects")} AS line FROM source_files
  WHERE (source_file_sha256, bin_date) IN (SELECT source_file_sha256, bin_date FROM states))
UNION ALL SELECT '{_STATIONS}', line FROM (
  SELECT {line_sql(STATIONS.fields, "objects")} AS line FROM stations
  WHERE station_code IN (
    SELECT unnest(participating_stations) FROM states WHERE revision = (
      SELECT max(revision) FROM states)))"""
_ORDER = {
    _STATES: ("revision",),
    _FILES: ("loaded_at_utc", "bin_date", "bin_solar_longitude_deg"),
    _STATIONS: ("station_code",),
}
_NOT_CONTENT = ("revision", "valid_from_utc", "first_loaded_at_utc")
_CONTENT = [name for name in TRAJECTORIES.columns if name not in _NOT_CONTENT]


async def _answer(asked: Asked) -> Response:
    stamp = await state(asked)
    return await answered(asked, stamp, lambda: _ask(asked, stamp.snapshot))


async def _ask(asked: Asked, snapshot: Snapshot) -> Kept:
    identifier = asked.text("trajectory") or ""
    rows = await _rows(asked, snapshot, identifier)
    for kind, names in _ORDER.items():
        rows[kind].sort(key=itemgetter(*names))
    states = rows[_STATES]
    if not states:
        raise Problem(404, "not-found", f"There is no trajectory {identifier[:100]!r}.")
    last = states[-1]
    current = {name: last[name] for name in TRAJECTORIES.columns} if last["is_current"] else None
    told = {
        _KEY: identifier,
        "current": current,
        "raw_line": await _raw_line(asked, last["source_file_sha256"], identifier),
        "revisions": _revisions(states),
        "source_files": rows[_FILES],
        "stations": rows[_STATIONS],
        "units": {f.name: f.unit for f in TRAJECTORIES.fields if f.unit},
        "snapshot": snapshot.id,
    }
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    return Kept(body, "application/json", {})


async def _rows(
    asked: Asked, snapshot: Snapshot, identifier: str
) -> dict[str, list[dict[str, Any]]]:
    kept = await asked.work.by_key.history(snapshot, identifier)
    if kept is not None:
        return {_STATES: kept.states, _FILES: kept.source_files, _STATIONS: kept.stations}
    found = await asked.work.fetch(asked.request, snapshot, _ALL, [identifier])
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _ORDER}
    for one in found.to_pylist():
        rows[one["kind"]].append(json.loads(one["line"]))
    return rows


def _revisions(states: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Every state, each with what it changed in the one before."""
    told: list[dict[str, object]] = []
    before: dict[str, Any] | None = None
    for one in states:
        changes = {
            name: {"from": before[name], "to": one[name]}
            for name in _CONTENT
            if before is not None and before[name] != one[name]
        }
        told.append({
            "revision": one["revision"], "is_current": one["is_current"],
            "valid_from_utc": one["valid_from_utc"], "valid_until_utc": one["valid_until_utc"],
            "ended_by": one["change"], "source_file_sha256": one["source_file_sha256"],
            "changes": changes, "values": {name: one[name] for name in _CONTENT},
        })  # fmt: skip
        before = one
    return told


async def _raw_line(asked: Asked, source: str, identifier: str) -> str | None:
    """The line of the last state as it stood in its file; none if it came in none, or the file
    is not at hand here."""

    def find() -> str | None:
        try:
            if not asked.work.lines.has_lines(source):
                return None
            found = asked.work.lines.lines(source, [identifier]).get(identifier)
        except (GmnError, OSError):
            return None
        return found[-1].decode("ascii", "backslashreplace") if found else None

    return await anyio.to_thread.run_sync(find)


_SCHEMA = {
    "type": "object",
    "required": [_KEY, "current", "revisions", "source_files", "stations", "snapshot"],
    "properties": {
        _KEY: {"type": "string"},
        "current": {
            "type": ["object", "null"], "description": "the current solution; null if withdrawn",
        },
        "raw_line": {
            "type": ["string", "null"],
            "description": "the line of the last state as it stood in the network's file",
        },
        "revisions": {
            "type": "array", "items": {"type": "object"},
            "description": "every state, the first one first, with what changed from the one "
            "before",
        },
        "source_files": {"type": "array", "items": {"type": "object"}},
        "stations": {"type": "array", "items": {"type": "object"}},
        "units": {"type": "object"},
        "snapshot": {"type": "integer"},
    },
}  # fmt: skip

ROUTE = Route(
    "/{store}/trajectories/{trajectory}.json", "trajectory", "A trajectory with all its revisions, "
    "the files it came from, and its stations", _answer,
    (Answers("application/json", "The trajectory", _SCHEMA),), (STORE, _IDENTIFIER, AS_OF),
    problems=PROBLEMS,
)  # fmt: skip
