"""Objects by their topic, with a real Kafka: what is put, refused, sent twice, killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, event

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.orchestration.assets.keys import STREAMS_OBJECTS
from gmn_pipeline.orchestration.sensors.streams import objects_topic_sensor
from gmn_pipeline.publications.objects import ToSend, publish, values_of
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import Description, Link, LinkKind, ObjectName, StoredObject
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.settings import Settings
from gmn_pipeline.streams.consumer import consume
from gmn_pipeline.streams.object_arrivals import OBJECTS, ObjectsTarget, ingest
from gmn_pipeline.streams.objects import ObjectBatch, decode_batch
from gmn_pipeline.streams.objects_overview import objects_overview
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.kafka import RunningBroker, records, send
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of
from gmn_pipeline_tests.support.postgres import PostgresServer

NIGHT_UTC = datetime(2022, 3, 4, 21)
SAID = Description(
    application="rms", metadata={"gain": 4.5}, tags=frozenset({"moon"}),
    links=frozenset({Link(LinkKind.STATION, "US0001")}), observed_from_utc=NIGHT_UTC,
    latitude_deg=45.5, longitude_deg=15.2,
)  # fmt: skip


def fields(name: str, content: bytes | None = b"some", **more: object) -> dict[str, object]:
    return {"project": "cams", "container": "ff", "name": name, "content": content, **more}


@dataclass
class TopicBench:
    """A lake of objects with its topic on a broker."""

    objects: ObjectBench
    settings: Settings

    def send(self, *messages: dict[str, object] | bytes | None) -> None:
        """Fields of messages, or other bytes."""
        for message in messages:
            value = values_of([message])[0] if isinstance(message, dict) else message
            send(str(self.settings.kafka_bootstrap_servers), self.topic, (b"key", value))

    @property
    def topic(self) -> str:
        return self.settings.kafka_objects_topic

    def take_in(self) -> dict[str, int]:
        counts: dict[str, int] = consume(OBJECTS, self.settings).counts.as_dict()
        return counts

    def object(self, name: str) -> StoredObject:
        return self.objects.catalogue.object(ObjectName("cams", "ff", name))

    @property
    def refused(self) -> list[str]:
        """Why, in the order of the topic."""
        _, letters = ObjectsTarget.of(self.settings).offsets.dead_letters(self.topic)
        return [one.reason for one in sorted(letters, key=lambda one: one.offset)]


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path, kafka: RunningBroker) -> TopicBench:
    """With SQLite, or with PostgreSQL if a test says so."""
    place: dict[str, object] = {}
    if hasattr(request, "param"):
        postgres: PostgresServer = request.getfixturevalue("postgres")
        place = {
            "database_url": postgres.new_database(), "database_password": postgres.password,
        }  # fmt: skip
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    given = settings_of(
        tmp_path, kafka_bootstrap_servers=kafka.bootstrap_servers, kafka_partitions=1,
        kafka_objects_topic=f"objects-{tmp_path.name}", objects_topic_mb=1,
        objects_topic_from=f"{allowed.as_uri()}/", objects_topic_batch=5,
        objects_topic_timeout_s=5, **place,
    )  # fmt: skip
    bench = TopicBench(object_bench(given), given)
    publish(given, [])  # makes the topic
    return bench


# --- put and refused -----------------------------------------------------------------------------


def test_files_and_addresses_are_put_once_and_all_else_is_refused_with_its_reason(
    bench: TopicBench, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    (allowed / "large.bin").write_bytes(b"x" * 1_000_001)
    (allowed / "there.bin").write_bytes(b"there")
    (tmp_path / "secret").write_bytes(b"secret")
    (allowed / "link").symlink_to(tmp_path / "secret")
    (allowed / "out").symlink_to(tmp_path)
    at = allowed.as_uri()
    small = tmp_path / "small.txt"
    small.write_bytes(b"small")
    sent = publish(
        bench.settings,
        [
            ToSend(ObjectName("cams", "ff", "2022/small.txt"), SAID, path=small),
            ToSend(ObjectName("cams", "ff", "there.bin"), SAID, address=f"{at}/there.bin"),
            ToSend(ObjectName("cams", "ff", "no"), SAID, path=tmp_path / "no"),
            ToSend(ObjectName("cams", "ff", "huge"), SAID, path=_of_size(tmp_path / "h", 3 << 20)),
        ],
    )
    assert (sent.given, sent.sent) == (4, 2)
    assert "There is no file" in sent.failures["cams/ff/no"]
    assert "--by-address" in sent.failures["cams/ff/huge"]
    bad = {
        "SHA-256": fields("wrong", sha256="0" * 64),
        "There is no project": fields("x", project="nobody"),
        "There is no container": fields("x", container="nothing"),
        "'.' and '..'": fields("../x"),
        "no name": fields(""),
        "with one": fields("x", None),
        "both": fields("x", address=f"{at}/there.bin"),
        "that is none": fields("x", sha256="abc"),
        "no JSON": fields("x", metadata="{"),
        "no link": fields("x", links=["moon:1"]),
        "no time": fields("x", observed_from_utc=2**62),
        "MB": fields("x", None, address=f"{at}/large.bin"),
        "no file": fields("x", None, address=f"{at}/missing"),
        "cannot be read": fields("x", None, address=f"{at}/link"),
        "through a folder": fields("x", None, address=f"{at}/out/secret"),
        "Nothing is fetched from file": fields("x", None, address=f"{at}/../secret"),
        "Nothing is fetched from http": fields("x", None, address="http://127.0.0.1/x"),
    }
    bench.send(*bad.values(), b"garbage", None)
    bench.send(fields("last", metadata='{"gain": 5}'), fields("last", metadata='{"gain": 5}'))
    counts = bench.take_in()
    assert counts == {"read": 23, "put": 3, "unchanged": 1, "dead": 19}
    stored = bench.object("2022/small.txt")
    assert replace(stored.description, content_type="") == SAID
    assert (stored.put_by, stored.version) == ("topic", 1)
    assert bench.objects.bytes_of("2022/small.txt") == b"small"
    assert bench.objects.bytes_of("there.bin") == b"there"
    assert bench.object("last").description.metadata == {"gain": 5}
    reasons = bench.refused
    assert len(reasons) == 19
    for wanted, why in zip(bad, reasons, strict=False):
        assert {"both": "with one", "through a folder": "There is no file"}.get(
            wanted, wanted
        ) in why, why
    assert "undecodable" in reasons[-2]
    assert "tombstone" in reasons[-1]
    database = {
        "GMN_DATA_DIR": str(bench.settings.data_dir),
        "GMN_KAFKA_OBJECTS_TOPIC": bench.topic,
    }
    shown = Command(**database).says("objects", "refused", "--most", "3").splitlines()
    assert (len(shown), "tombstone" in shown[0], "19 refused" in shown[3]) == (4, True, True)
    bench.send(fields("later"))
    told = objects_overview(bench.settings)
    assert told is not None
    assert (told.lag, told.dead_letters, told.consumer) == (1, 19, "not running")
    assert (told.last_dead_letter, told.offsets) == (reasons[-1], {0: 23})
    status = Command(**database, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1").says("status")
    assert bench.topic in status
    assert "tombstone" in status
    assert bench.take_in() == {"read": 1, "put": 1, "unchanged": 0, "dead": 0}
    letters = records(str(bench.settings.kafka_bootstrap_servers), f"{bench.topic}.dlq")
    assert [dict(one.headers)["source-offset"] for one in letters] == [
        str(offset).encode() for offset in range(2, 21)
    ]
    failures = [o for o in bench.objects.search.operations(project="cams") if not o.is_success]
    assert any("SHA-256" in one.reason for one in failures)

    assert bench.take_in()["read"] == 0
    # Sent again, or read again from the beginning, nothing changes.
    publish(bench.settings, [ToSend(ObjectName("cams", "ff", "2022/small.txt"), SAID, path=small)])
    assert bench.take_in() == {"read": 1, "put": 0, "unchanged": 1, "dead": 0}
    StreamService(OBJECTS, bench.settings).run(once=True, from_beginning=True)
    assert bench.object("2022/small.txt").version == 1
    assert len(bench.refused) == 19


def _of_size(path: Path, size_bytes: int) -> Path:
    path.write_bytes(bytes(size_bytes))
    return path


@pytest.mark.parametrize("bench", ["postgres"], indirect=True)
def test_with_accounts_one_is_named_and_its_roles_decide(bench: TopicBench) -> None:
    accounts = AccountStore(bench.objects.database)
    accounts.make("camera", "ada")
    bench.objects.catalogue.make_project("other", PERSON)
    bench.objects.catalogue.make_container("other", "ff", PERSON)
    accounts.set_role("camera", "cams", Role.CONTRIBUTOR, "ada")
    bench.send(fields("mine"), fields("theirs", project="other"))
    with pytest.raises(SettingsError, match="GMN_OBJECTS_TOPIC_ACCOUNT"):
        bench.take_in()
    bench.settings = bench.settings.model_copy(update={"objects_topic_account": "camera"})
    assert bench.take_in() == {"read": 2, "put": 1, "unchanged": 0, "dead": 1}
    assert bench.object("mine").put_by == "camera"
    assert bench.refused == ["refused: camera may not put to other"]
    StreamService(OBJECTS, bench.settings).run(once=True, from_beginning=True)
    assert (bench.object("mine").version, len(bench.refused)) == (1, 1)


def test_a_run_of_dagster_takes_in_what_its_sensor_saw(bench: TopicBench) -> None:
    bench.send(fields("one"), fields("two"), b"garbage")
    defs = build_defs(bench.settings.model_dump(exclude_unset=True))
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(
            instance=instance, resources=defs.resources, repository_def=defs.get_repository_def()
        )
        asked: Any = objects_topic_sensor(context)
        (request,) = asked.run_requests
        done = defs.resolve_job_def("objects_topic").execute_in_process(
            instance=instance, run_config=request.run_config
        )
        (told,) = done.asset_materializations_for_node(STREAMS_OBJECTS.to_python_identifier())
        assert told.metadata["messages_put"].value == 2
        assert told.metadata["messages_dead"].value == 1
    assert bench.objects.search.operations(run_id=done.run_id)


@dataclass(frozen=True)
class Record:
    """As Kafka's client gives them."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 1_700_000_000_000


