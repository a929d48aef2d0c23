"""What each sensor told last: its place, its values, when it was heard.

What belongs here: `/readings/latest.json`. What does not: the query of last values
(`last_values.py`), and values over time (`series.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa
from starlette.responses import Response

from gmn_pipeline.schemas.station_readings import LATEST_VALUES, SENSORS
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered
from gmn_pipeline.serving.readings.last_values import PLACE, SENSOR, last_of, told_by
from gmn_pipeline.serving.readings.times import precisely, shown
from gmn_pipeline.serving.routes import Asked, Parameter
from gmn_pipeline.serving.tables.as_of import state
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.summing import NOT_ROLLED_UP

STATION = Parameter("station", "code of a station, several times for several; all without it",
                    is_repeated=True, example="HR0010")  # fmt: skip
QUANTITY_PARAMETER = Parameter(
    "quantity", "name of a quantity, several times for several; all without it", is_repeated=True,
    example="temperature_deg_c",
)  # fmt: skip
Key: TypeAlias = tuple[str, str]


@dataclass
class Sensor:
    """What is known of one: each value with when it was measured."""

    last_measured: datetime | None = None
    last_heard: datetime | None = None
    place: dict[str, float | None] = field(default_factory=dict)
    values: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def tell(self, name: str, value: float | None, when: datetime) -> None:
        """A value; an older one changes nothing."""
        known = self.values.get(name)
        if value is not None and (known is None or when >= known[1]):
            self.values[name] = (value, when)


async def answer(asked: Asked) -> Response:
    stamp = await state(asked, READINGS.name)
    stations, quantities = asked.texts(STATION.name), asked.texts(QUANTITY_PARAMETER.name)

    async def ask() -> Kept:
        found = await _sensors(asked, stamp, stations)
        until = await asked.work.arrivals.position(stamp.snapshot)
        body = _body(found, quantities, stamp, until)
        return Kept(body, "application/json", {})

    return await answered(asked, stamp, ask)


async def _sensors(asked: Asked, stamp: Stamp, stations: Sequence[str]) -> dict[Key, Sensor]:
    """All that is summed up, and what came since."""
    of, values = "", list(stations)
    if stations:
        of = f"WHERE station_code IN ({', '.join('?' * len(stations))})"

    async def fetch(sql: str) -> pa.Table:
        return await asked.work.fetch(asked.request, stamp.snapshot, sql, values)

    known = await fetch(
        f"SELECT {SENSOR}, last_measured_at_utc, last_received_at_utc AS last_heard_at_utc, "
        f"{', '.join(PLACE)} FROM {SENSORS.name} {of}"
    )
    latest = await fetch(
        f"SELECT {SENSOR}, quantity, last, last_measured_at_utc FROM {LATEST_VALUES.name} {of}"
    )
    arrived = await fetch(last_of(f"(SELECT * FROM ({NOT_ROLLED_UP}) {of})"))
    found: dict[Key, Sensor] = {}
    for row in known.to_pylist():
        found[row["station_code"], row["sensor_id"]] = _known(row)
    for row in latest.to_pylist():
        sensor = found.setdefault((row["station_code"], row["sensor_id"]), Sensor())
        sensor.tell(row["quantity"], row["last"], row["last_measured_at_utc"])
    for row in arrived.to_pylist():
        sensor = found.setdefault((row["station_code"], row["sensor_id"]), Sensor())
        _add(sensor, row)
    return found


def _known(row: Mapping[str, Any]) -> Sensor:
    return Sensor(
        row["last_measured_at_utc"], row["last_heard_at_utc"], {name: row[name] for name in PLACE}
    )


def _add(sensor: Sensor, row: Mapping[str, Any]) -> None:
    before = sensor.last_measured
    if row["latitude_deg"] is not None and (
        before is None or row["last_measured_at_utc"] >= before
    ):
        sensor.place = {name: row[name] for name in PLACE}
    sensor.last_measured = max(row["last_measured_at_utc"], before or datetime.min)
    sensor.last_heard = max(row["last_heard_at_utc"], sensor.last_heard or datetime.min)
    for name, value, when in told_by(row):
        sensor.tell(name, value, when)


def _body(
    found: dict[Key, Sensor], quantities: Sequence[str], stamp: Stamp, until: datetime
) -> bytes:
    committed = stamp.snapshot.committed_at_utc
    sensors = [
        {
            "station_code": station, "sensor_id": sensor,
            **{name: one.place.get(name) for name in PLACE},
            "last_measured_at_utc": one.last_measured and shown(one.last_measured),
            "last_heard_at_utc": one.last_heard and shown(one.last_heard),
            "silent_s": _silence_s(one, committed),
            "values": {
                name: value for name, (value, _) in one.values.items()
                if not quantities or name in quantities
            },
        }
        for (station, sensor), one in sorted(found.items())
    ]  # fmt: skip
    told = {
        "committed_at_utc": shown(committed), "taken_in_until_utc": precisely(until),
        "snapshot": stamp.snapshot.id, "sensors": sensors,
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False).encode()


def _silence_s(sensor: Sensor, committed: datetime) -> float | None:
    """How long nothing of it had come when the state was committed."""
    if sensor.last_heard is None:
        return None
    return max(0.0, round((committed - sensor.last_heard) / timedelta(seconds=1), 1))
