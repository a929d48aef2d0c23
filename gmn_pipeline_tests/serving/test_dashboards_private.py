"""Dashboards that are not for everybody: who reads them, by a share or a link, and its end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.tables_accounts import SHARES
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.serving.objects.sharing_key import SharingKey
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.dashboards import document
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.objects_http import send
from gmn_pipeline_tests.support.server import Reply, Server, serving

DAY = timedelta(days=1)


class People:
    """Ada and ben may write, each in a project of their own; eve reads in ada's, op is an operator.
    Nobody knows of anything private but its maker and op."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self.server, self.database = server, open_database(settings)
        self.accounts = accounts = AccountStore(self.database)
        self.key = SharingKey(settings.data_dir / "objects")
        self.known: dict[str, dict[str, str]] = {"": {}}
        for name, project, role in (
            ("ada", "cams", Role.CONTRIBUTOR), ("ben", "other", Role.OWNER),
            ("eve", "cams", Role.READER), ("op", "", None),
        ):  # fmt: skip
            accounts.make(name, "test", is_operator=role is None)
            if role:
                accounts.set_role(name, project, role, "test")
            self.token(name)

    def token(self, name: str, called: str = "", **more: Any) -> None:
        secret = self.accounts.make_token(name, "test", DAY, **more)
        self.known[called or name] = {"Authorization": f"Bearer {secret}"}

    def ask(self, who: str, path: str, method: str = "GET", told: object = None) -> Reply:
        if method == "GET":
            return self.server.get(path, headers=self.known[who])
        return send(self.server, method, path, told, **self.known[who])

    def private(self, who: str = "ada", title: str = "Secret") -> str:
        """The path of a new one, without `.json`."""
        made = self.ask(who, "/dashboards.json?private=on", "POST", document(title))
        assert (made.status, made.json["is_private"]) == (201, True)
        return str(made.json["address"]).removesuffix(".json")

    def listed(self, who: str) -> dict[str, Any]:
        found = self.ask(who, "/dashboards.json").json["dashboards"]
        return {f"/dashboards/{one['id']}": one for one in found}

    def reads(self, who: str, at: str) -> bool:
        one = self.ask(who, f"{at}.json")
        versions = self.ask(who, f"{at}/versions.json")
        assert {one.status, versions.status} in ({200}, {404})
        assert (one.status == 200) is (at in self.listed(who))
        return one.status == 200

    def readers(self, at: str) -> set[str]:
        return {who for who in self.known if self.reads(who, at)}

    def share(self, at: str, who: str = "ada", **told: object) -> Reply:
        return self.ask(who, f"{at}/shares.json", "PUT", told)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    settings = settings_of(tmp_path_factory.mktemp("private"), serve_requests_per_minute=100_000)
    with serving(settings) as server:
        yield People(server, settings)


def test_it_is_read_by_its_maker_and_operators_until_it_is_open_to_all(people: People) -> None:
    at = people.private()
    assert people.readers(at) == {"ada", "op"}
    told = people.ask("ada", f"{at}/access.json").json
    assert (told["is_private"], told["made_by"], told["shares"]) == (True, "ada", [])
    opened = people.ask("ada", f"{at}/access.json", "PUT", {"is_private": False})
    assert opened.json["is_private"] is False
    assert people.readers(at) == set(people.known)
    people.ask("op", f"{at}/access.json", "PUT", {"is_private": True})
    assert people.readers(at) == {"ada", "op"}
    wrong: list[object] = [{}, {"is_private": 1}, {"is_private": True, "more": 1}, [], None]
    for bad in wrong:
        assert people.ask("ada", f"{at}/access.json", "PUT", bad).status == 400
    events = [one for one in people.accounts.events() if one.detail == f"dashboard {at[12:]}"]
    assert [(one.kind, one.by) for one in events] == [
        ("private", "op"),
        ("open", "ada"),
        ("private", "ada"),
    ]
    # A version more leaves it what it is; deleted and restored it is that still.
    tag = {"If-Match": str(people.ask("ada", f"{at}.json").headers["ETag"])}
    saved = send(people.server, "PUT", f"{at}.json", document("New"), **people.known["ada"], **tag)
    assert saved.json["is_private"] is True
    tag = {"If-Match": str(saved.headers["ETag"])}
    gone = send(people.server, "DELETE", f"{at}.json", None, **people.known["ada"], **tag)
    assert gone.status == 200
    assert people.readers(at) == set()
    for who, count in (("ada", 1), ("op", 1), ("ben", 0), ("", 0)):
        listed = people.ask(who, "/dashboards.json?deleted=on").json["dashboards"]
        assert len([one for one in listed if one["id"] == at[12:]]) == count, who
    assert people.ask("ben", f"{at}/restore.json", "POST", {}).status == 404
    assert people.ask("ada", f"{at}/restore.json", "POST", {}).status == 200
    assert people.readers(at) == {"ada", "op"}


