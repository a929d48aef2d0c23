"""Crawls over HTTP: made, run, stopped, decided about, and told to who may know."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.crawls import Crawl, Crawls
from gmn_pipeline.flows import object_crawl
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.serving.app import build_app
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline_tests.support.in_process import Ask, asking
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of

HERE = "/objects/_crawls/cams"


@dataclass
class Lake:
    bench: ObjectBench
    ask: Ask
    folder: Path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def make(self, name: str = "night", status: int = 201, **more: Any) -> Any:
        said = {"source": str(self.folder), "container": "ff", **more}
        reply = self.ask("PUT", f"{HERE}/{name}", json=said)
        assert reply.status_code == status, reply.text
        return reply.json()

    def post(self, path: str, status: int, **said: Any) -> Any:
        reply = self.ask("POST", f"{HERE}/{path}", json=said)
        assert reply.status_code == status, reply.text
        return reply.json()

    def crawl(self, name: str = "night") -> Any:
        return self.ask("GET", f"{HERE}/{name}").json()

    def ended(self, name: str = "night") -> Any:
        """What it tells once its thread has ended."""
        for thread in threading.enumerate():
            if thread.name == "crawl":
                thread.join()
        return self.crawl(name)

    def run(self, name: str = "night") -> Any:
        self.post(f"{name}/_run", 202)
        return self.ended(name)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        lake = WarehouseConnection(self.bench.settings, OBJECTS)
        with lake.open(read_only=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    # Else what was changed within two seconds is read again.
    monkeypatch.setattr(FolderFiles.__init__, "__defaults__", (0.0,))
    bench = object_bench(settings_of(tmp_path))
    with asking(build_app(bench.settings, is_on_loopback=True)) as ask:
        yield Lake(bench, ask, tmp_path / "exports")


def test_a_crawl_from_its_making_to_its_being_forgotten(lake: Lake) -> None:
    lake.write("weather/a.csv", "time,temp\n2022-03-04,1\n")
    lake.write("flux/a.csv", "shower,zhr\nPER,100\n")
    made = lake.make()
    assert (made["state"], made["tables"], made["may_make"]) == ("never", [], True)
    told = lake.run()
    assert (told["state"], told["outcome"]["read"], told["outcome"]["by"]) == (
        "ended", 2, "this machine",
    )  # fmt: skip
    assert {one["table"]: one["state"] for one in told["tables"]} == {
        "weather": "proposed", "flux": "proposed",
    }  # fmt: skip
    view = lake.post("night/weather", 200, state="view", shown_as="meteo")
    assert view["in_lake"] == "objects.ff_meteo"
    assert lake.sql("SELECT temp FROM ff_meteo") == [(1,)]
    lake.post("night/flux", 200, state="refused")
    decided = {one["table"]: one for one in lake.crawl()["tables"]}
    assert (decided["weather"]["decided_by"], decided["flux"]["state"]) == (
        "this machine", "refused",
    )  # fmt: skip
    # New columns and other types are told; a file that does not fit is left out, with its reason.
    lake.write("weather/b.csv", "time,temp,dew\n2022-03-05,2,3\n")
    lake.write("weather/c.csv", "time,temp\n2022-03-05,cold\n")
    told = lake.run()
    kinds = {(one["kind"], one["column"]) for one in told["changes"]}
    assert {("new table", ""), ("new column", "dew")} <= kinds
    assert [(one["path"], one["table"]) for one in told["left_out"]] == [
        ("weather/c.csv", "weather")
    ]
    assert told["outcome"]["unchanged"] == 2
    assert len(lake.sql("SELECT * FROM ff_meteo")) == 2
    # Refused after all: the view goes. To be loaded: its files become objects.
    lake.post("night/weather", 200, state="refused", shown_as="meteo")
    assert lake.sql("SELECT view_name FROM duckdb_views() WHERE view_name = 'ff_meteo'") == []
    lake.post("night/flux", 200, state="loaded")
    assert lake.ended()["outcome"]["put"] == 1
    assert lake.ask("GET", "/objects/cams/ff/night/flux/flux/a.csv").status_code == 200
    for wrong in (
        {"state": "gone"},
        {},
        {"state": "view", "shown_as": 1},
        {"state": "view", "x": 1},
    ):
        lake.post("night/flux", 400, **wrong)
    lake.post("night/none", 404, state="view")
    (one,) = lake.ask("GET", HERE).json()["crawls"]
    assert (one["table_count"], one["proposed_count"]) == (2, 0)
    assert lake.ask("DELETE", f"{HERE}/night").status_code == 200
    assert lake.ask("GET", f"{HERE}/night").status_code == 404
    assert lake.ask("GET", HERE).json()["crawls"] == []


def test_what_makes_no_crawl_is_refused_with_its_reason(lake: Lake) -> None:
    lake.write("a.csv", "a\n1\n")
    lake.make()
    lake.make(status=200, pattern="*.csv", accept="view", accept_names="w*", delete=True)
    told = lake.crawl()
    assert (told["pattern"], told["accept"], told["delete"]) == ("*.csv", "view", True)
    lake.make(status=400, source="exports")
    lake.make(status=400, source="/nowhere/at/all")
    lake.make(status=400, accept="refused")
    lake.make(status=400, colour="red")
    lake.make(status=400, delete="yes")
    lake.make(status=404, container="none")
    lake.make(
        status=200, source="s3://bucket/x", accept="view"
    )  # they are asked where they lie, too
    lake.bench.catalogue.make_project("other", PERSON)
    lake.bench.catalogue.make_container("other", "ff", PERSON)
    said = {"source": str(lake.folder), "container": "ff"}
    assert lake.ask("PUT", "/objects/_crawls/other/night", json=said).status_code == 409
    assert lake.ask("GET", "/objects/_crawls/other/night").status_code == 404
    assert lake.ask("GET", "/objects/_crawls/none").status_code == 404


def test_a_crawl_that_failed_or_broke_off_says_why_and_goes_on(lake: Lake) -> None:
    lake.write("t/a.csv", "a\n1\n")
    lake.make()
    lake.run()
    (lake.folder / "t" / "a.csv").unlink()
    told = lake.run()
    assert told["state"] == "failed"
    assert "no such file at all" in told["outcome"]["reason"]
    assert "disk mounted" in told["outcome"]["remedy"]
    Crawling(lake.bench.settings, PERSON).crawls.begin("night")  # and then its process was killed
    assert lake.crawl()["state"] == "broken off"
    lake.post("night/_stop", 409)
    lake.write("t/a.csv", "a\n1\n")
    assert lake.run()["state"] == "ended"


def test_one_crawls_at_a_time_and_is_stopped_by_whoever_may(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_crawl, "_BATCH", 2)
    for number in range(3):
        lake.write(f"t/{number}.csv", "a\n1\n")
    lake.make()
    crawling = Crawling(lake.bench.settings, By("elsewhere"))
    crawl = crawling.crawls.named("night")
    has_begun, may_go_on = threading.Event(), threading.Event()

    def on_batch(_: object) -> None:
        has_begun.set()
        assert may_go_on.wait(60)

    def work() -> None:
        with crawling.working() as workshop:
            crawling.crawl(crawl, workshop, on_batch)

    elsewhere = threading.Thread(target=work)
    elsewhere.start()
    try:
        assert has_begun.wait(60)
        assert lake.crawl()["state"] == "running"
        assert lake.post("night/_run", 409)["type"].endswith("crawl-under-way")
        lake.post("night/t", 409, state="view")
        assert lake.ask("DELETE", f"{HERE}/night").status_code == 409
        assert lake.post("night/_stop", 202)["state"] == "stopping"
    finally:
        may_go_on.set()
        elsewhere.join()
    told = lake.crawl()
    assert (told["state"], told["outcome"]["read"], told["ended_at_utc"]) == ("stopped", 2, None)
    told = lake.run()
    assert (told["state"], told["outcome"]["read"], told["outcome"]["unchanged"]) == (
        "ended", 1, 2,
    )  # fmt: skip


def test_one_that_ends_or_begins_while_somebody_looks_is_not_taken_for_broken_off(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write("t/a.csv", "a\n1\n")
    lake.make()
    crawling, read = Crawling(lake.bench.settings, PERSON), Crawls.all
    turn = ExitStack()

    def state() -> str:
        """As it is told with the crawl: what it came to belongs to it."""
        ((crawl, told),) = crawling.all()
        assert (crawl.outcome is None) == (told == "running")
        return told

    def ends(crawls: Crawls) -> list[Crawl]:
        found = read(crawls)
        crawls.end("night", {"state": "ended"})
        turn.close()
        return found

    turn.enter_context(crawling.working())
    crawling.crawls.begin("night")
    with monkeypatch.context() as patched:
        patched.setattr(Crawls, "all", ends)
        assert state() == "running"
    assert state() == "ended"

    def begins(crawls: Crawls) -> list[Crawl]:
        turn.enter_context(crawling.working())
        crawls.begin("night")
        return read(crawls)

    with turn, monkeypatch.context() as patched:
        patched.setattr(Crawls, "all", begins)
        assert state() == "running"


def test_what_is_told_of_one_that_ends_meanwhile_belongs_together(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is told that it failed is told why, and does not ask again."""
    lake.write("t/a.csv", "a\n1\n")
    lake.make()
    crawling, read = Crawling(lake.bench.settings, PERSON), Crawls.tables
    turn = ExitStack()

    def ends(crawls: Crawls, name: str) -> Any:
        crawls.end(name, {"state": "failed", "reason": "no such file at all"}, is_whole=False)
        turn.close()
        return read(crawls, name)

    turn.enter_context(crawling.working())
    crawling.crawls.begin("night")
    with monkeypatch.context() as patched:
        patched.setattr(Crawls, "tables", ends)
        told = lake.crawl()
    assert (told["state"], told["outcome"]) == ("running", None)
    told = lake.crawl()
    assert (told["state"], told["outcome"]["reason"]) == ("failed", "no such file at all")


