"""Objects over HTTP, on a machine of one's own: read, put, described, moved, taken back."""

import hashlib
import io
import json
import re
import socket
import subprocess
import threading
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline.flows.objects import opened_objects
from gmn_pipeline.serving.objects.archive import safe_names
from gmn_pipeline.serving.objects.reading import HARMLESS
from gmn_pipeline_tests.support.objects import object_bench, settings_of
from gmn_pipeline_tests.support.objects_http import make_places, put, send
from gmn_pipeline_tests.support.server import Reply, Server, serving

FITS = b"SIMPLE  =                    T" + b" " * 5000
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
SAID = {
    "application": "rms", "metadata": {"gain": 4.5, "lens": "f/0.95"}, "tags": ["fireball"],
    "links": [{"kind": "station", "key": "US0001"}], "observed_from_utc": "2022-03-04T21:00:00Z",
    "latitude_deg": 46.5, "longitude_deg": 14.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(settings_of(folder), objects_http_mb=3, objects_batch_mb=2) as running:
        make_places(running)
        yield running


def left(folder: Path) -> list[Path]:
    """What lies about unfinished."""
    try:
        return [one for one in (folder / "data/objects").rglob("incoming/*") if one.is_file()]
    except FileNotFoundError:  # a folder went while it was looked at
        return left(folder)


def test_what_is_put_comes_back_whole_and_in_parts(server: Server) -> None:
    made = put(server, "a b/ä.fits", FITS)
    digest = hashlib.sha256(FITS).hexdigest()
    assert (made.status, made.json["version"], made.json["sha256"]) == (201, 1, digest)
    address = made.headers["Location"]
    whole = server.get(address)
    assert (whole.status, whole.body) == (200, FITS)
    assert whole.headers["Content-Type"] == "application/fits"
    assert whole.headers["ETag"] == f'"{digest}"' == made.headers["ETag"]
    assert whole.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A4.fits"
    head = server.get(address, method="HEAD")
    assert (head.body, head.headers["Content-Length"]) == (b"", str(len(FITS)))
    part = server.get(address, headers={"Range": "bytes=0-29"})
    assert (part.status, part.body) == (206, FITS[:30])
    assert part.headers["Content-Range"] == f"bytes 0-29/{len(FITS)}"
    assert server.get(address, headers={"Range": "bytes=-3"}).body == FITS[-3:]
    assert server.get(address, headers={"Range": "bytes=9999-"}).status == 416
    again = server.get(address, headers={"If-None-Match": whole.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    for same, status in ((whole.headers["ETag"], 206), (whole.headers["Last-Modified"], 206),
                         ('"other"', 200)):  # fmt: skip
        asked = server.get(address, headers={"Range": "bytes=0-1", "If-Range": same})
        assert asked.status == status, same
    assert put(server, "a b/ä.fits", b"2").status == 200
    assert server.get(f"{address}?version=1").body == FITS
    assert server.get(f"{address}?version=3").status == 404
    text = put(server, "long.txt", b"text " * 1000).headers["Location"]
    packed = server.get(text, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Length"] == "5000"  # its hash is that of what is sent


def test_nothing_that_was_put_runs_in_the_portal(server: Server) -> None:
    files = {
        "x.html": b"<html><script>1</script>", "x.svg": SVG, "x.png": SVG,
        "x.txt": b"<?xml version='1.0'?><a/>", "x.js": b"alert(1)", "x.pdf": b"%PDF-1.4",
        "x.json": b'{"a": 1}',
    }  # fmt: skip
    for name, body in files.items():
        got = server.get(put(server, name, body).headers["Location"])
        assert got.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        kind = got.headers["Content-Type"].split(";")[0]
        way = got.headers["Content-Disposition"].split(";")[0]
        assert way == ("inline" if kind in HARMLESS else "attachment"), name
        assert kind not in ("text/javascript", "application/javascript")
    assert not any("html" in kind or "xml" in kind or "pdf" in kind for kind in HARMLESS)


def test_what_came_otherwise_than_it_was_sent_is_refused(server: Server, folder: Path) -> None:
    good, bad = hashlib.sha256(b"x"), hashlib.sha256(b"y")
    for digest, status in ((good, 201), (bad, 400)):
        told = f"sha-256=:{b64encode(digest.digest()).decode()}:"
        assert put(server, f"digest-{status}", b"x", Content_Digest=told).status == status
        hexed = digest.hexdigest().upper()
        assert put(server, f"hex-{status}", b"x", X_Checksum_Sha256=hexed).status == status
        assert server.get(f"/objects/cams/ff/hex-{status}").status == (
            200 if status == 201 else 404
        )
    assert put(server, "hex", b"x", X_Checksum_Sha256="abc").status == 400
    assert left(folder) == []


def test_who_takes_an_object_to_be_another_is_told(server: Server) -> None:
    assert put(server, "once", b"1", If_None_Match="*").status == 201
    assert put(server, "once", b"2", If_None_Match="*").status == 412
    tag = server.get("/objects/cams/ff/once").headers["ETag"]
    assert put(server, "once", b"2", If_Match='"other"').status == 412
    assert put(server, "once", b"2", If_Match=tag).json["version"] == 2
    assert put(server, "once", b"3", If_Match=tag).status == 412
    assert put(server, "never", b"3", If_Match="*").status == 412
    gone = server.get("/objects/cams/ff/once", method="DELETE", headers={"If-Match": tag})
    assert gone.status == 412


def test_what_is_said_of_an_object_is_kept_searched_and_changed(server: Server) -> None:
    made = put(server, "said/ä.fits", FITS, GMN_Description=json.dumps(SAID))
    assert made.status == 201, made.body
    about = "/objects/_about/cams/ff/said/%C3%A4.fits"
    told = server.get(about)
    assert told.json["metadata"] == SAID["metadata"]
    assert told.json["observed_from_utc"] == "2022-03-04T21:00:00.000000Z"
    found = [
        {"folder": "said", "text": "FITS", "content_type": "application/*"},
        {"tag": "fireball", "link": "station:US0001"},
        {"metadata": "gain>=4"}, {"metadata": "gain=4.5"}, {"metadata": "lens=f/0.95"},
        {"sha256": made.json["sha256"], "folder": "said"}, {"box": "14,46,15,47"},
        {"observed_from": "2022-03-04", "observed_until": "2022-03-05"},
        {"folder": "said", "least_bytes": len(FITS), "most_bytes": len(FITS)},
        {"folder": "said", "put_since": "2022-01-01", "project": "cams", "container": "ff"},
    ]  # fmt: skip
    for asked in found:
        (one,) = server.get("/objects.json", asked).json["objects"]
        assert one["name"] == "said/ä.fits", asked
    assert server.get("/objects.json", {"metadata": "gain>=5"}).json["objects"] == []
    for wrong in ({"box": "1"}, {"link": "x"}, {"metadata": "x"}, {"observed_from": "x"},
                  {"metadata": "gain>=x"}):  # fmt: skip
        assert server.get("/objects.json", wrong).status == 400

    patch = {"metadata": {"gain": 9, "lens": None}, "tags": ["moon"], "application": None}
    tag = told.headers["ETag"]
    after = send(server, "PATCH", about, patch, **{"If-Match": tag})
    assert (after.status, after.json["version"]) == (200, 2)
    assert (after.json["metadata"], after.json["tags"]) == ({"gain": 9}, ["moon"])
    assert after.json["application"] == ""
    assert after.json["links"] == SAID["links"]
    assert send(server, "PATCH", about, patch, **{"If-Match": tag}).status == 412
    for wrong in ({"colour": 1}, {"tags": "x"}, {"links": [{"kind": "x", "key": "y"}]},
                  {"latitude_deg": 91}, {"observed_from_utc": "soon"}):  # fmt: skip
        assert send(server, "PATCH", about, wrong).status == 400, wrong
    assert server.get(about, method="PATCH", body=b"{}").status == 415
    versions = server.get(about.replace("_about", "_versions")).json["versions"]
    assert [one["version"] for one in versions] == [2, 1]
    done = server.get(about.replace("_about", "_operations")).json["operations"]
    assert [one["kind"] for one in done] == ["describe", "put"]
    assert {one["by"] for one in done} == {"this machine"}


def test_copies_moves_deletions_and_their_way_back(server: Server) -> None:
    first = put(server, "one", b"1").json
    copied = send(server, "POST", "/objects/_copy/cams/ff/one", {"to": "cams/ff/two"})
    assert (copied.status, server.get("/objects/cams/ff/two").body) == (201, b"1")
    moved = send(server, "POST", "/objects/_move/cams/ff/one", {"to": "cams/ff/sub/three"})
    assert (moved.status, moved.json["object_id"]) == (201, first["object_id"])
    assert (
        send(server, "POST", "/objects/_move/cams/ff/two", {"to": "cams/ff/sub/three"}).status
        == 409
    )
    assert send(server, "POST", "/objects/_move/cams/ff/two", {"to": "../.."}).status == 400
    assert send(server, "POST", "/objects/_copy/cams/ff/two", {}).status == 400
    assert server.get("/objects/cams/ff/sub/three", method="DELETE").status == 200
    assert server.get("/objects/cams/ff/sub/three").status == 404
    (gone,) = server.get("/objects.json", {"deleted": "yes", "text": "three"}).json["objects"]
    back = send(server, "POST", f"/objects/_restore/{gone['object_id']}", {})
    assert (back.status, server.get("/objects/cams/ff/sub/three").body) == (200, b"1")


def test_folders_and_pages_lead_on(server: Server) -> None:
    assert send(server, "PUT", "/objects/cams/levels", {}).status == 201
    for name in ("a", "b/1", "b/2", "b.txt", "c & d", "z"):
        server.get(f"/objects/cams/levels/{name.replace(' ', '%20').replace('&', '%26')}",
                   method="PUT", body=b"x")  # fmt: skip
    seen: list[str] = []
    link: str | None = "/objects/cams/levels?size=2"
    while link:
        page = server.get(link).json
        seen += sorted([*(one["name"] + "/" for one in page["folders"]),
                        *(one["name"] for one in page["objects"])])  # fmt: skip
        link = page["next_url"]
    assert seen == ["a", "b.txt", "b/", "c & d", "z"]
    inside = server.get("/objects/cams/levels?folder=b&size=1").json
    led = server.get("/objects/cams/levels/b%20%C3%A4/c/").headers["Location"]
    assert led == "/objects/cams/levels?folder=b+%C3%A4%2Fc"
    assert [one["name"] for one in inside["objects"]] == ["b/1"]
    (last,) = server.get(inside["next_url"]).json["objects"]
    assert last["name"] == "b/2"
    found = server.get("/objects.json", {"container": "levels", "size": 4})
    totals = ("object_count", "size_bytes", "is_count_exact")
    assert [found.json[name] for name in totals] == [6, 6, True]
    whole = server.get("/objects.json", {"container": "levels", "count": "exact"})
    assert [whole.json[name] for name in totals] == [6, 6, True]
    assert len(server.get(found.json["next_url"]).json["objects"]) == 2
    assert server.get("/objects/cams/none").status == 404
    assert server.get("/objects/none").status == 404
    told = server.get("/objects").json
    assert {"project": "cams", "is_public": False, "may_write": True} in told["projects"]
    assert (told["account"], told["may_make"]) == ("this machine", True)


def test_names_with_every_odd_character_and_ways_out_of_the_folder(server: Server) -> None:
    odd = "%25 #?&+;=@!$'()*,[]~\u2028"[:-1] + 'ü"\\<>|^`{}🌠'
    made = put(server, odd, b"odd")
    assert (made.status, made.json["name"]) == (201, odd)
    assert server.get(made.headers["Location"]).body == b"odd"
    for path in ("%2e%2e/%2e%2e/etc/passwd", "a/%2e%2e/b", "a//b", "a%00b", "a%0ab", "%ff", "a/",
                 "a//", "%2e%2e/", "..%2f..%2fetc", "%2fetc/passwd"):  # fmt: skip
        # GET of 'a/' leads to the page of a folder.
        for method in ("PUT", "DELETE", *(("GET",) if path != "a/" else ())):
            reply = server.get(f"/objects/cams/ff/{path}", method=method, body=b"x")
            assert reply.status in (400, 404), (path, method)
            assert reply.json["type"].startswith("urn:gmn:problem:")
    assert put(server, "x" * 1025, b"").status == 400
    assert server.get("/objects/Cams/ff/x", method="PUT", body=b"").status in (400, 404)


def test_a_selection_comes_as_one_file(server: Server) -> None:
    for name in ("zip/a.txt", "zip/b:c.txt", "zip/b?c.txt"):
        put(server, name, name.encode() * 100)
    whole = server.get("/objects.zip", {"project": "cams", "folder": "zip"})
    assert int(whole.headers["Content-Length"]) == len(whole.body)
    archive = zipfile.ZipFile(io.BytesIO(whole.body))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [
        "cams/ff/zip/a.txt", "cams/ff/zip/b_c (2).txt", "cams/ff/zip/b_c.txt",
    ]  # fmt: skip
    one = server.get("/objects.zip", {"object": "cams/ff/zip/a.txt"})
    assert zipfile.ZipFile(io.BytesIO(one.body)).namelist() == ["cams/ff/zip/a.txt"]
    assert server.get("/objects.zip", {"object": "cams/ff/none"}).status == 404
    assert safe_names(["a/..x./con ", "A/..x/con"]) == ["a/..x/con", "A/..x/con (2)"]


def test_an_address_for_others_holds_for_its_time_and_its_object(server: Server) -> None:
    put(server, "shared", b"yes")
    made = send(server, "POST", "/objects/_share/cams/ff/shared?seconds=60", {}).json
    put(server, "shared", b"newer")
    anywhere = {"Host": "example.org", "X-Forwarded-For": "192.0.2.1"}
    got = server.get(made["address"], headers=anywhere)
    assert (got.status, got.body) == (200, b"yes")
    for before, after in (("until=", "until=9"), ("signature=", "signature=0"), ("/1?", "/2?")):
        assert server.get(made["address"].replace(before, after)).status == 403
    assert server.get("/objects/cams/ff/shared", headers=anywhere).status == 403
    assert send(server, "POST", "/objects/_share/cams/ff/shared?seconds=99999999", {}).status == 400
    server.get("/objects/cams/ff/shared", method="DELETE")
    assert server.get(made["address"]).status == 410


def form(*files: tuple[str, bytes], end: bool = True) -> tuple[dict[str, str], bytes]:
    parts = b"".join(
        b'--limit\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
        % (name.encode(), body) for name, body in files
    )  # fmt: skip
    kind = {"Content-Type": "multipart/form-data; boundary=limit"}
    return kind, parts + (b"--limit--\r\n" if end else b"")


def zipped(*files: tuple[str, bytes]) -> tuple[dict[str, str], bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files:
            archive.writestr(name, body)
    return {"Content-Type": "application/zip"}, packed.getvalue()


@pytest.mark.parametrize("kind", [form, zipped])
def test_many_objects_come_at_once_all_or_none(server: Server, folder: Path, kind: object) -> None:
    place = f"/objects/cams/ff?folder=many/{kind.__name__}"  # type: ignore[attr-defined]

    def sent(*files: tuple[str, bytes], to: str = place, **more: bool) -> Reply:
        headers, body = kind(*files, **more)  # type: ignore[operator]
        return server.get(to, method="POST", headers=headers, body=body)

    made = sent(("1.txt", b"one"), ("in/2.txt", b"\r\n--two" * 9))
    assert (made.status, len(made.json["objects"])) == (201, 2), made.body
    address = made.json["objects"][1]["address"]
    assert server.get(address).body == b"\r\n--two" * 9
    for wrong in ([("3.txt", b"3"), ("../4.txt", b"4")], []):
        assert sent(*wrong).status == 400
    assert sent(("3.txt", b"\0" * 2_100_000)).status == 413
    assert sent(("3.txt", b"3"), to="/objects/cams/none").status == 404
    assert server.get(address.rpartition("/in/")[0] + "/3.txt").status == 404
    broken = {"Content-Type": kind()[0]["Content-Type"]}  # type: ignore[operator]
    assert server.get(place, method="POST", headers=broken, body=b"PK nothing").status == 400
    assert left(folder) == []


def test_a_schema_holds_for_all_that_is_put(server: Server) -> None:
    schema = {"type": "object", "required": ["gain"]}
    made = send(server, "PUT", "/objects/cams/strict", {"metadata_schema": schema})
    assert made.status == 201
    assert send(server, "PUT", "/objects/cams/strict", {}).status == 409
    assert (
        send(server, "PUT", "/objects/cams/wrong", {"metadata_schema": {"type": 1}}).status == 400
    )
    address = "/objects/cams/strict/a"
    assert server.get(address, method="PUT", body=b"1").status == 400
    said = {"GMN-Description": '{"metadata": {"gain": 1}}'}
    assert server.get(address, method="PUT", body=b"1", headers=said).status == 201
    assert server.get("/objects/cams").json["containers"][-1] == {
        "container": "strict", "metadata_schema": schema,
    }  # fmt: skip


def test_too_large_ones_and_broken_off_ones_leave_nothing(server: Server, folder: Path) -> None:
    assert put(server, "large", b"x" * 3_000_001).status == 413
    in_pieces = (b"x" * 500_000 for _ in range(7))
    reply = server.get("/objects/cams/ff/large", method="PUT", body=in_pieces)
    assert reply.status == 413
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"PUT /objects/cams/ff/broken HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_500_000)  # fmt: skip
        server.wait_for(lambda: left(folder))
    server.wait_for(lambda: not left(folder))
    for name in ("large", "broken"):
        assert server.get(f"/objects/cams/ff/{name}").status == 404


def test_two_who_put_the_same_name_at_once_make_two_versions(server: Server) -> None:
    replies: list[Reply] = []
    threads = [
        threading.Thread(
            target=lambda n=n: replies.append(put(server, "same", b"%d" % n * 2_000_000))
        )  # type: ignore[misc]
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.json["version"] for reply in replies) == [1, 2]
    for reply in replies:
        version = reply.json["version"]
        got = server.get("/objects/cams/ff/same", {"version": version}).body
        assert hashlib.sha256(got).hexdigest() == reply.json["sha256"]


def test_bytes_that_became_others_are_not_sent_to_their_end(server: Server, folder: Path) -> None:
    made = put(server, "changed", b"x" * 2_500_000).json
    lake = opened_objects(settings_of(folder))
    stored = lake.catalogue.by_id(made["object_id"])
    path = lake.contents.local_path(stored.content)
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(b"y" * 2_500_000)
    with pytest.raises(Exception, match=r"IncompleteRead|2500000"):
        server.get(made["address"])
    path.unlink()
    assert server.get(made["address"]).status == 503


def test_the_lines_of_the_page_for_people_work(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "objects-over-http.md").read_text()
    (tmp_path / "ff_0001.fits").write_bytes(FITS)
    (tmp_path / "notes.txt").write_text("clear")
    with serving(settings_of(tmp_path)) as server:
        shell = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
        shell = shell.replace("http://127.0.0.1:8001", server.url)
        assert shell.count("curl") > 15
        strict = 'set -eu\ncurl() { command curl -sS --fail-with-body "$@"; }\n'
        done = subprocess.run(["bash", "-c", strict + shell], cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        got = (tmp_path / "again.fits").read_bytes()
        assert got == server.get("/objects/cams/ff/large.fits").body == FITS
        found = server.get("/objects.json").json["objects"]
        months = sorted(one["name"] for one in found if "/0" in one["name"])
    moved = ["old/03/ff_0001.fits", "old/03/ff_0003.fits"]
    assert months == ["2022/04/ff_0001.fits", "2022/04/notes.txt", *moved]
    assert len(zipfile.ZipFile(tmp_path / "march.zip").namelist()) == 2


def test_who_goes_away_is_read_for_no_longer(server: Server, folder: Path) -> None:
    object_bench(settings_of(folder)).put("left", bytes(60_000_000))
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"GET /objects/cams/ff/left HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 200")

    def last() -> str:
        return str(server.get("/objects/_operations/cams/ff/left").json["operations"][0]["reason"])

    server.wait_for(lambda: last() == "it was not read to its end")
