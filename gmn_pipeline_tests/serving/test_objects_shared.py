"""An object that is shared with one account: who reads it, where that ends, what is known of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from typer.testing import CliRunner

from gmn_pipeline.cli.objects import app as command
from gmn_pipeline.clock import utc_now
from gmn_pipeline.database import shares as shares_module
from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.schemas.objects import By, ObjectName
from gmn_pipeline.serving.app import build_app
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.in_process import Ask, asking
from gmn_pipeline_tests.support.objects import ObjectBench, object_bench, settings_of
from gmn_pipeline_tests.support.postgres import PostgresServer

SHARES = "/objects/_shares/cams/ff/a"
READS = ("/objects/cams/ff/a", "/objects/_about/cams/ff/a", "/objects/_versions/cams/ff/a")


class Sharing:
    """Ada may write in `cams`; bob and eve may nothing there."""

    def __init__(self, bench: ObjectBench, ask: Ask) -> None:
        self.bench = bench
        self.accounts = AccountStore(bench.database)
        self._ask = ask
        self._known: dict[str, dict[str, str]] = {}
        for name in ("ada", "bob", "eve"):
            self.accounts.make(name, "test")
            self._known[name] = self.token(name)
        self.accounts.set_role("ada", "cams", Role.CONTRIBUTOR, "test")
        self.stored = bench.put("a", b"x")
        bench.put("b", b"y")

    def token(self, name: str, **more: Any) -> dict[str, str]:
        secret = self.accounts.make_token(name, "test", timedelta(days=1), **more)
        return {"Authorization": f"Bearer {secret}"}

    def ask(self, who: str, path: str, method: str = "GET", told: object = None) -> httpx.Response:
        body = json.dumps(told) if told is not None else None
        return self._ask(method, path, headers=self._known[who], content=body)

    def share(self, **told: object) -> httpx.Response:
        return self.ask("ada", SHARES, "PUT", told)

    def reads(self, who: str = "bob") -> bool:
        answers = {self.ask(who, path).status_code for path in READS}
        assert answers in ({200}, {403}, {404}), answers
        return answers == {200}

    def shared_with(self, who: str) -> list[str]:
        return [one["name"] for one in self.ask(who, "/objects/_shared").json()["objects"]]


@pytest.fixture(params=["sqlite", "postgres"])
def sharing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sharing]:
    settings = settings_of(tmp_path)
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = Settings(
            data_dir=settings.data_dir, database_url=server.new_database(),
            database_password=server.password,  # type: ignore[arg-type]
        )  # fmt: skip
    with asking(build_app(settings)) as ask:
        yield Sharing(object_bench(settings), ask)


def test_it_is_read_by_whom_it_is_shared_with_and_nobody_else(sharing: Sharing) -> None:
    assert not sharing.reads()
    (told,) = sharing.share(**{"with": "bob"}).json()["shares"]
    assert (told["with"], told["by"], told["until_utc"]) == ("bob", "ada", None)
    assert sharing.reads()
    assert sharing.ask("bob", "/objects/cams/ff/a").content == b"x"
    assert not sharing.reads("eve")
    # That one only, to read only.
    assert sharing.ask("bob", "/objects/cams/ff/b").status_code == 403
    for path in ("/objects/cams/ff", "/objects/cams", SHARES):
        assert sharing.ask("bob", path).status_code == 403, path
    assert sharing.ask("bob", "/objects.json").json()["objects"] == []
    for method, path in (("PUT", READS[0]), ("DELETE", READS[0]), ("PATCH", READS[1]),
                         ("POST", "/objects/_share/cams/ff/a"), ("PUT", SHARES),
                         ("POST", "/objects/_copy/cams/ff/a")):  # fmt: skip
        assert sharing.ask("bob", path, method, {}).status_code == 403, path
    assert sharing.shared_with("bob") == ["a"]
    assert sharing.shared_with("ada") == sharing.shared_with("eve") == []
    # A token for another project does not show what is shared in this one.
    sharing._known["eve"] = sharing.token("bob", project="other")
    assert not sharing.reads("eve")
    assert sharing.shared_with("eve") == []
    events = [(e.kind, e.account, e.by, e.detail) for e in sharing.accounts.events()]
    assert ("shared", "bob", "ada", "cams/ff/a") in events
    operations = sharing.ask("ada", "/objects/_operations/cams/ff/a").json()["operations"]
    assert ("share", "ada") in [(one["kind"], one["by"]) for one in operations]


def test_it_ends(sharing: Sharing) -> None:
    until = (utc_now() + timedelta(hours=1)).isoformat() + "Z"
    sharing.share(**{"with": "bob", "until_utc": until})
    assert sharing.reads()
    with patch.object(shares_module, "utc_now", lambda: utc_now() + timedelta(hours=2)):
        assert not sharing.reads()
        assert sharing.shared_with("bob") == []
    assert len(sharing.share(**{"with": "bob"}).json()["shares"]) == 1  # once more, without end
    withdrawn = sharing.ask("ada", f"{SHARES}?with=bob", "DELETE")
    assert (withdrawn.status_code, withdrawn.json()["shares"]) == (200, [])
    assert not sharing.reads()
    assert sharing.ask("ada", f"{SHARES}?with=bob", "DELETE").status_code == 400
    sharing.share(**{"with": "bob"})
    sharing.accounts.disable("bob", "test")
    assert sharing.ask("bob", READS[0]).status_code == 401
    sharing.accounts.enable("bob", "test")
    assert sharing.reads()
    past = "2022-03-04T21:00:00Z"
    bad: list[dict[str, object]] = [
        {}, {"with": ""}, {"with": 1}, {"with": "nobody"}, {"with": "bob", "until_utc": past},
        {"with": "bob", "until_utc": "soon"}, {"with": "bob", "more": 1},
    ]  # fmt: skip
    for told in bad:
        assert sharing.share(**told).status_code == 400, told
    assert sharing.reads()


def test_it_is_the_object_that_is_shared_and_not_its_name(sharing: Sharing) -> None:
    bench, by = sharing.bench, By("test")
    sharing.share(**{"with": "bob"})
    bench.put("a", b"x2")  # another version of it
    assert sharing.ask("bob", READS[0]).content == b"x2"
    bench.catalogue.delete(bench.catalogue.by_id(sharing.stored.object_id), by, timedelta(days=1))
    assert not sharing.reads()
    assert sharing.shared_with("bob") == []
    bench.put("a", b"another")
    assert not sharing.reads()
    moved = bench.catalogue.object(ObjectName("cams", "ff", "a"))
    sharing.share(**{"with": "bob"})
    bench.catalogue.move(moved, ObjectName("cams", "ff", "c"), by)
    assert sharing.shared_with("bob") == ["c"]
    assert sharing.ask("bob", "/objects/cams/ff/c").status_code == 200
    # Into a project of others: they have not shared it.
    bench.catalogue.make_project("other", by)
    bench.catalogue.make_container("other", "ff", by)
    moved = bench.catalogue.by_id(moved.object_id)
    bench.catalogue.move(moved, ObjectName("other", "ff", "c"), by)
    assert sharing.ask("bob", "/objects/other/ff/c").status_code == 403
    assert sharing.shared_with("bob") == []


def test_the_command_shares_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path)
    monkeypatch.setenv("GMN_DATA_DIR", str(settings.data_dir))
    bench = object_bench(settings)
    AccountStore(bench.database).make("bob", "test")
    bench.put("a", b"x")

    def says(*arguments: str) -> str:
        done = CliRunner().invoke(command, ["share", "cams/ff/a", *arguments])
        return f"{done.exit_code} {done.output} {done.exception or ''}"

    assert says("--with", "bob", "--days", "2").startswith("0 bob may read cams/ff/a.")
    assert "bob  by " in says()
    assert "until 20" in says()
    assert says("--with", "bob", "--withdraw").startswith("0 cams/ff/a is not shared with bob")
    assert says().strip() == "0"
    assert "no account" in says("--with", "eve")
    assert says("--days", "1").startswith("2 ")