def test_it_can_be_stopped_as_soon_as_it_is_told_to_have_begun(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write("t/a.csv", "a\n1\n")
    lake.make()
    begin, times = Crawls.begin, list[str]()

    def counted(crawls: Crawls, name: str) -> None:
        times.append(name)
        begin(crawls, name)

    monkeypatch.setattr(Crawls, "begin", counted)  # which forgets that somebody asked to stop
    assert lake.run()["state"] == "ended"
    assert times == ["night"]


def test_readers_are_told_what_was_found_and_not_where(lake: Lake) -> None:
    lake.write("t/a.csv", "a\n1\n")
    lake.write("t/b.csv", "a\nx\n")
    lake.write("notes.txt", "x")
    lake.make(accept="view")
    lake.run()
    accounts = AccountStore(lake.bench.database)
    known = {}
    for name, role in (("ben", Role.READER), ("eve", Role.PROCESSOR), ("oda", Role.OWNER)):
        accounts.make(name, "test")
        accounts.set_role(name, "cams", role, "test")
        secret = accounts.make_token(name, "test", timedelta(days=1))
        known[name] = {"Authorization": f"Bearer {secret}"}
    told = lake.ask("GET", f"{HERE}/night", headers=known["ben"])
    assert str(lake.folder) not in told.text
    body = told.json()
    assert (body["source"], body["left_out"], body["left_out_count"]) == (None, [], 1)
    assert [body[f"may_{what}"] for what in ("process", "manage", "make")] == [False] * 3
    assert body["tables"][0]["decided_by"] == "the crawl's rule (this machine)"
    assert lake.ask("GET", f"{HERE}/night", headers=known["eve"]).json()["source"]
    said = {"source": "/etc", "container": "ff"}
    for name in known:  # not even owners say what the server reads
        reply = lake.ask("PUT", f"{HERE}/mine", json=said, headers=known[name])
        assert reply.status_code == 403
    assert lake.ask("POST", f"{HERE}/night/_run", json={}, headers=known["ben"]).status_code == 403
    assert lake.ask("DELETE", f"{HERE}/night", headers=known["eve"]).status_code == 403
    assert lake.ask("DELETE", f"{HERE}/night", headers=known["oda"]).status_code == 200
