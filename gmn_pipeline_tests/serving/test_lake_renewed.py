"""The lake is opened anew once it was used for long; whoever reads meanwhile reads to the end."""

import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from gmn_pipeline.queries import states
from gmn_pipeline.serving import lake as serving_lake
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline_tests.support.readings import ReadingsLake, night
from gmn_pipeline_tests.support.rows_by_key import lake_of, newest
from gmn_pipeline_tests.support.sample import Bench

COUNT = "SELECT count(*) AS n FROM trajectories"


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_answer_under_way_ends_where_it_began(lake: Settings) -> None:
    with (
        patch.object(states, "_WORN_AFTER", 1),
        patch.object(states, "_WORN_AFTER_S", 0.0),
        patch.object(serving_lake, "_FORMER_S", 0.0),
        lake_of(lake) as served,
    ):
        newest = served.snapshot()
        first = served._states
        answer = served.run(newest, "SELECT trajectory_identifier FROM trajectories")
        batches = iter(answer)
        read = next(batches).num_rows
        until(lambda: served._states is not first)
        assert first is not None
        assert first.is_used
        assert served.fetch(newest, COUNT)["n"].to_pylist() == [534]
        read += sum(batch.num_rows for batch in batches)
        assert read == 534
        answer.close()
        assert not first.is_used
        until(lambda: served._former is None or served._former[1] is not first)
        assert served.fetch(newest, COUNT)["n"].to_pylist() == [534]


def test_states_that_follow_each_other_quickly_do_not_wear_it(tmp_path: Path) -> None:
    settings = Bench(tmp_path).settings
    readings = ReadingsLake(settings)
    readings.take_in(night(1))
    with patch.object(states, "_WORN_AFTER", 2), lake_of(settings, READINGS) as served:
        first = served._states
        for at in range(1, 5):
            readings.take_in(night(1, first=at))
            told = served.fetch(newest(served), "SELECT count(*) AS n FROM station_readings")
            assert told["n"].to_pylist() == [at + 1]
        served._look()
        assert served._states is first
        with patch.object(states, "_WORN_ANYHOW", 3):
            until(lambda: served._states is not first)
        second = served._states
        assert second is not None
        assert not second.is_worn
