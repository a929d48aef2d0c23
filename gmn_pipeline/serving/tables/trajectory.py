"""One trajectory: what it is now, what it was, and where that comes from.

What belongs here: `/gmn/trajectories/<identifier>.json`. What does not: pages of trajectories.
"""

import json
from typing import Any

import anyio.to_thread
from starlette.responses import JSONResponse, Response

from gmn_pipeline.errors import GmnError
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD
from gmn_pipeline.schemas.trajectory_tables import SOURCE_FILES, STATIONS, TRAJECTORIES
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
_HISTORY = next(one for one in RELATIONS if one.name == "trajectory_history")
_STATES = (
    f"SELECT {line_sql(_HISTORY.fields, 'objects')} AS line FROM trajectory_history "
    f"WHERE {_KEY} = ? ORDER BY revision"
)
_FILES = (
    f"SELECT {line_sql(SOURCE_FILES.fields, 'objects')} AS line FROM source_files "
    "WHERE source_file_sha256 IN (SELECT unnest(?)) AND bin_date IN (SELECT unnest(?)::DATE) "
    "ORDER BY loaded_at_utc, bin_date, bin_solar_longitude_deg"
)
_STATIONS = (
    f"SELECT {line_sql(STATIONS.fields, 'objects')} AS line FROM stations "
    "WHERE station_code IN (SELECT unnest(?)) ORDER BY station_code"
)
_NOT_CONTENT = ("revision", "valid_from_utc", "first_loaded_at_utc")
_CONTENT = [name for name in TRAJECTORIES.columns if name not in _NOT_CONTENT]


async def _answer(asked: Asked) -> Response:
    stamp = await state(asked)
    if (known := stamp.not_modified(asked.request)) is not None:
        return known
    identifier = asked.text("trajectory") or ""
    told = await _told(asked, stamp.snapshot, identifier)
    return JSONResponse(told, headers=stamp.headers(asked.request))


async def _told(asked: Asked, snapshot: Snapshot, identifier: str) -> dict[str, object]:
    async def rows(sql: str, *values: object) -> list[dict[str, Any]]:
        found = await asked.work.fetch(asked.request, snapshot, sql, list(values))
        return [json.loads(line) for line in found.column("line").to_pylist()]

    states = await rows(_STATES, identifier)
    if not states:
        raise Problem(404, "not-found", f"There is no trajectory {identifier[:100]!r}.")
    last = states[-1]
    sources = list(dict.fromkeys(one["source_file_sha256"] for one in states))
    days = list(dict.fromkeys(one["bin_date"] for one in states))
    current = {name: last[name] for name in TRAJECTORIES.columns} if last["is_current"] else None
    return {
        _KEY: identifier,
        "current": current,
        "raw_line": await _raw_line(asked, last["source_file_sha256"], identifier),
        "revisions": _revisions(states),
        "source_files": await rows(_FILES, sources, days),
        "stations": await rows(_STATIONS, last["participating_stations"]),
        "units": {f.name: f.unit for f in TRAJECTORIES.fields if f.unit},
        "snapshot": snapshot.id,
    }


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
