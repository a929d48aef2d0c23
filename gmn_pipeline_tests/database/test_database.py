"""The operational database, on SQLite and on a real PostgreSQL."""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, text

from gmn_pipeline.database import migrations
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.ledger import (
    LandedVersion,
    Ledger,
    UnreadFile,
    ValidatedSlice,
    open_ledger,
)
from gmn_pipeline.database.tables import METADATA
from gmn_pipeline.errors import (
    DatabaseUnavailable,
    NotPermitted,
    PermanentError,
    SettingsError,
)
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.database.conftest import with_postgres
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.postgres import PostgresServer
from gmn_pipeline_tests.support.sample import DAILY, Bench, sample

FIRST = date(2022, 3, 4)
AT = datetime(2022, 3, 16, 17, 49, 26, 628043)

# As the code of before made and filled it.
FORMER = """
PRAGMA journal_mode = WAL;
CREATE TABLE landed_versions (version INTEGER PRIMARY KEY, path, kind, url, etag, last_modified,
  listed_state, generated_at_utc, size_bytes, sha256, fetched_at_utc);
CREATE TABLE validated_slices (source_file_sha256, bin_date, bin_solar_longitude_deg, definition,
  accepted_path, rejected_path, rows_read, rows_accepted, rows_rejected, covers_from_utc,
  covers_until_utc, PRIMARY KEY (source_file_sha256, bin_date, bin_solar_longitude_deg));
CREATE TABLE day_failures (day, stage, message, failed_at_utc, PRIMARY KEY (day));
CREATE TABLE unread_files (folder, path, expected, seen_at_utc, PRIMARY KEY (path));
CREATE INDEX landed_by_path ON landed_versions (path);
INSERT INTO landed_versions VALUES
  (1, 'daily/a.txt', 'daily', 'http://x/a.txt', NULL, NULL, '2022-03-16 17:50  12K',
   '2022-03-16T17:49:26.628043', 12345, 'aaaa', '2022-03-17T00:00:00'),
  (3, 'daily/a.txt', 'daily', 'http://x/a.txt', '"e"', 'Thu, 17 Mar 2022 17:49:26 GMT', 'later',
   '2022-03-17T17:49:26', 12346, 'bbbb', '2022-03-18T00:00:00.000001'),
  (4, 'b''s "ö".txt', 'all', 'file:///b', NULL, NULL, '', '2022-03-17T17:49:26', 0, 'cccc',
   '2022-03-18T00:00:00');
INSERT INTO validated_slices VALUES
  ('aaaa', '2022-03-04', 344, 'def', 'a.parquet', 'a.rejected.parquet', 3, 2, 1, NULL, NULL),
  ('cccc', '2022-03-04', 343, 'def', 'c.parquet', 'c.rejected.parquet', 0, 0, 0,
   '2022-03-03T12:00:00', '2022-03-04T00:00:00.500000');
INSERT INTO day_failures VALUES ('2022-03-05', 'landing', 'no', '2022-03-18T01:02:03.000004');
INSERT INTO unread_files VALUES ('daily', 'daily/odd', 'daily/even', '2022-03-18T01:02:03');
"""


def version(path: str = "daily/a.txt", sha256: str = "aaaa", **other: Any) -> LandedVersion:
    made = LandedVersion(path, "daily", "http://x", None, None, "state", AT, 12, sha256, AT)
    return replace(made, **other)


def slice_(day: date = FIRST, **other: Any) -> ValidatedSlice:
    made = ValidatedSlice(
        "aaaa", day, 344, "def", "a.parquet", "a.rejected.parquet", 3, 2, 1, None, None
    )
    return replace(made, **other)


def content(settings: Settings) -> dict[str, list[object]]:
    """All rows, with what their types make of them."""
    with open_database(settings).reading() as connection:
        assert connection is not None
        return {
            t.name: sorted((tuple(row) for row in connection.execute(t.select())), key=repr)
            for t in METADATA.sorted_tables
        }


def former_ledger(data_dir: Path) -> Path:
    data_dir.mkdir(parents=True)
    path = data_dir / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FORMER)
    return path


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return open_ledger(settings)


