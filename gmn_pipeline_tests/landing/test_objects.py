"""Objects: put, found, changed, deleted, swept and checked, on both kinds of database and store."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.object_search import Folder, Interval, Search
from gmn_pipeline.errors import DataDamaged, ObjectConflict, ObjectMissing, ObjectRefused
from gmn_pipeline.landing.objects import check_hash
from gmn_pipeline.schemas.objects import (
    Description,
    Link,
    LinkKind,
    NewVersion,
    ObjectName,
    OperationKind,
)
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.object_storage import ObjectStorageServer
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of
from gmn_pipeline_tests.support.places import SECRETS, catalog_of
from gmn_pipeline_tests.support.postgres import PostgresServer

AT = datetime(2022, 3, 4, 21)
FITS = b"SIMPLE  =                    T" + b" " * 50
SAID = Description(
    application="rms",
    metadata={"camera": {"gain": 4.5, "lens": "f/0.95"}, "flags": ["dew", "moon"]},
    tags=frozenset({"fireball"}), links=frozenset({Link(LinkKind.STATION, "US0001")}),
    observed_from_utc=AT, observed_until_utc=AT + timedelta(minutes=1),
    latitude_deg=-17.5, longitude_deg=179.5,
)  # fmt: skip
OTHER = replace(SAID, metadata={"camera": {"gain": 9}}, tags=frozenset(), links=frozenset())


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectBench:
    """A folder with SQLite, or a bucket with PostgreSQL."""
    if request.param == "folder":
        return object_bench(settings_of(tmp_path))
    storage: ObjectStorageServer = request.getfixturevalue("object_storage")
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = catalog_of(postgres)["GMN_WAREHOUSE_CATALOG_URL"]
    return object_bench(
        settings_of(
            tmp_path,
            objects_storage_url=f"s3://{storage.new_bucket()}/lake/objects",
            s3_endpoint_url=storage.url,
            s3_access_key_id=SECRETS["AWS_ACCESS_KEY_ID"],
            s3_secret_access_key=SECRETS["AWS_SECRET_ACCESS_KEY"],
            database_url=url,
            database_password=postgres.password,
        )
    )


@pytest.fixture
def in_folder(tmp_path: Path) -> ObjectBench:
    return object_bench(settings_of(tmp_path))


def test_what_was_put_comes_back_with_all_that_was_said_and_every_version_stays(
    objects: ObjectBench,
) -> None:
    first = objects.put("2022/ff.fits", FITS, SAID)
    second = objects.put("2022/ff.fits", FITS + b"2", OTHER)
    assert (first.version, second.version, second.object_id) == (1, 2, first.object_id)
    assert first.description == replace(SAID, content_type="application/fits")
    assert objects.catalogue.object(first.name, 1).description == first.description
    assert objects.bytes_of("2022/ff.fits") == FITS + b"2"
    assert objects.bytes_of("2022/ff.fits", 1) == FITS
    assert [one.version for one in objects.catalogue.versions(first.object_id)] == [2, 1]
    done = objects.search.operations(object_id=first.object_id)
    assert [(one.kind, one.version, one.by, one.run_id) for one in done] == [
        (OperationKind.GET, 1, "ada", "run 1"), (OperationKind.GET, 2, "ada", "run 1"),
        (OperationKind.PUT, 2, "ada", "run 1"), (OperationKind.PUT, 1, "ada", "run 1"),
    ]  # fmt: skip


def test_the_same_bytes_under_two_names_are_kept_once_until_neither_needs_them(
    objects: ObjectBench,
) -> None:
    one, two = objects.put("a", b"same"), objects.put("b", b"same")
    assert one.object_id != two.object_id
    assert len(objects.stored_hashes()) == 1
    over = timedelta(seconds=-1)
    objects.catalogue.delete(one, PERSON, over)
    assert objects.landing.sweep(over) == 0
    assert objects.bytes_of("b") == b"same"
    objects.catalogue.delete(two, PERSON, over)
    assert objects.landing.sweep(over) == 1
    assert objects.stored_hashes() == set()
    assert objects.put("a", b"same").object_id > two.object_id  # ids are not given again
    assert objects.bytes_of("a") == b"same"


def test_a_range_is_read_as_such_and_an_empty_object_is_one(objects: ObjectBench) -> None:
    stored = objects.put("ten", b"0123456789")
    assert b"".join(objects.landing.read(stored, PERSON, 3, 7)) == b"3456"
    assert b"".join(objects.landing.read(stored, PERSON, 7)) == b"789"
    objects.put("empty", b"")
    assert objects.bytes_of("empty") == b""


def test_what_is_deleted_comes_back_and_its_name_can_be_taken_meanwhile(
    objects: ObjectBench,
) -> None:
    stored = objects.put("a", b"1", SAID)
    objects.catalogue.delete(stored, PERSON, timedelta(days=1))
    with pytest.raises(ObjectMissing, match="no object cams/ff/a"):
        objects.catalogue.object(stored.name)
    assert objects.search.find(Search(project="cams"), 10) == []
    (deleted,) = objects.search.find(Search(project="cams", is_deleted=True), 10)
    assert deleted.deleted_at_utc is not None
    assert objects.catalogue.restore(stored.object_id, PERSON).deleted_at_utc is None
    assert objects.bytes_of("a") == b"1"

    again = objects.catalogue.delete(objects.catalogue.object(stored.name), PERSON, timedelta(1))
    newer = objects.put("a", b"2")
    assert newer.object_id != again.object_id
    with pytest.raises(ObjectConflict, match="already"):
        objects.catalogue.restore(stored.object_id, PERSON)
    failed = objects.search.operations(object_id=stored.object_id, most=1)[0]
    assert (failed.kind, failed.is_success) == (OperationKind.RESTORE, False)
    with pytest.raises(ObjectConflict, match="not what it was"):
        objects.catalogue.delete(again, PERSON, timedelta(1))


def test_a_move_keeps_the_id_and_a_copy_has_its_own(objects: ObjectBench) -> None:
    stored = objects.put("a", b"1", SAID)
    moved = objects.catalogue.move(stored, ObjectName("cams", "ff", "b/c"), PERSON)
    assert (moved.object_id, moved.name.name) == (stored.object_id, "b/c")
    copied = objects.landing.copy(moved, stored.name, PERSON)
    assert copied.object_id != moved.object_id
    assert copied.description == moved.description
    with pytest.raises(ObjectConflict, match="already"):
        objects.catalogue.move(moved, stored.name, PERSON)
    with pytest.raises(ObjectMissing, match="no container cams/other"):
        objects.catalogue.move(moved, ObjectName("cams", "other", "x"), PERSON)
    said = objects.landing.describe(copied, OTHER, PERSON)
    assert (said.version, said.content) == (2, copied.content)


def test_who_takes_an_object_to_be_at_another_version_is_told(objects: ObjectBench) -> None:
    objects.put("a", b"1", after=0)
    for after in (0, 2):
        with pytest.raises(ObjectConflict, match=f"is at version 1, not {after}"):
            objects.put("a", b"2", after=after)
    assert objects.put("a", b"2", after=1).version == 2
    failed = [one for one in objects.search.operations(project="cams") if not one.is_success]
    assert [(one.name, one.object_id) for one in failed] == [("cams/ff/a", None)] * 2


def test_two_that_put_the_same_name_at_once_make_two_versions(objects: ObjectBench) -> None:
    def put(number: int) -> None:
        try:
            objects.put("a", b"%d" % number)
        except Exception as error:
            failures.append(error)

    failures: list[Exception] = []
    threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    name = ObjectName("cams", "ff", "a")
    versions = objects.catalogue.versions(objects.catalogue.object(name).object_id)
    assert [one.version for one in versions] == [6, 5, 4, 3, 2, 1]
    assert {objects.bytes_of("a", one.version) for one in versions} == {b"%d" % n for n in range(6)}


def test_objects_are_found_by_what_they_are_called_are_and_what_is_said(
    objects: ObjectBench,
) -> None:
    wanted = objects.put("2022/03/FF_1.fits", FITS, SAID)
    objects.put("2022/03/notes.txt", b"some text", OTHER)
    objects.put("other.fits", FITS + b"more")
    found = [
        Search(project="cams", container="ff", folder="2022", text="ff_"),
        Search(content_type="application/fits", folder="2022/03/"),
        Search(content_type="application/*", tags=frozenset({"fireball"})),
        Search(links=frozenset({Link(LinkKind.STATION, "US0001")})),
        Search(metadata={"camera.gain": 4.5, "flags": "moon"}),
        Search(metadata={"camera.gain": Interval(4, 5)}),
        Search(sha256=wanted.content.sha256),
        Search(size_bytes=Interval(10, 80), content_type="application/fits"),
        Search(observed_from_utc=AT, box_deg=(170, -20, -170, -10), text="FF"),
        Search(text="_1"),
        Search(text="F", observed_from_utc=AT, observed_until_utc=AT + timedelta(days=400)),
    ]
    for search in found:
        assert [one.object_id for one in objects.search.find(search, 10)] == [wanted.object_id]
        assert objects.search.count(search) == (1, len(FITS))
    none = [
        Search(text="%"),
        Search(folder="2022/0"),
        Search(metadata={"camera.gain": Interval(5, 6)}),
        Search(project="other"),
        Search(box_deg=(-170, -20, 170, -10)),
        Search(tags=frozenset({"x"})),
        Search(observed_from_utc=AT + timedelta(days=1)),
        Search(observed_from_utc=AT - timedelta(2), observed_until_utc=AT - timedelta(seconds=1)),
        Search(put_since_utc=utc_now() + timedelta(1)),
    ]
    for search in none:
        assert objects.search.find(search, 10) == []
    objects.put("2022/03/FF_1.fits", FITS, OTHER)  # what was said before finds it no more
    assert objects.search.find(Search(tags=frozenset({"fireball"})), 10) == []
    assert len(objects.search.find(Search(), 2)) == 2
    later = objects.search.find(Search(), 9, after_id=wanted.object_id)
    assert [one.name.name for one in later] == ["2022/03/notes.txt", "other.fits"]


def test_a_level_of_a_container_has_its_folders_and_files_a_page_at_a_time(
    objects: ObjectBench,
) -> None:
    for name in ("a", "b/1", "b/2/3", "b.txt", "ä/x", "c"):
        objects.put(name, b"x")

    def level(folder: str, most: int = 10, after: str = "") -> list[str]:
        found = objects.search.level("cams", "ff", folder, most, after)
        return [
            f"{one.name}/{one.objects}" if isinstance(one, Folder) else one.name.name
            for one in found
        ]

    assert level("") == ["a", "b.txt", "b/2", "c", "ä/1"]
    assert level("b/") == ["b/1", "2/1"]
    assert level("", 2) == ["a", "b.txt"]
    assert level("", 2, after="b.txt") == ["b/2", "c"]
    assert level("", 2, after="b/") == ["c", "ä/1"]


def die_at(settings: Settings, nth: int) -> None:
    """Put a second version, and be killed at the n-th step of it: a statement, a commit, a file
    made durable or given its name."""
    steps = count()

    def step(*_: object) -> None:
        if next(steps) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def called(*args: object, **more: object) -> object:
            step()
            done = function(*args, **more)
            step()
            return done

        return called

    objects = object_bench(settings)
    for what in ("before_cursor_execute", "commit"):
        event.listen(Engine, what, step)
    objects.landing.contents.place = counted(objects.landing.contents.place)  # type: ignore[method-assign]
    os.fsync = counted(os.fsync)  # type: ignore[assignment]
    objects.put("a", FITS + b"2", OTHER)
    os._exit(0)


def test_who_is_killed_at_any_step_leaves_the_object_as_it_was_or_as_it_is_to_be(
    objects: ObjectBench,
) -> None:
    first = objects.put("a", FITS, SAID)
    seen = set()
    # From a process without threads: a fork of this one has those of the bucket's client stopped.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    for nth in count():
        child = processes.Process(target=die_at, args=(objects.settings, nth))
        child.start()
        child.join()
        stored = objects.catalogue.object(first.name)
        seen.add(stored.version)
        is_new = stored.version == 2
        assert stored.description.metadata == (OTHER if is_new else SAID).metadata
        has_tag = objects.search.find(Search(tags=frozenset({"fireball"})), 2)
        assert len(has_tag) == (not is_new)
        puts = [o for o in objects.search.operations(object_id=first.object_id)
                if o.kind is OperationKind.PUT]  # fmt: skip
        assert len(puts) == stored.version
        objects.landing.sweep(timedelta(seconds=-1))
        named = {one.content.sha256 for one in objects.catalogue.versions(first.object_id)}
        assert objects.stored_hashes() == named
        assert objects.bytes_of("a") == (FITS + b"2" if is_new else FITS)
        if is_new:
            break
    assert nth > 10
    assert seen == {1, 2}


def test_claimed_bytes_are_left_by_the_sweep_and_those_that_nobody_knows_are_not(
    objects: ObjectBench,
) -> None:
    with objects.staged("a", b"claimed") as staged:
        objects.catalogue.claim([staged.content])
        objects.landing.contents.place(staged.path, staged.content)
    with objects.staged("b", b"lost") as staged:
        objects.landing.contents.place(staged.path, staged.content)
    assert objects.landing.sweep(timedelta(hours=1)) == 1
    assert len(objects.stored_hashes()) == 1
    assert objects.landing.sweep(timedelta(seconds=-1)) == 1
    with objects.staged("c", b"slow") as staged:  # its claim was over before it came to its name
        new = NewVersion(staged.name, staged.content, staged.description)
        with pytest.raises(ObjectConflict, match="claim"):
            objects.catalogue.name([new], PERSON)


def test_a_check_finds_what_was_changed_or_lost_and_goes_on_where_it_was_stopped(
    objects: ObjectBench,
) -> None:
    stored = [objects.put(name, name.encode() * 9) for name in "abc"]
    contents = objects.landing.contents
    contents.remove(stored[0].content.sha256)
    began = utc_now()
    seen = 0

    def stop(_: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        objects.landing.verify(began, stop)
    rest = objects.landing.verify(began)
    assert rest.checked == 1
    (fault,) = objects.catalogue.damaged()
    assert fault[0].name.name == "a"
    with pytest.raises(DataDamaged):
        objects.bytes_of("a")
    objects.put("a", b"a" * 9)
    assert objects.bytes_of("a") == b"a" * 9


def test_bytes_that_became_others_are_not_given_as_if_they_were_right(
    in_folder: ObjectBench,
) -> None:
    stored = in_folder.put("a", b"right")
    path = in_folder.landing.contents.local_path(stored.content)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(b"wrong")
    with pytest.raises(DataDamaged, match="not those that were put"):
        in_folder.bytes_of("a")
    (fault,) = in_folder.landing.verify(utc_now()).faults.values()
    assert "SHA-256" in fault
    assert not in_folder.search.operations(object_id=stored.object_id, most=1)[0].is_success
    in_folder.put("b", b"right")  # the same bytes again mend it
    assert in_folder.catalogue.damaged() == []
    assert in_folder.bytes_of("a") == b"right"


def test_metadata_is_held_to_the_schema_of_its_container(in_folder: ObjectBench) -> None:
    schema = {"required": ["gain"], "properties": {"gain": {"type": "number"}}}
    in_folder.landing.make_container("cams", "strict", PERSON, metadata_schema=schema)
    stored = in_folder.put("a", b"1", SAID)
    with pytest.raises(ObjectRefused, match="'gain' is a required property"):
        in_folder.landing.copy(stored, ObjectName("cams", "strict", "a"), PERSON)
    good = in_folder.landing.describe(stored, Description(metadata={"gain": 2}), PERSON)
    made = in_folder.landing.copy(good, ObjectName("cams", "strict", "a"), PERSON)
    with pytest.raises(ObjectRefused, match="gain: 'two' is not of type 'number'"):
        in_folder.landing.describe(made, Description(metadata={"gain": "two"}), PERSON)
    with pytest.raises(ObjectRefused, match="no JSON schema"):
        in_folder.landing.make_container("cams", "x", PERSON, metadata_schema={"type": "nothing"})
    in_folder.landing.make_container("cams", "far", PERSON, metadata_schema={"$ref": "http://x/y"})
    with pytest.raises(ObjectRefused, match="cannot be followed"):
        in_folder.landing.copy(stored, ObjectName("cams", "far", "a"), PERSON)


def test_one_that_cannot_be_named_names_none_of_its_batch(in_folder: ObjectBench) -> None:
    with ExitStack() as stack:
        batch = [
            stack.enter_context(in_folder.staged(name, name.encode(), after=after))
            for name, after in (("a", None), ("b", 7))
        ]
        with pytest.raises(ObjectConflict):
            in_folder.landing.land(batch, PERSON)
    assert in_folder.search.find(Search(), 10) == []
    assert {one.name for one in in_folder.search.operations()} == {"cams/ff/a", "cams/ff/b"}


def test_what_came_otherwise_than_it_was_sent_is_refused(in_folder: ObjectBench) -> None:
    with in_folder.staged("a", b"1") as staged:
        check_hash(staged.content, staged.content.sha256.upper(), staged.name)
        with pytest.raises(ObjectRefused, match="changed on its way"):
            check_hash(staged.content, "0" * 64, staged.name)
