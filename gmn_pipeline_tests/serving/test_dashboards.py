"""Dashboards over HTTP: saved, changed by two at once, taken back; and who may."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline_tests.support.dashboards import document
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.objects_http import put, send
from gmn_pipeline_tests.support.server import Reply, Server, serving

OTHER_SITE = {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own machine, without a warehouse."""
    settings = settings_of(tmp_path_factory.mktemp("alone"))
    with serving(settings, serve_embed_hosts="https://example.org http://*.obs.net:8080") as one:
        yield one


def made(server: Server, title: str = "Perseids", **headers: str) -> Reply:
    return send(server, "POST", "/dashboards.json", document(title), **headers)


def save(server: Server, made: Reply, title: str, **headers: str) -> Reply:
    tag = {"If-Match": made.headers["ETag"]}
    return send(server, "PUT", made.json["address"], document(title), **{**tag, **headers})


def test_a_dashboard_is_saved_and_who_comes_second_is_told(alone: Server) -> None:
    first = made(alone)
    address = first.json["address"]
    assert (first.status, first.headers["Location"]) == (201, address)
    assert first.json["document"] == document()
    assert alone.get(address).headers["ETag"] == first.headers["ETag"]
    second = save(alone, first, "Geminids")
    assert (second.status, second.json["version"], second.json["is_newest"]) == (200, 2, True)
    late = save(alone, first, "Leonids")
    assert (late.status, late.json["type"]) == (412, "urn:gmn:problem:saved-meanwhile")
    assert "Version 2 was saved meanwhile, by this machine" in late.json["detail"]
    assert save(alone, second, "Geminids").json["version"] == 2  # nothing was changed
    assert send(alone, "PUT", address, document()).status == 428
    assert save(alone, second, "x", **{"If-Match": '"other-2"'}).status == 412
    told = alone.get(f"{address.removesuffix('.json')}/versions.json").json["versions"]
    assert [(one["version"], one["title"]) for one in told] == [(2, "Geminids"), (1, "Perseids")]
    old = alone.get(address, {"version": 1}).json
    assert (old["document"]["title"], old["is_newest"]) == ("Perseids", False)
    assert alone.get(address, {"version": 9}).status == 404

    gone = alone.get(address, method="DELETE", headers={"If-Match": second.headers["ETag"]})
    assert gone.json["deleted_at_utc"]
    assert alone.get(address).status == 404
    listed = alone.get("/dashboards.json", {"deleted": "on"}).json["dashboards"]
    assert [one["address"] for one in listed] == [address]
    back = send(alone, "POST", f"{address.removesuffix('.json')}/restore.json", {})
    assert back.json["document"]["title"] == "Geminids"
    listed = alone.get("/dashboards.json").json
    assert [one["comes_along"] for one in listed["dashboards"]] == [*[True] * 4, False]
    assert listed["may_make"] is True


def test_what_is_no_dashboard_is_refused_with_its_place(alone: Server) -> None:
    wrong: Any = document() | {"panels": [{"id": "a", "mark": "pie", "width": 6}]}
    refused = send(alone, "POST", "/dashboards.json", wrong)
    assert refused.status == 400
    assert refused.json["detail"].startswith("panels[0]")
    for body, kind, status in ((b"{", "application/json", 400), (b"{}", "text/plain", 415),
                               (b" " * 500_000, "application/json", 413),
                               (b"[" * 100_000, "application/json", 400)):  # fmt: skip
        headers = {"Content-Type": kind}
        reply = alone.get("/dashboards.json", method="POST", headers=headers, body=body)
        assert reply.status == status, body[:9]
    for name in ("network-overview", "shower-campaign", "station-health", "lake-use"):
        one = alone.get(f"/dashboards/{name}.json").json
        assert (one["comes_along"], one["may_change"], one["may_make"]) == (True, False, True)
        assert alone.get(f"/dashboards/{name}/versions.json").json == {"versions": []}
        change = {"If-Match": f'"{name}-1"'}
        for method in ("PUT", "DELETE"):
            path = f"/dashboards/{name}.json"
            assert send(alone, method, path, document(), **change).status == 409
    assert alone.get("/dashboards/nothing.json").status == 404
    assert alone.get("/dashboards/schema.json").json["title"] == "Dashboard"


def test_pages_of_other_sites_change_nothing_and_show_what_they_may(alone: Server) -> None:
    assert made(alone, **OTHER_SITE).status == 403
    first = made(alone)
    assert save(alone, first, "x", **OTHER_SITE).status == 403
    page = first.json["address"].removesuffix(".json")
    frames = {}
    for path in (f"{page}?embed=1", f"{page}?embed=0&embed=1", f"{page}?embed=1&embed=0", page,
                 "/dashboards?embed=1", "/objects?embed=1"):  # fmt: skip
        reply = alone.get(path, headers={"Accept": "text/html"})
        assert reply.status == 200
        policy = reply.headers["Content-Security-Policy"]
        frames[path] = policy.partition("frame-ancestors ")[2]
    assert frames.pop(f"{page}?embed=1") == "https://example.org http://*.obs.net:8080"
    assert set(frames.values()) == {"'none'"}


