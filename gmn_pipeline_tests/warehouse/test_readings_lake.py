"""Readings in their lake: what is taken in once, summed up, and kept by age."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gmn_pipeline.clock import utc_now
from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.station_readings import LATEST_VALUES, ROLLUPS
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.station_readings.messages import MEASURED, spans
from gmn_pipeline.warehouse.station_readings.places import distance_m
from gmn_pipeline.warehouse.station_readings.retention import delete_old
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline.warehouse.station_readings.upkeep import let_go, put_together
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline_tests.support.readings import NIGHT, ReadingsLake, frame, night, reading


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[ReadingsLake]:
    made = ReadingsLake(load_settings(data_dir=tmp_path))
    with stream_session(made.warehouse):
        yield made


# --- taking in -----------------------------------------------------------------------------------


def test_a_reading_that_comes_twice_is_one_whoever_sends_it(lake: ReadingsLake) -> None:
    readings = night(200)
    counts = lake.take_in([*readings, readings[7]])
    assert (counts.inserted, counts.duplicate) == (200, 1)
    later = [r | {"sender": "another", "received_at_utc": NIGHT + timedelta(1)} for r in readings]
    assert lake.take_in(later).duplicate == 200
    put_together(lake.warehouse)
    assert lake.take_in(later[:30]).duplicate == 30
    told_two_things = [r | {"temperature_deg_c": None} for r in readings[:3]]
    assert lake.take_in(told_two_things).inserted == 3
    assert lake.ask("SELECT count(*) FROM station_readings") == [(203,)]


def test_late_and_early_readings_are_looked_for_where_they_lie(lake: ReadingsLake) -> None:
    scattered = [
        reading(measured_at_utc=NIGHT + timedelta(days=days, seconds=s), humidity_percent=days % 99)
        for days in range(-45, 45)
        for s in (0, 1)
    ]
    assert lake.take_in(scattered).inserted == 180
    assert lake.take_in(scattered[::-1]).duplicate == 180
    times = pl.Series([r["measured_at_utc"] for r in scattered])
    found = list(spans(times))
    assert len(found) == 30
    assert all(any(begin <= time <= end for begin, end in found) for time in times)
    assert list(spans(times[:1])) == [(times[0], times[0])]


@pytest.mark.parametrize("year", [1970, 2199])
def test_a_clock_may_be_as_wrong_as_it_likes(lake: ReadingsLake, year: int) -> None:
    wrong = reading(measured_at_utc=datetime(year, 1, 2), temperature_deg_c=1.0)
    assert lake.take_in([wrong, *night(10)]).inserted == 11
    roll_up(lake.warehouse)
    assert lake.take_in([wrong]).duplicate == 1
    assert lake.ask("SELECT sum(reading_count) FROM station_readings_by_day") == [(11,)]


# --- summing up ----------------------------------------------------------------------------------

_times = st.one_of(
    st.integers(0, 600).map(lambda s: NIGHT + timedelta(seconds=s)),
    st.integers(0, 6).map(lambda d: NIGHT - timedelta(days=d)),
)
_number = st.sampled_from([-12.5, 0.0, 3.25, 20.0])
_reading = st.builds(
    reading,
    station_code=st.sampled_from(["HR0001", "HR0002"]),
    sensor_id=st.sampled_from(["1", "2"]),
    measured_at_utc=_times,
    temperature_deg_c=st.none() | _number,
    lens_temperature_deg_c=st.none() | _number,
    other_quantities=st.sampled_from([None, '{"uv": 1.5, "name": "x"}', '{"uv": 2, "uv": 3}']),
)
_step = st.one_of(
    st.lists(_reading, min_size=1, max_size=12),
    st.sampled_from(["roll up", "again", "tidy", "delete"]),
)


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(_step, min_size=4, max_size=10))
def test_rollups_are_what_plain_sql_over_all_readings_gives(steps: list[object]) -> None:
    with TemporaryDirectory() as folder:
        lake = ReadingsLake(load_settings(data_dir=Path(folder)))
        with stream_session(lake.warehouse):
            taken = _walk(lake, steps)
            assert_summed_up(lake, taken, "_now")
            roll_up(lake.warehouse)
            assert_summed_up(lake, taken, "")
            assert_summed_up(lake, taken, "_now")


def _walk(lake: ReadingsLake, steps: list[object]) -> list[dict[str, object]]:
    """Do what the steps say; the readings that were taken in."""
    taken: dict[tuple[object, ...], dict[str, object]] = {}
    batches = [step for step in steps if isinstance(step, list)]
    kept_since, deletions = datetime.min, 0
    for step in steps:
        if step == "roll up":
            roll_up(lake.warehouse)
        elif step == "tidy":
            put_together(lake.warehouse)
            let_go(lake.warehouse, lake.settings)
        elif step == "delete":
            now = NIGHT + timedelta(days=deletions)
            kept_since = (now - timedelta(days=4)).replace(hour=0)
            delete_old(lake.warehouse, timedelta(days=4), now)
            deletions += 1
        else:
            batch = step if isinstance(step, list) else [r for b in batches for r in b]
            if not batch:
                continue
            current = [r for r in batch if r["measured_at_utc"] >= kept_since]
            new = {tuple(r[name] for name in MEASURED): r for r in current}
            fresh = {key: r for key, r in new.items() if key not in taken}
            counts = lake.take_in(batch)
            assert counts.outdated == len(batch) - len(current)
            assert counts.inserted == len(fresh)
            taken |= fresh
    return list(taken.values())


def assert_summed_up(lake: ReadingsLake, taken: list[dict[str, object]], of: str) -> None:
    with closing(duckdb.connect(":memory:")) as plain:
        plain.register("given", frame(taken).to_arrow())
        plain.execute("CREATE TABLE reading AS FROM given")
        for span, table in ROLLUPS.items():
            there = lake.ask(f"FROM {table.name}{of} ORDER BY ALL")
            assert_same(there, plain.execute(f"{_plain(span)} ORDER BY ALL").fetchall())
        if not of:
            there = lake.ask(f"FROM {LATEST_VALUES.name} ORDER BY ALL")
            assert_same(there, plain.execute(f"{_plain(None)} ORDER BY ALL").fetchall())


def _plain(span: str | None) -> str:
    begin = f"date_trunc('{span}', measured_at_utc) AS begin, " if span else ""
    values = " UNION ALL ".join(
        f"SELECT station_code, sensor_id, '{name}' AS quantity, measured_at_utc, {value} AS value "
        "FROM reading"
        for name, value in (
            *((q.name, q.name) for q in QUANTITIES),
            ("uv", "(other_quantities->>'$.uv')::DOUBLE"),
        )
    )
    return (
        f"SELECT station_code, sensor_id, quantity, {begin}count(*), min(value), max(value), "
        "avg(value), last(value ORDER BY measured_at_utc, value), max(measured_at_utc) "
        f"FROM ({values}) WHERE value IS NOT NULL GROUP BY ALL"
    )


def assert_same(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a == tuple(
            pytest.approx(y, rel=1e-9, abs=1e-9) if isinstance(y, float) else y for y in b
        )


def test_the_platforms_clock_may_run_backwards(
    lake: ReadingsLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = "gmn_pipeline.warehouse.station_readings.messages.utc_now"
    for commit, seconds in enumerate((5, 1, 9)):
        when = NIGHT + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, lambda at=when: at)
        lake.take_in(night(10, first=10 * commit))
        if not commit:
            roll_up(lake.warehouse)
    for _ in range(2):
        asked = "SELECT sum(reading_count) FROM station_readings_by_day_now"
        assert lake.ask(asked) == [(30,)]
        roll_up(lake.warehouse)


# --- sensors and places --------------------------------------------------------------------------


def test_sensors_and_their_latest_values_are_known(lake: ReadingsLake) -> None:
    lake.take_in(
        [
            reading(humidity_percent=80.0, lens_temperature_deg_c=9.5),
            reading(
                measured_at_utc=NIGHT + timedelta(seconds=1), temperature_deg_c=12.0,
                other_quantities='{"uv": 1}',
            ),
        ]
    )  # fmt: skip
    before = lake.ask("FROM latest_readings")
    roll_up(lake.warehouse)
    (row,) = lake.ask(
        "SELECT temperature_deg_c, humidity_percent, last_measured_at_utc, latitude_deg, "
        "round(dew_point_margin_deg_c, 1) FROM latest_readings"
    )
    # By the psychrometric tables: 12 deg C and 80 % give a dew point of 8.7 deg C.
    assert row == (12.0, 80.0, NIGHT + timedelta(seconds=1), 45.0, 0.8)
    assert before[0][:4] == lake.ask("FROM latest_readings")[0][:4]
    assert lake.ask("SELECT reading_count, quantities FROM sensors") == [
        (2, ["humidity_percent", "lens_temperature_deg_c", "temperature_deg_c", "uv"])
    ]


def places(lake: ReadingsLake) -> list[tuple[object, ...]]:
    return lake.ask(
        "SELECT round(latitude_deg, 2), (since_utc - TIMESTAMP '2026-08-12 22:00:00')::VARCHAR, "
        "(until_utc - TIMESTAMP '2026-08-12 22:00:00')::VARCHAR FROM station_places ORDER BY 2"
    )


def at(seconds: int, latitude: float, sensor: str = "1") -> dict[str, object]:
    return reading(
        measured_at_utc=NIGHT + timedelta(seconds=seconds), latitude_deg=latitude, sensor_id=sensor
    )


def test_a_station_that_moves_has_a_history_and_jitter_is_no_move(lake: ReadingsLake) -> None:
    jitter = [at(s, 45 + (s % 5) * 1e-4) for s in range(50)]
    for step in (
        jitter,
        [at(s, 45.5) for s in range(60, 90)],
        [at(55, 45.0)],  # late, of the former place
        [at(100, 45.5), at(120, 45.0)],  # and back
    ):
        lake.take_in(step)
        roll_up(lake.warehouse)
    assert places(lake) == [
        (45.0, "00:00:00", "00:01:00"), (45.5, "00:01:00", "00:02:00"), (45.0, "00:02:00", None)
    ]  # fmt: skip


def test_two_sensors_far_apart_are_no_moving_station(lake: ReadingsLake) -> None:
    for minute in range(3):
        lake.take_in([at(60 * minute + s, 45 + s % 2, str(s % 2)) for s in range(20)])
        roll_up(lake.warehouse)
    assert places(lake) == [(45.0, "00:00:00", None)]
    assert distance_m(45, 15, 45, 15.001) == pytest.approx(78.6, abs=0.1)


# --- by age --------------------------------------------------------------------------------------


def test_what_was_deleted_by_age_stays_summed_up_and_does_not_come_back(
    lake: ReadingsLake,
) -> None:
    old, new = night(150), [r | {"measured_at_utc": utc_now()} for r in night(3)]
    lake.take_in([*old, *new])
    later = NIGHT + timedelta(days=10)
    assert delete_old(lake.warehouse, timedelta(days=3), later) == 150
    assert delete_old(lake.warehouse, timedelta(days=3), later) == 0
    assert lake.ask("SELECT count(*) FROM station_readings") == [(3,)]
    counts = lake.take_in([*old, *new])
    assert (counts.outdated, counts.duplicate, counts.inserted) == (150, 3, 0)
    roll_up(lake.warehouse)
    for span in ROLLUPS:
        asked = f"SELECT sum(reading_count) FROM station_readings_by_{span}"
        assert lake.ask(asked) == [(153,)]
