"""SQL about objects over HTTP: each sees what they may read, and no way leads round that."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import GmnError, QueryFailed, QueryRefused
from gmn_pipeline.flows.objects import opened_objects
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.queries.frames import Visible
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import ReadSession, confined
from gmn_pipeline.queries.visible import copy_visible
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import Description, Link, LinkKind, ObjectName
from gmn_pipeline.settings import Settings
from gmn_pipeline.storage.contents import HashingWriter
from gmn_pipeline.warehouse.connection import Standing, WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline_tests.support.objects import PERSON, settings_of
from gmn_pipeline_tests.support.processing import ProcessingBench, processing_bench
from gmn_pipeline_tests.support.server import Reply, serving

SECRET = "hidden7"
"""Is in all that only readers of `cams` may know: names, texts, values, columns."""
LIMITS = Limits(seconds=30, memory_mb=500, disk_mb=0, rows=1_000)
TABLES = (
    "catalogue", "documents", "provenance", "loads", "loaded_columns", "nodes", "edges", "readings",
    "detections", "calibrations", "image_detections", "open_weather",
)  # fmt: skip
ALL_NAMED = " ".join(["objects", *TABLES, f"ff_{SECRET}"])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two projects, of which `open` is public, each with a document and a loaded table."""
    settings = settings_of(tmp_path_factory.mktemp("objects_sql"))
    with WarehouseConnection(settings).open():
        pass
    with processing_bench(settings) as bench:
        bench.objects.catalogue.make_project("open", PERSON, is_public=True)
        bench.objects.catalogue.make_container("open", "open", PERSON)
        for project, container, word, table in (
            ("cams", "ff", SECRET, SECRET), ("open", "open", "seen", "weather"),
        ):  # fmt: skip
            rules = {"tables": [{"names": "w/*", "table": table}]}
            bench.processing.runs.set_rules(project, container, rules, PERSON)
            _put(bench, ObjectName(project, container, f"{word}.md"), f"# {word}\n\n12 {word}\n")
            loaded = ObjectName(project, container, f"w/{word}.csv")
            _put(bench, loaded, f"time,{word},same\n2022-03-04,1,2\n")
        assert bench.process().failures == {}
        assert {name for (name,) in bench.ask("SELECT DISTINCT table_name FROM loads")} >= {
            "documents", "open_weather", f"ff_{SECRET}",
        }  # fmt: skip
    return settings


def _put(bench: ProcessingBench, name: ObjectName, text: str) -> None:
    link = Link(LinkKind.STATION, "US0001")
    with bench.objects.landing.incoming() as folder:
        writer = HashingWriter(folder / "new")
        writer.write(text.encode())
        said = Description(links=frozenset({link}))
        staged = Staged(folder / "new", writer.finish(), name, said, None)
        bench.objects.landing.land([staged], PERSON)


@dataclass
class Inside:
    """The session of somebody who may see `open`, as it is when their query begins."""

    standing: Standing
    session: ReadSession

    def ask(self, sql: str) -> list[dict[str, Any]]:
        with self.session.run(sql) as answer:
            return [row for batch in answer for row in batch.to_pylist()]

    def says(self, sql: str) -> str:
        """All that comes, be it an error."""
        try:
            return str(self.ask(sql))
        except GmnError as error:
            return f"{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def inside(settings: Settings) -> Iterator[Inside]:
    lake = WarehouseConnection(settings, OBJECTS)
    with WarehouseConnection(settings).standing() as standing, standing.reading([lake]):
        standing.attach()
        copy_visible(standing, lake, Visible(frozenset({"open"})), ALL_NAMED, LIMITS)
        yield Inside(standing, confined(standing, LIMITS, data_dir=settings.data_dir))


def test_tables_have_what_may_be_seen(inside: Inside) -> None:
    for table in TABLES:
        rows = inside.ask(f"SELECT * FROM objects.{table}")
        assert SECRET not in str(rows), table
        is_there = table not in ("readings", "detections", "calibrations", "image_detections",
                                 "provenance")  # fmt: skip
        assert bool(rows) is is_there, table
    assert {row["name"] for row in inside.ask("SELECT name FROM objects.catalogue")} == {
        "seen.md", "w/seen.csv",
    }  # fmt: skip
    assert inside.ask("SELECT same, seen FROM objects.open_weather") == [{"same": 2, "seen": 1}]
    # What is hidden counts in nothing.
    (count,) = inside.ask("SELECT count(*) AS n FROM objects.nodes WHERE kind = 'object'")
    assert count == {"n": 2}
    joined = "FROM objects.documents d JOIN main.trajectories t ON d.text = t.trajectory_identifier"
    assert inside.ask(f"SELECT d.text {joined}") == []


