"""Maintenance: few files afterwards, the same answers, and no reader that fails."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.flows.maintenance import Maintenance
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.jobs import maintenance_job
from gmn_pipeline.orchestration.schedules import daily_maintenance
from gmn_pipeline.schemas.sql import quoted, sql_text
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.warehouse import ddl, maintenance
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import (
    METADATA,
    WarehouseConnection,
    retry_while_busy,
    transaction,
)
from gmn_pipeline.warehouse.maintenance import call, flush_small_commits
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import ask, assert_same, count, maintain, state

COMMITS = 20
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def settings(bench: Bench) -> Settings:
    """A warehouse after a load and many small commits: some inlined, some files of their own."""
    bench.put(DAILY, sample())
    assert not load_days([DAY], bench.settings).failed
    with WarehouseConnection(bench.settings).writing() as connection:
        identifiers = [
            identifier for (identifier,) in connection.execute(
                f"SELECT trajectory_identifier FROM trajectories ORDER BY 1 LIMIT {COMMITS}"
            ).fetchall()
        ]  # fmt: skip
        for number, identifier in enumerate(identifiers):
            connection.execute(
                "UPDATE trajectories SET revision = revision + 1 WHERE trajectory_identifier = ?",
                [identifier],
            )
            if number % 5 == 0:
                connection.execute(
                    "INSERT INTO trajectory_stations SELECT 'added', trajectory_identifier, "
                    "bin_date FROM trajectories LIMIT 200"
                )
    return bench.settings


def files(settings: Settings) -> set[Path]:
    return set(settings.warehouse_dir.rglob("*.parquet"))


def inlined_rows(settings: Settings) -> int:
    """Rows in all the tables in which DuckLake keeps the rows of small commits."""
    with WarehouseConnection(settings).open(read_only=True) as connection:
        tables = connection.execute(
            f"SELECT table_name FROM {METADATA}.ducklake_inlined_data_tables"
        ).fetchall()
        return sum(
            row[0]
            for (table,) in tables
            if (row := connection.execute(f"SELECT count(*) FROM {METADATA}.{table}").fetchone())
        )


def file_counts(settings: Settings) -> dict[str, int]:
    rows = ask(
        settings,
        f"SELECT table_name, file_count + delete_file_count FROM ducklake_table_info('{CATALOG}')",
    )
    return {name: number for name, number in rows if number}


def data_files(settings: Settings, table: str) -> int:
    ((number,),) = ask(
        settings,
        f"SELECT file_count FROM ducklake_table_info('{CATALOG}') "
        f"WHERE table_name = {sql_text(table)}",
    )
    return int(number)


def test_afterwards_there_are_few_files_and_the_same_rows(settings: Settings) -> None:
    before = state(settings)
    assert inlined_rows(settings) > 0
    done = maintain(settings)
    assert done.rows_flushed >= COMMITS
    assert inlined_rows(settings) == 0
    assert set(file_counts(settings).values()) == {1}
    assert done.files_after == len(file_counts(settings)) <= done.files_before
    assert_same(state(settings), before)
    again = maintain(settings)
    assert (again.rows_flushed, again.files_after) == (0, done.files_after)


def test_small_commits_are_written_to_files_once_they_are_many(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(settings)
    warehouse = WarehouseConnection(settings)
    with warehouse.open(read_only=True) as connection:
        counts = maintenance.inlined_rows(connection)
    assert sum(counts.values()) == inlined_rows(settings)
    most, second = sorted(set(counts.values()), reverse=True)[:2]
    monkeypatch.setattr(maintenance, "_MOST_INLINED_ROWS", most)
    assert flush_small_commits(warehouse) == 0
    monkeypatch.setattr(maintenance, "_MOST_INLINED_ROWS", second)
    with warehouse.open(read_only=True):
        assert flush_small_commits(warehouse) == 0
    assert inlined_rows(settings) == sum(counts.values())
    assert flush_small_commits(warehouse) == sum(n for n in counts.values() if n == most)
    assert inlined_rows(settings) == sum(n for n in counts.values() if n <= second)
    monkeypatch.setattr(maintenance, "_MOST_INLINED_ROWS", 0)
    assert flush_small_commits(warehouse) == sum(n for n in counts.values() if n <= second)
    assert inlined_rows(settings) == 0
    assert flush_small_commits(warehouse) == 0
    assert_same(state(settings), before)


@pytest.mark.parametrize(("too_many", "patience_s"), [(100_000, 0.05), (0, 0.5)])
def test_a_commit_waits_long_for_readers_only_if_rows_in_the_catalogue_are_too_many(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, too_many: int, patience_s: float
) -> None:
    monkeypatch.setattr(maintenance, "_MOST_INLINED_ROWS", 0)
    monkeypatch.setattr(maintenance, "_TOO_MANY_INLINED_ROWS", too_many)
    asked, without_readers = [], WarehouseConnection.without_readers

    def told(self: WarehouseConnection, patience: float) -> AbstractContextManager[None]:
        asked.append(patience)
        return without_readers(self, patience)

    monkeypatch.setattr(WarehouseConnection, "without_readers", told)
    assert flush_small_commits(WarehouseConnection(settings))
    assert asked == [patience_s]


def inlined_deletions(settings: Settings) -> int:
    """So many rows of `trajectories` are taken out in the catalogue only."""
    ((table_id,),) = ask(
        settings,
        f"SELECT table_id FROM {METADATA}.ducklake_table WHERE table_name = 'trajectories'",
    )
    ((number,),) = ask(
        settings, f"SELECT count(*) FROM {METADATA}.ducklake_inlined_delete_{table_id}"
    )
    return int(number)


def test_what_was_withdrawn_is_written_to_files_with_the_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = WarehouseConnection(settings)
    monkeypatch.setattr(maintenance, "_MOST_INLINED_ROWS", 0)
    flush_small_commits(warehouse)
    with warehouse.writing() as connection:
        connection.execute(
            "INSERT INTO trajectory_revisions BY NAME "
            "SELECT *, 'withdrawn' AS change, valid_from_utc AS valid_until_utc, "
            "source_file_sha256 AS superseded_by_file_sha256 "
            "FROM trajectories ORDER BY trajectory_identifier LIMIT 1"
        )
        connection.execute(
            "DELETE FROM trajectories WHERE trajectory_identifier IN "
            "(SELECT min(trajectory_identifier) FROM trajectories)"
        )
    before = state(settings)
    assert inlined_deletions(settings) == 1
    assert flush_small_commits(warehouse) == 1
    assert inlined_deletions(settings) == 0
    assert_same(state(settings), before)


def revise_newest(warehouse: WarehouseConnection) -> None:
    """As the merge does: taken out, and put in again."""
    newest = "FROM trajectories ORDER BY trajectory_identifier DESC LIMIT 1"
    revised = f"SELECT * REPLACE (revision + 1 AS revision) {newest}"
    with warehouse.writing() as connection, transaction(connection):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE r AS {revised}")
        connection.execute(
            "DELETE FROM trajectories "
            "WHERE trajectory_identifier IN (SELECT trajectory_identifier FROM r)"
        )
        connection.execute("INSERT INTO trajectories BY NAME FROM r")


def test_small_files_of_small_commits_are_put_together(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 6
    monkeypatch.setattr(maintenance, "_MOST_INLINED_ROWS", 0)
    monkeypatch.setattr(maintenance, "_MOST_SMALL_FILES", most)
    warehouse = WarehouseConnection(settings)
    revisions_at, numbers = {}, []
    for _ in range(2 * most):
        revise_newest(warehouse)
        before = state(settings)
        ((version,),) = ask(settings, f"SELECT id FROM {CATALOG}.current_snapshot()")
        revisions_at[version] = ask(settings, "SELECT sum(revision) FROM trajectories")
        assert flush_small_commits(warehouse)
        assert_same(state(settings), before)
        numbers.append(data_files(settings, "trajectories"))
    # One of the load, one of updates (whose rows kept their numbers) with the first of these
    # commits, which is flushed together with them, and those of the other commits.
    assert numbers == [2, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4, 5]
    for version, revisions in revisions_at.items():
        at = f"trajectories AT (VERSION => {version})"
        assert ask(settings, f"SELECT sum(revision) FROM {at}") == revisions


@pytest.mark.parametrize(("file_mb", "files_after"), [(0, 3), (100, 1)])
def test_large_files_are_rewritten_one_by_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, file_mb: int, files_after: int
) -> None:
    """DuckLake would make one of them, of all times."""
    warehouse = WarehouseConnection(settings)
    table = "it's rewritten"
    name = quoted(table)
    with warehouse.writing() as connection:
        connection.execute(f"CREATE TABLE {name} (number INTEGER, part INTEGER)")
        for part in range(3):
            connection.execute(f"INSERT INTO {name} SELECT range, {part} FROM range(10_000)")
            connection.execute(f"DELETE FROM {name} WHERE part = {part} AND number < 500 + {part}")
        call(connection, "flush_inlined_data")
        before = connection.execute(f"SELECT count(*), sum(number) FROM {name}").fetchall()
        monkeypatch.setattr(ddl, "FILE_MB", file_mb)
        maintenance._rewrite(connection, 0.01)
        assert connection.execute(f"SELECT count(*), sum(number) FROM {name}").fetchall() == before
    assert data_files(settings, table) == files_after
    assert file_counts(settings)[table] == files_after  # and none of deletions


def test_files_stay_a_day_and_snapshots_as_long_as_is_set(settings: Settings) -> None:
    before, now = state(settings), utc_now()
    first = maintain(settings, now)
    assert (first.files_removed, first.snapshots_expired) == (0, 0)
    assert len(files(settings)) > first.files_after
    later = maintain(settings, now + timedelta(days=settings.snapshot_keep_days))
    assert later.snapshots_expired > COMMITS
    assert later.files_removed > 0
    assert later.bytes_freed > 0
    assert len(files(settings)) == later.files_after == first.files_after
    assert_same(state(settings), before)


def read_slowly(data_dir: str, pipe: Connection) -> None:
    """Begin a query and go on with it when told so; say how many rows it had."""
    with WarehouseConnection(load_settings(data_dir=data_dir)).open(read_only=True) as connection:
        rows = connection.execute("FROM trajectory_stations")
        read = len(rows.fetchmany(100))
        pipe.send("under way")
        pipe.recv()
        while some := rows.fetchmany(1000):
            read += len(some)
        pipe.send(read)


def test_a_query_under_way_is_left_alone_and_maintenance_comes_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_PATIENCE_S", 0.0)
    links = count(settings, "trajectory_stations")
    pipe, theirs = SPAWN.Pipe()
    reader = SPAWN.Process(target=read_slowly, args=(str(settings.data_dir), theirs))
    reader.start()
    assert pipe.recv() == "under way"
    with pytest.raises(WarehouseBusy, match="the query goes on"):
        maintain(settings)
    pipe.send("go on")
    assert pipe.recv() == links
    reader.join(60)
    assert reader.exitcode == 0
    assert maintain(settings).rows_flushed > 0


def ask_on(data_dir: str, pipe: Connection) -> None:
    """Ask the same over and over, in sessions old and new, until told to stop."""
    sql = "SELECT (SELECT count(*) FROM trajectories), (SELECT count(*) FROM trajectory_stations)"
    answers, asked = set(), 0
    while not pipe.poll():
        with WarehouseConnection(load_settings(data_dir=data_dir)).open(
            read_only=True
        ) as connection:
            for _ in range(5):
                answers.add(retry_while_busy(lambda: connection.execute(sql).fetchall())[0])
                asked += 1
        pipe.send(asked)
    pipe.send(answers)


def test_who_asks_all_the_while_gets_the_same_answer_all_the_while(settings: Settings) -> None:
    right = (count(settings, "trajectories"), count(settings, "trajectory_stations"))
    pipe, theirs = SPAWN.Pipe()
    reader = SPAWN.Process(target=ask_on, args=(str(settings.data_dir), theirs))
    reader.start()
    for _ in range(2):
        pipe.recv()  # it has asked in the meantime
        with WarehouseConnection(settings).writing() as connection:
            retry_while_busy(
                lambda: connection.execute(
                    "UPDATE trajectories SET revision = revision + 1 WHERE trajectory_identifier "
                    "IN (SELECT trajectory_identifier FROM trajectories LIMIT 5)"
                )
            )
        assert maintain(settings).rows_flushed > 0
    pipe.send("stop")
    while not isinstance(found := pipe.recv(), set):
        pass
    reader.join(60)
    assert found == {right}


def test_orphans_and_forgotten_validated_files_go_when_they_are_old(settings: Settings) -> None:
    orphan = settings.warehouse_dir / "data" / "main" / "orphan.parquet"
    forgotten = settings.validated_dir / "forgotten.parquet"
    for path in (orphan, forgotten):
        path.write_bytes(b"of a run that was killed")
    named = set(settings.validated_dir.iterdir()) - {forgotten}
    young = maintain(settings)
    assert (young.orphans_removed, young.validated_files_removed) == (0, 0)
    old = (utc_now() - timedelta(days=30)).timestamp()
    for path in (forgotten, *named):
        os.utime(path, (old, old))
    done = maintain(settings, utc_now() + timedelta(days=2))
    assert (done.orphans_removed, done.validated_files_removed) == (1, 1)
    assert not orphan.exists()
    assert set(settings.validated_dir.iterdir()) == named


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_the_asset_tells_what_was_done(settings: Settings, instance: dg.DagsterInstance) -> None:
    job = build_defs({"data_dir": settings.data_dir}).resolve_job_def(maintenance_job.name)
    result = job.execute_in_process(instance=instance)
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert set(Maintenance.__dataclass_fields__) <= set(metadata)
    assert metadata["rows_flushed"].value >= COMMITS
    assert daily_maintenance.cron_schedule == "30 3 * * *"
