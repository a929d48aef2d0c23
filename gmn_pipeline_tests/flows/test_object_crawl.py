"""Folders and buckets of many files as tables: proposed, accepted, shown in place or loaded."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import obstore
import pytest
from pydantic import SecretStr

from gmn_pipeline.database.crawls import Crawl, TableState
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import (
    ObjectMissing,
    ObjectRefused,
    QueryFailed,
    QueryRefused,
    ServiceRunning,
    SourceUnavailable,
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


def test_tables_of_a_bucket_are_loaded_and_not_shown_in_place(
    bench: Bench, object_storage: ObjectStorageServer
) -> None:
    settings = bench.lake.objects.settings.model_copy(
        update={
            "s3_endpoint_url": object_storage.url,
            "s3_access_key_id": SecretStr(SECRETS["AWS_ACCESS_KEY_ID"]),
            "s3_secret_access_key": SecretStr(SECRETS["AWS_SECRET_ACCESS_KEY"]),
        }
    )
    url = f"s3://{object_storage.new_bucket()}/in"
    bucket = open_bucket(url, settings)
    obstore.put(bucket, "w/1.csv", b"a,b\n1,2\n")
    crawling = Crawling(settings, PERSON)
    crawl = Crawl("night", url, "cams", "ff", accepted_as=TableState.VIEW)
    with pytest.raises(ObjectRefused, match="bucket"):
        crawling.save(crawl)
    crawl = replace(crawl, accepted_as=TableState.LOADED)
    crawling.save(crawl)
    with crawling.working() as workshop:
        done = crawling.crawl(crawl, workshop)
        assert (done.read, done.put) == (1, 1)
        assert crawling.crawl(crawl, workshop).read == 0
    bench.lake.process()
    assert bench.lake.ask("SELECT a, b FROM ff_w") == [(1, 2)]
