"""The file of rows by key answers as the lake does, or not at all."""

import itertools
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.by_key import file, moving
from gmn_pipeline.serving.by_key import keeper as keeping
from gmn_pipeline.serving.by_key.changes import Counts, Row
from gmn_pipeline.serving.by_key.keeper import Keeper
from gmn_pipeline.serving.by_key.rows import ROWS
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.rows_by_key import (
    MOST_MB,
    assert_as_the_lake,
    assert_same_histories,
    history,
    identifiers,
    keeper_of,
    lake_of,
    newest,
)
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import serving
from gmn_pipeline_tests.support.warehouse import maintain


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Its tests follow one another: each loads something else."""
    bench = Bench(tmp_path_factory.mktemp("by-key"), run_retries=0)
    load(bench, range(40))
    return bench


@pytest.fixture(scope="module")
def lake(bench: Bench) -> Iterator[Lake]:
    with lake_of(bench.settings) as lake:
        yield lake


@pytest.fixture
def keeper(bench: Bench, lake: Lake) -> Iterator[Keeper]:
    with keeper_of(bench.settings, lake) as keeper:
        yield keeper


_NUMBERS = itertools.count()


def load(bench: Bench, rows: Iterable[int], number: int | None = None, **fields: str) -> None:
    """Some rows of the sample as the whole truth of the day; `fields`: of the first one."""
    number = next(_NUMBERS) if number is None else number
    some = sample()
    loaded = replace(some, rows=tuple(some.rows[row] for row in rows))
    generated = f"2022-04-{number // 24 + 1:02d} {number % 24:02d}:00:00"
    bench.put(DAILY, loaded.stamped(generated).with_fields(0, **fields))
    load_days([DAY], bench.settings)


@pytest.mark.parametrize(
    ("piece_rows", "most", "expected"),
    [
        (moving.PIECE_ROWS, keeping._MOST_MOVED, ["written", "moved"]),
        (7, keeping._MOST_MOVED, ["written", "moved"]),
        (moving.PIECE_ROWS, 5, ["written", "moved", "written"]),  # which is found to be too much
    ],
)
def test_it_is_as_the_lake_whatever_is_loaded_and_put_in_order(
    bench: Bench, lake: Lake, keeper: Keeper, piece_rows: int, most: int, expected: list[str]
) -> None:
    """Each load inserts, revises and withdraws; maintenance comes before a move, and after one."""
    chance = random.Random(7)
    ways: list[str] = []
    for left in file_of(bench).parent.glob(f"{file_of(bench).name}*"):
        left.unlink()
    with (
        patch.object(Keeper, "_write", counted(ways, "written", Keeper._write)),
        patch.object(Keeper, "_move", counted(ways, "moved", Keeper._move)),
        patch.object(moving, "PIECE_ROWS", piece_rows),
        patch.object(keeping, "_MOST_MOVED", most),
    ):
        for number in range(3):
            rows = chance.sample(range(60), chance.randint(20, 40))
            load(bench, rows, vgeo_km_s=f"  {number + 20:2d}.50000")
            if number == 1:
                maintain(bench.settings)
            if number != 1:
                newest(lake)
                assert keeper.follow()
                assert not keeper.follow()
                assert_as_the_lake(lake, keeper)
    assert ways == expected
    # A state that is not kept any more is nothing to move on from.
    load(bench, range(3, 44))
    maintain(bench.settings, utc_now() + timedelta(days=30))
    newest(lake)
    assert keeper.follow()
    assert_as_the_lake(lake, keeper)


def counted(ways: list[str], way: str, act: Any) -> Any:
    def acting(*given: Any) -> Any:
        ways.append(way)
        return act(*given)

    return acting


def test_it_answers_for_its_own_state_only(bench: Bench, lake: Lake, keeper: Keeper) -> None:
    keeper.follow()
    first, one = newest(lake), identifiers(lake)[0]
    assert history(keeper, first, one)
    load(bench, range(45), vgeo_km_s="  33.00000")
    assert history(keeper, newest(lake), one) is None
    assert history(keeper, first, one)
    keeper.follow()
    assert history(keeper, first, one) is None
    assert history(keeper, newest(lake), one)


def test_a_backup_that_went_on_otherwise_is_another_lake(bench: Bench, tmp_path: Path) -> None:
    """With states of the same numbers."""
    of_now, backup = (tmp_path / name / "data" for name in ("now", "backup"))
    for folder in (of_now, backup):
        shutil.copytree(bench.settings.data_dir, folder, ignore=shutil.ignore_patterns("*.lock"))
    moved = Bench(of_now.parent, run_retries=0)
    number = next(_NUMBERS)
    load(moved, range(50), number, vgeo_km_s="  44.00000")
    with lake_of(moved.settings) as lake, keeper_of(moved.settings, lake) as keeper:
        keeper.follow()
        former = newest(lake)
    for name in ("warehouse", "landing", "validated"):
        shutil.rmtree(of_now / name)
        (backup / name).rename(of_now / name)
    load(moved, range(45), number, vgeo_km_s="  55.00000")
    with lake_of(moved.settings) as lake, keeper_of(moved.settings, lake) as keeper:
        snapshot = newest(lake)
        assert snapshot.id == former.id
        assert history(keeper, snapshot, identifiers(lake)[0]) is None
        load(moved, range(46), vgeo_km_s="  66.00000")
        newest(lake)
        keeper.follow()
        assert_as_the_lake(lake, keeper)


def test_a_server_that_is_killed_while_it_moves_leaves_it_whole(
    bench: Bench, lake: Lake, keeper: Keeper
) -> None:
    keeper.follow()
    before = newest(lake)
    load(bench, range(5, 60), vgeo_km_s="  33.00000")
    newest(lake)
    keeper.stop()
    process = multiprocessing.get_context("spawn").Process(
        target=_move_and_die, args=(bench.settings, 5)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with keeper_of(bench.settings, lake) as again:
        assert history(again, before, identifiers(lake)[0])
        with patch.object(Keeper, "_write", side_effect=AssertionError):
            again.follow()
        assert_as_the_lake(lake, again)


def _move_and_die(settings: Settings, calls: int) -> None:
    left = [calls]

    def put_and_die(*given: Any) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*given)

    real = file.put_links
    with (
        patch.object(moving, "put_links", put_and_die),
        lake_of(settings) as lake,
        keeper_of(settings, lake) as keeper,
    ):
        assert keeper.follow()


def test_a_full_disk_leaves_the_lake_to_answer(bench: Bench, lake: Lake, keeper: Keeper) -> None:
    file_of(bench).unlink(missing_ok=True)

    def write_file(path: Path, snapshot: Snapshot, rows: Iterable[Row]) -> Counts:
        there, before = list(rows), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            return file.write_file(path, snapshot, there)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with patch.object(keeping, "write_file", write_file), pytest.raises(sqlite3.Error):
        keeper.follow()
    assert history(keeper, newest(lake), identifiers(lake)[0]) is None
    assert keeper.follow()
    assert_as_the_lake(lake, keeper)


def test_it_may_have_so_much_space_and_no_more(bench: Bench, lake: Lake) -> None:
    with keeper_of(bench.settings, lake) as keeper:
        keeper.follow()
        assert file_of(bench).exists()
    load(bench, range(41))
    newest(lake)
    with keeper_of(bench.settings, lake, most_mb=0) as keeper, pytest.raises(Exception, match="MB"):
        keeper.follow()
    assert not file_of(bench).exists()


def file_of(bench: Bench) -> Path:
    return bench.settings.data_dir / "served" / "by_key.sqlite"


@pytest.mark.parametrize("how", ["removed", "cut off", "no database", "overwritten", "other rows"])
def test_one_that_came_to_harm_is_written_anew(
    bench: Bench, lake: Lake, keeper: Keeper, how: str
) -> None:
    keeper.follow()
    harm(file_of(bench), how)
    assert_same_histories(lake, keeper, is_all=False)
    keeper.follow()
    assert_as_the_lake(lake, keeper)


def harm(path: Path, how: str) -> None:
    match how:
        case "removed":
            path.unlink()
        case "cut off":
            os.truncate(path, path.stat().st_size // 2)
        case "no database":
            path.write_bytes(b"x" * 5_000)
        case "overwritten":
            data = bytearray(path.read_bytes())
            for place in range(5_000, len(data), 97):
                data[place] ^= 1
            path.write_bytes(data)
        case _:
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("UPDATE trajectory SET line = (SELECT line FROM trajectory LIMIT 1)")


def test_one_server_writes_it_and_others_read(bench: Bench, lake: Lake, keeper: Keeper) -> None:
    keeper.follow()
    one = identifiers(lake)[0]
    with keeper_of(bench.settings, lake) as other:
        assert history(other, newest(lake), one)
        load(bench, range(41), vgeo_km_s="  35.00000")
        newest(lake)
        assert not other.follow()
        keeper.follow()
        assert history(other, newest(lake), one)
        keeper.stop()
        load(bench, range(42), vgeo_km_s="  34.00000")
        newest(lake)
        assert other.follow()
        assert history(other, newest(lake), one)


def test_where_nothing_can_be_written_the_lake_answers(bench: Bench, lake: Lake) -> None:
    settings = bench.settings.model_copy(update={"data_dir": bench.site})
    (settings.data_dir / "served").write_text("in the way")
    with keeper_of(settings, lake) as keeper:
        assert not keeper.follow()
        assert history(keeper, newest(lake), identifiers(lake)[0]) is None


def test_answers_are_the_same_with_it_and_without(lake_settings: Settings) -> None:
    """Over HTTP, in all shapes; also where the lake answers beside it."""
    key = sample().rows[0][0].strip()
    stations = "/gmn/participating_station.json?station_id"
    paths = [f"/gmn/trajectories/{key}.json"]
    for name in ROWS:
        for asked in ("", "?_shape=objects", "?_shape=array", "?_nocol=beginning_julian_date"):
            paths.append(f"/gmn_data_store/{name}/{key}.json{asked if name != 'meteor' else ''}")
    for number in (1, 3, 5_000):
        for asked in (
            "",
            "&_shape=objects",
            "&_shape=array",
            "&_size=3",
            "&_nocount=on",
            "&_size=0",
            "&_sort=id",
            "&_facet=station_id",
            "&_size=5&_next=2022,1",
        ):
            paths.append(f"{stations}={number}{asked}&_nocol=id")
    for asked in (
        "", "vgeo_km_s__gt=30", "vgeo_km_s__gt=30&_size=30&_shape=objects&_nosuggest=on",
        "vgeo_km_s__gt=1000",
        "vgeo_km_s__lt=31&_nocount=on&_nosuggest=on",
        "_sort=participating_stations&_size=4&_nosuggest=on",
        "_sort_desc=mass_kg&_size=5&_col=mass_kg&_nosuggest=on", "_shape=object&_size=2",
        "_sort_desc=beginning_utc_time&_shape=array&_nl=on", "_facet=iau_shower_code&_nosuggest=on",
        "iau_shower_code__notblank=1&_nosuggest=on&_size=3",
    ):  # fmt: skip
        paths.append(f"/gmn/trajectories.json?{asked}")
    paths += ["/gmn/meteor.json?_size=7&_nosuggest=on", "/gmn/meteor_summary.json?vgeo__gt=30"]
    without = answers(lake_settings, paths, 0)
    assert answers(lake_settings, paths, MOST_MB) == without


def answers(settings: Settings, paths: list[str], most_mb: int) -> list[tuple[int, bytes]]:
    with serving(settings, serve_by_key_mb=most_mb, serve_page_rows=100) as server:
        if most_mb:
            # The view numbers its rows as they come, the file those of a station.
            ids = "/gmn/participating_station.json?station_id=3&_shape=arrayfirst&_col=id&_size="
            sizes = itertools.count(3)  # what was asked before is kept
            server.wait_for(lambda: server.get(ids + str(next(sizes))).json[:3] == [1, 2, 3])
        found = []
        for path in paths:
            for reply in server.pages(path) if "size=3" in path else [server.get(path)]:
                found.append((reply.status, reply.body))
        return found


@pytest.fixture
def lake_settings(lake: Lake, bench: Bench) -> Settings:
    del lake
    load(bench, range(1, 60), vgeo_km_s="  33.00000")
    return bench.settings
