"""A database that a server holds open: quicker, and the same otherwise."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from gmn_pipeline.database.engine import Database, open_database
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.serving.app import build_app
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline_tests.database.conftest import with_postgres
from gmn_pipeline_tests.support.in_process import asking
from gmn_pipeline_tests.support.postgres import PostgresServer

BY = By("tests")


@pytest.fixture
def held(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    database.hold_open()
    yield database
    database.let_go()


def projects(settings: Settings) -> list[str]:
    return list(ObjectCatalogue(open_database(settings)).projects())


def test_many_threads_write_and_others_see_it(held: Database, settings: Settings) -> None:
    assert ObjectCatalogue(held).projects() == {}
    names = [f"cams{n:02}" for n in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: ObjectCatalogue(held).make_project(name, BY), names))
    assert projects(settings) == names
    ObjectCatalogue(open_database(settings)).make_project("later", BY)
    assert "later" in ObjectCatalogue(held).projects()


def test_a_transaction_that_fails_leaves_nothing_to_the_next(
    held: Database, settings: Settings
) -> None:
    ObjectCatalogue(held).make_project("cams", BY)

    def fail() -> None:
        with held.writing() as connection:
            connection.execute(text("DELETE FROM projects"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(ObjectCatalogue(held).projects()) == projects(settings) == ["cams"]


def test_it_can_be_asked_after_it_was_let_go(held: Database) -> None:
    ObjectCatalogue(held).make_project("cams", BY)
    held.let_go()
    held.let_go()
    assert list(ObjectCatalogue(held).projects()) == ["cams"]


def test_sqlite_keeps_its_log_meanwhile(tmp_path: Path) -> None:
    database = open_database(load_settings(data_dir=tmp_path))
    log = tmp_path / "ledger.sqlite-wal"
    ObjectCatalogue(database).make_project("cams", BY)
    assert not log.exists()
    database.hold_open()
    ObjectCatalogue(database).make_project("rms", BY)
    assert log.stat().st_size > 0
    database.let_go()
    assert not log.exists()


def test_a_server_holds_it_from_its_start_to_its_end(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    ObjectCatalogue(open_database(settings)).make_project("cams", BY)
    app = build_app(settings)

    def is_open() -> bool:
        files = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        return any(
            str(file.readlink()).startswith(str(tmp_path / "ledger.sqlite")) for file in files
        )

    with asking(app) as ask:
        assert ask("GET", "/objects.json").status_code == 200
    assert not is_open()
    app.state.work.objects.open()
    with asking(app) as ask:
        assert ask("GET", "/objects.json").status_code == 200
    assert is_open()
    app.state.work.objects.close()
    assert not is_open()


def test_a_file_that_takes_the_place_of_the_one_that_is_open_is_found(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    open_catalogue = ObjectCatalogue(open_database(settings))
    open_catalogue.make_project("before", BY)
    shutil.copytree(settings.data_dir, tmp_path / "backup")
    database = open_database(settings)
    database.hold_open()
    catalogue = ObjectCatalogue(database)
    catalogue.make_project("after", BY)
    for file in settings.data_dir.glob("ledger.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "backup" / "ledger.sqlite", settings.data_dir)
    assert list(catalogue.projects()) == ["before"]
    catalogue.make_project("then", BY)
    database.let_go()
    assert projects(settings) == ["before", "then"]


def test_a_postgresql_that_has_ended_connections_is_connected_to_anew(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    settings = with_postgres(load_settings(data_dir=tmp_path), postgres)
    database = open_database(settings)
    database.hold_open()

    def served_by() -> int:
        with database.writing() as connection:
            return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)

    try:
        first = served_by()
        assert served_by() == first
        with open_database(settings).writing() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})
        assert served_by() != first
    finally:
        database.let_go()
