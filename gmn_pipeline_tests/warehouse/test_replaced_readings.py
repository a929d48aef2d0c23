"""Readings out of objects: replaced and taken away, with all that was summed up of them."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.station_readings.messages import MEASURED
from gmn_pipeline.warehouse.station_readings.replacing import replace
from gmn_pipeline.warehouse.station_readings.retention import delete_old
from gmn_pipeline_tests.support.readings import NIGHT, ReadingsLake, frame, reading
from gmn_pipeline_tests.warehouse.test_readings_lake import assert_summed_up

_readings = st.lists(
    st.builds(
        reading,
        sensor_id=st.sampled_from(["1", "2"]),
        measured_at_utc=st.integers(0, 200).map(lambda n: NIGHT + timedelta(minutes=7 * n)),
        temperature_deg_c=st.sampled_from([1.0, 2.5, -3.0]),
        other_quantities=st.sampled_from([None, '{"uv": 1.5}']),
    ),
    max_size=6,
)
_step = st.tuples(st.sampled_from(["topic", "object 1", "object 2"]), _readings)


def as_object(rows: list[dict[str, object]], sender: str) -> pl.DataFrame:
    said = {"sender": sender, "transport": "object"}
    return frame({**row, **said} for row in rows).unique(MEASURED, keep="first")


@settings(
    max_examples=3, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.lists(_step, min_size=4, max_size=7))
def test_after_any_replacements_sums_are_those_of_what_is_there(
    steps: list[tuple[str, list[dict[str, object]]]],
) -> None:
    with TemporaryDirectory() as folder:
        lake = ReadingsLake(load_settings(data_dir=Path(folder)))
        lake.take_in([reading(sensor_id="9")])
        with lake.warehouse.session():
            there = {key_of(reading(sensor_id="9")): ("topic", reading(sensor_id="9"))}
            for sender, rows in steps:
                _step_of(lake, there, sender, rows)
            replace(lake.warehouse, "object 0", frame([]), None)
            left = [row for _, row in there.values()]
            if steps[-1][0] != "topic":  # nothing waits to be summed up
                assert_summed_up(lake, left, "")
            assert_summed_up(lake, left, "_now")
            ((count, total),) = lake.ask(
                "SELECT count(*), (SELECT sum(reading_count)::BIGINT FROM sensors) "
                "FROM station_readings"
            )
            assert count == len(left)
            if steps[-1][0] != "topic":
                assert total == len(left)


def key_of(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in MEASURED)


def _step_of(
    lake: ReadingsLake, there: dict[Any, Any], sender: str, rows: list[dict[str, object]]
) -> None:
    wanted = {key_of(row): row for row in rows}
    if sender == "topic":
        if rows:
            lake.take_in(rows)
        there |= {key: (sender, row) for key, row in wanted.items() if key not in there}
        return
    gone = [key for key, (whose, _) in there.items() if whose == sender and key not in wanted]
    kept = sum(whose == sender and key in wanted for key, (whose, _) in there.items())
    new = {key: row for key, row in wanted.items() if key not in there}
    whole = (NIGHT - timedelta(days=1), NIGHT + timedelta(days=9))
    done = replace(lake.warehouse, sender, as_object(rows, sender), whole)
    assert (done.kept, done.inserted) == (kept, len(new))
    assert done.duplicate == len(wanted) - kept - len(new)
    assert {one[2] for one in done.removed} == {there[key][1]["measured_at_utc"] for key in gone}
    for key in gone:
        del there[key]
    there |= {key: (sender, row) for key, row in new.items()}


def test_what_was_deleted_by_age_stays_in_the_sums_when_an_object_changes(tmp_path: Path) -> None:
    lake = ReadingsLake(load_settings(data_dir=tmp_path))
    rows = [reading(measured_at_utc=NIGHT + timedelta(days=n), temperature_deg_c=float(n))
            for n in range(4)]  # fmt: skip
    span = (NIGHT, NIGHT + timedelta(days=3))
    replace(lake.warehouse, "object 1", as_object(rows, "object 1"), None)
    delete_old(lake.warehouse, timedelta(days=1), NIGHT + timedelta(days=3))
    done = replace(lake.warehouse, "object 1", as_object(rows[:3], "object 1"), span)
    assert (done.outdated, done.kept, len(done.removed)) == (2, 1, 1)
    summed = "SELECT reading_count, minimum, maximum, last FROM latest_values"
    assert lake.ask(summed) == [(3, 0, 2, 2)]
    assert lake.ask("SELECT reading_count, last_measured_at_utc FROM sensors") == [
        (3, NIGHT + timedelta(days=2))
    ]
    assert lake.ask("SELECT count(*) FROM station_readings_by_day") == [(3,)]
