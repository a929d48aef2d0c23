"""The warehouse with its catalogue in a real PostgreSQL, and its data in S3's protocol."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import (
    DatabaseUnavailable,
    GmnError,
    QueryRefused,
    SettingsError,
    StorageUnavailable,
    WarehouseBusy,
)
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import ask
from gmn_pipeline.queries.session import read_session
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.sandbox import confine
from gmn_pipeline.settings import Settings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline.warehouse.verify import verify
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.object_storage import ObjectStorageServer
from gmn_pipeline_tests.support.places import SECRETS, catalog_of, load, placed
from gmn_pipeline_tests.support.postgres import PostgresServer
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import assert_same, count, maintain, state


@pytest.fixture(params=["postgres and S3", "S3"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Of a warehouse that is not there yet."""
    found = {}
    if "postgres" in request.param:
        found |= catalog_of(request.getfixturevalue("postgres"))
    if "S3" in request.param:
        server: ObjectStorageServer = request.getfixturevalue("object_storage")
        found |= SECRETS | {
            "AWS_ENDPOINT_URL": server.url,
            "GMN_WAREHOUSE_STORAGE_URL": f"s3://{server.new_bucket()}/ware house",
        }
    return found


def test_a_warehouse_is_the_same_wherever_it_is(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    here, there = (tmp_path / "here", tmp_path / "there")
    for folder in (here, there):
        folder.mkdir()
    bench, other = Bench(here), Bench(there)
    settings = placed(bench, environment)
    for stamp, rows in (("2022-03-16", 534), ("2022-03-17", 500), ("2022-03-18", 520)):
        for site in (bench, other):
            site.put(DAILY, sample().stamped(f"{stamp} 00:00:00").first(rows))
        load(settings)
        load(other.settings)
        with ask(settings, "SELECT count(*) AS n FROM trajectories") as answer:
            assert [batch.to_pylist() for batch in answer] == [[{"n": rows}]]
    for place in (settings, other.settings):
        load_showers(WarehouseConnection(place), iau_showers.bundled())
    assert_same(state(settings), state(other.settings))
    freed = [maintain(p, utc_now() + timedelta(days=30)) for p in (settings, other.settings)]
    assert freed[0].files_removed == freed[1].files_removed > 0
    assert freed[0].bytes_freed == pytest.approx(freed[1].bytes_freed, rel=0.2)
    assert_same(state(settings), state(other.settings))
    assert verify(WarehouseConnection(settings)) == []
    manifest, is_new = make_snapshot(settings)
    assert is_new
    assert manifest.rows["trajectories"] == 520
    assert make_snapshot(settings) == (manifest, False)


@pytest.mark.parametrize("environment", ["postgres and S3"], indirect=True)
def test_commands_work_and_show_no_secret(bench: Bench, environment: dict[str, str]) -> None:
    bench.put(DAILY, sample().first(20))
    gmn = Command(
        GMN_DATA_DIR=str(bench.settings.data_dir), GMN_SOURCE_URL=str(bench.site), **environment
    )
    assert "There is no warehouse yet" in gmn.refuses("sql", "FROM trajectories")
    said = gmn.says("run", "--from", "2022-03-04") + gmn.says("status") + gmn.says("settings")
    assert gmn.answers("SELECT count(*) AS n FROM trajectories") == [{"n": 20}]
    said += gmn.says("maintain") + gmn.says("verify")
    for name, value in environment.items():
        assert value not in said or name.endswith("_URL"), name
    for file in bench.settings.data_dir.rglob("*"):
        for secret in secrets_in(environment):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file
    if "GMN_WAREHOUSE_STORAGE_URL" in environment:
        assert not list((bench.settings.data_dir / "warehouse").rglob("*.parquet"))


def secrets_in(environment: dict[str, str]) -> list[str]:
    return [value for name, value in environment.items() if not name.endswith("_URL")]


REACHING = {
    "secrets": "SELECT * FROM duckdb_secrets()",
    "secrets in full": "SELECT * FROM duckdb_secrets(redact => false)",
    "which secret": "SELECT * FROM which_secret('s3://bucket/x', 's3')",
    "databases": "SELECT * FROM duckdb_databases()",
    "settings": "SELECT * FROM duckdb_settings()",
    "setting": "SELECT current_setting('s3_secret_access_key')",
    "catalogue": "SELECT * FROM __ducklake_metadata_warehouse.ducklake_table",
    "catalogue in full": "SELECT * FROM __ducklake_metadata_warehouse.gmn_warehouse.ducklake_table",
    "catalogue by its schema": "SELECT * FROM gmn_warehouse.ducklake_table",
    "any query": "SELECT * FROM postgres_query('__ducklake_metadata_warehouse', 'SELECT 1')",
    "any statement": "CALL postgres_execute('__ducklake_metadata_warehouse', 'SELECT 1')",
    "another scan": "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "attach": "ATTACH 'postgres:host=127.0.0.1' AS other",
    "new secret": "CREATE SECRET mine (TYPE s3)",
    "list": "SELECT * FROM glob('s3://bucket/**')",
    "file": "SELECT * FROM 's3://bucket/x.parquet'",
    "web": "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
    "environment": "SELECT getenv('AWS_SECRET_ACCESS_KEY')",
}


def test_a_query_reaches_neither_the_catalogue_nor_a_secret(
    bench: Bench, environment: dict[str, str]
) -> None:
    bench.put(DAILY, sample().first(20))
    settings = placed(bench, environment)
    load(settings)
    with read_session(settings, Limits.of(settings)) as session:
        for name, sql in REACHING.items():
            with pytest.raises(GmnError) as refused:
                session.run(sql)
            assert isinstance(refused.value, QueryRefused) or name == "environment", name
    # Nor would it if it were not refused.
    secrets = secrets_in(environment)
    with WarehouseConnection(settings).open(read_only=True) as connection:
        shown = ""
        for function in ("duckdb_secrets", "duckdb_databases", "duckdb_settings"):
            shown += repr(connection.execute(f"FROM {function}()").fetchall())
        assert not [s for s in secrets if s in shown and s != SECRETS["AWS_ACCESS_KEY_ID"]]
        with pytest.raises(duckdb.Error):
            connection.execute("DELETE FROM trajectories")
        if "GMN_WAREHOUSE_CATALOG_URL" in environment:
            statement = "DROP SCHEMA gmn_warehouse CASCADE"
            with pytest.raises(duckdb.Error, match="read-only transaction"):
                connection.execute(
                    f"CALL postgres_execute('__ducklake_metadata_warehouse', '{statement}')"
                )
    assert count(settings, "trajectories") == 20


def test_a_confined_process_connects_to_the_ports_it_needs_and_to_no_other() -> None:
    def reaches() -> list[bool]:
        with (
            socket.create_server(("127.0.0.1", 0)) as one,
            socket.create_server(("127.0.0.1", 0)) as other,
        ):
            ports = [server.getsockname()[1] for server in (one, other)]
            if not confine([], ports[:1]):
                return []
            return [socket.socket().connect_ex(("127.0.0.1", port)) == 0 for port in ports]

    found = in_a_process(reaches)
    if not found:
        pytest.skip("this system has no Landlock")
    if found == [True, True]:
        pytest.skip("this system's Landlock knows no network (Linux before 6.7)")
    assert found == [True, False]


def in_a_process(what: Callable[[], list[bool]]) -> list[bool]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, bytes(what()))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        found = [bool(byte) for byte in answer.read()]
    os.waitpid(child, 0)
    return found


