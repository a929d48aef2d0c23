"""`gmn objects`, as a person and a script use it; and a watcher that is killed and starts anew."""

import json
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gmn_pipeline.cli.objects import app
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import GmnError, ObjectConflict, ObjectMissing, ObjectRefused
from gmn_pipeline.flows.object_watch import Watching, watch_folder
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.listener import wait_for
from gmn_pipeline_tests.support.objects import PERSON, settings_of

FITS = "SIMPLE  =                    T"


class Commands:
    """`gmn objects` within this process."""

    def __init__(self, data_dir: Path) -> None:
        self._environment = {"GMN_DATA_DIR": str(data_dir), "COLUMNS": "250", "NO_COLOR": "1"}

    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, list(map(str, arguments)), env=self._environment)

    def __call__(self, *arguments: object) -> str:
        """What it prints when all goes well."""
        done = self.run(*arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def lines(self, *arguments: object) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*arguments, "--json").splitlines()]

    def names(self, *arguments: object) -> list[str]:
        return [found["name"] for found in self.lines("find", *arguments)]

    def refused(self, kind: type[GmnError], *arguments: object) -> str:
        done = self.run(*arguments)
        assert isinstance(done.exception, kind), (done.output, done.exception)
        return str(done.exception)


@pytest.fixture
def gmn(tmp_path: Path) -> Commands:
    commands = Commands(tmp_path / "data")
    commands("make", "cams/ff")
    return commands


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    folder = tmp_path / "camera"
    (folder / "night").mkdir(parents=True)
    (folder / "x.fits").write_text(FITS)
    for number in range(3):
        (folder / "night" / f"f{number}.txt").write_text(f"frame {number}")
    return folder


def test_files_are_put_found_described_moved_deleted_restored_and_got(
    gmn: Commands, camera: Path, tmp_path: Path
) -> None:
    (counts,) = gmn.lines("put", camera, "cams/ff/2022")
    assert (counts["given"], counts["put"], counts["failed"]) == (4, 4, 0)
    assert "put 0 (0 bytes), unchanged 4" in gmn("put", camera, "cams/ff/2022")
    said = [
        "--metadata", '{"camera": {"gain": 4}, "lens": "wide"}', "--tag", "moon",
        "--link", "station:US0001", "--at", "45.5,15", "--observed-from", "2022-03-04T21:00:00",
    ]  # fmt: skip
    gmn("put", camera / "x.fits", "cams/ff", "--as", "best.fits", *said)
    for search in (
        ["--type", "application/*", "--text", "BEST"],
        ["cams", "--tag", "moon", "--link", "station:US0001"],
        ["--metadata", "camera.gain>=4", "--metadata", "camera.gain<=5"],
        ["--metadata", "lens=wide", "--metadata", "camera.gain=4"],
        ["--box", "10,40,20,50", "--observed-until", "2022-03-05"],
    ):
        assert gmn.names(*search) == ["best.fits"]
    assert gmn("find", "cams/ff", "--count").startswith("5 objects, ")
    assert len(gmn.names("cams/ff/2022")) == 4
    assert gmn("ls").split() == ["cams"]
    assert gmn("ls", "cams").split() == ["ff"]
    assert [one.get("folder") or one["name"] for one in gmn.lines("ls", "cams/ff/2022/camera")] == [
        "2022/camera/night/",
        "2022/camera/x.fits",
    ]
    gmn("describe", "cams/ff/best.fits", "--tag", "fireball", "--untag", "moon")
    now = json.loads(gmn("describe", "cams/ff/best.fits"))
    assert (now["tags"], now["metadata"]["lens"], now["version"]) == (["fireball"], "wide", 2)
    gmn("describe", "cams/ff/best.fits", "--unlink", "station:US0001", "--forget", "time",
        "--forget", "place")  # fmt: skip
    now = json.loads(gmn("describe", "cams/ff/best.fits"))
    assert (now["links"], now["latitude_deg"], now["observed_from_utc"]) == ([], None, None)
    assert (now["tags"], now["version"]) == (["fireball"], 3)
    gmn("cp", "cams/ff/best.fits", "cams/ff/copies/")
    gmn("mv", "cams/ff/2022/camera/night/", "cams/ff/frames/")
    assert gmn.names("cams/ff/frames") == ["frames/f0.txt", "frames/f1.txt", "frames/f2.txt"]
    assert "'gmn objects rm -r'" in gmn.refused(ObjectRefused, "rm", "cams/ff/frames")
    gmn("get", "cams/ff/frames", tmp_path / "frames")  # a folder, since no object is called so
    assert len(list((tmp_path / "frames").iterdir())) == 3
    gmn("rm", "-r", "cams/ff/frames/")
    assert gmn.names("cams/ff/frames") == []
    assert "'gmn objects rm -r'" in gmn.refused(ObjectRefused, "rm", "cams/ff/")
    gmn("restore", "cams/ff/frames/f1.txt")
    assert gmn.names("cams/ff/frames") == ["frames/f1.txt"]
    kinds = [one["kind"] for one in gmn.lines("history", "cams/ff/frames/f1.txt") if "kind" in one]
    assert kinds == ["restore", "delete", "get", "move", "move", "put"]
    assert "delete   cams/ff/frames/f0.txt" in gmn("history", "cams")
    assert " in run command " in gmn("history", "cams")
    assert "4 objects: got 4 (" in gmn("get", "cams/ff", tmp_path / "out")
    assert (tmp_path / "out/frames/f1.txt").read_text() == "frame 1"
    gmn("get", "cams/ff/best.fits", tmp_path / "one.fits", "--version", 1)
    assert (tmp_path / "one.fits").read_text() == FITS
    assert gmn("get", "cams/ff/best.fits", "-") == FITS
    assert "Checked " in gmn("verify")
    assert "Removed 0 contents" in gmn("sweep")


