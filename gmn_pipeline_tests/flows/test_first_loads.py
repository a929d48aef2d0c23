"""Several processes begin in one new data folder at the same moment: real processes."""

import json
import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.home import dagster_instance
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import count

# Forked from a process that has imported everything and started no threads yet.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def load(settings: Settings) -> None:
    report = load_days([DAY], settings)
    assert not report.failed, report.failed[0].error


def open_dagster(settings: Settings) -> None:
    with dagster_instance(settings) as instance:
        assert instance.get_runs_count() == 0
        assert instance.all_instigator_state() == []
        assert not instance.get_asset_keys()


def look(settings: Settings) -> None:
    """Until there is a warehouse, and then into it: it is never there without its tables."""
    warehouse = WarehouseConnection(settings)
    while not warehouse.exists:
        assert open_ledger(settings).failures() == []
    with warehouse.open(read_only=True) as connection:
        assert ddl.is_created(connection)
        assert ddl.has_stream_tables(connection)


ACTS = {"load": load, "dagster": open_dagster, "look": look}


def act(barrier: Barrier, name: str, folder: Path) -> None:
    bench = Bench(folder)
    barrier.wait(60)
    ACTS[name](bench.settings)


@pytest.mark.parametrize("acts", [("load", "load", "look"), ("dagster",) * 3])
def test_processes_that_begin_in_a_new_folder_at_once_all_do_their_work(
    tmp_path: Path, acts: tuple[str, ...]
) -> None:
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        bench = Bench(folder)
        bench.put(DAILY, sample().first(20))
        barrier = PROCESSES.Barrier(len(acts))
        processes = [PROCESSES.Process(target=act, args=(barrier, a, folder)) for a in acts]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * len(acts)
        if "load" in acts:
            assert count(bench.settings, "trajectories") == 20
        left = [path.name for path in bench.settings.data_dir.rglob(".*") if path.is_dir()]
        assert left == []


def test_first_runs_queries_and_the_status_at_once_end_well(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(20))
    gmn = Command(GMN_DATA_DIR=str(bench.settings.data_dir), GMN_SOURCE_URL=str(bench.site))
    runs = [gmn.start("run", "--from", "2022-03-04") for _ in range(2)]
    query = "SELECT count(*) AS n FROM trajectories"
    while any(run.poll() is None for run in runs):
        asked = gmn("sql", query, "--format", "json")
        if asked.returncode == 0:
            assert json.loads(asked.stdout)[0]["n"] in (0, 20)
        else:
            assert "There is no warehouse yet" in asked.stdout + asked.stderr
        gmn.says("status")
    for run in runs:
        output, said = run.communicate()
        assert run.returncode == 0, output + said
    assert gmn.answers(query) == [{"n": 20}]
