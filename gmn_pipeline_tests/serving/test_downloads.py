"""Published files over HTTP: whole, in parts, gone on with, and opened where they lie."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.published import FILE_NAMES
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.serving.downloads import Span, span_of
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import extension_path
from gmn_pipeline_tests.support.lake import small_lake
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving

DATABASE = "/gmn/downloads/gmn.duckdb"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = small_lake(tmp_path_factory.mktemp("published"))
    make_snapshot(settings)
    return settings


@pytest.fixture(scope="module")
def files(published: Settings) -> Iterator[Server]:
    with serving(published) as running:
        yield running


@pytest.fixture(scope="module")
def content(published: Settings) -> bytes:
    return (published.snapshot_dir / "gmn.duckdb").read_bytes()


PARTS = {
    None: None, "bytes=0-": Span(0, 100), "bytes=10-19": Span(10, 20),
    "bytes=90-500": Span(90, 100),
    "bytes=-5": Span(95, 100), "bytes=-500": Span(0, 100), "bytes=5-4": None, "bytes=-": None,
    "bytes=0-1,5-6": None, "lines=1-2": None, "bytes=a-": None, "bytes=99-99": Span(99, 100),
}  # fmt: skip


def test_a_part_is_what_the_header_says() -> None:
    assert {header: span_of(header, 100) for header in PARTS} == PARTS
    for header in ("bytes=100-", "bytes=100-200", "bytes=-0"):
        with pytest.raises(Problem):
            span_of(header, 100)


def test_the_list_tells_files_and_checksums(files: Server, published: Settings) -> None:
    (version,) = files.get("/gmn/downloads.json").json["versions"]
    assert [file["name"] for file in version["files"]] == list(FILE_NAMES)
    assert version["snapshot"] == files.snapshot
    for file in version["files"]:
        reply = files.get(file["address"])
        assert len(reply.body) == file["bytes"]
        assert hashlib.sha256(reply.body).hexdigest() == file["sha256"]
        assert reply.headers["ETag"] == f'"{file["sha256"]}"'
        assert reply.headers["GMN-Snapshot"] == str(version["snapshot"])
        assert "immutable" in reply.headers["Cache-Control"]


def test_a_file_comes_whole_or_in_parts(files: Server, content: bytes) -> None:
    whole = files.get(DATABASE, headers={"Accept-Encoding": "zstd, gzip"})
    assert (whole.status, whole.body) == (200, content)
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert "Content-Encoding" not in whole.headers
    head = files.get(DATABASE, method="HEAD")
    assert int(head.headers["Content-Length"]) == len(content)
    assert (head.body, head.headers["ETag"]) == (b"", whole.headers["ETag"])
    part = files.get(DATABASE, headers={"Range": "bytes=100-299"})
    assert (part.status, part.body) == (206, content[100:300])
    assert part.headers["Content-Range"] == f"bytes 100-299/{len(content)}"
    end = files.get(DATABASE, headers={"Range": "bytes=-7"})
    assert end.body == content[-7:]
    none = files.get(DATABASE, headers={"Range": f"bytes={len(content)}-"})
    assert (none.status, none.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert none.json["type"].endswith("no-such-part")


def test_a_part_of_another_version_is_not_given(files: Server, content: bytes) -> None:
    tag = files.get(DATABASE, method="HEAD").headers["ETag"]
    part = {"Range": "bytes=5-9"}
    assert files.get(DATABASE, headers={**part, "If-Range": tag}).status == 206
    for other in ('"another"', f"W/{tag}", "Sat, 28 Nov 2020 00:00:00 GMT"):
        assert files.get(DATABASE, headers={**part, "If-Range": other}).body == content
    assert files.get(DATABASE, headers={**part, "If-None-Match": tag}).status == 304


def test_curl_goes_on_with_a_download(files: Server, content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "gmn.duckdb"
    target.write_bytes(content[:12_345])
    done = subprocess.run(
        ["curl", "--silent", "--fail", "-C", "-", "-o", str(target), f"{files.url}{DATABASE}"],
        timeout=60,
    )
    assert done.returncode == 0
    assert target.read_bytes() == content


@pytest.fixture
def client() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with httpfs, as any user has it who is on the network."""
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"LOAD '{extension_path('httpfs')}'")
        yield connection


def test_duckdb_opens_it_where_it_lies(
    files: Server, published: Settings, client: duckdb.DuckDBPyConnection
) -> None:
    client.execute(f"ATTACH '{files.url}{DATABASE}' AS gmn (READ_ONLY)")
    assert client.sql("SELECT count(*), max(revision) FROM gmn.trajectories").fetchone() == (534, 2)
    table = f"read_parquet('{files.url}/gmn/downloads/trajectories.parquet')"
    assert client.sql(f"SELECT count(*), max(revision) FROM {table}").fetchone() == (534, 2)


def test_a_newer_version_comes_and_the_former_one_stays_for_a_while(tmp_path: Path) -> None:
    bench = Bench(tmp_path, run_retries=0)
    with serving(bench.settings) as server:
        assert server.get("/gmn/downloads.json").json == {"versions": []}
        assert server.get(DATABASE).status == 404
        made = []
        for rows in (10, 20, 30):
            bench.put(DAILY, sample().first(rows).stamped(f"2022-03-{rows} 00:00:00"))
            load_days([DAY], bench.settings)
            made.append(make_snapshot(bench.settings)[0].warehouse_snapshot_id)
            assert server.get(DATABASE).headers["GMN-Snapshot"] == str(made[-1])
        oldest, former, newest = (f"/gmn/downloads/{number}/gmn.duckdb" for number in made)
        assert server.get(oldest).status == 410
        assert server.get(former).headers["GMN-Snapshot"] == str(made[1])
        assert server.get(newest).body == server.get(DATABASE).body
        listed = server.get("/gmn/downloads.json").json["versions"]
        assert [version["snapshot"] for version in listed] == [made[2], made[1]]


def test_there_is_nothing_else(files: Server) -> None:
    for path in ("manifest.json", "..%2f..%2fledger.sqlite", "1/../gmn.duckdb", "x/gmn.duckdb"):
        assert files.get(f"/gmn/downloads/{path}").status in (400, 404), path
