"""The topic into the warehouse, with a real broker: equal tables, poison, crashes, gaps."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from kafka import TopicPartition

from gmn_pipeline.errors import StreamBusy, StreamGap
from gmn_pipeline.kafka.avro.codec import decode, encode
from gmn_pipeline.kafka.framing import single_object_framing
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.orchestration.assets.keys import STREAMS_TRAJECTORIES as KEY
from gmn_pipeline.orchestration.assets.streams import reporter
from gmn_pipeline.orchestration.sensors.streams import stream_sensor
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.messages import CURRENT_VERSION, MESSAGE_FIELDS, TRAJECTORY_MESSAGES
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.settings import Settings
from gmn_pipeline.streams.consumer import consume, consumer_lock
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.stream import merging
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.offsets import forget_offsets, stored_offsets
from gmn_pipeline.warehouse.trajectories import messages as merging_module
from gmn_pipeline_tests.support.kafka import RunningBroker, admin
from gmn_pipeline_tests.support.sample import DAY, sample
from gmn_pipeline_tests.support.stream_bench import ROWS, SECOND, StreamBench, same_content
from gmn_pipeline_tests.support.warehouse import ask, count

CONTENT = [field.name for field in TRAJECTORY_FIELDS]
KEYS = [row[0] for row in sample().rows]


@pytest.fixture
def bench(tmp_path: Path, kafka: RunningBroker) -> StreamBench:
    return StreamBench(tmp_path / "one", kafka)


@pytest.fixture
def published(bench: StreamBench) -> StreamBench:
    bench.load()
    bench.publish()
    return bench


def offsets(bench: StreamBench) -> dict[int, int]:
    stored = stored_offsets(WarehouseConnection(bench.settings), bench.settings.kafka_topic)
    return {partition: at.next_offset for partition, at in stored.items()}


# --- what comes in -------------------------------------------------------------------------------


def test_a_day_published_and_taken_in_elsewhere_gives_equal_tables(published: StreamBench) -> None:
    other = published.beside("two")
    assert other.consume().counts.inserted == ROWS
    same_content(published, other)
    assert other.consume().counts.read == 0
    assert other.publish().sent == 0


def test_our_own_messages_coming_back_change_nothing(published: StreamBench) -> None:
    before = published.trajectories()
    counts = published.consume().counts
    assert (counts.own, counts.read) == (ROWS, ROWS)
    assert published.trajectories().equals(before)
    assert published.changes() == []


def test_revisions_and_withdrawals_travel(published: StreamBench) -> None:
    other = published.beside("two")
    other.consume()
    published.load(sample().first(ROWS - 1).stamped(SECOND).with_fields(3, duration_s="  9.99"))
    published.publish()
    counts = other.consume().counts
    assert (counts.revised, counts.withdrawn) == (1, 1)
    same_content(published, other)
    assert other.changes() == published.changes()
    ended_by = ask(
        other.settings,
        "SELECT superseded_by_file_sha256 FROM trajectory_revisions WHERE change = 'withdrawn'",
    )
    assert ended_by[0][0].startswith(f"kafka:{published.settings.kafka_topic}/")


def test_an_older_generation_does_not_override_a_newer_one(published: StreamBench) -> None:
    other = published.beside("two")
    other.load(sample().first(ROWS).stamped(SECOND).with_fields(3, duration_s="  9.99"))
    counts = other.consume().counts
    assert (counts.outdated, counts.revised) == (ROWS, 0)
    # What the topic says is out of date, so the newer state is to be published.
    assert other.publish().sent == ROWS
    assert published.consume().counts.revised == 1
    assert published.trajectories().select(CONTENT).equals(other.trajectories().select(CONTENT))


def test_a_message_of_the_old_schema_is_taken_in(published: StreamBench) -> None:
    body = TRAJECTORY_MESSAGES.path("2.0").with_name("sample.avro").read_bytes()
    key = messages_key(body)
    other = StreamBench(published.site.parent.parent / "old", published.broker)
    ensure_topics(other.settings, trajectories_topic(other.settings))
    other.send((key, body))
    assert other.consume().counts.inserted == 1
    row = other.trajectories().row(0, named=True)
    assert row["bin_date"] == DAY
    assert row["source_file_sha256"].startswith("kafka:")


def messages_key(framed: bytes) -> bytes:
    # The first field: its union index, its length, its text.
    return framed[12:32]


POISON = {
    "empty": (KEYS[0].encode(), b""),
    "random bytes": (KEYS[1].encode(), os.urandom(300)),
    "wrong schema id": (KEYS[2].encode(), b"\x00\x00\x00\x00\x63" + b"x" * 50),
    "cut off": (KEYS[3].encode(), single_object_framing(TRAJECTORY_MESSAGES).prefix + b"\x02"),
    "5 MB": (KEYS[4].encode(), b"\xc3\x01" + bytes(5_000_000)),
    "key of another": (b"20200101000000_aaaaa", b"good"),
    "tombstone for nothing": (b"nothing", None),
}


def test_poison_goes_to_the_dead_letter_topic_and_the_rest_arrives(published: StreamBench) -> None:
    good = published.records()[0]
    poison = [(key, good.value if value == b"good" else value) for key, value in POISON.values()]
    poison.append((b"20220304999999_zzzzz", impossible(good.value)))
    published.send(*poison)
    published.load(sample().first(ROWS + 5).stamped(SECOND))
    published.publish()
    other = published.beside("two")
    counts = other.consume().counts
    assert (counts.dead, counts.inserted) == (len(poison), ROWS + 5)
    dead = other.dead_letters()
    assert sorted((r.key, r.value or b"") for r in dead) == sorted((k, v or b"") for k, v in poison)
    for record in dead:
        headers = dict(record.headers)
        assert headers["dead-letter-reason"]
        assert headers["source-topic"].decode() == published.settings.kafka_topic
        assert {"source-partition", "source-offset", "source-timestamp-ms"} <= set(headers)
    assert count(other.settings, "dead_letters") == len(poison)
    same_content(published, other)


def impossible(value: bytes) -> bytes:
    """The same message with a declination of 1e300 degrees, and another identifier."""
    rows = decode([value[10:]], TRAJECTORY_MESSAGES, CURRENT_VERSION).rows
    rows = rows.with_columns(
        pl.lit("20220304999999_zzzzz").alias("unique_trajectory_identifier"),
        pl.lit(1e300).alias("decgeo_deg"),
    )
    return single_object_framing(TRAJECTORY_MESSAGES).prefix + encode(rows, MESSAGE_FIELDS)[0]


# --- crashes and repeats -------------------------------------------------------------------------


def consume_and_die(settings: Settings, step: str) -> None:
    """Take the topic in, and be killed where the step begins."""

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    of_stream: dict[str, Any] = {
        "decoding": {"decode": die},
        "merging": {"ingest": merging(TRAJECTORIES.topic, die)},
    }
    steps: dict[str, tuple[Any, str]] = {
        "dead letters": (merging_module, "insert_dead_letters"),
        "offsets": (merging_module, "move_offsets"),
    }
    if step in steps:
        setattr(*steps[step], die)
    consume(replace(TRAJECTORIES, **of_stream.get(step, {})), settings)
    die()


# Forked from a process that has imported everything and started no threads yet.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory, kafka: RunningBroker) -> StreamBench:
    """A topic with a day and a dead letter, which tests read and do not write to."""
    bench = StreamBench(tmp_path_factory.mktemp("poisoned"), kafka)
    bench.load()
    bench.publish()
    bench.send((b"nothing", b"x"))
    return bench


@pytest.mark.parametrize("step", ["decoding", "merging", "dead letters", "offsets", "after"])
def test_a_consumer_killed_at_a_step_comes_to_the_same(
    poisoned: StreamBench, tmp_path: Path, step: str
) -> None:
    other = poisoned.elsewhere(tmp_path)
    consumer = PROCESSES.Process(target=consume_and_die, args=(other.settings, step))
    consumer.start()
    consumer.join(timeout=120)
    assert consumer.exitcode == -signal.SIGKILL
    assert (sum(other.offsets().values()) > 0) is (step == "after")
    other.consume()
    same_content(poisoned, other)
    assert count(other.settings, "dead_letters") == 1
    assert sum(other.offsets().values()) == ROWS + 1


def test_a_run_reads_exactly_its_range_and_repeating_it_changes_nothing(
    published: StreamBench,
) -> None:
    other = published.beside("two")
    wanted = [OffsetRange(0, 0, 7)]
    assert other.consume(wanted).counts.read == 7
    assert other.consume(wanted).counts.read == 0
    assert offsets(other)[0] == 7
    with pytest.raises(StreamGap, match="were not read yet"):
        other.consume([OffsetRange(0, 9, 12)])
    assert other.consume().counts.read == ROWS - 7
    same_content(published, other)


def test_small_steps_come_to_the_same_as_one(published: StreamBench) -> None:
    other = published.beside("two", stream_records=11)
    assert other.consume().counts.inserted == ROWS
    same_content(published, other)


# --- the topic itself ----------------------------------------------------------------------------


def test_expired_offsets_are_an_error_with_the_remedy(bench: StreamBench) -> None:
    # Kafka lets nobody delete records of a topic that is compacted only.
    topic = {"num_partitions": 3, "configs": {"cleanup.policy": "compact,delete"}}
    with admin(bench.broker.bootstrap_servers) as client:
        client.create_topics({bench.settings.kafka_topic: topic}, wait_for_metadata=True)
    bench.load()
    bench.publish()
    other = bench.beside("two")
    other.consume([OffsetRange(0, 0, 2)])
    with admin(other.broker.bootstrap_servers) as client:
        client.delete_records({TopicPartition(other.settings.kafka_topic, 0): 5})
    with pytest.raises(StreamGap, match=r"3 offsets have expired unread.*--from-beginning"):
        other.consume()
    forget_offsets(WarehouseConnection(other.settings), other.settings.kafka_topic)
    assert other.consume().counts.read == ROWS - 5


def test_a_rewound_topic_is_an_error_with_the_remedy(published: StreamBench) -> None:
    published.consume()
    with WarehouseConnection(published.settings).writing() as connection:
        connection.execute("UPDATE stream_offsets SET next_offset = next_offset + 1000")
    with pytest.raises(StreamGap, match=r"was rewound.*--from-beginning"):
        published.consume()


def test_a_topic_made_anew_is_read_from_its_beginning(published: StreamBench) -> None:
    published.consume()
    topic = published.settings.kafka_topic
    with admin(published.broker.bootstrap_servers) as client:
        client.delete_topics([topic])
        while topic in client.list_topics():
            time.sleep(0.1)
    other = published.beside("two")
    other.load(sample().first(ROWS).stamped(SECOND).with_fields(3, duration_s="  9.99"))
    other.publish()
    counts = published.consume().counts
    assert (counts.read, counts.revised, counts.unchanged) == (ROWS, 1, ROWS - 1)


def test_partitions_that_are_added_are_read_too(published: StreamBench) -> None:
    other = published.beside("two")
    other.consume()
    topic = published.settings.kafka_topic
    with admin(published.broker.bootstrap_servers) as client:
        client.create_partitions({topic: 5})
    published.load(sample().first(ROWS + 40).stamped(SECOND))
    published.publish()
    other.consume()
    same_content(published, other)
    assert set(offsets(other)) == {0, 1, 2, 3, 4}


# --- Dagster and the service ---------------------------------------------------------------------


def test_only_one_consumes_at_a_time(published: StreamBench) -> None:
    with (
        consumer_lock(TRAJECTORIES, published.settings),
        pytest.raises(StreamBusy, match="gmn stream"),
    ):
        published.consume()


def test_the_sensor_asks_for_exact_ranges_and_the_run_takes_them_in(published: StreamBench) -> None:
    other = published.beside("two")
    defs = other.defs()
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(cursor: str | None = None) -> Any:
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"pipeline": defs.resources["pipeline"]}
            )
            return stream_sensor(context)

        result = tick()
        request = result.run_requests[0]
        assert "value" not in str(request.run_config)
        job = defs.resolve_job_def("streams")
        run = job.execute_in_process(instance=instance, run_config=request.run_config)
        assert run.success
        event = instance.get_latest_materialization_event(KEY)
        assert event is not None
        told = event.asset_materialization.metadata
        assert told["messages_inserted"].value == ROWS
        assert told["lag"].value == 0
        assert isinstance(tick(result.cursor), dg.SkipReason)
    same_content(published, other)


def test_the_service_takes_messages_in_and_tells_dagster(published: StreamBench) -> None:
    other = published.beside("two")
    with dg.DagsterInstance.ephemeral() as instance:
        StreamService(TRAJECTORIES, other.settings, reporter(instance)).run(once=True)
        event = instance.get_latest_materialization_event(KEY)
        assert event is not None
        assert event.asset_materialization.metadata["messages_inserted"].value == ROWS
    same_content(published, other)


def test_the_service_ends_on_sigterm_and_lets_nobody_else_in(published: StreamBench) -> None:
    other = published.beside("two")
    environment = {
        **os.environ,
        "GMN_DATA_DIR": str(other.settings.data_dir),
        "GMN_KAFKA_TOPIC": other.settings.kafka_topic,
        "KAFKA_BOOTSTRAP_SERVERS": other.broker.bootstrap_servers,
    }
    gmn = Path(sys.executable).with_name("gmn")
    service = subprocess.Popen([gmn, "stream"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: sum(offsets(other).values()) == ROWS)
        with pytest.raises(StreamBusy):
            other.consume()
        published.load(sample().first(ROWS + 5).stamped(SECOND))
        published.publish()
        wait_for(lambda: sum(offsets(other).values()) == ROWS + 5)
        service.terminate()
        assert service.wait(timeout=20) == 0
    finally:
        service.kill()
        service.wait()
    same_content(published, other)


def wait_for(condition: Any, timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_newer_message_stands_against_an_older_file(published: StreamBench) -> None:
    other = published.beside("two")
    other.consume()
    other.load(sample().first(ROWS - 1).stamped("2022-03-09 00:00:00.000000").with_fields(
        3, duration_s="  9.99"))  # fmt: skip
    assert other.changes() == []
    same_content(published, other)
