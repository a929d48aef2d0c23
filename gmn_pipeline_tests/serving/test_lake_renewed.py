"""The lake is opened anew once it was used for long; whoever reads meanwhile reads to the end."""

import time
from collections.abc import Callable
from unittest.mock import patch

from gmn_pipeline.queries import states
from gmn_pipeline.serving import lake as serving_lake
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.rows_by_key import lake_of

COUNT = "SELECT count(*) AS n FROM trajectories"


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_answer_under_way_ends_where_it_began(lake: Settings) -> None:
    with (
        patch.object(states, "_WORN_AFTER", 1),
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
