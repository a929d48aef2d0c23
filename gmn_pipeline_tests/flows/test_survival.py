"""Killed processes, two loads at once, and a reader that asks all the while: real processes."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from datetime import date
from functools import reduce
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import make_snapshot, read_manifest
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.archive import generate
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.warehouse import assert_same, state

DAYS = [date(2022, 3, day) for day in range(1, 7)]

STEPS = [
    "gmn_pipeline.storage.object_store:ObjectStore.keep",
    "gmn_pipeline.database.ledger:Ledger.record_landed",
    "gmn_pipeline.validated.trajectories.slices:_write",
    "gmn_pipeline.database.ledger:Ledger.record_validated",
    "gmn_pipeline.warehouse.ddl:create_tables",
    "gmn_pipeline.warehouse.trajectories.files:_FileLoad._note_slices",
    "gmn_pipeline.warehouse.merge.application:Application._insert_current",
    "gmn_pipeline.warehouse.merge.application:Application._insert_stations",
    "gmn_pipeline.warehouse.trajectories.files:_FileLoad._insert_source_files",
    "gmn_pipeline.warehouse.trajectories.files:_FileLoad.run",
    "gmn_pipeline.warehouse.trajectories.files:Warehouse.load",
    "gmn_pipeline.database.ledger:Ledger.record_days",
    "gmn_pipeline.releases.snapshot:_copy",
    "gmn_pipeline.releases.snapshot:_point_to",
]

ONCE = {
    "gmn_pipeline.database.ledger:Ledger.record_landed",
    "gmn_pipeline.database.ledger:Ledger.record_days",
    "gmn_pipeline.warehouse.ddl:create_tables",
    "gmn_pipeline.releases.snapshot:_copy",
    "gmn_pipeline.releases.snapshot:_point_to",
}
"""Called once in a run; the others are killed after their second call, with one chunk through."""


def load_and_die(folder: Path, source: Path, where: str, nth: int) -> None:
    """Load DAYS a night or two at a time; be killed after the n-th call of the function."""
    if where:
        module, names = where.split(":")
        *owners, last = names.split(".")
        owner = reduce(getattr, owners, importlib.import_module(module))
        original, calls = getattr(owner, last), count(1)

        def deadly(*args: object, **kwargs: object) -> object:
            result = original(*args, **kwargs)
            if next(calls) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, last, deadly)
    bench = Bench(folder, source_url=str(source), chunk_rows=200)
    report = load_days(DAYS, bench.settings)
    assert not report.failed, report.failed[0].error
    make_snapshot(bench.settings)


# Forked from a process that has imported everything and started no threads yet.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def start(folder: Path, source: Path, where: str = "", nth: int = 0) -> BaseProcess:
    folder.mkdir(exist_ok=True)
    process = PROCESSES.Process(target=load_and_die, args=(folder, source, where, nth))
    process.start()
    return process


def end(process: BaseProcess) -> int | None:
    process.join(timeout=120)
    return process.exitcode


def settings_of(folder: Path) -> Settings:
    return Bench(folder).settings


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "site"
    generate(folder, 600, seed=3, from_date=DAYS[0], to_date=DAYS[-1], kinds=("daily",))
    return folder


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse that was loaded in peace."""
    bench = Bench(tmp_path_factory.mktemp("undisturbed"), source_url=str(source))
    assert not load_days(DAYS, bench.settings).failed
    return bench.settings


@pytest.mark.parametrize("where", STEPS)
def test_a_load_killed_anywhere_and_run_again_ends_the_same(
    tmp_path: Path, source: Path, undisturbed: Settings, where: str
) -> None:
    assert end(start(tmp_path, source, where, 1 if where in ONCE else 2)) == -signal.SIGKILL
    assert end(start(tmp_path, source)) == 0
    assert_same(state(settings_of(tmp_path)), state(undisturbed))
    manifest = read_manifest(settings_of(tmp_path))
    assert manifest is not None
    assert manifest.rows["trajectories"] == 600


def test_two_loads_at_once_end_like_one_and_a_reader_never_fails(
    tmp_path: Path, source: Path, undisturbed: Settings
) -> None:
    loads = [start(tmp_path, source) for _ in range(2)]
    settings = settings_of(tmp_path)
    asked = 0
    while any(load.is_alive() for load in loads):
        with WarehouseConnection(settings).open() as connection:
            if ddl.is_created(connection):
                rows, links = connection.execute(
                    "SELECT (SELECT count(*) FROM trajectories), (SELECT count(DISTINCT "
                    "trajectory_identifier) FROM trajectory_stations)"
                ).fetchall()[0]
                assert rows == links  # never between two states
                asked += 1
    assert [end(load) for load in loads] == [0, 0]
    assert asked > 0
    assert_same(state(settings), state(undisturbed))


def test_killing_leaves_no_lock_behind(tmp_path: Path, source: Path) -> None:
    where = "gmn_pipeline.warehouse.merge.decision:Decision._choose"
    assert end(start(tmp_path, source, where, 1)) == -signal.SIGKILL
    bench = Bench(tmp_path, source_url=str(source), warehouse_busy_timeout_s=0.5)
    assert not load_days(DAYS, bench.settings).failed


def test_importing_the_definitions_starts_no_thread_of_polars() -> None:
    """Its threads do not live on in a forked process, which would wait for them for ever."""
    code = (
        "import pathlib, gmn_pipeline.definitions\n"
        "names = [f.read_text() for f in pathlib.Path('/proc/self/task').glob('*/comm')]\n"
        "print([n for n in names if n.startswith('polars-') and n.strip()[7:].isdigit()])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
