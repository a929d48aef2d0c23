"""Two lakes beside each other: the warehouse and the readings."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import QueryRefused, SettingsError, WarehouseBusy
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.pool import QueryPool
from gmn_pipeline.queries.process import QueryProcess, ask
from gmn_pipeline.queries.session import read_session
from gmn_pipeline.queries.states import states_of
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.backend import open_backend
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS, READINGS
from gmn_pipeline.warehouse.maintenance import maintain_lake
from gmn_pipeline_tests.support.object_storage import ObjectStorageServer
from gmn_pipeline_tests.support.places import SECRETS, catalog_of, load, placed
from gmn_pipeline_tests.support.postgres import PostgresServer
from gmn_pipeline_tests.support.sample import DAILY, Bench, sample

BOTH = (
    "SELECT (SELECT count(*) FROM trajectories) AS trajectories, "
    "(SELECT count(*) FROM readings.station_readings) AS readings"
)
LIMITS = Limits(seconds=60, memory_mb=500, disk_mb=0, rows=100)


def with_readings(settings: Settings, stations: int) -> WarehouseConnection:
    readings = WarehouseConnection(settings, READINGS)
    with readings.writing() as connection:
        connection.execute(
            "INSERT INTO station_readings BY NAME SELECT 'XX000' || range AS station_code, "
            "'1' AS sensor_id, now()::TIMESTAMP AS measured_at_utc, 1.5 AS temperature_deg_c, "
            "now()::TIMESTAMP AS received_at_utc, 'test' AS sender, 'udp' AS transport, "
            f"now()::TIMESTAMP AS taken_in_at_utc FROM range({stations})"
        )
    return readings


@pytest.fixture
def settings(bench: Bench) -> Settings:
    bench.put(DAILY, sample().first(20))
    load(bench.settings)
    return bench.settings


def asked(settings: Settings, sql: str) -> list[dict[str, object]]:
    with ask(settings, sql, limits=LIMITS) as answer:
        return [row for batch in answer for row in batch.to_pylist()]


def test_a_query_reads_both_lakes_once_there_are_readings(settings: Settings) -> None:
    with pytest.raises(QueryRefused, match=r"readings\.station_readings"):
        asked(settings, BOTH)
    with_readings(settings, 3)
    assert asked(settings, BOTH) == [{"trajectories": 20, "readings": 3}]
    assert asked(settings, "SELECT count(*) AS n FROM Readings.main.latest_readings") == [{"n": 0}]
    with read_session(settings, LIMITS) as session, session.run(BOTH) as answer:
        assert [batch.to_pylist() for batch in answer] == [[{"trajectories": 20, "readings": 3}]]


def test_the_questions_of_the_page_on_readings_can_be_asked(settings: Settings) -> None:
    with_readings(settings, 3)
    page = (Path(__file__).parents[2] / "docs" / "readings.md").read_text("utf-8")
    questions = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(questions) == 3
    with read_session(settings, LIMITS) as session:
        for sql in questions:
            with session.run(sql) as answer:
                list(answer)


def test_processes_that_are_kept_ready_answer_about_readings_too(settings: Settings) -> None:
    with_readings(settings, 3)
    pool = QueryPool(settings, 1, frozenset({"dead_letters"}))
    try:
        for sql, told in (
            ("SELECT count(*) AS n FROM trajectories", [{"n": 20}]),
            (BOTH, [{"trajectories": 20, "readings": 3}]),
            ("SELECT count(*) AS n FROM trajectories", [{"n": 20}]),
        ):
            with pool.ask(sql, limits=LIMITS) as answer:
                assert [row for batch in answer for row in batch.to_pylist()] == told
        for hidden in ("dead_letters", "readings.dead_letters"):
            with pytest.raises(QueryRefused, match="no table"):
                pool.ask(f"FROM {hidden}", limits=LIMITS)
    finally:
        pool.close()


def test_tables_of_objects_are_for_who_may_see_all_projects_only(settings: Settings) -> None:
    objects = WarehouseConnection(settings, OBJECTS)
    sql = "SELECT count(*) AS n, (SELECT count(*) FROM trajectories) AS t FROM objects.catalogue"
    with objects.writing():
        pass
    with QueryProcess().ask(settings, sql, limits=LIMITS, with_objects=True) as answer:
        assert [row for batch in answer for row in batch.to_pylist()] == [{"n": 0, "t": 20}]
    pool = QueryPool(settings, 1, frozenset())
    try:
        with pytest.raises(QueryRefused, match="no table"):
            pool.ask(sql, limits=LIMITS)
    finally:
        pool.close()
    with (
        read_session(settings, LIMITS) as session,
        pytest.raises(QueryRefused, match="no table"),
    ):
        session.run(sql)


NOT_ASKED = (
    "FROM readings.ducklake_snapshot",
    "FROM __ducklake_metadata_readings.ducklake_snapshot",
    "FROM warehouse.readings.station_readings",
    "FROM readings.other.station_readings",
    "INSERT INTO readings.station_readings DEFAULT VALUES",
    "FROM ducklake_snapshots('readings')",
)


def test_no_more_of_the_readings_can_be_asked_than_its_tables(settings: Settings) -> None:
    with_readings(settings, 3)
    with read_session(settings, LIMITS) as session:
        for sql in NOT_ASKED:
            with pytest.raises(QueryRefused), session.run(sql) as answer:
                list(answer)


def test_a_lake_has_its_own_states_turn_and_readers(settings: Settings) -> None:
    readings = with_readings(settings, 3)
    impatient = settings.model_copy(update={"warehouse_busy_timeout_s": 0.1})
    with states_of(settings, LIMITS, 2, READINGS) as states:
        first = states.newest
        with (
            readings.writing(),
            WarehouseConnection(settings).writing(),
            pytest.raises(WarehouseBusy),
            WarehouseConnection(impatient, READINGS).writing(),
        ):
            pass
        with_readings(settings, 2)
        states.look()
        for state, rows in ((first, 3), (states.newest, 5)):
            with states.run(state, "SELECT count(*) AS n FROM station_readings") as answer:
                assert next(iter(answer)).to_pylist() == [{"n": rows}]
        with WarehouseConnection(settings).open(read_only=True):
            maintain_lake(readings, timedelta(0), utc_now() + timedelta(days=30))
        with (
            readings.open(read_only=True),
            pytest.raises(WarehouseBusy),
            readings.without_readers(0.1),
        ):
            pass


def test_a_lake_of_readings_gets_what_a_later_version_adds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ddl.content(READINGS)
    with monkeypatch.context() as earlier:
        earlier.setattr(ddl, "READINGS_TABLES", content.asked[:-1])
        earlier.setattr(ddl, "READINGS_VIEWS", content.definitions.views[:-1])
        readings = with_readings(settings, 3)
    with readings.open(read_only=True) as connection:
        assert not ddl.is_current(connection, READINGS)
    ddl.bring_up_to_date(readings)
    with readings.open(read_only=True) as connection:
        assert ddl.is_current(connection, READINGS)
        assert connection.execute("SELECT count(*) FROM station_readings").fetchone() == (3,)
        assert connection.execute("FROM latest_readings").fetchall() == []


def test_both_lakes_are_kept_in_one_database_and_one_bucket_and_apart(
    bench: Bench, postgres: PostgresServer, object_storage: ObjectStorageServer
) -> None:
    environment = (
        catalog_of(postgres)
        | SECRETS
        | {
            "AWS_ENDPOINT_URL": object_storage.url,
            "GMN_WAREHOUSE_STORAGE_URL": f"s3://{object_storage.new_bucket()}/lake",
        }
    )
    bench.put(DAILY, sample().first(20))
    settings = placed(bench, environment)
    load(settings)
    readings = with_readings(settings, 300)
    late = utc_now() + timedelta(days=30)
    for lake in (WarehouseConnection(settings), readings):
        maintain_lake(lake, timedelta(0), late)
    assert asked(settings, BOTH) == [{"trajectories": 20, "readings": 300}]
    with WarehouseConnection(settings).writing(), readings.writing():
        pass


def test_a_bucket_that_is_all_the_warehouses_holds_no_readings(bench: Bench) -> None:
    settings = bench.settings.model_copy(update={"warehouse_storage_url": "s3://bucket/"})
    with pytest.raises(SettingsError, match="s3://bucket/prefix"):
        open_backend(settings, READINGS)
    assert open_backend(settings).storage.path == "s3://bucket/"


def test_a_lake_can_be_read_where_nothing_may_be_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_readings(settings, 3)
    monkeypatch.setattr("gmn_pipeline.warehouse.sqlite_catalog.is_writable", lambda _: False)
    with read_session(settings, LIMITS) as session, session.run(BOTH) as answer:
        assert next(iter(answer)).to_pylist() == [{"trajectories": 20, "readings": 3}]
