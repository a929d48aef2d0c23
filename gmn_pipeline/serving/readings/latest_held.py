"""What each sensor told last, of the last states that were asked for: moved on by what came since.

What belongs here: finding it for a state out of the lake, or out of that of a former state. What
does not: the query of last values and adding them up (`last_values.py`), and answering
(`latest.py`).

A state follows the one before after some tenths of a second, and to sum up thousands of sensors
anew takes longer. What came since is one query, that listeners (`arrivals.py`) have asked already
where there are any. How many readings a state has by its own account tells whether none was missed,
such as one of a clock that went back; then, and after a while without questions, all is summed up.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from gmn_pipeline.errors import SnapshotGone
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.station_readings import LATEST_VALUES, READINGS_TO_ROLL_UP, SENSORS
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.readings.arrivals import Arrivals, Arrived, InTurn
from gmn_pipeline.serving.readings.last_values import SENSOR, Row, Sensor, last_of, rows_of
from gmn_pipeline.warehouse.station_readings.summing import NOT_ROLLED_UP, PLACE

_KEPT = 4
LONGEST = timedelta(minutes=1)
"""What came in that time is about what is not rolled up: more is not worth asking."""
Key: TypeAlias = tuple[str, str]

_PLACES = ", ".join(f"{name} := {name}" for name in PLACE)
_KNOWN = f"""SELECT s.*, quantities, values, times FROM (
  SELECT {SENSOR}, last_measured_at_utc, last_received_at_utc AS last_heard_at_utc,
    CASE WHEN latitude_deg IS NOT NULL THEN
      struct_pack(at := coalesce(placed_at_utc, last_measured_at_utc), {_PLACES}) END AS place
  FROM {SENSORS.name}
) s LEFT JOIN (
  SELECT {SENSOR}, list(quantity) AS quantities, list(last) AS values,
    list(last_measured_at_utc) AS times
  FROM {LATEST_VALUES.name} GROUP BY {SENSOR}
) v USING ({SENSOR})"""
"""What is rolled up, as `last_of` has it."""
_TAKEN_IN = (
    f"SELECT coalesce((SELECT sum(reading_count) FROM {SENSORS.name}), 0)::BIGINT + "
    f"coalesce((SELECT sum(reading_count) FROM {READINGS_TO_ROLL_UP.name}), 0)::BIGINT AS readings"
)


@dataclass(frozen=True)
class Held:
    """All that sensors told last in a state: what was taken in `until` then, so many `readings`."""

    state: Snapshot
    until: datetime
    readings: int
    sensors: dict[Key, Sensor]

    def moved_on(self, state: Snapshot, arrived: Arrived) -> "Held":
        """As it is with what has come between."""
        readings = self.readings + sum(row["reading_count"] for row in arrived.rows)
        return Held(state, arrived.until, readings, _added(self.sensors, arrived.rows))


def _added(sensors: dict[Key, Sensor], rows: list[Row]) -> dict[Key, Sensor]:
    sensors, unknown = dict(sensors), Sensor()
    for row in rows:
        key = (row["station_code"], row["sensor_id"])
        sensors[key] = sensors.get(key, unknown).having_told(row)
    return sensors


class LatestHeld:
    """For one event loop. One finds it out at a time: the next one goes on from there."""

    def __init__(self, lake: Lake, in_turn: InTurn, arrivals: Arrivals) -> None:
        self._lake = lake
        self._in_turn = in_turn
        self._arrivals = arrivals
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, state: Snapshot) -> Held:
        """What was told last in a state. Raises Problem."""
        async with self._turn:
            found = self._held.get(state.mark)
            if found is None:
                found = await self._moved_on(state) or await self._summed_up(state)
                self._held[state.mark] = found
                while len(self._held) > _KEPT:
                    self._held.popitem(last=False)
            self._held.move_to_end(state.mark)
            return found

    async def _moved_on(self, state: Snapshot) -> Held | None:
        """None where there is nothing to go on from."""
        former = [
            held for held in self._held.values()
            if held.state.id < state.id and state.committed_at_utc - held.until < LONGEST
        ]  # fmt: skip
        if not former:
            return None
        last = max(former, key=lambda held: held.state.id)
        arrived = await self._arrivals.between(last.until, state)
        return await self._in_turn(lambda: self._checked(last, state, arrived))

    def _checked(self, last: Held, state: Snapshot, arrived: Arrived) -> Held | None:
        """None if the former state is one of another lake, or a reading was missed."""
        with suppress(SnapshotGone):
            if self._lake.snapshot(last.state.id) == last.state:
                held = last.moved_on(state, arrived)
                return held if held.readings == self._readings(state) else None
        return None

    def _readings(self, state: Snapshot) -> int:
        return int(self._lake.fetch(state, _TAKEN_IN)["readings"][0].as_py())

    async def _summed_up(self, state: Snapshot) -> Held:
        until = await self._arrivals.position(state)

        def sum_up() -> Held:
            sensors: dict[Key, Sensor] = {}
            for sql in (_KNOWN, last_of(f"({NOT_ROLLED_UP})")):
                sensors = _added(sensors, rows_of(self._lake.fetch(state, sql)))
            ordered = dict(sorted(sensors.items()))  # what is in order already is so at once
            return Held(state, until, self._readings(state), ordered)

        return await self._in_turn(sum_up)
