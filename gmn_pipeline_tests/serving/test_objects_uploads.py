"""Resumable uploads: gone on with after whatever broke them off, and one version of each."""

import hashlib
import os
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.errors import StorageUnavailable
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.schemas.objects import Description, ObjectName
from gmn_pipeline.serving.objects.uploads import Appending, Told, Uploads
from gmn_pipeline_tests.support.objects import PERSON, settings_of
from gmn_pipeline_tests.support.objects_http import (
    PIECE,
    TUS,
    begin,
    go_on,
    make_places,
    put,
    send,
    state,
)
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import Server, serving

LARGE = os.urandom(1 << 20) * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(settings_of(folder), objects_body_timeout_s=2) as running:
        make_places(running)
        yield running


def versions(server: Server, name: str) -> list[int]:
    found = server.get(f"/objects/_versions/cams/ff/{name}").json["versions"]
    return [one["version"] for one in found]


def test_an_upload_in_pieces_becomes_an_object_with_all_that_was_said(server: Server) -> None:
    whole = server.get("/objects/_uploads", method="OPTIONS")
    assert whole.headers["Tus-Version"] == "1.0.0"
    assert "creation-with-upload" in whole.headers["Tus-Extension"]
    digest = hashlib.sha256(b"0123456789").hexdigest()
    made = begin(
        server, 10, {"name": "cams/ff/in/ä", "sha256": digest, "description": '{"tags": ["x"]}'}
    )
    assert made.status == 201, made.body
    address = made.headers["Location"]
    assert "GMT" in made.headers["Upload-Expires"]
    first = go_on(server, address, 0, b"0123")
    assert (first.status, first.headers["Upload-Offset"]) == (204, "4")
    assert go_on(server, address, 0, b"0123").status == 409
    told = state(server, address)
    assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("4", "10")
    assert told.headers["Upload-Metadata"].startswith("name ")
    assert told.headers["Cache-Control"] == "no-store"
    assert server.get("/objects/cams/ff/in/%C3%A4").status == 404
    assert go_on(server, address, 4, b"456789more").status == 413
    assert state(server, address).headers["Upload-Offset"] == "4"
    assert go_on(server, address, 4, b"456789").headers["Upload-Offset"] == "10"
    got = server.get("/objects/cams/ff/in/%C3%A4")
    assert got.body == b"0123456789"
    assert server.get("/objects/_about/cams/ff/in/%C3%A4").json["tags"] == ["x"]
    # Who did not hear of the end is told of it, and nothing is made twice.
    again = go_on(server, address, 10, b"")
    assert (again.status, again.headers["Upload-Offset"]) == (204, "10")
    assert versions(server, "in/%C3%A4") == [1]
    assert server.get(address, method="DELETE", headers=TUS).status == 204
    assert state(server, address).status == 404
    assert server.get("/objects/cams/ff/in/%C3%A4").status == 200


def test_what_is_no_upload_is_refused_before_it_begins(server: Server, folder: Path) -> None:
    before = list((folder / "data/objects/uploads").iterdir())
    for size, metadata, status in (
        (1, {}, 400), (1, {"name": "cams/ff/../x"}, 400), (1, {"name": "cams/none/x"}, 404),
        (1, {"name": "cams/ff/x", "description": "[]"}, 400),
        (1, {"name": "cams/ff/x", "after": "-1"}, 400),
        (10**13, {"name": "cams/ff/x"}, 413), (10**12, {"name": "cams/ff/x"}, 507),
    ):  # fmt: skip
        assert begin(server, size, metadata).status == status, metadata
    headers = {**TUS, "Upload-Length": "1"}
    for name, value, status in (("Tus-Resumable", "0.2", 412), ("Upload-Length", "x", 400),
                                ("Upload-Metadata", "name %", 400)):  # fmt: skip
        asked = {**headers, "Upload-Metadata": "name eA==", name: value}
        assert server.get("/objects/_uploads", method="POST", headers=asked).status == status
    assert list((folder / "data/objects/uploads").iterdir()) == before