def batch_of(*values: bytes, partition: int = 0, begin: int = 0) -> ObjectBatch:
    found = [Record(partition, begin + at, value) for at, value in enumerate(values)]
    state = TopicState("objects", "id", "cluster", {0: 0}, {0: 0})
    ranges = [OffsetRange(partition, begin, begin + len(values))]
    return decode_batch(found, state, ranges, None)[0]


# --- killed --------------------------------------------------------------------------------------


def die_at(given: Settings, nth: int) -> None:
    """Take two objects in, and be killed at the n-th step of it."""
    steps = count()

    def step(*_: object) -> None:
        if next(steps) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    target = ObjectsTarget.of(given)
    for what in ("before_cursor_execute", "commit"):
        event.listen(Engine, what, step)
    place = target.landing.contents.place

    def placed(*arguments: Any, **named: Any) -> None:
        step()
        place(*arguments, **named)
        step()

    target.landing.contents.place = placed  # type: ignore[method-assign]
    ingest(given, target, batch_of(*values_of([fields("a"), fields("b", b"other")])), [])
    os._exit(0)


def test_killed_at_any_step_offsets_are_moved_with_what_they_are_of_or_not(tmp_path: Path) -> None:
    objects = object_bench(settings_of(tmp_path))
    target = ObjectsTarget.of(objects.settings)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    for nth in count(0, 3):  # of some fifty steps: each takes a process that imports all of it
        child = processes.Process(target=die_at, args=(objects.settings, nth))
        child.start()
        child.join()
        names = objects.search.named("cams", "ff", ["a", "b"])
        moved = target.stored("objects")
        assert (len(names), [one.next_offset for one in moved.values()]) in ((0, []), (2, [2]))
        if names:
            break
    assert nth > 10
    assert {one.version for one in names.values()} == {1}
    objects.landing.sweep(timedelta(seconds=-1))
    assert objects.stored_hashes() == {one.content.sha256 for one in names.values()}
    assert sha256(b"some").hexdigest() in objects.stored_hashes()


