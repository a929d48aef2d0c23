"""Which event a trajectory is of: the name that stays when its identifier does not.

What belongs here: following an event back to the first identifier that it had. What does not:
what is said of it.

An identifier stays when values are solved anew. Where the network gives another one, the former is
withdrawn, and one comes for the same event: same second, same stations, as identifiers that were
made here give way to the network's. Each takes over from one at most, in the order in which they
came; what was once taken over stays so, whatever comes later.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa

from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.schemas.changes import Change

Ask: TypeAlias = Callable[[str, Parameters], Awaitable[pa.Table]]
"""A query of ours, and its values, of the state that the answer stands on."""

_KEY = "trajectory_identifier"
_MOVES_BY = timedelta(days=1)
"""An event's time does not change by more when it is solved anew."""
_MOST_NAMES = 10
_SECOND = "date_trunc('second', beginning_utc_time)"
_STATIONS = "array_to_string(list_sort(participating_stations), ',')"
_WITHDRAWN = f"change = '{Change.WITHDRAWN}'"
# Of each event that one of these began or ended as: who began as it, and who ended.
_SQL = f"""
WITH wanted AS (
  SELECT DISTINCT {_SECOND} AS second, {_STATIONS} AS stations FROM trajectory_history
  WHERE beginning_utc_time BETWEEN $earliest AND $latest
    AND {_KEY} IN (SELECT unnest($identifiers)) AND (revision = 1 OR {_WITHDRAWN})
), near AS (
  SELECT {_KEY}, {_SECOND} AS second, {_STATIONS} AS stations, revision, change,
    first_loaded_at_utc, valid_until_utc
  FROM trajectory_history WHERE beginning_utc_time BETWEEN $earliest AND $latest
    AND {_SECOND} IN (SELECT second FROM wanted) AND (revision = 1 OR {_WITHDRAWN})
), same AS (SELECT * FROM near JOIN wanted USING (second, stations))
SELECT second, stations, {_KEY}, true AS begins, first_loaded_at_utc AS at_utc
FROM same WHERE revision = 1
UNION ALL
SELECT second, stations, {_KEY}, false, max(valid_until_utc) FROM same
WHERE {_WITHDRAWN} AND {_KEY} NOT IN (
  SELECT {_KEY} FROM trajectories WHERE {_KEY} IN (SELECT {_KEY} FROM same WHERE {_WITHDRAWN}))
GROUP BY ALL
ORDER BY at_utc, {_KEY}
"""
_Event: TypeAlias = tuple[datetime, str]
"""The second, and the stations."""


@dataclass(frozen=True)
class EventNames:
    """Who took over from whom."""

    former: Mapping[str, str]
    """Of an identifier that took over: whose event it is."""

    def event(self, identifier: str) -> str:
        """The first name of the event."""
        for _ in range(_MOST_NAMES):
            if identifier not in self.former:
                break
            identifier = self.former[identifier]
        return identifier

    def goes_on(self, identifier: str, among: Collection[str]) -> bool:
        """Whether one of these took over."""
        later = {former: one for one, former in self.former.items()}
        for _ in range(_MOST_NAMES):
            if identifier not in later:
                return False
            identifier = later[identifier]
            if identifier in among:
                return True
        return False


async def event_names(
    ask: Ask, identifiers: Collection[str], earliest: datetime, latest: datetime
) -> EventNames:
    """Of trajectories that began between two times."""
    former: dict[str, str] = {}
    known: set[str] = set()
    new = set(identifiers)
    for _ in range(_MOST_NAMES):
        if not new:
            break
        known |= new
        values = {
            "earliest": earliest - _MOVES_BY, "latest": latest + _MOVES_BY,
            "identifiers": sorted(new),
        }  # fmt: skip
        table = await ask(_SQL, values)
        found = taken_over(table.to_pylist())
        former |= found
        new = {*found, *found.values()} - known
    return EventNames(former)


def taken_over(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of beginnings and ends of events, in order of time: who took over, and from whom."""
    free: dict[_Event, list[tuple[datetime, str]]] = defaultdict(list)
    for row in rows:
        if not row["begins"]:
            free[row["second"], row["stations"]].append((row["at_utc"], row[_KEY]))
    former: dict[str, str] = {}
    for row in rows:
        if not row["begins"]:
            continue
        ended = free[row["second"], row["stations"]]
        before = [one for one in ended if one[0] <= row["at_utc"] and one[1] != row[_KEY]]
        if before:
            last = max(before, key=lambda one: one[0])
            ended.remove(last)
            former[row[_KEY]] = last[1]
    return former
