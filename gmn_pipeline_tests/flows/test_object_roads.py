"""Many files into the lake of objects and out of it: what is put, left, failed, got."""

import errno
import hashlib
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import obstore
import pytest

from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import ObjectMissing, SourceUnavailable, StorageUnavailable
from gmn_pipeline.flows.object_gets import UNFINISHED, GetCounts, get_objects
from gmn_pipeline.flows.object_puts import Given, PutCounts, put_files
from gmn_pipeline.flows.object_sync import FileFilter, sync
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.schemas.objects import Description, Json
from gmn_pipeline.settings import Settings
from gmn_pipeline.sources.files import FileSource, SourceFile
from gmn_pipeline.sources.files_in_bucket import BucketFiles
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.storage.buckets import open_bucket
from gmn_pipeline_tests.support.object_storage import ObjectStorageServer
from gmn_pipeline_tests.support.objects import PERSON, object_bench, settings_of
from gmn_pipeline_tests.support.places import SECRETS

PLACE = ("cams", "ff", "")
LONG_AGO = 1_600_000_000


class Watched:
    """A source that notes which files are read, and lets something happen meanwhile."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.place = source.place
        self.listed = source.listed
        self.reads: list[str] = []
        self.meanwhile: Callable[[str], None] = lambda _: None

    def read(
        self, path: str, write: Callable[[bytes], None],
        copy: Callable[[int, int], int] | None = None,
    ) -> SourceFile:  # fmt: skip
        self.reads.append(path)

        def written(piece: bytes) -> None:
            write(piece)
            self.meanwhile(path)

        return self._source.read(path, written)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return object_bench(settings_of(tmp_path)).settings


@pytest.fixture
def lake(settings: Settings) -> OpenedObjects:
    return opened_objects(settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """300 files, more than one batch, whose times are long ago."""
    folder = tmp_path / "camera"
    for number in range(300):
        file(folder / f"{number // 100}" / f"ff_{number:03}.txt", f"frame {number}")
    return folder


def file(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def counted(counts: PutCounts) -> tuple[int, int, int]:
    return counts.put, counts.unchanged, counts.failed


def test_a_folder_is_taken_once_and_then_what_changed_whatever_others_did_meanwhile(
    lake: OpenedObjects, folder: Path
) -> None:
    source = Watched(FolderFiles(folder, settled_after_s=-1))
    counts, _ = sync(lake, source, PLACE, PERSON)
    assert counted(counts) == (300, 0, 0)
    assert len(source.reads) == 300
    source.reads.clear()
    counts, _ = sync(lake, source, PLACE, PERSON)
    assert counted(counts) == (0, 300, 0)
    assert source.reads == []  # their stamps are as they were
    file(folder / "1/ff_100.txt", "FRAME 100")
    (folder / "1/ff_101.txt").touch()
    first, second = lake.search.find(Search(folder="2/"), 2)
    lake.catalogue.delete(first, PERSON, timedelta(days=1))
    lake.landing.copy(second, second.name, PERSON)
    described = lake.landing.describe(
        lake.search.find(Search(text="ff_100"), 1)[0], Description(tags=frozenset({"x"})), PERSON
    )
    counts, _ = sync(lake, source, PLACE, PERSON)
    assert counted(counts) == (2, 298, 0)
    assert sorted(set(source.reads)) == ["1/ff_100.txt", "1/ff_101.txt", first.name.name]
    newest = lake.catalogue.object(described.name)
    assert b"".join(lake.landing.read(newest, PERSON)) == b"FRAME 100"
    assert newest.description.tags == {"x"}


def test_what_is_gone_is_deleted_on_demand_only_and_never_because_a_disk_is_away(
    lake: OpenedObjects, folder: Path
) -> None:
    def again(**how: object) -> int:
        return sync(lake, FolderFiles(folder), PLACE, PERSON, **how)[1]  # type: ignore[arg-type]

    again()
    day = timedelta(days=1)
    (folder / "0/ff_000.txt").unlink()
    (folder / "2/ff_200.txt").unlink()
    assert again() == 0
    assert again(wanted=FileFilter("2/*", largest_bytes=3), deleting_for=day) == 1
    assert lake.search.count(Search())[0] == 299
    for path in folder.rglob("*.txt"):
        path.unlink()
    with pytest.raises(SourceUnavailable, match="nothing was deleted"):
        again(deleting_for=day)
    with pytest.raises(SourceUnavailable, match="no folder"):
        sync(lake, FolderFiles(folder / "away"), PLACE, PERSON)
    assert lake.search.count(Search())[0] == 299


def test_a_bad_file_fails_alone_and_all_are_accounted_for(
    lake: OpenedObjects, folder: Path, tmp_path: Path
) -> None:
    schema: Json = {"required": ["gain"]}
    lake.landing.make_container("cams", "strict", PERSON, metadata_schema=schema)
    said = Description(metadata={"gain": 1})
    source = FolderFiles(folder)
    (folder / "0/link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "0/pipe")
    (folder / "0/\udc80").touch()
    given = [
        Given(source, one, one.path, said if "ff_007" not in one.path else Description())
        for one in source.listed()
    ]
    assert source.passed_over == 2
    given += [
        Given(source, SourceFile("0/link", 1, ""), "link", said),
        Given(source, SourceFile("0/pipe", 1, ""), "pipe", said),
        Given(source, SourceFile("0/gone", 1, ""), "gone", said),
        Given(source, SourceFile("0", 1, ""), "folder", said),
    ]
    done: list[bool] = []
    counts = put_files(
        lake, "cams", "strict", given, PERSON, lambda _, error: done.append(error is None)
    )
    assert counted(counts) == (299, 0, 6)
    assert (len(done), sum(done)) == (counts.given, 299) == (305, 299)
    assert "'gain' is a required property" in counts.failures["cams/strict/0/ff_007.txt"]
    assert lake.search.count(Search())[0] == 299
    with pytest.raises(ObjectMissing, match="gmn objects make cams/none"):
        put_files(lake, "cams", "none", given, PERSON)
    assert not list((tmp_path / "data/objects/incoming").glob("*"))


def test_a_file_that_changes_while_it_is_read_is_taken_again_or_fails(
    lake: OpenedObjects, tmp_path: Path
) -> None:
    path = file(tmp_path / "camera/a.txt", "first")
    source = Watched(FolderFiles(path.parent))
    changes = iter(["second!", "third"])

    def change(_: str) -> None:
        text = next(changes, None)
        if text:
            path.write_text(text)

    source.meanwhile = change
    assert counted(sync(lake, source, PLACE, PERSON)[0]) == (1, 0, 0)
    (stored,) = lake.search.find(Search(), 2)
    assert b"".join(lake.landing.read(stored, PERSON)) == b"third"
    changes = iter(["longer"] * 9)
    counts, _ = sync(lake, source, PLACE, PERSON)
    assert counted(counts) == (0, 0, 1)
    assert "changed while it was read" in counts.failures["cams/ff/a.txt"]


def test_one_that_somebody_else_puts_meanwhile_does_not_keep_its_batch_from_landing(
    lake: OpenedObjects, tmp_path: Path
) -> None:
    for name in "abc":
        file(tmp_path / "camera" / name, name)
    other = file(tmp_path / "other" / "b", "other")
    source = Watched(FolderFiles(tmp_path / "camera"))

    def put_by_another(path: str) -> None:
        source.meanwhile = lambda _: None
        sync(lake, FolderFiles(other.parent), PLACE, PERSON)

    source.meanwhile = put_by_another
    assert counted(sync(lake, source, PLACE, PERSON)[0]) == (3, 0, 0)
    versions = {one.name.name: one.version for one in lake.found(Search())}
    assert versions == {"a": 1, "b": 2, "c": 1}


def test_what_meets_every_file_ends_the_whole_and_the_same_call_goes_on(
    lake: OpenedObjects, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = lake.catalogue.name
    calls = 0

    def away(*given: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StorageUnavailable("away")
        return name(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(lake.catalogue, "name", away)
    with pytest.raises(StorageUnavailable):
        sync(lake, FolderFiles(folder), PLACE, PERSON)
    assert lake.search.count(Search())[0] == 200
    assert counted(sync(lake, FolderFiles(folder), PLACE, PERSON)[0]) == (100, 200, 0)


def test_what_was_observed_for_a_season_is_found_by_each_night_of_it(
    lake: OpenedObjects, tmp_path: Path
) -> None:
    began = datetime(2022, 3, 4)
    season = Description(observed_from_utc=began, observed_until_utc=began + timedelta(days=99))
    source = FolderFiles(file(tmp_path / "camera/season.csv", "1,2").parent)
    sync(lake, source, PLACE, PERSON, description=season)
    for day, is_found in ((-2, False), (50, True), (98, True), (100, False)):
        night = began + timedelta(days=day)
        search = Search(observed_from_utc=night, observed_until_utc=night + timedelta(hours=9))
        assert bool(lake.search.find(search, 1)) is is_found


def test_objects_are_got_once_and_those_that_lead_elsewhere_or_are_damaged_fail_alone(
    lake: OpenedObjects, folder: Path, tmp_path: Path
) -> None:
    file(folder / "links/inner.txt", "i")
    file(folder / f"{UNFINISHED}/x", "u")
    sync(lake, FolderFiles(folder), PLACE, PERSON)
    objects = [(one, one.name.name) for one in lake.found(Search())]
    damaged = objects[5][0]
    lake.contents.remove(damaged.content.sha256)
    to = tmp_path / "to"
    to.mkdir()
    (to / "links").symlink_to(tmp_path / "elsewhere")
    (to / "0/ff_000.txt").mkdir(parents=True)
    file(to / "1/ff_100.txt", "frame xxx")
    long = (objects[0][0], "x" * 300)
    sizes: list[int] = []
    counts = get_objects(lake, [*objects, long], to, PERSON, sizes.append)
    assert (counts.wanted, counts.got, counts.there, counts.failed) == (303, 298, 0, 5)
    assert not (tmp_path / "elsewhere").exists()
    assert (to / "1/ff_100.txt").read_text() == "frame 100"
    assert sum(sizes) == counts.got_bytes + len("frame 0")  # which a folder lay in the way of
    counts = get_objects(lake, objects, to, PERSON)
    assert (counts.got, counts.there, counts.failed) == (0, 298, 4)
    assert not list(to.glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("refused", ["", "at once", "later"])
def test_a_large_file_is_copied_by_the_kernel_or_else_in_pieces_and_its_hash_decides(
    lake: OpenedObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    data = os.urandom(4_000_000) * 5 + b"end"
    large = tmp_path / "in" / "large.bin"
    large.parent.mkdir()
    large.write_bytes(data)
    steps: list[int] = []

    def copy_file_range(*given: int) -> int:
        if refused == "at once" or (refused and steps):
            raise OSError(errno.EXDEV, "another file system")
        steps.append(kernels(*given))
        return steps[-1]

    kernels = os.copy_file_range
    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    counts, _ = sync(lake, FolderFiles(large.parent), PLACE, PERSON)
    assert counted(counts) == (1, 0, 0)
    (stored,) = lake.search.find(Search(), 2)
    assert stored.content.sha256 == hashlib.sha256(data).hexdigest()
    seen: list[int] = []

    def got(to: Path) -> GetCounts:
        return get_objects(lake, [(stored, "large.bin")], to, PERSON, seen.append)

    steps.clear()
    assert got(tmp_path / "out").got == 1
    assert (tmp_path / "out/large.bin").read_bytes() == data
    assert sum(seen) == len(data)
    assert sum(steps) == {"": len(data), "at once": 0, "later": 8 << 20}[refused]
    path = lake.contents.local_path(stored.content)
    assert path is not None
    path.chmod(0o600)
    flipped = bytes([data[9_000_000] ^ 1])
    for damaged in (data[:-1], data[:9_000_000] + flipped + data[9_000_001:], data[:1_000_000]):
        path.write_bytes(damaged)
        counts_of_get = got(tmp_path / "damaged")
        assert (counts_of_get.got, counts_of_get.failed) == (0, 1)
    assert not (tmp_path / "damaged/large.bin").exists()


def test_a_bucket_is_taken_by_its_etags(
    lake: OpenedObjects, tmp_path: Path, object_storage: ObjectStorageServer
) -> None:
    settings = settings_of(
        tmp_path,
        s3_endpoint_url=object_storage.url,
        s3_access_key_id=SECRETS["AWS_ACCESS_KEY_ID"],
        s3_secret_access_key=SECRETS["AWS_SECRET_ACCESS_KEY"],
    )
    url = f"s3://{object_storage.new_bucket()}/2022"
    bucket = open_bucket(url, settings)
    for name in ("a.fits", "n/b.fits", "notes.txt"):
        obstore.put(bucket, name, name.encode())
    source = Watched(BucketFiles(url, settings))
    wanted = FileFilter("*.fits")
    assert counted(sync(lake, source, PLACE, PERSON, wanted=wanted)[0]) == (2, 0, 0)
    obstore.put(bucket, "n/b.fits", b"other")
    source.reads.clear()
    assert counted(sync(lake, source, PLACE, PERSON, wanted=wanted)[0]) == (1, 1, 0)
    assert source.reads == ["n/b.fits"]
    assert counted(sync(lake, BucketFiles(url, settings), PLACE, PERSON)[0]) == (1, 2, 0)
    assert [one.name.name for one in lake.found(Search())] == [
        "a.fits",
        "n/b.fits",
        "notes.txt",
    ]
    anonymous = BucketFiles(url, settings, is_anonymous=True, endpoint_url="http://127.0.0.1:1")
    assert "127.0.0.1:1" in anonymous.place