def test_the_newest_version_of_a_path_is_the_one_recorded_last(ledger: Ledger) -> None:
    assert ledger.newest_landed() == {}
    old, new, other = version(sha256="1"), version(sha256="2", etag='"ö%s"'), version("b")
    ledger.record_landed([old, other])
    ledger.record_landed([new])
    assert ledger.newest_landed() == {"daily/a.txt": new, "b": other}
    assert ledger.landed_versions("daily/a.txt") == [old, new]
    relabelled = replace(new, listed_state="now", etag=None, last_modified="then")
    ledger.record_seen([relabelled, version("unknown")])
    assert ledger.landed_versions("daily/a.txt") == [old, relabelled]
    ledger.record_landed([])
    ledger.record_seen([])
    assert len(ledger.newest_landed()) == 2


def test_slices_are_found_by_their_days_and_take_the_place_of_their_former_ones(
    ledger: Ledger,
) -> None:
    cut = slice_(FIRST, covers_from_utc=AT, covers_until_utc=AT.replace(microsecond=0))
    later = slice_(FIRST + timedelta(days=2), bin_solar_longitude_deg=345)
    ledger.record_validated([slice_(), cut, later])
    between = FIRST + timedelta(days=1)
    assert ledger.validated([FIRST]) == [cut]
    assert ledger.validated([FIRST, later.bin_date, between]) == [cut, later]
    assert ledger.validated([between]) == []
    assert ledger.validated([]) == []
    assert ledger.validated_paths() == {"a.parquet", "a.rejected.parquet"}


def test_a_day_that_came_through_is_no_failure_any_more(ledger: Ledger) -> None:
    days = [FIRST + timedelta(days=n) for n in range(3)]
    ledger.record_days(dict.fromkeys(days, ("landing", "no")), [])
    ledger.record_days({days[0]: ("validated", "still no")}, days[1:2])
    found = ledger.failures()
    assert [(f.day, f.stage, f.message) for f in found] == [
        (days[2], "landing", "no"), (days[0], "validated", "still no"),
    ]  # fmt: skip
    assert isinstance(found[0].failed_at_utc, datetime)


def test_unread_files_are_those_of_the_last_listing_of_each_folder(ledger: Ledger) -> None:
    files = [UnreadFile(folder, f"{folder}/x", "y", AT) for folder in ("monthly", "daily")]
    for file in files:
        ledger.record_unread(file.folder, [file])
    assert ledger.unread() == files[::-1]
    ledger.record_unread("daily", [])
    assert ledger.unread() == files[:1]


def test_the_migrations_make_the_tables_that_the_code_asks(settings: Settings) -> None:
    config = Config()
    config.set_main_option("script_location", "gmn_pipeline.database:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD
    with open_database(settings).writing() as connection:
        at_once = described_tables(connection)
        METADATA.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        migrations.run(connection)
        assert described_tables(connection) == at_once
        opts = {"compare_type": True, "include_name": is_declared}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, METADATA) == []


def is_declared(name: str | None, kind: str, parents: object) -> bool:
    """Not what SQLite makes for an index of words, or PostgreSQL's indexes of expressions."""
    return not (name or "").startswith("index_of_")


