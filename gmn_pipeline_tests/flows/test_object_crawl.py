"""Folders and buckets of many files as tables: proposed, accepted, shown in place or loaded."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import obstore
import pytest
import requests
from pydantic import SecretStr

from gmn_pipeline.database.crawls import Crawl, TableState
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import (
    ObjectMissing,
    QueryFailed,
    QueryRefused,
    ServiceRunning,
    SourceUnavailable,
    StorageUnavailable,
)
from gmn_pipeline.flows.crawled_tables import Crawled
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.orchestration.assets.keys import OBJECTS_CRAWLS
from gmn_pipeline.orchestration.schedules import hourly_crawls
from gmn_pipeline.processing.workshop import Workshop
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import confined
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.storage.buckets import open_bucket
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.object_storage import ObjectStorageServer
from gmn_pipeline_tests.support.objects import PERSON, settings_of
from gmn_pipeline_tests.support.places import SECRETS
from gmn_pipeline_tests.support.processing import ProcessingBench, processing_bench

LIMITS = Limits(seconds=60, memory_mb=500, disk_mb=0, rows=1_000_000)


@dataclass
class Bench:
    """A folder of files, and what crawls it."""

    folder: Path
    lake: ProcessingBench
    crawling: Crawling

    def write(self, path: str, sql: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        form = "parquet" if path.endswith(".parquet") else "csv"
        duckdb.sql(f"COPY ({sql}) TO '{file}' (FORMAT {form})")

    def crawl(self, **said: Any) -> Crawled:
        crawl = Crawl("night", str(self.folder), "cams", "ff", **said)
        self.crawling.save(crawl)
        with self.crawling.working() as workshop:
            return self.crawling.crawl(crawl, workshop)

    def states(self) -> dict[str, TableState]:
        return {one.name: one.state for one in self.crawling.crawls.tables("night")}

    def decide(self, table: str, state: TableState, shown_as: str = "") -> Crawled:
        crawl = self.crawling.crawls.named("night")
        self.crawling.tables.decide(crawl, table, state, shown_as)
        done = Crawled()
        self.crawling.tables.bring_up_to_date(crawl, done)
        return done

    def asked(self, sql: str) -> list[tuple[Any, ...]]:
        """As `gmn sql` asks: closed to all files but those of the lakes and of views."""
        settings = self.lake.objects.settings
        with WarehouseConnection(settings).writing():
            pass  # what is asked is beside trajectories
        with WarehouseConnection(settings).standing() as standing, standing.reading():
            standing.attach()
            standing.attach_beside(WarehouseConnection(settings, OBJECTS))
            session = confined(standing, LIMITS, data_dir=settings.data_dir)
            with session.run(sql) as answer:
                rows = answer.reader().read_all().to_pylist()
        return [tuple(row.values()) for row in rows]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(FolderFiles.__init__, "__defaults__", (0.0,))  # files settle at once
    settings = settings_of(tmp_path)
    with processing_bench(settings) as lake:
        yield Bench(tmp_path / "in", lake, Crawling(settings, PERSON))


def test_many_files_are_proposed_accepted_and_asked_where_they_lie_or_loaded(bench: Bench) -> None:
    for n in range(5):
        bench.write(f"weather/{n}.parquet", f"SELECT {n} AS n, 1.5::DOUBLE AS temp")
        bench.write(f"stars/{n}.csv", f"SELECT 'US000{n}' AS station, {n} AS stars")
    (bench.folder / "notes.txt").write_text("no table")
    (bench.folder / "bad.parquet").write_bytes(b"PAR1 and no more")
    done = bench.crawl()
    assert (done.listed, done.read, done.failed, done.no_table) == (12, 12, 0, 1)
    assert list(done.failures) == ["bad.parquet"]
    assert set(bench.states().items()) == {
        ("weather", TableState.PROPOSED), ("stars", TableState.PROPOSED)
    }  # fmt: skip
    bench.decide("weather", TableState.VIEW, "meteo")
    assert bench.decide("stars", TableState.LOADED).put == 5
    bench.lake.process()
    assert bench.asked("SELECT count(*), sum(n), min(source_file) FROM objects.ff_meteo") == [
        (5, 10, "weather/0.parquet")
    ]
    assert bench.asked("SELECT count(*), max(station) FROM objects.ff_stars") == [(5, "US0004")]
    with pytest.raises(QueryRefused):  # nothing else is within reach by that
        bench.asked(f"SELECT * FROM read_parquet('{bench.folder}/other.parquet')")
    # Only what changed is read; a new column comes, an unfit file is told of and left out.
    bench.write("weather/5.parquet", "SELECT 5 AS n, 2::DOUBLE AS temp, 7.5::DOUBLE AS wind")
    bench.write("weather/6.parquet", "SELECT 6 AS n, 'warm' AS temp")
    bench.write("stars/0.csv", "SELECT 'US0009' AS station, 3 AS stars")
    (bench.folder / "weather" / "1.parquet").unlink()
    with pytest.raises(QueryFailed, match=r"weather/1.parquet is not there any more"):
        bench.asked("SELECT sum(n) FROM objects.ff_meteo")
    done = bench.crawl()
    assert (done.listed, done.read, done.unchanged, done.gone, done.put) == (13, 3, 10, 1, 1)
    assert [(c.kind.value, c.column, c.after) for c in done.changes] == [
        ("new column", "wind", "DOUBLE"), ("other type", "temp", "VARCHAR"),
    ]  # fmt: skip
    assert "temp was DOUBLE and is VARCHAR" in done.failures["weather/6.parquet"]
    bench.lake.process()
    assert bench.lake.ask("SELECT count(*), sum(n), max(wind) FROM ff_meteo") == [(5, 14, 7.5)]
    assert bench.lake.ask("SELECT count(*), max(station) FROM ff_stars") == [(5, "US0009")]
    again = bench.crawl()
    assert (again.read, again.put, again.views_changed, again.changes) == (0, 0, 0, [])
    # Loaded instead: its name is free again, types are those that were accepted.
    bench.decide("weather", TableState.LOADED, "meteo_loaded")
    bench.lake.process()
    with bench.lake.processing.lake.open(read_only=True) as lake:
        rows = lake.execute("SELECT count(*), sum(n), max(wind) FROM ff_meteo_loaded").fetchall()
        assert rows == [(5, 14, 7.5)]
        with pytest.raises(duckdb.CatalogException):
            lake.execute("FROM ff_meteo")
    # Refused: what was loaded goes.
    bench.decide("stars", TableState.REFUSED)
    bench.lake.process()
    assert bench.lake.ask("SELECT count(*) FROM ff_stars") == [(0,)]
    kinds = {one.kind for one in bench.crawling.crawls.changes("night", 100)}
    assert kinds == {"new table", "new column", "other type"}


def test_a_rule_accepts_and_dagster_crawls_on_a_schedule(bench: Bench) -> None:
    bench.write("weather/0.parquet", "SELECT 1 AS n")
    bench.write("other/0.parquet", "SELECT 1 AS a, 2 AS b")
    bench.crawl(accepted_as=TableState.VIEW, accepted_names="wea*", is_deleting=True)
    assert bench.states() == {"weather": TableState.VIEW, "other": TableState.PROPOSED}
    bench.decide("other", TableState.LOADED)
    bench.write("weather/1.parquet", "SELECT 2 AS n")
    shutil.rmtree(bench.folder / "other")
    defs = build_defs(bench.lake.objects.settings.model_dump(exclude_unset=True))
    with dg.instance_for_test() as instance:
        job = defs.resolve_job_def(hourly_crawls.job_name)
        run = job.execute_in_process(instance=instance)
        (told,) = run.asset_materializations_for_node("crawl_objects")
        (check,) = run.get_asset_check_evaluations()
    assert told.asset_key == OBJECTS_CRAWLS
    assert (told.metadata["files"].value, told.metadata["read"].value) == (2, 1)
    assert check.passed
    assert bench.lake.ask("SELECT sum(n) FROM ff_weather") == [(3,)]
    with pytest.raises(ObjectMissing):  # its file was gone
        bench.lake.now("night/other/other/0.parquet")
    crawl = bench.crawling.crawls.named("night")
    assert crawl.ended_at_utc is not None
    bench.crawling.tables.forget(crawl)
    assert bench.crawling.crawls.all() == []
    assert bench.lake.ask("SELECT count(*) FROM files_in_place") == [(0,)]


def test_a_crawl_that_is_stopped_goes_on_where_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmn_pipeline.flows.object_crawl._BATCH", 2)
    for n in range(5):
        bench.write(f"w/{n}.parquet", f"SELECT {n} AS n")
    process_many = Workshop.process_many
    calls = []

    def stops(self: Workshop, *more: Any) -> Any:
        calls.append(more)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return process_many(self, *more)

    monkeypatch.setattr(Workshop, "process_many", stops)
    with pytest.raises(KeyboardInterrupt):
        bench.crawl()
    done = bench.crawl()
    assert (done.read, done.unchanged) == (3, 2)
    shutil.rmtree(bench.folder)
    bench.folder.mkdir()
    with pytest.raises(SourceUnavailable, match="no such file at all"):
        bench.crawl()
    assert len(bench.crawling.crawls.files("night")) == 5
    with bench.crawling.working(), pytest.raises(ServiceRunning), bench.crawling.working():
        pass


def test_files_that_end_their_reader_fail_alone_among_many(bench: Bench) -> None:
    """Of a batch in one process, those after one that takes too much are read nevertheless."""
    for n in range(3):
        bench.write(f"w/{n}.parquet", f"SELECT {n} AS n")
    wide = ", ".join(f"1 AS c{n}" for n in range(400))
    bench.write("w/wide.parquet", f"SELECT {wide}")
    settings = bench.lake.objects.settings.model_copy(update={"objects_process_output_mb": 1})
    bench.crawling.settings = settings
    done = bench.crawl()
    assert done.failures == {"w/wide.parquet": "It has 400 columns: crawls take 300."}
    assert bench.states() == {"w": TableState.PROPOSED}


def of_storage(bench: Bench, storage: ObjectStorageServer) -> Bench:
    """The same with keys for a server of buckets."""
    bench.lake.objects.settings = bench.lake.objects.settings.model_copy(
        update={
            "s3_endpoint_url": storage.url,
            "s3_access_key_id": SecretStr(SECRETS["AWS_ACCESS_KEY_ID"]),
            "s3_secret_access_key": SecretStr(SECRETS["AWS_SECRET_ACCESS_KEY"]),
        }
    )
    bench.crawling = Crawling(bench.lake.objects.settings, PERSON)
    return bench


def test_tables_of_a_bucket_are_loaded(bench: Bench, object_storage: ObjectStorageServer) -> None:
    bench = of_storage(bench, object_storage)
    url = f"s3://{object_storage.new_bucket()}/in"
    obstore.put(open_bucket(url, bench.crawling.settings), "w/1.csv", b"a,b\n1,2\n")
    crawl = Crawl("night", url, "cams", "ff", accepted_as=TableState.LOADED)
    bench.crawling.save(crawl)
    with bench.crawling.working() as workshop:
        done = bench.crawling.crawl(crawl, workshop)
        assert (done.read, done.put) == (1, 1)
        assert bench.crawling.crawl(crawl, workshop).read == 0
    bench.lake.process()
    assert bench.lake.ask("SELECT a, b FROM ff_w") == [(1, 2)]


def test_tables_of_a_bucket_are_asked_where_they_lie(
    bench: Bench, object_storage: ObjectStorageServer, tmp_path: Path
) -> None:
    bench = of_storage(bench, object_storage)
    name = object_storage.new_bucket()
    url, settings = f"s3://{name}/in", bench.crawling.settings
    bucket, beside = open_bucket(url, settings), open_bucket(f"s3://{name}/other", settings)
    for n, path in enumerate(("w/1.parquet", "w/b c+%41#ü.parquet", "w/2.parquet")):
        duckdb.sql(f"COPY (SELECT {n} AS n) TO '{tmp_path}/t.parquet' (FORMAT parquet)")
        for one in (bucket, beside):
            obstore.put(one, path, tmp_path / "t.parquet")
    obstore.put(bucket, "stars/1.csv", b"station,stars\nUS0001,7\n")

    with bench.crawling.working() as workshop:

        def crawl(name: str = "night", url: str = url, **said: Any) -> Crawled:
            crawl = Crawl(name, url, "cams", "ff", accepted_as=TableState.VIEW, **said)
            bench.crawling.save(crawl)
            return bench.crawling.crawl(crawl, workshop)

        done = crawl()
        assert (done.views_changed, done.failures) == (2, {})
        asked = "SELECT sum(n), max(source_file) FROM objects.ff_w"
        assert bench.asked(asked) == [(3, "w/b c+%41#ü.parquet")]
        assert bench.asked("SELECT station, stars FROM objects.ff_stars") == [("US0001", 7)]
        assert crawl().views_changed == 0
        # By the command, whose process the operating system closes.
        environment = {
            "AWS_ENDPOINT_URL": object_storage.url, **SECRETS,
            "GMN_DATA_DIR": str(settings.data_dir),
        }  # fmt: skip
        assert '3,"w/b' in Command(**environment).says("sql", asked, "--format", "csv")
        # With the views' files in reach, no other is: by either wall.
        warehouse = WarehouseConnection(settings)
        with warehouse.standing() as standing, standing.reading():
            standing.attach()
            standing.attach_beside(WarehouseConnection(settings, OBJECTS))
            session = confined(standing, LIMITS, data_dir=settings.data_dir)
            for sql in (
                f"SELECT * FROM read_parquet('s3://{name}/in/w/1.parquet')",
                f"SELECT * FROM 's3://{name}/other/w/1.parquet'",
                f"SELECT * FROM read_csv('{object_storage.url}/{name}/in/stars/1.csv')",
                "SELECT * FROM duckdb_secrets()", "SELECT * FROM which_secret('s3://x', 's3')",
                f"COPY (SELECT 1) TO 's3://{name}/in/x.csv'",
            ):  # fmt: skip
                with pytest.raises(QueryRefused):
                    session.run(sql)
            told = standing.connection.execute("FROM duckdb_secrets()").fetchall()
            assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in str(told)
            for sql in (
                f"FROM 's3://{name}/other/w/1.parquet'", f"FROM 's3://{name}/in/w/*.parquet'",
                f"COPY (SELECT 1) TO 's3://{name}/in/x.csv'", f"FROM glob('s3://{name}/**')",
                f"FROM 's3://{name}/in/w/1.parquet?s3_endpoint=example.org'",
            ):  # fmt: skip
                with pytest.raises(duckdb.Error):
                    standing.connection.execute(sql).fetchall()
        kept = b"".join(p.read_bytes() for p in settings.data_dir.rglob("*") if p.is_file())
        assert not any(secret.encode() in kept for secret in SECRETS.values())
        # A file that is gone is told of, and the next crawl goes without.
        obstore.delete(bucket, "w/2.parquet")
        with pytest.raises(StorageUnavailable, match="beside it"):
            bench.asked(asked)
        assert crawl().gone == 1
        assert bench.asked(asked) == [(1, "w/b c+%41#ü.parquet")]
        # One place has one endpoint; what DuckDB takes for something else is no name.
        elsewhere = object_storage.url.replace("127.0.0.1", "localhost")
        other = crawl("again", f"{url}/w", endpoint_url=elsewhere)
        assert "another view reads" in str(other.failures)
        obstore.put(bucket, "stars/2?s3_endpoint=example.org&.csv", b"station,stars\nUS0002,8\n")
        assert "no name with one of" in str(crawl().failures)
        bench.crawling.tables.forget(bench.crawling.crawls.named("night"))
        assert bench.lake.ask("SELECT count(*) FROM buckets_in_place") == [(0,)]


def test_a_bucket_that_anybody_may_read_is_asked_without_keys(
    bench: Bench, object_storage: ObjectStorageServer
) -> None:
    url = f"s3://{object_storage.new_bucket()}"
    public = {"x-amz-acl": "public-read"}
    place = f"{object_storage.url}/{url.removeprefix('s3://')}/w/1.csv"
    requests.put(place, b"a,b\n1,2\n", headers=public, timeout=10).raise_for_status()
    crawl = Crawl(
        "night", url, "cams", "ff", accepted_as=TableState.VIEW, is_anonymous=True,
        endpoint_url=object_storage.url,
    )  # fmt: skip
    bench.crawling.save(crawl)
    with bench.crawling.working() as workshop:
        assert bench.crawling.crawl(crawl, workshop).failures == {}
    assert bench.asked("SELECT a, b FROM objects.ff_w") == [(1, 2)]
    with bench.crawling.tables.lake.open(read_only=True) as lake:  # as what exports tables opens it
        assert lake.execute("SELECT a FROM ff_w").fetchall() == [(1,)]