def test_of_private_ones_nothing_is_asked_on_ones_own_machine(alone: Server) -> None:
    made = send(alone, "POST", "/dashboards.json?private=on", document())
    address = str(made.json["address"])
    at = address.removesuffix(".json")
    assert alone.get(address).json["may_share"] is True
    assert alone.get(f"{at}/access.json").json["is_to_sign_in"] is False
    assert alone.get(address, headers=OTHER_SITE).status == 404
    link = send(alone, "POST", f"{at}/link.json", {}).json["address"]
    by_link = alone.get(f"{address}?{link.partition('?')[2]}", headers=OTHER_SITE)
    assert by_link.json["title"] == "Perseids"
    listed = alone.get("/dashboards.json", headers=OTHER_SITE).json["dashboards"]
    assert made.json["id"] not in [one["id"] for one in listed]


def test_every_address_has_a_rule(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_of(tmp_path_factory.mktemp("accounts"))
    with serving(settings) as server:
        before = made(server).json["address"]
        accounts = AccountStore(open_database(settings))
        known: dict[str, dict[str, str]] = {}
        for name, role in (("ada", Role.CONTRIBUTOR), ("ben", Role.READER),
                           ("eve", Role.OWNER), ("op", None)):  # fmt: skip
            accounts.make(name, "test", is_operator=role is None)
            if role:
                accounts.set_role(name, "cams", role, "test")
            secret = accounts.make_token(name, "test", timedelta(days=1))
            known[name] = {"Authorization": f"Bearer {secret}"}
        first = made(server, **known["ada"])
        tag = {"If-Match": first.headers["ETag"]}
        assert (first.status, first.json["made_by"]) == (201, "ada")
        paths: dict[str, Any] = server.get("/openapi.json").json["paths"]
        seen = 0
        for path, methods in paths.items():
            if not re.fullmatch(r"/dashboards.*\.json", path):
                continue
            address = path.replace("{dashboard}", first.json["id"])
            for method in map(str.upper, methods):
                seen += 1
                is_read = method == "GET" and "access" not in path
                told = {"access": {"is_private": False}, "shares": {"with": "ben"}}.get(
                    path.rpartition("/")[2].removesuffix(".json"), document("x")
                )
                wanted = {"": 200 if is_read else 401, "ben": 200 if is_read else 403}
                if "schema" not in path:
                    wanted["wrong"] = 401
                if not is_read and "{dashboard}" in path and "restore" not in path:
                    wanted["eve"] = 403
                for who, status in wanted.items():
                    wrong = {"Authorization": "Bearer other"} if who == "wrong" else {}
                    headers = {**known.get(who, {}), **wrong, **tag}
                    reply = send(server, method, address, told, **headers)
                    assert reply.status == status, (path, method, who, reply.body)
        assert seen == 14
        unknown = server.get(first.json["address"]).json
        assert (unknown["may_change"], unknown["made_by"]) == (False, "somebody")
        assert server.get(first.json["address"], headers=known["ada"]).json["may_change"] is True
        changed = save(server, first, "Geminids", **known["ada"])
        assert changed.status == 200
        assert save(server, changed, "Leonids", **known["op"]).json["saved_by"] == "op"
        assert server.get(before).status == 200
        for name, status in (("ada", 403), ("op", 200)):
            headers = {**known[name], "If-Match": f'"{before[12:-5]}-1"'}
            assert send(server, "DELETE", before, None, **headers).status == status
        for name, count in (("", 0), ("ada", 0), ("op", 1)):
            deleted = server.get("/dashboards.json?deleted=on", headers=known.get(name, {}))
            assert len(deleted.json["dashboards"]) == count, name
        restore = f"{before.removesuffix('.json')}/restore.json"
        assert send(server, "POST", restore, {}, **known["ada"]).status == 403
        assert send(server, "POST", restore, {}, **known["op"]).status == 200
        denied = [one.detail for one in accounts.events() if one.kind == "denied"]
        assert f"PUT {first.json['address']}" in denied
        assert made(server, **known["ben"]).status == 403


def test_the_use_of_the_lake_is_told_of_what_one_may_see(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = settings_of(tmp_path_factory.mktemp("use"))
    right = {"Authorization": "Bearer a word"}
    with serving(settings, objects_token="a word") as server:
        assert server.get("/objects/_use", {"by": "day"}).json["rows"] == []
        for path, told in (("/objects/open", {"is_public": True}), ("/objects/open/ff", {}),
                           ("/objects/cams", {}), ("/objects/cams/ff", {})):  # fmt: skip
            assert send(server, "PUT", path, told, **right).status == 201
        put(server, "a.txt", b"x" * 2_000, **right)
        for name in ("a.txt", "b.txt"):
            path = f"/objects/open/ff/{name}"
            server.get(path, method="PUT", headers=right, body=b"hello")

        def use(by: str, **headers: str) -> list[list[Any]]:
            reply = server.get("/objects/_use", {"by": by}, headers=headers).json
            names = [one["name"] for one in reply["columns"]]
            return [[row[name] for name in names] for row in reply["rows"]]

        assert use("project") == [["open", 2, 10]]
        assert use("project", **right) == [["open", 2, 10], ["cams", 1, 2_000]]
        assert use("size", **right) == [["below 1 kB", 2, 10], ["1 kB to 1 MB", 1, 2_000]]
        assert use("content_type") == [["text/plain", 2, 10]]
        ((day, kind, operations, failed),) = use("day")
        assert (len(day), kind, operations, failed) == (10, "put", 2, 0)
        assert server.get("/objects/_use", {"by": "me"}).status == 400
