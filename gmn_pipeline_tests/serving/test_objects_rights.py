"""Who may do what with objects: each address, with and without a token, and other sites' pages."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.serving.objects.rights import is_loopback
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.objects_http import begin, go_on, make_places, put, send, state
from gmn_pipeline_tests.support.server import Reply, Server, serving

TOKEN = "a long word"
RIGHT, WRONG = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer other"}
OPEN_TO_ALL = {"/objects": {"GET"}, "/objects/_shared": {"GET"}, "/objects/_use": {"GET"},
               "/objects.json": {"GET"}, "/objects.zip": {"GET"},
               "/objects/_shared/{object_id}/{version}": {"GET"},
               "/objects/_shared_folder/{project}/{container}": {"GET"}}  # fmt: skip
"""What answers without a token, with nothing that is not public."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a token: a project `cams` that is not public, and `open` that is."""
    folder = tmp_path_factory.mktemp("guarded")
    with serving(settings_of(folder), objects_token=TOKEN) as running:
        make_places(running, **RIGHT)
        public = {"is_public": True}
        assert send(running, "PUT", "/objects/open", public, **RIGHT).status == 201
        assert send(running, "PUT", "/objects/open/ff", {}, **RIGHT).status == 201
        for project in ("cams", "open"):
            running.get(f"/objects/{project}/ff/a", method="PUT", headers=RIGHT, body=b"x")
        yield running


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own machine, without a token."""
    with serving(settings_of(tmp_path_factory.mktemp("alone"))) as running:
        make_places(running)
        public = {"is_public": True}
        assert send(running, "PUT", "/objects/open", public).status == 201
        assert send(running, "PUT", "/objects/open/ff", {}).status == 201
        put(running, "a", b"x")
        running.get("/objects/open/ff/a", method="PUT", body=b"x")
        yield running


def operations(server: Server) -> Iterator[tuple[str, str]]:
    paths: dict[str, Any] = server.get("/openapi.json").json["paths"]
    for path, methods in paths.items():
        if path.startswith("/objects"):
            for method in methods:
                yield path, method.upper()


def ask(server: Server, path: str, method: str, project: str, headers: dict[str, str]) -> Reply:
    values = {"project": project, "container": "ff", "name": "a", "object_id": "1", "version": "1",
              "upload": "0" * 32, "crawl": "a", "table": "a"}  # fmt: skip
    path = re.sub(r"{(\w+)}", lambda found: values[found[1]], path)
    return server.get(path, method=method, headers={"Tus-Resumable": "1.0.0", **headers})


def test_every_address_has_a_rule(guarded: Server) -> None:
    seen = list(operations(guarded))
    assert len(seen) > 20
    for path, method in seen:
        wrong = ask(guarded, path, method, "cams", WRONG)
        assert wrong.status == 401, (path, method)
        without = ask(guarded, path, method, "cams", {})
        is_open = method in OPEN_TO_ALL.get(path, ())
        assert (without.status != 401) is is_open, (path, method)
        for reply in (wrong, *([] if is_open else [without])):
            assert reply.headers["WWW-Authenticate"] == "Bearer"
            if method != "HEAD":
                assert reply.headers["Content-Type"] == "application/problem+json"
                assert reply.json["type"] == "urn:gmn:problem:token-wanted"
        # Whom it is shared with is for those who share; a crawl that there is not is not found.
        reads = method == "GET" and path not in OPEN_TO_ALL and "/_shares/" not in path
        reads = reads and "{crawl}" not in path
        public = ask(guarded, path, method, "open", {})
        assert (public.status == 200) is reads or is_open, (path, method)
        assert public.status != 401 or not reads
    assert guarded.get("/objects/cams/ff/a", headers=RIGHT).body == b"x"
    for path, method in seen:  # after all else, since they delete
        assert ask(guarded, path, method, "cams", RIGHT).status not in (401, 500), (path, method)


def test_who_has_no_token_sees_public_projects_only(guarded: Server) -> None:
    assert [one["project"] for one in guarded.get("/objects").json["projects"]] == ["open"]
    assert guarded.get("/objects.json", {"project": "cams"}).json["objects"] == []
    assert {one["project"] for one in guarded.get("/objects.json").json["objects"]} == {"open"}
    assert guarded.get("/objects.zip", {"object": "cams/ff/a"}).status == 401
    assert guarded.get("/objects/none/ff/a").status == 401  # as if it were there
    moved = send(guarded, "POST", "/objects/_copy/open/ff/a", {"to": "cams/ff/b"})
    assert moved.status == 401


def test_a_folder_is_given_to_whoever_has_its_address(guarded: Server) -> None:
    for name in ("zip/a.txt", "zip/b.txt", "other"):
        put(guarded, name, name.encode(), **RIGHT)
    share = "/objects/_share_folder/cams/ff?folder=zip/"
    assert send(guarded, "POST", share, {}).status == 401
    shared = send(guarded, "POST", share, {}, **RIGHT).json["address"]
    archive = zipfile.ZipFile(io.BytesIO(guarded.get(shared).body))
    assert sorted(archive.namelist()) == ["cams/ff/zip/a.txt", "cams/ff/zip/b.txt"]
    assert archive.read("cams/ff/zip/a.txt") == b"zip/a.txt"
    for old, new in (("folder=zip", "folder="), ("_shared_folder/cams", "_shared_folder/open"),
                     ("until=", "until=1")):  # fmt: skip
        assert guarded.get(shared.replace(old, new)).status == 403
    done = guarded.get("/objects/_operations/cams/ff/zip/a.txt", headers=RIGHT).json["operations"]
    assert [one["kind"] for one in done] == ["get", "share", "put"]


def test_accounts_may_what_their_roles_say(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_of(tmp_path_factory.mktemp("accounts"))
    with serving(settings) as server:
        make_places(server)
        assert send(server, "PUT", "/objects/other", {}).status == 201
        accounts = AccountStore(open_database(settings))
        known: dict[str, dict[str, str]] = {}
        for name, role in (("ada", Role.CONTRIBUTOR), ("ben", Role.READER), ("eve", Role.OWNER)):
            accounts.make(name, "test")
            accounts.set_role(name, "cams", role, "test")
            secret = accounts.make_token(name, "test", timedelta(days=1))
            known[name] = {"Authorization": f"Bearer {secret}"}
        # With the first account, nobody is trusted for being on this machine.
        assert put(server, "a", b"x").status == 401
        assert put(server, "a", b"x", **known["ben"]).status == 403
        assert put(server, "a", b"x", **known["ada"]).status == 201
        about = server.get("/objects/_operations/cams/ff/a", headers=known["ben"])
        assert about.json["operations"][0]["by"] == "ada"
        for name, status in (("ada", 403), ("ben", 403), ("eve", 201)):
            assert send(server, "PUT", "/objects/cams/new", {}, **known[name]).status == status
            assert send(server, "PUT", "/objects/more", {}, **known[name]).status == 403
            assert server.get("/objects/other", headers=known[name]).status == 403
            seen = server.get("/objects", headers=known[name]).json["projects"]
            assert [one["project"] for one in seen] == ["cams"]
        for name, project, status in (("ada", "cams", 201), ("ben", "cams", 403),
                                      ("ada", "other", 403)):  # fmt: skip
            upload = begin(server, 1, {"name": f"{project}/ff/b"}, **known[name])
            assert upload.status == status, (name, project)
            if status == 201:
                address = upload.headers["Location"]
        assert state(server, address, **known["ben"]).status == 403
        assert go_on(server, address, 0, b"x", known["ben"]).status == 403
        assert go_on(server, address, 0, b"x", known["ada"]).status == 204
        gone = server.get("/objects/cams/ff/b", method="DELETE", headers=known["ada"]).json
        restored = f"/objects/_restore/{gone['object_id']}"
        assert send(server, "POST", restored, {}, **known["ben"]).status == 403
        assert send(server, "POST", restored, {}, **known["ada"]).status == 200
        denied = [one.detail for one in accounts.events() if one.kind == "denied"]
        assert "PUT /objects/cams/ff/a" in denied
        accounts.disable("ada", "test")
        assert put(server, "a", b"y", **known["ada"]).status == 401


def test_the_person_of_this_machine_may_all_and_other_sites_pages_nothing(alone: Server) -> None:
    own = {"Origin": alone.url, "Sec-Fetch-Site": "same-origin"}
    by_name = {"Host": f"localhost:{alone.port}", "Origin": f"http://localhost:{alone.port}"}
    for headers in ({}, own, by_name, {"Sec-Fetch-Site": "none"}):
        assert put(alone, "b", b"1", **headers).status in (200, 201), headers
        assert alone.get("/objects/cams/ff/b", headers=headers).status == 200
    strange: list[dict[str, str]] = [
        {"Origin": "https://example.org"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"}, {"Origin": f"http://127.0.0.1:{alone.port + 1}"},
        # A name of the other site's that leads to this machine.
        {"Host": f"example.org:{alone.port}", "Origin": f"http://example.org:{alone.port}",
         "Sec-Fetch-Site": "same-origin"},
        {"Host": "127.0.0.1.example.org"}, {"Host": "example.org"}, {"Host": "192.0.2.1"},
        # A proxy in front of this server: it is not for this machine only.
        {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}, {"Via": "1.1 proxy"},
    ]  # fmt: skip
    for headers in strange:
        for path, method in operations(alone):
            reply = ask(alone, path, method, "cams", headers)
            if method in OPEN_TO_ALL.get(path, ()):
                continue
            assert reply.status == 403, (path, method, headers)
        assert ask(alone, "/objects/{project}/ff/a", "GET", "open", headers).status == 200
        projects = alone.get("/objects", headers=headers).json["projects"]
        assert [one["project"] for one in projects] == ["open"]
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert alone.get("/objects/cams/ff/b", headers=followed).status == 200
    assert put(alone, "b", b"1", **followed).status == 403
    assert alone.get("/objects/cams/ff/b").body == b"1"


def test_a_server_for_others_without_a_token_takes_nothing(
    tmp_path_factory: pytest.TempPathFactory, alone: Server
) -> None:
    settings = settings_of(tmp_path_factory.mktemp("others"))
    with serving(settings, "--host", "0.0.0.0") as server:
        for path, method in operations(server):
            if method not in OPEN_TO_ALL.get(path, ()):
                assert ask(server, path, method, "cams", {}).status == 403, (path, method)
        assert server.get("/objects").json == {
            "projects": [], "account": "anyone", "may_make": False, "is_to_sign_in": False,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "is_so"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_which_addresses_are_this_machines_only(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so
