"""What sensors told last is the same, moved on from state to state or summed up anew."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

from gmn_pipeline.clock import utc_now
from gmn_pipeline.serving.events.listeners import Listeners
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.readings.arrivals import Arrivals
from gmn_pipeline.serving.readings.latest_held import Held, LatestHeld
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.messages import MEASURED
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline_tests.support.readings import NIGHT, ReadingsLake, reading
from gmn_pipeline_tests.support.rows_by_key import lake_of, newest

T = TypeVar("T")
CLOCK = "gmn_pipeline.warehouse.station_readings.messages.utc_now"


def made_up(chance: Random) -> dict[str, object]:
    """One of a few readings: many have their time, some all that they say, in common."""
    number = (None, -12.5, 0.0, 20.0)
    return reading(
        station_code=f"HR000{chance.randrange(2)}",
        sensor_id=str(chance.randrange(2)),
        measured_at_utc=NIGHT + timedelta(seconds=chance.randrange(4)),
        received_at_utc=NIGHT + timedelta(minutes=chance.randrange(4)),
        latitude_deg=chance.choice([None, 45.0, 46.0]),
        height_m=chance.choice([None, 100.0]),
        temperature_deg_c=chance.choice(number),
        lens_temperature_deg_c=chance.choice(number),
        other_quantities=chance.choice([None, '{"uv": 1.5, "name": "x"}', '{"salt": 2}']),
    )


class Asked:
    """Last values that are moved on from one question to the next."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self._lake = lake
        self.summed_up = 0
        self._held = self._new = self._of(settings)
        self._settings = settings

    def _of(self, settings: Settings) -> LatestHeld:
        return LatestHeld(self._lake, in_turn, Arrivals(self._lake, in_turn, Listeners(settings)))

    def now(self) -> Held:
        """As moved on, which is what it is if it is summed up anew."""
        sum_up = self._held._summed_up

        async def counted(state: Any) -> Held:
            self.summed_up += 1
            return await sum_up(state)

        state = newest(self._lake)
        with patch.object(self._held, "_summed_up", counted):
            held = asyncio.run(self._held.of(state))
        anew = asyncio.run(self._of(self._settings).of(state))
        assert held.state == anew.state
        assert (held.sensors, held.readings) == (anew.sensors, anew.readings)
        return held


async def in_turn(work: Callable[[], T]) -> T:
    return work()


def told(readings: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Of each sensor: last measured, last heard, place, values; by plain Python."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in readings:
        found.setdefault((one["station_code"], one["sensor_id"]), []).append(one)
    return {who: _last(of) for who, of in found.items()}


def _last(readings: list[Mapping[str, Any]]) -> tuple[Any, ...]:
    places = [
        (one["measured_at_utc"], one["latitude_deg"], one["height_m"] or float("inf"))
        for one in readings
        if one["latitude_deg"] is not None
    ]
    values: dict[str, list[Any]] = {}
    for one in readings:
        others = json.loads(one["other_quantities"] or "{}")
        for name, value in {**one, **others}.items():
            if name in {"temperature_deg_c", "lens_temperature_deg_c", "uv", "salt"}:
                values.setdefault(name, []).append((one["measured_at_utc"], value))
    return (
        max(one["measured_at_utc"] for one in readings),
        max(one["received_at_utc"] for one in readings),
        max(places, default=None),
        {
            name: max(pair for pair in of if pair[1] is not None)
            for name, of in values.items()
            if any(value is not None for _, value in of)
        },
    )


def as_told(held: Held) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        who: (
            one.last_measured, one.last_heard,
            one.place and (one.place["at"], one.place["latitude_deg"],
                           one.place["height_m"] or float("inf")),
            {name: (one.times[name], value) for name, value in one.values.items()},
        )
        for who, one in held.sensors.items()
    }  # fmt: skip


def test_last_values_are_right_whatever_comes_late_twice_or_out_of_order(tmp_path: Path) -> None:
    chance = Random(41)
    lake = ReadingsLake(load_settings(data_dir=tmp_path))
    taken = {measured(reading()): reading()}
    with stream_session(lake.warehouse):
        lake.take_in([reading()])
        with lake_of(lake.settings, READINGS) as served:
            asked = Asked(served, lake.settings)
            asked.now()
            for step in ("some", "some", "roll up", "some", "again", "some", "roll up", "some"):
                if step == "roll up":
                    roll_up(lake.warehouse)
                else:
                    some = [made_up(chance) for _ in range(5)]
                    batch = list(taken.values()) if step == "again" else some
                    lake.take_in(batch)
                    for one in batch:
                        taken.setdefault(measured(one), one)
                assert as_told(asked.now()) == told(taken.values())
            assert asked.summed_up == 1


def measured(one: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(one[name] for name in MEASURED)


def test_it_is_summed_up_anew_where_a_reading_would_be_missed(tmp_path: Path) -> None:
    lake = ReadingsLake(load_settings(data_dir=tmp_path))
    with stream_session(lake.warehouse):
        lake.take_in([reading()])
        with lake_of(lake.settings, READINGS) as served:
            asked = Asked(served, lake.settings)
            asked.now()
            with patch(CLOCK, lambda: utc_now() - timedelta(minutes=5)):
                lake.take_in([reading(temperature_deg_c=1.0, sensor_id="2")])
            assert asked.now().sensors.keys() == {("HR0010", "1"), ("HR0010", "2")}
            assert asked.summed_up == 2
            lake.take_in([reading(temperature_deg_c=2.0, sensor_id="3")])
            assert len(asked.now().sensors) == 3
            assert asked.summed_up == 2
