"""The data folder is moved, copied and called whatever its owner likes."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.home import dagster_instance
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.kafka import RunningBroker, need_kafka, own_broker
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import assert_same, count, maintain, state

SAYING_WHAT_WAS = ("broker.log", "broker.out", "-delete.parquet")
"""Files of others that name a place and are never asked for it: Kafka's log, and DuckLake's files
of deleted rows, of which only the rows' numbers are read (a test below moves such files)."""

ODD = """~ p%20q?x=1#h it's "ö{a}" *,:;&$HOME"""


def naming(folder: Path) -> list[str]:
    """Files of a folder that hold its path."""
    path = str(folder).encode()
    return [
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith(SAYING_WHAT_WAS) and path in file.read_bytes()
    ]


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with its hash."""
    return {
        str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith(("-shm", "-wal", ".lock"))
    }


def load(settings: Settings) -> None:
    report = load_days([DAY], settings)
    assert not report.failed, report.failed[0].error


def placed_at(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"data_dir": folder})


def run_count(settings: Settings) -> int:
    with dagster_instance(settings) as instance:
        return instance.get_runs_count()


def test_all_commands_work_in_a_folder_with_an_odd_name_and_leave_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample())
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    gmn = Command(GMN_DATA_DIR=f"./{ODD}/data", GMN_SOURCE_URL=str(bench.site))
    gmn.says("run", "--from", "2022-03-04")
    assert gmn.answers("SELECT count(*) AS n FROM trajectories") == [{"n": 534}]
    assert "2022-03-04" in gmn.says("status")
    assert "files removed" in gmn.says("maintain")
    assert [path.name for path in place.iterdir()] == [ODD]
    assert [path.name for path in (place / ODD).iterdir()] == ["data"]
    assert naming(place / ODD / "data") == []

    # All of it stays true where the folder lies elsewhere.
    (place / ODD).rename(place / "moved")
    gmn = Command(GMN_DATA_DIR="moved/data", GMN_SOURCE_URL=str(bench.site))
    bench.put(DAILY, sample().stamped("2022-03-18 00:00:00").first(400))
    gmn.says("run", "--from", "2022-03-04")
    assert gmn.answers("SELECT count(*) AS n FROM trajectories") == [{"n": 400}]
    assert (place / "moved/data/snapshot/gmn.duckdb").exists()
    assert [path.name for path in place.iterdir()] == ["moved"]


def test_a_copy_works_by_itself_and_leaves_the_folder_that_it_was_made_of_alone(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    for generation, rows in (("2022-03-16 00:00:00", 534), ("2022-03-17 00:00:00", 400)):
        bench.put(DAILY, sample().stamped(generation).first(rows))
        load(bench.settings)
    make_snapshot(bench.settings)
    assert list(bench.settings.warehouse_dir.rglob("*-delete.parquet")), "rows are deleted in files"
    before = contents(bench.settings.data_dir)
    expected = state(bench.settings)
    settings = placed_at(bench.settings, tmp_path / "copy")
    shutil.copytree(bench.settings.data_dir, settings.data_dir, symlinks=True)
    for place, generation, rows in (
        ("copy", "2022-03-18 00:00:00", 250), ("elsewhere/copy", "2022-03-19 00:00:00", 100),
    ):  # fmt: skip
        if place != "copy":  # moved once more, with deletions that were written in the copy
            (tmp_path / place).parent.mkdir()
            settings.data_dir.rename(tmp_path / place)
            settings = placed_at(settings, tmp_path / place)
            assert_same(state(settings), expected)
            assert maintain(settings, utc_now() + timedelta(days=30)).files_removed > 0
        assert_same(state(settings), expected)
        bench.put(DAILY, sample().stamped(generation).first(rows))
        load(settings)
        assert count(settings, "trajectories") == rows
        manifest, is_new = make_snapshot(settings)
        assert is_new
        assert manifest.rows["trajectories"] == rows
        expected = state(settings)
    assert contents(bench.settings.data_dir) == before
    assert naming(settings.data_dir) == []


def test_a_lake_that_names_its_former_place_works_elsewhere(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample())
    load(bench.settings)
    with closing(sqlite3.connect(bench.settings.warehouse_dir / "catalog.sqlite")) as db, db:
        place = f"{bench.settings.warehouse_dir}/data/"
        db.execute("UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [place])
    bench.settings.data_dir.rename(tmp_path / "moved")
    moved = placed_at(bench.settings, tmp_path / "moved")
    assert count(moved, "trajectories") == 534
    bench.put(DAILY, sample().stamped("2022-03-17 00:00:00").first(500))
    load(moved)
    assert count(moved, "trajectories") == 500
    assert not bench.settings.data_dir.exists()


def test_dagsters_runs_come_along_in_a_moved_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(3))
    gmn = Command(GMN_DATA_DIR=str(bench.settings.data_dir), GMN_SOURCE_URL=str(bench.site))
    gmn.says("run", "--from", "2022-03-04")
    before = run_count(bench.settings)
    assert before > 0
    bench.settings.data_dir.rename(tmp_path / "moved ?")
    moved = placed_at(bench.settings, tmp_path / "moved ?")
    assert run_count(moved) == before
    assert not bench.settings.data_dir.exists()


def test_a_folder_is_used_by_its_true_path_when_a_link_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk", target_is_directory=True)
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(3))
    monkeypatch.setenv("GMN_DATA_DIR", str(tmp_path / "link"))
    load(bench.settings.model_copy(update={"data_dir": load_settings().data_dir}))
    (tmp_path / "link").unlink()
    assert count(placed_at(bench.settings, tmp_path / "disk"), "trajectories") == 3


def test_a_tilde_is_a_home_or_else_a_letter_and_a_link_in_a_ring_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nobody = "~nobody of this name/data"
    for given, meant in (("~/data", Path.home() / "data"), (nobody, tmp_path / nobody)):
        monkeypatch.setenv("GMN_DATA_DIR", given)
        assert load_settings().data_dir == meant
    (tmp_path / "ring").symlink_to("ring")
    monkeypatch.setenv("GMN_DATA_DIR", "ring")
    with pytest.raises(SettingsError, match="leads back to itself"):
        load_settings()


def test_a_folder_in_which_dagster_would_not_find_its_settings_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(3))
    gmn = Command(GMN_DATA_DIR=str(tmp_path / "da[t]a"), GMN_SOURCE_URL=str(bench.site))
    assert "without [" in gmn.refuses("run", "--from", "2022-03-04")
    assert not (tmp_path / "da[t]a").exists()


@contextmanager
def started(data_dir: Path) -> Iterator[RunningBroker]:
    need_kafka()
    with own_broker(data_dir) as broker:
        yield broker


def test_a_broker_of_a_moved_folder_has_its_topics(tmp_path: Path) -> None:
    from kafka import KafkaAdminClient  # type: ignore[import-untyped]
    from kafka.admin import NewTopic  # type: ignore[import-untyped]

    first = tmp_path / "a:b,c?d#e %20"
    with (
        started(first) as broker,
        closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)) as admin,
    ):
        admin.create_topics([NewTopic("kept", 1, 1)])
    assert naming(first) == []
    first.rename(tmp_path / "moved")
    with (
        started(tmp_path / "moved") as broker,
        closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)) as admin,
    ):
        assert "kept" in admin.list_topics()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