def test_what_cannot_be_done_is_said_and_ends_with_one(
    gmn: Commands, camera: Path, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"required": ["gain"]}')
    gmn("make", "cams/strict", "--schema", schema)
    assert "required" in gmn("ls", "cams")
    done = gmn.run("put", camera, "cams/strict")
    assert done.exit_code == 1
    assert "put 0 (0 bytes), unchanged 0, failed 4" in done.stdout
    assert "'gain' is a required property" in done.stdout
    assert "put 4" in gmn("put", camera, "cams/strict", "--metadata", '{"gain": 1}')
    assert "PROJECT/CONTAINER" in gmn.refused(ObjectRefused, "put", camera, "cams")
    assert "gmn objects make cams/none" in gmn.refused(ObjectMissing, "put", camera, "cams/none")
    assert "There is no container" in gmn.refused(ObjectMissing, "get", "cams/none", tmp_path)
    gmn.refused(ObjectConflict, "make", "cams/ff")
    for wrong in (["--metadata", "["], ["--link", "moon:1"], ["--at", "1"], ["--tag"]):
        assert gmn.run("put", camera, "cams/ff", *wrong).exit_code == 2
    assert gmn.run("find", "--metadata", "gain>=much").exit_code == 2


def test_damaged_bytes_are_named_until_the_same_file_is_put_again(
    gmn: Commands, camera: Path, tmp_path: Path
) -> None:
    gmn("put", camera, "cams/ff")
    (found,) = gmn.lines("find", "--text", "f1")
    lake = opened_objects(settings_of(tmp_path))
    lake.contents.remove(found["sha256"])
    done = gmn.run("verify")
    assert done.exit_code == 1
    assert "cams/ff/camera/night/f1.txt, version 1" in done.stdout
    assert gmn.run("get", "cams/ff", tmp_path / "out").exit_code == 1
    gmn("put", camera / "night/f1.txt", "cams/ff/again")
    assert "Checked " in gmn("verify")


def test_a_folder_is_synced_and_what_is_gone_is_deleted_if_wanted(
    gmn: Commands, camera: Path
) -> None:
    assert "put 3" in gmn("sync", camera, "cams/ff", "--pattern", "*.txt")
    (camera / "night/f0.txt").unlink()
    assert "put 1 (30 bytes), unchanged 2" in gmn("sync", camera, "cams/ff")
    (counts,) = gmn.lines("sync", camera, "cams/ff", "--delete")
    assert (counts["unchanged"], counts["deleted"]) == (3, 1)


def stored(lake: OpenedObjects) -> dict[str, int]:
    return {one.name.name: one.version for one in lake.search.find(Search(), 100)}


def test_a_watcher_that_is_killed_goes_on_and_puts_nothing_twice(
    gmn: Commands, camera: Path, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    lake = opened_objects(settings_of(tmp_path))
    command = Command(GMN_DATA_DIR=str(tmp_path / "data"))
    arguments = ["objects", "watch", str(camera), "cams/ff", "--settled", "0.2"]

    def watching(*more: str) -> "subprocess.Popen[str]":
        return command.start(*arguments, *more)

    watcher = watching()
    try:
        wait_for(lambda: len(stored(lake)) == 4)
        (camera / ".hidden").write_text("h")
        moved = tmp_path / "moved"
        moved.mkdir()
        (moved / "g.txt").write_text("g")
        shutil.move(moved, camera / "moved")
        (camera / "x.fits").write_text(FITS + "more")
        wait_for(lambda: stored(lake).get("x.fits") == 2 and "moved/g.txt" in stored(lake))
        watcher.send_signal(signal.SIGKILL)
        watcher.communicate()
        (camera / "while_away.txt").write_text("w")
        watcher = watching("--done", str(done))
        wait_for(lambda: not [path for path in camera.rglob("*.*") if path.name[0] != "."])
        assert set(stored(lake).values()) == {1, 2}
        assert sorted(path.name for path in done.rglob("*.*")) == [
            "f0.txt", "f1.txt", "f2.txt", "g.txt", "while_away.txt", "x.fits",
        ]  # fmt: skip
        watcher.send_signal(signal.SIGINT)
        said, errors = watcher.communicate(timeout=30)
        assert watcher.returncode == 0, errors
        assert "Put 1 (1 byte" in said
        assert said.endswith("Stopped.\n")
    finally:
        watcher.kill()
        watcher.communicate()
    within = gmn.run("watch", camera, "cams/ff", "--done", camera / "done")
    assert "within the watched folder" in str(within.exception)


def test_a_file_that_another_watcher_moves_first_ends_none_of_them(
    gmn: Commands, camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, stopped, move = opened_objects(settings_of(tmp_path)), threading.Event(), shutil.move

    def moved_by_both(path: Path, target: Path) -> Any:
        move(path, tmp_path / f"by the other, {path.name}")
        return move(path, target)

    monkeypatch.setattr(shutil, "move", moved_by_both)
    watch_folder(
        lake, FolderFiles(camera, 0.0), ("cams", "ff", ""), PERSON, stopped,
        Watching(done=tmp_path / "done"), lambda _: stopped.set(),
    )  # fmt: skip
    assert set(stored(lake).values()) == {1}
    assert len(list(tmp_path.glob("by the other, *"))) == len(stored(lake)) == 4