def test_other_bytes_than_were_promised_become_nothing(server: Server) -> None:
    made = begin(server, 4, {"name": "cams/ff/wrong", "sha256": "0" * 64})
    assert go_on(server, made.headers["Location"], 0, b"1234").status == 400
    assert state(server, made.headers["Location"]).status == 404
    assert server.get("/objects/cams/ff/wrong").status == 404
    put(server, "taken", b"1")
    made = begin(server, 1, {"name": "cams/ff/taken", "after": "0"})
    assert go_on(server, made.headers["Location"], 0, b"2").status == 409
    assert versions(server, "taken") == [1]


def test_a_piece_with_another_checksum_is_as_if_it_had_not_come(server: Server) -> None:
    made = begin(server, 6, {"name": "cams/ff/sums"}).headers["Location"]
    for algorithm in ("sha1", "sha256"):
        good = b64encode(hashlib.new(algorithm, b"abc").digest()).decode()
        sums = {"Upload-Checksum": f"{algorithm} {good}"}
        offset = int(state(server, made).headers["Upload-Offset"])
        assert go_on(server, made, offset, b"abd", sums).status == 460
        assert state(server, made).headers["Upload-Offset"] == str(offset)
        assert go_on(server, made, offset, b"abc", sums).status == 204
    assert go_on(server, made, 6, b"", {"Upload-Checksum": "md5 x"}).status == 400
    assert server.get("/objects/cams/ff/sums").body == b"abcabc"


def test_creation_may_bring_the_first_bytes_or_there_are_none(server: Server) -> None:
    name = "name " + b64encode(b"cams/ff/first").decode()
    headers = {**PIECE, "Upload-Length": "3", "Upload-Metadata": name}
    made = server.get("/objects/_uploads", method="POST", headers=headers, body=b"12")
    assert (made.status, made.headers["Upload-Offset"]) == (201, "2")
    override = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "2", **PIECE}
    last = server.get(made.headers["Location"], method="POST", headers=override, body=b"3")
    assert last.headers["Content-Location"] == "/objects/cams/ff/first?version=1"
    assert begin(server, 0, {"name": "cams/ff/none"}).status == 201
    assert server.get("/objects/cams/ff/none").body == b""


def half_sent(
    server: Server, address: str, offset: int, length: int, piece: bytes
) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", server.port))
    head = (f"PATCH {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
            f"Content-Length: {length}\r\n\r\n")  # fmt: skip
    raw.sendall(head.encode() + piece)
    return raw


def test_a_lost_connection_keeps_what_came_and_one_that_hangs_is_taken_over(
    server: Server, folder: Path
) -> None:
    address = begin(server, 3_000_000, {"name": "cams/ff/lost"}).headers["Location"]
    came = folder / "data/objects/uploads" / address.rpartition("/")[2] / "bytes"
    with half_sent(server, address, 0, 3_000_000, b"a" * 1_200_000):
        server.wait_for(lambda: came.stat().st_size >= 1 << 20)
    server.wait_for(lambda: state(server, address).headers["Upload-Offset"] == "1200000")
    # This one says no more, and is not closed either: the newer request does not wait for it.
    with half_sent(server, address, 1_200_000, 1_800_000, b"a" * 1_100_000):
        server.wait_for(lambda: came.stat().st_size >= 1_200_000 + (1 << 20))
        offset = int(state(server, address).headers["Upload-Offset"])
        assert offset >= 1_200_000 + (1 << 20)
        assert go_on(server, address, offset, b"b" * (3_000_000 - offset)).status == 204
    body = server.get("/objects/cams/ff/lost").body
    assert body == b"a" * offset + b"b" * (3_000_000 - offset)
    slow = begin(server, 10, {"name": "cams/ff/slow"}).headers["Location"]
    with half_sent(server, slow, 0, 10, b"abc") as raw:
        assert raw.recv(20).startswith(b"HTTP/1.1 408")
    assert state(server, slow).headers["Upload-Offset"] == "3"


