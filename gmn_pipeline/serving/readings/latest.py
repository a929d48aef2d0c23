"""What each sensor told last: its place, its values, when it was heard.

What belongs here: `/readings/latest.json`. What does not: finding it out (`latest_held.py`), and
values over time (`series.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import anyio.to_thread
import orjson
from starlette.responses import Response

from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import answered
from gmn_pipeline.serving.readings.last_values import Sensor
from gmn_pipeline.serving.readings.latest_held import Held
from gmn_pipeline.serving.readings.times import precisely, shown
from gmn_pipeline.serving.routes import Asked, Parameter
from gmn_pipeline.serving.tables.as_of import state
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.summing import PLACE

STATION = Parameter("station", "code of a station, several times for several; all without it",
                    is_repeated=True, example="HR0010")  # fmt: skip
QUANTITY_PARAMETER = Parameter(
    "quantity", "name of a quantity, several times for several; all without it", is_repeated=True,
    example="temperature_deg_c",
)  # fmt: skip
_NOWHERE = dict.fromkeys(PLACE)


async def answer(asked: Asked) -> Response:
    stamp = await state(asked, READINGS.name)
    stations, quantities = asked.texts(STATION.name), asked.texts(QUANTITY_PARAMETER.name)

    async def ask() -> Kept:
        held = await asked.work.latest.of(stamp.snapshot)
        told = await anyio.to_thread.run_sync(partial(body, held, stations, quantities))
        return Kept(told, "application/json", {})

    return await answered(asked, stamp, ask)


def body(held: Held, stations: Sequence[str], quantities: Sequence[str]) -> bytes:
    """The answer about some stations and quantities; all where none are named."""
    committed = held.state.committed_at_utc
    sensors = [
        {
            "station_code": station, "sensor_id": sensor,
            **{name: (one.place or _NOWHERE)[name] for name in PLACE},
            "last_measured_at_utc": shown(one.last_measured),
            "last_heard_at_utc": shown(one.last_heard),
            "silent_s": _silence_s(one, committed),
            "values": _chosen(one.values, quantities),
        }
        for (station, sensor), one in sorted(held.sensors.items())
        if not stations or station in stations
    ]  # fmt: skip
    return orjson.dumps({
        "committed_at_utc": shown(committed), "taken_in_until_utc": precisely(held.until),
        "snapshot": held.state.id, "sensors": sensors,
    })  # fmt: skip


def _chosen(values: Mapping[str, float], quantities: Sequence[str]) -> Mapping[str, float]:
    if not quantities:
        return values
    return {name: value for name, value in values.items() if name in quantities}


def _silence_s(sensor: Sensor, committed: datetime) -> float:
    """How long nothing of it had come when the state was committed."""
    return max(0.0, round((committed - sensor.last_heard) / timedelta(seconds=1), 1))
