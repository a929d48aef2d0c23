"""Several messages of one trajectory in one range, with a real broker: every state is kept."""

from pathlib import Path

import polars as pl
import pytest

from gmn_pipeline.warehouse.trajectories import messages
from gmn_pipeline_tests.support.kafka import RunningBroker
from gmn_pipeline_tests.support.sample import sample
from gmn_pipeline_tests.support.stream_bench import FIRST, SECOND, THIRD, StreamBench, same_content
from gmn_pipeline_tests.support.warehouse import frame, state


@pytest.fixture
def history(tmp_path: Path, kafka: RunningBroker) -> StreamBench:
    """Three trajectories: one revised twice, one withdrawn and back, one that stays.

    At the end somebody sends two old messages once more.
    """
    bench = StreamBench(tmp_path / "one", kafka)
    three = sample().first(3)
    bench.load(three.stamped(FIRST))
    bench.publish()
    first = bench.records()
    two = sample().first(2).with_fields(0, duration_s="  9.99")
    bench.load(two.stamped(SECOND))
    bench.publish()
    bench.load(three.stamped(THIRD).with_fields(0, duration_s="  8.88"))
    bench.publish()
    bench.send(*((record.key, record.value) for record in first[:2]))
    return bench


def test_a_range_at_once_and_message_by_message_give_the_same_states(history: StreamBench) -> None:
    at_once, by_one = history.beside("two"), history.beside("three", stream_records=1)
    counts = at_once.consume().counts
    assert by_one.consume().counts.as_dict() == counts.as_dict()
    assert (counts.inserted, counts.revised, counts.withdrawn, counts.superseded) == (4, 2, 1, 0)
    same_content(at_once, by_one)
    same_content(at_once, history)
    revisions = state(at_once.settings, "revisions")["revisions"]
    assert revisions.equals(state(by_one.settings, "revisions")["revisions"])
    assert at_once.changes() == history.changes()
    assert publications(at_once).equals(publications(by_one))


def publications(bench: StreamBench) -> pl.DataFrame:
    return frame(
        bench.settings,
        "SELECT * EXCLUDE (run_id, recorded_at_utc) FROM publications ORDER BY ALL",
    )


def test_of_a_flood_of_states_the_newest_count(
    history: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_MOST_STATES", 1)
    other = history.beside("two")
    counts = other.consume().counts
    assert (counts.inserted, counts.superseded) == (3, counts.read - 3)
    current = "trajectory_identifier", "duration_s"
    assert other.trajectories().select(current).equals(history.trajectories().select(current))
    assert other.changes() == []
