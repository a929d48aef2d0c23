"""The same done to many objects in one request: each is told by itself, and undoes no other."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.object_runs import ObjectRuns
from gmn_pipeline.database.tables import OBJECTS_TO_REPROCESS
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import Description, ObjectName
from gmn_pipeline.serving.app import build_app
from gmn_pipeline_tests.support.in_process import Ask, asking
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of


@dataclass
class Lake:
    """Objects, and a server whose only reader is of this machine."""

    bench: ObjectBench
    ask: Ask

    def do(self, what: str, status: int = 200, **said: Any) -> Any:
        reply = self.ask("POST", f"/objects/_many/{what}/cams/ff", json=said)
        assert reply.status_code == status, reply.text
        return reply.json()

    def outcomes(self, what: str, **said: Any) -> dict[str, str]:
        return {one["object"]: one["outcome"] for one in self.do(what, **said)["outcomes"]}

    def about(self, name: str) -> Description:
        return self.bench.catalogue.object(ObjectName("cams", "ff", name)).description

    def names(self) -> set[str]:
        found = self.ask("GET", "/objects.json?project=cams&container=ff").json()["objects"]
        return {one["name"] for one in found}


@pytest.fixture
def lake(tmp_path: Any) -> Iterator[Lake]:
    bench = object_bench(settings_of(tmp_path))
    with asking(build_app(bench.settings, is_on_loopback=True)) as ask:
        yield Lake(bench, ask)


def test_tags_links_and_metadata_of_many(lake: Lake) -> None:
    lake.bench.put("a", b"a", Description(tags=frozenset({"old", "dew"}), metadata={"gain": 1}))
    lake.bench.put("b", b"b", Description(tags=frozenset({"old"})))
    lake.bench.put("in/c", b"c", Description(tags=frozenset({"new"})))
    said = {"add_tags": ["new"], "remove_tags": ["old"], "add_links": ["station:US0001"]}
    names = ["a", "b", "in/", "none"]
    assert lake.outcomes("describe", objects=names, patch={"metadata": {"n": 1}}, **said) == {
        "a": "done", "b": "done", "in/c": "done", "none": "failed",
    }  # fmt: skip
    assert (lake.about("a").tags, lake.about("a").metadata) == ({"dew", "new"}, {"gain": 1, "n": 1})
    assert lake.about("in/c").tags == {"new"}
    assert {link.key for link in lake.about("b").links} == {"US0001"}
    # Said again, it is so already: no version is made.
    again = lake.do("describe", objects=["a", "b"], **said)
    assert (again["done"], again["unchanged"], again["failed"]) == (0, 2, 0)
    assert lake.bench.catalogue.object(ObjectName("cams", "ff", "a")).version == 2
    gone = lake.outcomes("describe", objects=["a"], remove_links=["station:US0001"])
    assert gone == {"a": "done"}
    assert lake.about("a").links == frozenset()
    for wrong in ({"patch": {"colour": 1}}, {"patch": []}, {"add_links": ["x"]}, {"add_tags": "x"},
                  {"colour": 1}):  # fmt: skip
        lake.do("describe", 400, objects=["a"], **wrong)
    lake.do("describe", 400, objects=[])
    lake.do("describe", 413, objects=[str(number) for number in range(1_001)])


def test_one_that_its_container_refuses_leaves_the_others(lake: Lake) -> None:
    schema = {"type": "object", "properties": {"gain": {"type": "number", "maximum": 5}}}
    lake.bench.catalogue.make_container("cams", "strict", PERSON, metadata_schema=schema)
    for name, gain in (("a", 1), ("b", 5)):
        headers = {"GMN-Description": f'{{"metadata": {{"gain": {gain}}}}}'}
        lake.ask("PUT", f"/objects/cams/strict/{name}", content=name, headers=headers)
    said = {"objects": ["a", "b"], "patch": {"metadata": {"gain": 9}}}
    told = lake.ask("POST", "/objects/_many/describe/cams/strict", json=said).json()
    assert [one["outcome"] for one in told["outcomes"]] == ["failed", "failed"]
    assert "not by the schema" in told["outcomes"][0]["reason"]
    lake.bench.put("x", b"x", Description(metadata={"gain": 9}))
    lake.bench.put("y", b"y", Description(metadata={"gain": 2}))
    # A move asks the other container's names only; what is there already stays what it is.
    lake.bench.put("a", b"other")
    assert lake.outcomes("move", objects=["y", "a"], to="cams/strict") == {
        "y": "done", "a": "failed",
    }  # fmt: skip
    assert lake.names() == {"a", "x"}


def test_many_are_moved_deleted_and_come_back(lake: Lake) -> None:
    for name in ("n/1/a", "n/1/b", "n/2", "o"):
        lake.bench.put(name, name.encode())
    moved = lake.outcomes("move", objects=["n/1/", "n/2"], to="cams/ff/m/", within="n/")
    assert moved == {"n/1/a": "done", "n/1/b": "done", "n/2": "done"}
    assert lake.names() == {"m/1/a", "m/1/b", "m/2", "o"}
    assert lake.outcomes("move", objects=["o"], to="cams/ff") == {"o": "unchanged"}
    lake.do("move", 400, objects=["o"], to="cams")
    lake.do("move", 400, objects=["o"])
    assert lake.outcomes("move", objects=["o"], to="cams/none") == {"o": "failed"}
    assert lake.outcomes("delete", objects=["m/", "none/"]) == {
        "m/1/a": "done", "m/1/b": "done", "m/2": "done", "none/": "failed",
    }  # fmt: skip
    assert lake.names() == {"o"}
    found = lake.ask("GET", "/objects.json?project=cams&deleted=yes").json()["objects"]
    ids = {one["name"]: one["object_id"] for one in found}
    lake.bench.put("m/2", b"another")  # the name is taken meanwhile
    (there,) = (one for one in lake.ask("GET", "/objects.json?text=o").json()["objects"])
    wanted = [*ids.values(), there["object_id"], 999]
    assert lake.outcomes("restore", object_ids=wanted) == {
        "m/1/a": "done", "m/1/b": "done", "m/2": "failed", "o": "unchanged", "999": "failed",
    }  # fmt: skip
    assert lake.names() == {"m/1/a", "m/1/b", "m/2", "o"}
    lake.do("restore", 400, object_ids=["1"])
    # Of another container, a number is none of this one's.
    lake.bench.catalogue.make_container("cams", "other", PERSON)
    reply = lake.ask("POST", "/objects/_many/restore/cams/other", json={"object_ids": wanted[:1]})
    assert reply.json()["failed"] == 1


def test_many_are_read_again_and_zipped(lake: Lake) -> None:
    lake.bench.put("t/a.csv", b"a,b\n1,2\n")
    lake.bench.put("b.bin", b"\x00\x01\x02")
    assert lake.outcomes("reprocess", objects=["t/", "b.bin"], processor="tables") == {
        "t/a.csv": "done", "b.bin": "failed",
    }  # fmt: skip
    with lake.bench.database.reading() as connection:
        assert connection is not None
        rows = connection.execute(OBJECTS_TO_REPROCESS.select()).all()
    assert [(row.processor, row.asked_by) for row in rows] == [("tables", "this machine")]
    assert ObjectRuns(lake.bench.database)
    assert lake.outcomes("reprocess", objects=["b.bin"], processor="x") == {"b.bin": "failed"}
    # As the page's form asks, and as a program does.
    for said in ({"data": {"objects": ["t/", "b.bin"]}}, {"json": {"objects": ["t/", "b.bin"]}}):
        reply = lake.ask("POST", "/objects/_many/zip/cams/ff", **said)
        assert reply.status_code == 200, reply.text
        with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
            assert set(archive.namelist()) == {"cams/ff/t/a.csv", "cams/ff/b.bin"}
            assert archive.read("cams/ff/t/a.csv") == b"a,b\n1,2\n"
    assert lake.ask(
        "POST", "/objects/_many/zip/cams/ff", json={"objects": ["b.bin", "none"]}
    ).status_code == 404  # fmt: skip


def test_who_may_write_here_moves_nothing_to_where_they_may_not(lake: Lake) -> None:
    lake.bench.put("a", b"a")
    lake.bench.catalogue.make_project("other", PERSON)
    lake.bench.catalogue.make_container("other", "ff", PERSON)
    accounts = AccountStore(lake.bench.database)
    for name in ("ada", "ben"):
        accounts.make(name, "test")
    accounts.set_role("ada", "cams", Role.CONTRIBUTOR, "test")
    token = accounts.make_token("ada", "test", timedelta(days=1))
    known = {"Authorization": f"Bearer {token}"}

    def do(what: str, **said: Any) -> Any:
        return lake.ask("POST", f"/objects/_many/{what}/cams/ff", json=said, headers=known)

    assert do("move", objects=["a"], to="other/ff").status_code == 403
    assert do("reprocess", objects=["a"]).status_code == 403
    assert do("share", objects=["a"], **{"with": "ben"}).json()["done"] == 1
    refused = do("share", objects=["a"], **{"with": "nobody"}).json()
    assert (refused["failed"], refused["outcomes"][0]["reason"]) == (
        1, "There is no account 'nobody'.",
    )  # fmt: skip
    assert do("share", objects=["a"]).status_code == 400
    late = do("share", objects=["a"], until_utc="tomorrow", **{"with": "ben"})
    assert late.status_code == 400
