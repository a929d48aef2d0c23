"""The warehouse's catalogue in a real PostgreSQL: made by one, locked there, moved and asked."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.synchronize import Barrier
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr

from gmn_pipeline.errors import (
    GmnError,
    WarehouseBusy,
)
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.queries.process import ask
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.places import load
from gmn_pipeline_tests.support.postgres import PostgresServer
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import count


def test_a_folder_can_be_moved_while_its_catalogue_stays(
    in_postgres: Settings, bench: Bench
) -> None:
    load(in_postgres)
    in_postgres.data_dir.rename(bench.site.parent / "moved ?")
    moved = in_postgres.model_copy(update={"data_dir": bench.site.parent / "moved ?"})
    assert count(moved, "trajectories") == 20
    bench.put(DAILY, sample().stamped("2022-03-17 00:00:00").first(10))
    load(moved)
    assert count(moved, "trajectories") == 10
    assert not in_postgres.data_dir.exists()


# Forked from a process that has imported everything and started no threads yet.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def load_at_once(barrier: Barrier, settings: Settings) -> None:
    barrier.wait(60)
    load(settings)


def test_processes_that_make_a_warehouse_at_once_wait_for_each_other(
    in_postgres: Settings,
) -> None:
    barrier = PROCESSES.Barrier(2)
    processes = [
        PROCESSES.Process(target=load_at_once, args=(barrier, in_postgres)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        if WarehouseConnection(in_postgres).exists:
            with WarehouseConnection(in_postgres).open(read_only=True) as connection:
                assert ddl.is_created(connection)
    assert [process.exitcode for process in processes] == [0, 0]
    assert count(in_postgres, "trajectories") == 20


def make_and_die(settings: Settings, where: str) -> None:
    owner: Any = ddl if where == "create" else WarehouseConnection
    original = getattr(owner, where)

    def deadly(*args: object, **kwargs: object) -> None:
        original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, where, deadly)
    load(settings)


@pytest.mark.parametrize("where", ["create", "_make"])
def test_a_warehouse_whose_maker_was_killed_is_made_by_the_next(
    in_postgres: Settings, where: str
) -> None:
    process = PROCESSES.Process(target=make_and_die, args=(in_postgres, where))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert WarehouseConnection(in_postgres).exists == (where == "_make")
    load(in_postgres)
    assert count(in_postgres, "trajectories") == 20


def hold(settings: Settings, is_held: Any) -> None:
    with WarehouseConnection(settings).writing():
        is_held.set()
        signal.pause()


def test_the_turn_of_a_killed_writer_goes_with_it(in_postgres: Settings) -> None:
    impatient = in_postgres.model_copy(update={"warehouse_busy_timeout_s": 0.5})
    is_held = PROCESSES.Event()
    process = PROCESSES.Process(target=hold, args=(in_postgres, is_held))
    process.start()
    assert is_held.wait(60)
    report = load_days([DAY], impatient)
    assert isinstance(report.failed[0].error, WarehouseBusy)
    process.kill()
    process.join()
    load(in_postgres)


def test_maintenance_waits_for_readers_and_lets_none_begin(in_postgres: Settings) -> None:
    load(in_postgres)
    warehouse = WarehouseConnection(in_postgres)
    with (
        WarehouseConnection(in_postgres).open(read_only=True),
        pytest.raises(WarehouseBusy, match="has been reading PostgreSQL"),
        warehouse.without_readers(0.2),
    ):
        pass
    with warehouse.without_readers(0.2):
        assert warehouse.backend.catalog.is_awaited
    assert not warehouse.backend.catalog.is_awaited
    with WarehouseConnection(in_postgres).open(read_only=True):
        assert not warehouse.backend.catalog.is_awaited
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(entered, warehouse.without_readers(2))
            while not warehouse.backend.catalog.is_awaited:
                assert not waiting.done()
            with pytest.raises(WarehouseBusy):
                waiting.result()
    assert count(in_postgres, "trajectories") == 20


def entered(context: AbstractContextManager[None]) -> None:
    with context:
        pass


def test_a_user_who_may_only_read_the_catalogue_can_ask_and_nothing_else(
    in_postgres: Settings, postgres: PostgresServer
) -> None:
    load(in_postgres)
    url = in_postgres.warehouse_catalog_url
    assert url is not None
    with postgres.connect(url.rpartition("/")[2].replace("%20", " ")) as connection:
        connection.execute("CREATE ROLE asking LOGIN PASSWORD 'a'")
        connection.execute("GRANT USAGE ON SCHEMA gmn_warehouse TO asking")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA gmn_warehouse TO asking")
    asking = in_postgres.model_copy(
        update={
            "warehouse_catalog_url": url.replace("gmn%20user@", "asking@"),
            "warehouse_catalog_password": SecretStr("a"),
        }
    )
    with ask(asking, "SELECT count(*) AS n FROM trajectories") as answer:
        assert [batch.to_pylist() for batch in answer] == [[{"n": 20}]]
    with (
        pytest.raises((duckdb.Error, GmnError), match="permission denied"),
        WarehouseConnection(asking).writing() as session,
    ):
        session.execute("DELETE FROM trajectories")
    assert count(in_postgres, "trajectories") == 20


def test_an_empty_schema_of_the_name_is_no_warehouse(
    in_postgres: Settings, postgres: PostgresServer
) -> None:
    assert in_postgres.warehouse_catalog_url is not None
    database = in_postgres.warehouse_catalog_url.rpartition("/")[2].replace("%20", " ")
    with postgres.connect(database) as connection:
        connection.execute("CREATE SCHEMA gmn_warehouse")
    assert not WarehouseConnection(in_postgres).exists
    load(in_postgres)
    assert count(in_postgres, "trajectories") == 20