def test_it_is_shared_with_one_account_and_taken_back(people: People) -> None:
    at, other = people.private(), people.private(title="Other")
    people.share(at, **{"with": "eve"})
    (share,) = people.share(at, **{"with": "ben"}).json["shares"][:1]
    assert (share["with"], share["by"], share["until_utc"]) == ("ben", "ada", None)
    assert people.readers(at) == {"ada", "op", "eve", "ben"}
    assert people.readers(other) == {"ada", "op"}
    assert people.listed("ben")[at]["shared"]["by"] == "ada"
    assert people.listed("ada")[at]["shared"] is None
    # To read it, and nothing else: not to change it, to say who reads it, or to see that.
    whole = people.ask("ben", f"{at}.json")
    assert (whole.json["may_change"], whole.json["may_share"]) == (False, False)
    tag = {"If-Match": str(whole.headers["ETag"]), **people.known["ben"]}
    assert send(people.server, "PUT", f"{at}.json", document("x"), **tag).status == 403
    for method, path, said in (
        ("GET", "access", None), ("PUT", "access", {"is_private": False}),
        ("PUT", "shares", {"with": "ben"}), ("POST", "link", {}), ("DELETE", "link", None),
    ):  # fmt: skip
        assert people.ask("ben", f"{at}/{path}.json", method, said).status == 403, (method, path)
    # The one taken back leaves the other.
    assert people.ask("ada", f"{at}/shares.json?with=ben", "DELETE").status == 200
    assert people.readers(at) == {"ada", "op", "eve"}
    assert people.ask("ada", f"{at}/shares.json?with=ben", "DELETE").status == 400
    until = (utc_now() + timedelta(hours=1)).isoformat() + "Z"
    people.share(at, who="op", **{"with": "eve", "until_utc": until})
    (share,) = people.ask("ada", f"{at}/access.json").json["shares"]
    assert (share["with"], share["by"], share["until_utc"][:16]) == ("eve", "op", until[:16])
    with people.database.writing() as connection:  # time goes by
        over = update(SHARES).where(SHARES.c.expires_at_utc.is_not(None))
        connection.execute(over.values(expires_at_utc=utc_now()))
    assert people.readers(at) == {"ada", "op"}
    bad: list[dict[str, Any]] = [
        {}, {"with": ""}, {"with": "nobody"}, {"with": "ben", "until_utc": "2022-03-04T21:00:00Z"},
        {"with": "ben", "until_utc": "soon"}, {"with": "ben", "more": 1},
    ]  # fmt: skip
    for told in bad:
        assert people.share(at, **told).status == 400, told
    events = [(e.kind, e.account, e.by) for e in people.accounts.events() if at[12:] in e.detail]
    assert {("shared", "ben", "ada"), ("unshared", "ben", "ada"), ("shared", "eve", "op")} <= {
        *events
    }