def test_a_killed_server_goes_on_at_the_right_byte(tmp_path: Path) -> None:
    settings, port = settings_of(tmp_path), free_port()
    with serving(settings, port=port) as server:
        make_places(server)
        digest = hashlib.sha256(LARGE).hexdigest()
        made = begin(server, len(LARGE), {"name": "cams/ff/large", "sha256": digest})
        address = made.headers["Location"]
        upload = tmp_path / "data/objects/uploads" / address.rpartition("/")[2]
        with half_sent(server, address, 0, len(LARGE), LARGE[: 9 << 20]):
            server.wait_for(lambda: int((upload / "durable").read_text()) > 0)
            server.process.kill()
            server.process.wait()
    with serving(settings, port=port) as server:
        offset = int(state(server, address).headers["Upload-Offset"])
        assert 8 << 20 <= offset <= 9 << 20
        assert go_on(server, address, offset, LARGE[offset:]).status == 204
        body = server.get("/objects/cams/ff/large").body
        assert hashlib.sha256(body).hexdigest() == digest


def test_finishing_twice_at_once_makes_one_version(server: Server) -> None:
    address = begin(server, 5_000_000, {"name": "cams/ff/twice"}).headers["Location"]
    go_on(server, address, 0, b"x" * 4_999_999)
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(go_on(server, address, 4_999_999, b"x").status)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {204, 409}
    # As clients do that were told 409: the last one may have been ended by another.
    assert state(server, address).headers["Upload-Offset"] == "5000000"
    assert versions(server, "twice") == [1]


@pytest.fixture
def lake(tmp_path: Path) -> OpenedObjects:
    opened = opened_objects(settings_of(tmp_path))
    opened.catalogue.make_project("cams", PERSON)
    opened.catalogue.make_container("cams", "ff", PERSON)
    return opened


@pytest.mark.parametrize("where", ["before it is named", "after it was named"])
def test_who_dies_while_it_is_named_finds_it_named_once(
    tmp_path: Path, lake: OpenedObjects, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = Uploads(tmp_path / "data/objects/uploads", 1)
    upload = uploads.make(Told("cams/ff/a", 3, "ada"))
    appending = Appending(uploads, upload)
    appending.write(b"abc")
    appending.end()
    land = lake.landing.land

    def dying(*args: Any) -> Any:
        if where == "after it was named":
            land(*args)
        raise StorageUnavailable("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(lake.landing, "land", dying)
        with pytest.raises(StorageUnavailable):
            uploads.finish(upload, Description(), lake)
    again = Uploads(tmp_path / "data/objects/uploads", 1)
    stored = again.finish(again.find(upload.id), Description(), lake)
    assert (stored.version, b"".join(lake.landing.read(stored, PERSON))) == (1, b"abc")
    assert again.finish(again.find(upload.id), Description(), lake).version == 1
    name = ObjectName("cams", "ff", "a")
    assert len(lake.catalogue.versions(lake.catalogue.object(name).object_id)) == 1
    assert not upload.bytes_path.exists()


def test_an_upload_that_nobody_goes_on_with_is_over(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 1)
    upload = uploads.make(Told("cams/ff/a", 3, "ada"))
    os.utime(upload.folder / "durable", (0, 0))
    other = uploads.make(Told("cams/ff/b", 3, "ada"))
    assert [one.name for one in tmp_path.iterdir()] == [other.id]


def test_a_disk_that_is_nearly_full_takes_nothing_and_keeps_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("full")
    with serving(settings_of(folder), objects_free_mb=10**9) as server:
        make_places(server)
        assert put(server, "a", b"x").status == 507
        assert begin(server, 1, {"name": "cams/ff/a"}).status == 507
        form = {"Content-Type": "application/zip"}
        assert server.get("/objects/cams/ff", method="POST", headers=form, body=b"x").status == 507
        assert server.get("/objects/cams/ff/a").status == 404
        assert send(server, "POST", "/objects/_copy/cams/ff/a", {"to": "cams/ff/b"}).status == 404
    assert [one for one in (folder / "data/objects").rglob("*") if one.is_file()] == []