def test_two_machines_share_a_warehouse_and_each_has_its_own_folder(
    tmp_path: Path, postgres: PostgresServer, object_storage: ObjectStorageServer
) -> None:
    shared = SECRETS | catalog_of(postgres) | {
        "AWS_ENDPOINT_URL": object_storage.url,
        "GMN_WAREHOUSE_STORAGE_URL": f"s3://{object_storage.new_bucket()}",
    }  # fmt: skip
    machines = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name)
        machines.append((bench, placed(bench, shared)))
    (one, first), (other, second) = machines
    assert not WarehouseConnection(second).exists
    one.put(DAILY, sample().first(30))
    load(first)
    assert count(second, "trajectories") == 30
    other.put(DAILY, sample().stamped("2022-03-17 00:00:00").first(20))
    load(second)
    assert count(first, "trajectories") == 20
    with WarehouseConnection(first).writing():
        impatient = second.model_copy(update={"warehouse_busy_timeout_s": 0.3})
        with pytest.raises(WarehouseBusy), WarehouseConnection(impatient).writing():
            pass


def test_servers_that_are_gone_are_told_of_without_secrets(
    in_postgres: Settings, postgres: PostgresServer, object_storage: ObjectStorageServer
) -> None:
    url = in_postgres.warehouse_catalog_url
    assert url is not None
    gone = in_postgres.model_copy(
        update={"warehouse_catalog_url": url.replace(f":{postgres.port}/", ":1/")}
    )
    with pytest.raises(DatabaseUnavailable, match="does not answer") as told:
        load(gone)
    assert postgres.password not in str(told.value)
    storage = SECRETS | {
        "AWS_ENDPOINT_URL": object_storage.url, "GMN_WAREHOUSE_STORAGE_URL": "s3://no-bucket/x",
    }  # fmt: skip
    bench = Bench(in_postgres.data_dir.parent)
    bench.put(DAILY, sample())  # more than is kept in the catalogue
    report = load_days([DAY], placed(bench, storage))
    error = report.failed[0].error
    assert isinstance(error, StorageUnavailable), error
    assert not any(secret in str(error) for secret in SECRETS.values())


def test_storage_that_is_neither_a_folder_nor_s3_is_refused(bench: Bench) -> None:
    settings = bench.settings.model_copy(update={"warehouse_storage_url": "ftp://x/y"})
    with pytest.raises(SettingsError, match="ftp://"):
        load(settings)


def test_data_in_a_folder_of_its_own(bench: Bench, tmp_path: Path) -> None:
    bench.put(DAILY, sample())
    settings = bench.settings.model_copy(
        update={"warehouse_storage_url": str(tmp_path / "shared disk")}
    )
    load(settings)
    assert count(settings, "trajectories") == 534
    assert list((tmp_path / "shared disk").rglob("*.parquet"))
    assert not list(settings.warehouse_dir.rglob("*.parquet"))