WAYS_ROUND = [
    f"SELECT * FROM objects.ff_{SECRET}", "SELECT * FROM objects.mirror_mark",
    "SELECT * FROM all_objects.catalogue", "SELECT * FROM all_objects.main.catalogue",
    "SELECT * FROM __ducklake_metadata_all_objects.ducklake_data_file",
    "SELECT * FROM __ducklake_metadata_objects.ducklake_table",
    "SELECT * FROM objects.\"visible ids\"", "SELECT * FROM temp.objects",
    "SELECT * FROM objects.information_schema.tables", "SELECT * FROM sqlite_master",
    "SELECT * FROM objects.pg_catalog.pg_class", "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM query('SELECT * FROM all_objects.catalogue')",
    "SELECT * FROM query_table('all_objects.catalogue')",
    "SELECT * FROM read_parquet('{data}/object_tables/**/*.parquet')",
    "SELECT * FROM '{data}/object_tables/catalog.sqlite'", "SELECT * FROM glob('{data}/**')",
    "SELECT * FROM sqlite_scan('{data}/object_tables/catalog.sqlite', 'ducklake_table')",
    "SELECT * FROM ducklake_snapshots('all_objects')",
    "SELECT * FROM ducklake_snapshots('objects')",
    "SELECT * FROM duckdb_databases()", "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pragma_database_list()", "SELECT * FROM duckdb_secrets()",
    "ATTACH 'ducklake:sqlite:{data}/object_tables/catalog.sqlite' AS more", "USE all_objects",
    "SHOW ALL TABLES", "SHOW TABLES FROM all_objects", "DESCRIBE all_objects.catalogue",
    "PRAGMA database_list", "CALL ducklake_snapshots('objects')", "PREPARE p AS SELECT 1",
    "CREATE MACRO m() AS TABLE SELECT 1", "SELECT 1; SELECT * FROM objects.catalogue",
    "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM json_execute_serialized_sql('{{}}')", "DETACH objects",
    "COPY objects.catalogue TO '{data}/x.csv'", "DELETE FROM objects.catalogue",
]  # fmt: skip


@pytest.mark.parametrize("sql", WAYS_ROUND)
def test_no_way_leads_round_it(inside: Inside, settings: Settings, sql: str) -> None:
    with pytest.raises((QueryRefused, QueryFailed)) as refused:
        inside.ask(sql.format(data=settings.data_dir))
    given = sql.count(SECRET)
    assert str(refused.value).count(SECRET) <= given  # no "Did you mean"


def test_nothing_tells_of_what_is_hidden(inside: Inside, settings: Settings) -> None:
    asked = [
        # What an error would tell, if the condition were looked at for hidden rows as well.
        "SELECT * FROM objects.documents WHERE CAST(text AS INTEGER) = 1",
        "SELECT CAST(name AS INTEGER) FROM objects.catalogue",
        "SELECT error(text) FROM objects.documents",
        "SELECT * FROM duckdb_tables()", "SELECT * FROM duckdb_columns()",
        "SELECT * FROM duckdb_views()", "SELECT * FROM duckdb_functions()", "SHOW TABLES",
        "SELECT * FROM information_schema.tables", "SELECT * FROM information_schema.columns",
        "SELECT * FROM information_schema.schemata", "SELECT * FROM information_schema.views",
        "DESCRIBE objects.catalogue", "SUMMARIZE objects.catalogue",
        "EXPLAIN SELECT * FROM objects.catalogue JOIN objects.documents USING (object_id)",
        "SELECT * FROM objects.hidden", "SELECT * FROM objects.ff_hidden",
        "SELECT hidden FROM objects.open_weather", "SELECT COLUMNS('hid.*') FROM objects.catalogue",
        "WITH objects AS (SELECT 1 AS x) SELECT * FROM objects",
        "SELECT stats(name), vector_type(name) FROM objects.catalogue",
        "SELECT rowid, * FROM objects.documents",
    ]  # fmt: skip
    for sql in asked:
        said = inside.says(sql)
        assert SECRET not in said, sql
        assert "all_objects" not in said, sql
    assert "seen" in inside.says(asked[0])  # it does complain of what is shown
    # And if the judge of queries let something through, there is nothing.
    with inside.standing.connection.cursor() as cursor:
        names = str(cursor.execute("SELECT * FROM duckdb_databases()").fetchall())
        assert "all_objects" not in names
        assert SECRET not in str(cursor.execute("FROM duckdb_tables()").fetchall())
        folder = settings.data_dir / "object_tables"
        for sql in (
            f"FROM read_parquet('{folder}/**/*.parquet')", f"FROM '{folder}/catalog.sqlite'",
        ):  # fmt: skip
            with pytest.raises(duckdb.Error, match=r"ermission|does not exist"):
                cursor.execute(sql)