def test_a_link_shows_it_as_it_is_and_ends(people: People) -> None:
    at = people.private()
    tag = {"If-Match": str(people.ask("ada", f"{at}.json").headers["ETag"])}
    send(people.server, "PUT", f"{at}.json", document("Newer"), **people.known["ada"], **tag)

    def linked(seconds: int = 60) -> str:
        made = people.ask("ada", f"{at}/link.json?seconds={seconds}", "POST", {}).json
        assert made["valid_until_utc"]
        return str(made["address"]).partition("?")[2]

    link = linked()
    for who in ("", "eve", "ben"):
        told = people.ask(who, f"{at}.json?{link}").json
        assert told["document"]["title"] == "Newer"
        assert (told["may_change"], told["may_share"]) == (False, False)
        assert not people.reads(who, at)
    assert people.ask("", f"{at}.json?{link}").json["made_by"] == "somebody"
    # Of a former version, of another dashboard, or made up, it is as if there were none.
    assert people.ask("", f"{at}.json?version=1&{link}").status == 404
    assert people.ask("", f"{at}/versions.json?{link}").status == 400  # takes none
    other = people.private(title="Other")
    later = f"link=9{link[5:]}"
    made_up = [(at, one) for one in (later, "link=1-a", "link=", "link=x")]
    for path, query in ((other, link), *made_up):
        assert people.ask("", f"{path}.json?{query}").status == 404, query
    began = 1_700_000_000
    signature = people.key.signature("dashboard", at[12:], 0, began)
    assert people.ask("", f"{at}.json?link={began}-{signature}").status == 410
    assert people.ask("", f"{at}.json?{link}").status == 200
    assert people.ask("ada", f"{at}/link.json?seconds=999999999", "POST", {}).status == 400
    assert people.ask("ada", f"{at}/link.json", "DELETE").status == 200
    assert people.ask("", f"{at}.json?{link}").status == 404
    assert people.ask("", f"{at}.json?{linked()}").status == 200
    # Where everybody reads it, a link that is none does not matter.
    people.ask("ada", f"{at}/access.json", "PUT", {"is_private": False})
    assert people.ask("", f"{at}.json?{link}").status == 200
    kinds = [e.kind for e in people.accounts.events() if at[12:] in e.detail]
    assert kinds.count("link") == 2
    assert "links ended" in kinds


def test_nobody_learns_that_there_is_one(people: People) -> None:
    at, nothing = people.private(), "/dashboards/nothing-12345678"
    tag = {"If-Match": f'"{at[12:]}-1"'}
    before = len(people.accounts.events(1_000))
    for method, path, told in (
        ("GET", ".json", None), ("GET", ".json?version=1", None), ("GET", "/versions.json", None),
        ("PUT", ".json", document()), ("DELETE", ".json", None), ("POST", "/restore.json", {}),
        ("GET", "/access.json", None), ("PUT", "/access.json", {"is_private": False}),
        ("PUT", "/shares.json", {"with": "ben"}), ("POST", "/link.json", {}),
    ):  # fmt: skip
        for who in ("", "eve", "ben"):
            answers = [
                send(people.server, method, f"{one}{path}", told, **people.known[who], **tag)
                for one in (at, nothing)
            ]
            bodies = [
                answer.body.replace(one[12:].encode(), b"it")
                for answer, one in zip(answers, (at, nothing), strict=True)
            ]
            assert bodies[0] == bodies[1], (method, path, who)
            assert {one.status for one in answers} <= {401, 403, 404}
    denied = {e.detail for e in people.accounts.events(1_000)[:-before] if e.account == "ben"}
    assert denied >= {f"GET {at}.json", f"PUT {at}.json", f"POST {at}/link.json"}
    pages = {
        people.server.get(path, headers={"Accept": "text/html"}).status
        for path in (at, nothing, f"{at}?embed=1", f"{nothing}?embed=1")
    }
    assert pages == {200}


def test_what_becomes_of_it_with_accounts_and_tokens(people: People) -> None:
    at = people.private()
    people.share(at, **{"with": "eve"})
    people.token("ada", "ada in cams", project="cams")
    people.token("op", "op in cams", project="cams")
    people.token("ada", "ada to read", most=Role.READER)
    assert people.readers(at) == {"ada", "op", "eve", "ada to read"}
    for who in ("ada in cams", "op in cams"):
        refused = people.ask(who, "/dashboards.json?private=on", "POST", document())
        assert (refused.status, refused.json["type"]) == (403, "urn:gmn:problem:not-permitted")
    # Whoever made it is gone: operators have it, and who it was shared with reads it.
    people.accounts.disable("ada", "test")
    for who in ("ada", "ada in cams", "ada to read"):
        assert people.ask(who, f"{at}.json").status == 401
        del people.known[who]
    assert people.readers(at) == {"op", "eve"}
    assert people.ask("op", f"{at}/shares.json?with=eve", "DELETE").status == 200
    people.accounts.enable("ada", "test")
    people.token("ada")
    assert people.readers(at) == {"ada", "op"}