TAKE_IN = """
from gmn_pipeline.settings import load_settings
from gmn_pipeline.streams.object_arrivals import OBJECTS
from gmn_pipeline.streams.service import StreamService
StreamService(OBJECTS, load_settings()).run(on_ready=lambda: print("ready", flush=True))
"""


def take_in_until_killed(bench: TopicBench, when: Callable[[], bool]) -> None:
    environment = os.environ | {
        "GMN_DATA_DIR": str(bench.settings.data_dir),
        "KAFKA_BOOTSTRAP_SERVERS": str(bench.settings.kafka_bootstrap_servers),
        "GMN_KAFKA_OBJECTS_TOPIC": bench.topic, "GMN_OBJECTS_TOPIC_BATCH": "7",
        "GMN_STREAM_WAIT_S": "0.01",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", TAKE_IN], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 60
        while not when():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()


def test_a_service_that_is_killed_again_and_again_puts_each_object_once(bench: TopicBench) -> None:
    names = [f"night/{number:03}" for number in range(120)]
    sending = [fields(name, name.encode()) for name in names]
    send(
        str(bench.settings.kafka_bootstrap_servers), bench.topic,
        *[(b"key", value) for value in [*values_of(sending), b"garbage", *values_of(sending[:20])]],
    )  # fmt: skip

    def there() -> int:
        return len(bench.objects.search.named("cams", "ff", names))

    for seen in (1, 40):
        take_in_until_killed(bench, lambda seen=seen: there() >= seen)
    StreamService(OBJECTS, bench.settings).run(once=True)
    found = bench.objects.search.named("cams", "ff", names)
    assert len(found) == 120
    assert {one.version for one in found.values()} == {1}
    assert all(bench.objects.bytes_of(name) == name.encode() for name in names[::17])
    assert len(bench.refused) == 1
    puts = [o for o in bench.objects.search.operations(project="cams", most=1000) if o.is_success
            and o.name.startswith("cams/ff/night")]  # fmt: skip
    assert sum(one.kind.value == "put" for one in puts) == 120