def test_each_sees_what_they_may_read(settings: Settings) -> None:
    accounts = AccountStore(open_database(settings))
    known: dict[str, dict[str, str]] = {"nobody": {}}
    for name in ("ada", "op"):
        accounts.make(name, "test", is_operator=name == "op")
        secret = accounts.make_token(name, "test", timedelta(days=1))
        known[name] = {"Authorization": f"Bearer {secret}"}
    accounts.set_role("ada", "cams", Role.READER, "test")
    narrow = accounts.make_token("op", "test", timedelta(days=1), project="open")
    known["narrow"] = {"Authorization": f"Bearer {narrow}"}
    sql = "SELECT name FROM objects.catalogue WHERE name LIKE '%.md' ORDER BY name"
    with serving(settings) as server:

        def ask(who: str, sql: str, path: str = "/gmn.json", **more: str) -> Reply:
            return server.get(path, {"sql": sql, **more}, headers=known[who])

        states = server.get("/gmn/states.json").json["states"]
        as_of = states[0]["committed_at_utc"]
        both, one = [[f"{SECRET}.md"], ["seen.md"]], [["seen.md"]]
        # One after the other with the same text: nothing is kept of the one before.
        for who, rows in (("ada", both), ("nobody", one), ("narrow", one)):
            for asked in ({"sql": sql}, {"sql": sql, "_as_of": as_of}):  # as panels of an hour ask
                headers = {**known[who], "If-None-Match": "*"}
                answer = server.get("/gmn.json", asked, headers=headers)
                assert answer.json["rows"] == rows, who
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["ETag"] is None
        # A ready question about them is asked likewise, and kept for nobody.
        for who, sees in (("ada", True), ("nobody", False), ("narrow", False)):
            given = {"what": "station:US0001"}
            answer = server.get("/gmn/queries/graph_around.json", given, headers=known[who])
            assert "seen.md" in str(answer.json["rows"]), who
            assert (SECRET in str(answer.json)) is sees, who
            assert (answer.headers["Cache-Control"], answer.headers["ETag"]) == ("no-store", None)
        accounts.set_role("ada", "cams", None, "test")
        assert ask("ada", sql).json["rows"] == one
        csv = ask("op", f"SELECT same FROM objects.ff_{SECRET}", "/gmn.csv")
        assert (csv.status, csv.body.split()) == (200, [b"same", b"2"])
        unknown = {"Authorization": "Bearer gmn_x"}
        assert server.get("/gmn.json", {"sql": sql}, headers=unknown).status == 401
        path = "/gmn/queries/images_that_show.csv"
        assert server.get(path, headers=unknown).status == 401
        # Where answers are kept for all, or belong to nobody, there are none.
        for path, parameters in (
            ("/gmn_rest_api", {"sql": sql}),
            ("/gmn/stations.json", {"_where": "1 IN (SELECT 1 FROM objects.catalogue)"}),
            ("/tap/sync", {"QUERY": "SELECT name FROM objects.catalogue", "LANG": "ADQL"}),
        ):
            reply = server.get(path, parameters, headers=known["op"])
            assert reply.status == 400, path
            assert b".md" not in reply.body
        # What was moved to where they may not read is gone at once, though the lake has it still.
        catalogue = opened_objects(settings).catalogue
        seen = catalogue.object(ObjectName("open", "open", "seen.md"))
        catalogue.move(seen, ObjectName("cams", "ff", "seen.md"), PERSON)
        assert ask("nobody", sql + ", (SELECT 1 FROM objects.documents)").json["rows"] == []
        # A process that has answered others is asked next: it knows no objects.
        assert ask("op", "SELECT 1 AS one").json["rows"] == [[1]]
        assert json.loads(ask("nobody", "SELECT 1 AS one").body)["rows"] == [[1]]
