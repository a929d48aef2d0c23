"""Publications, with a real broker: what is sent, what is not, and what failures leave."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.kafka.framing import fingerprint
from gmn_pipeline.publications import trajectories as publishing
from gmn_pipeline.publications.trajectories import batches
from gmn_pipeline.schemas.messages import CURRENT_VERSION, TRAJECTORY_MESSAGES
from gmn_pipeline_tests.support.kafka import RunningBroker, admin
from gmn_pipeline_tests.support.sample import DAY, sample
from gmn_pipeline_tests.support.stream_bench import (
    ROWS,
    SECOND,
    THIRD,
    StreamBench,
    assert_readable,
)
from gmn_pipeline_tests.support.warehouse import ask, count


@pytest.fixture
def bench(tmp_path: Path, kafka: RunningBroker) -> StreamBench:
    return StreamBench(tmp_path / "one", kafka)


def test_a_day_is_published_once_and_then_nothing(bench: StreamBench) -> None:
    bench.load()
    assert bench.publish().days[DAY].inserted == ROWS
    assert bench.publish().sent == 0
    found = bench.records()
    assert {r.key.decode() for r in found} == {row[0] for row in sample().rows[:ROWS]}
    assert len(found) == ROWS == count(bench.settings, "publications")


def test_what_is_recorded_is_where_the_message_stands(bench: StreamBench) -> None:
    bench.load()
    bench.publish()
    recorded = ask(
        bench.settings,
        "SELECT topic_partition, topic_offset, trajectory_identifier FROM publications "
        "ORDER BY ALL",
    )
    assert recorded == [(r.partition, r.offset, r.key.decode()) for r in bench.records()]


def test_a_refresh_sends_only_what_changed(bench: StreamBench) -> None:
    bench.load()
    bench.publish()
    changed = sample().first(ROWS - 1).stamped(SECOND).with_fields(3, duration_s="  9.99")
    bench.load(changed)
    sent = bench.publish().days[DAY]
    assert (sent.inserted, sent.revised, sent.withdrawn) == (0, 1, 1)
    last = {r.key.decode(): r.value for r in bench.records()}
    assert last[sample().rows[ROWS - 1][0]] is None
    assert last[sample().rows[3][0]] is not None
    assert bench.publish().sent == 0


def test_what_comes_back_after_a_tombstone_is_sent_again(bench: StreamBench) -> None:
    bench.load()
    bench.publish()
    bench.load(sample().first(ROWS - 1).stamped(SECOND))
    bench.publish()
    bench.load(sample().first(ROWS).stamped(THIRD))
    assert bench.publish().days[DAY].inserted == 1
    key = sample().rows[ROWS - 1][0].encode()
    assert [r.value is None for r in bench.records() if r.key == key] == [False, True, False]


def test_a_topic_made_anew_gets_everything_again(bench: StreamBench) -> None:
    bench.load()
    bench.publish()
    with admin(bench.broker.bootstrap_servers) as client:
        client.delete_topics([bench.settings.kafka_topic])
        while bench.settings.kafka_topic in client.list_topics():
            time.sleep(0.1)
    assert bench.publish().sent == ROWS
    assert len(bench.records()) == ROWS


def test_an_independent_consumer_reads_every_message(bench: StreamBench) -> None:
    bench.load()
    bench.publish()
    assert_readable(
        bench,
        b"\xc3\x01" + fingerprint(TRAJECTORY_MESSAGES, "2.1"),
        TRAJECTORY_MESSAGES.published(CURRENT_VERSION),
    )


def test_two_publishers_at_once_send_everything_once(bench: StreamBench) -> None:
    bench.load()
    sent: list[int] = []
    publishers = [threading.Thread(target=lambda: sent.append(bench.publish().sent)) for _ in "ab"]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    assert sorted(sent) == [0, ROWS]
    assert len(bench.records()) == ROWS


_KILLED = """
import os, signal, sys
from gmn_pipeline.publications import trajectories as publishing
from gmn_pipeline.settings import load_settings
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
setattr(*{"sending": (publishing._Sending, "_messages", die),
          "recording": (publishing, "record_publications", die)}[sys.argv[1]])
publishing.publish(load_settings(data_dir=sys.argv[2], kafka_topic=sys.argv[3]))
"""


@pytest.mark.parametrize(("step", "times"), [("sending", 1), ("recording", 2)])
def test_a_publisher_killed_at_a_step_loses_nothing(
    bench: StreamBench, step: str, times: int
) -> None:
    bench.load()
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, step, bench.settings.data_dir, bench.settings.kafka_topic],
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bench.broker.bootstrap_servers},
    )
    assert killed.returncode == -signal.SIGKILL
    assert bench.publish().sent == ROWS
    found = bench.records()
    # Killed between acknowledgement and record, a batch stands twice: at least once is the promise.
    assert len(found) == times * ROWS
    assert len({(r.key, r.value) for r in found}) == ROWS
    assert count(bench.settings, "publications") == ROWS


def test_reading_back_what_was_acknowledged_but_not_recorded_spares_sending_it_again(
    bench: StreamBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.load()
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "record_publications", _crash)
        with pytest.raises(RuntimeError, match="crash"):
            bench.publish()
    counts = bench.consume().counts
    assert (counts.unchanged, counts.own) == (ROWS, 0)
    assert bench.publish().sent == 0


def _crash(*_: Any) -> None:
    raise RuntimeError("crash")


def test_batches_hold_whole_days() -> None:
    days = {DAY.replace(day=d): n for d, n in ((1, 5), (2, 5), (3, 20), (4, 1))}
    cut = [(a.day, b.day) for a, b in batches(days, 10)]
    assert cut == [(1, 2), (3, 3), (4, 4)]