def described_tables(connection: Connection) -> dict[str, object]:
    """Columns, keys and indexes by table, as the database has them."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT type || name, sql FROM sqlite_master"))
        return {row[0]: " ".join((row[1] or "").split()) for row in found}
    tables = inspect(connection)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in tables.get_columns(name)],
            tables.get_pk_constraint(name), tables.get_foreign_keys(name), tables.get_indexes(name),
        )
        for name in sorted(tables.get_table_names())
    }  # fmt: skip


FORMER_ROWS = {table.name: [] for table in METADATA.sorted_tables} | {
    "landed_versions": [
        (1, "daily/a.txt", "daily", "http://x/a.txt", None, None, "2022-03-16 17:50  12K", AT,
         12345, "aaaa", datetime(2022, 3, 17)),
        (3, "daily/a.txt", "daily", "http://x/a.txt", '"e"', "Thu, 17 Mar 2022 17:49:26 GMT",
         "later", datetime(2022, 3, 17, 17, 49, 26), 12346, "bbbb",
         datetime(2022, 3, 18, 0, 0, 0, 1)),
        (4, 'b\'s "ö".txt', "all", "file:///b", None, None, "",
         datetime(2022, 3, 17, 17, 49, 26), 0, "cccc", datetime(2022, 3, 18)),
    ],
    "validated_slices": [
        ("aaaa", FIRST, 344, "def", "a.parquet", "a.rejected.parquet", 3, 2, 1, None, None),
        ("cccc", FIRST, 343, "def", "c.parquet", "c.rejected.parquet", 0, 0, 0,
         datetime(2022, 3, 3, 12), datetime(2022, 3, 4, 0, 0, 0, 500000)),
    ],
    "history_loads": [],
    "day_failures": [(date(2022, 3, 5), "landing", "no", datetime(2022, 3, 18, 1, 2, 3, 4))],
    "unread_files": [("daily/odd", "daily", "daily/even", datetime(2022, 3, 18, 1, 2, 3))],
}  # fmt: skip


def test_a_former_ledger_is_taken_over_once_and_goes_on(settings: Settings) -> None:
    former_ledger(settings.data_dir)
    assert content(settings) == FORMER_ROWS
    assert content(settings) == FORMER_ROWS
    ledger = open_ledger(settings)
    ledger.record_landed([version(sha256="dddd")])
    assert [v.sha256 for v in ledger.landed_versions("daily/a.txt")] == ["aaaa", "bbbb", "dddd"]
    assert content(settings)["landed_versions"][-1][0] == 5  # type: ignore[index]


def test_a_former_ledger_without_some_of_the_tables_is_taken_over(settings: Settings) -> None:
    with closing(sqlite3.connect(former_ledger(settings.data_dir))) as db:
        db.execute("DROP TABLE unread_files")
    assert content(settings) == FORMER_ROWS | {"unread_files": []}


# Forked from a process that has imported everything and started no threads yet.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def open_and_die(settings: Settings, nth: int) -> None:
    """Be killed before the n-th change of rows or commit, whichever database gets it, or as the
    first table is made: with those that follow it is one transaction."""
    numbers, seen = count(1), set[str]()

    def die(*given: object) -> None:
        statement = str(given[2]).split()[0] if len(given) > 1 else "COMMIT"
        if statement in seen and statement in ("CREATE", "ALTER", "DROP"):
            return
        seen.add(statement)
        if statement not in ("SELECT", "PRAGMA") and next(numbers) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", die)
    event.listen(Engine, "commit", die)
    open_ledger(settings).failures()


def end_of(target: Callable[..., None], *args: object) -> int | None:
    process = PROCESSES.Process(target=target, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def test_a_takeover_killed_anywhere_and_begun_again_loses_nothing(
    settings: Settings, request: pytest.FixtureRequest
) -> None:
    killed = 0
    for nth in count(1, 3 if settings.database_url else 1):  # there all is one transaction
        place = settings.model_copy(update={"data_dir": settings.data_dir / str(nth)})
        if settings.database_url:
            place = with_postgres(place, request.getfixturevalue("postgres"))
        former_ledger(place.data_dir)
        if end_of(open_and_die, place, nth) == 0:
            break
        killed += 1
        end_of(open_and_die, place, nth)  # and once more
        assert content(place) == FORMER_ROWS, nth
        assert not list(place.data_dir.glob("tmp/*"))
    assert killed > 5


def act(barrier: Barrier, settings: Settings, number: int) -> None:
    barrier.wait(60)
    ledger = open_ledger(settings)
    ledger.record_landed([version(f"path {number}")])
    assert f"path {number}" in ledger.newest_landed()


@pytest.mark.parametrize("is_there", [False, True])
def test_processes_that_open_a_new_or_a_former_database_at_once_wait_for_each_other(
    settings: Settings, is_there: bool
) -> None:
    if is_there:
        former_ledger(settings.data_dir)
    barrier = PROCESSES.Barrier(4)
    processes = [PROCESSES.Process(target=act, args=(barrier, settings, n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(content(settings)["landed_versions"]) == 4 + 3 * is_there


def test_a_reader_who_may_not_write_reads_former_and_present_databases_and_changes_neither(
    open_folder: Path, as_another_user: Callable[[Callable[[], object]], Any]
) -> None:
    settings = load_settings(data_dir=open_folder / "data")
    path = former_ledger(settings.data_dir)
    former = path.read_bytes()
    assert as_another_user(lambda: content(settings)) == FORMER_ROWS
    assert path.read_bytes() == former
    assert [file.name for file in settings.data_dir.iterdir()] == ["ledger.sqlite"]
    assert content(settings) == FORMER_ROWS
    assert as_another_user(lambda: content(settings)) == FORMER_ROWS
    nothing = load_settings(data_dir=open_folder)
    assert as_another_user(lambda: open_ledger(nothing).failures()) == []


def test_a_database_of_a_later_version_is_left_alone(settings: Settings) -> None:
    open_ledger(settings).record_landed([version()])
    with open_database(settings).writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for act in (Ledger.failures, lambda ledger: ledger.record_landed([version()])):
        with pytest.raises(PermanentError, match="later version"):
            act(open_ledger(settings))


def test_a_database_in_a_file_moves_to_postgresql_when_that_is_set(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    in_file = load_settings(data_dir=tmp_path)
    open_ledger(in_file).record_landed([version(sha256="1"), version(sha256="2")])
    before = content(in_file)
    settings = with_postgres(in_file, postgres)
    assert content(settings) == before
    open_ledger(settings).record_landed([version(sha256="3")])
    assert len(content(settings)["landed_versions"]) == 3  # the file is not taken over again
    assert content(in_file) == before


@pytest.fixture
def server_gone(postgres: PostgresServer) -> Settings:
    port = f":{postgres.port}/"
    address = postgres.address("gmn").replace(port, ":1/")
    return load_settings(database_url=address, database_password=postgres.password)


def test_a_server_that_is_gone_or_does_not_let_in_is_an_error_without_the_password(
    server_gone: Settings, postgres: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1, database gmn") as gone:
        open_ledger(server_gone).failures()
    wrong = load_settings(database_url=postgres.new_database(), database_password="s3cret")
    with pytest.raises(DatabaseUnavailable, match="password authentication failed") as refused:
        open_ledger(wrong).failures()
    for said in (str(gone.value), str(refused.value), repr(wrong)):
        assert postgres.password not in said
        assert "s3cret" not in said


def test_a_user_who_may_not_make_tables_is_told_so(postgres: PostgresServer) -> None:
    address = postgres.new_database()
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'r'")
    settings = load_settings(
        database_url=address.replace("gmn%20user@", "reader@"), database_password="r"
    )
    with pytest.raises(NotPermitted, match="GMN_DATABASE_URL"):
        open_ledger(settings).failures()


@pytest.mark.parametrize(
    "url", ["postgresql://u:s3cret@h/d", "postgresql://u@h/d?password=s3cret", "mysql://s3cret@h"]
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match="GMN_DATABASE_URL") as refused:
        load_settings(database_url=url)
    assert "s3cret" not in str(refused.value)


def test_commands_work_with_postgresql_and_leave_no_database_in_the_folder(
    bench: Bench, postgres: PostgresServer
) -> None:
    bench.put(DAILY, sample().first(20))
    gmn = Command(
        GMN_DATA_DIR=str(bench.settings.data_dir), GMN_SOURCE_URL=str(bench.site),
        GMN_DATABASE_URL=postgres.new_database(), GMN_DATABASE_PASSWORD=postgres.password,
    )  # fmt: skip
    gmn.says("run", "--from", "2022-03-04")
    gmn.says("status")
    gmn.says("maintain")
    assert postgres.password not in gmn.says("settings")
    assert not list(bench.settings.data_dir.glob("ledger*"))
