"""What holds for every address: errors, conditional requests, compression, limits, documents."""

import re
import shlex
import socket
import subprocess
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gmn_pipeline.serving.app import ROUTES, build_app
from gmn_pipeline.serving.compression import accepted
from gmn_pipeline.serving.limits import RequestsPerMinute, customer
from gmn_pipeline.serving.problems import (
    DASHBOARDS_PREFIX,
    OBJECTS_PREFIX,
    is_below,
    is_legacy,
)
from gmn_pipeline.serving.tables.relations import READINGS_RELATIONS
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.lake import fingerprints
from gmn_pipeline_tests.support.server import Reply, Server, client_says

SUMMARY = "/gmn_rest_api/meteor_summary"
PROBLEM = ("type", "title", "status", "detail")


def assert_is_problem(reply: Reply, status: int, *, legacy: bool) -> None:
    assert reply.status == status, reply.body
    told = reply.json
    assert set(PROBLEM) <= set(told)
    assert told["status"] == status
    assert told["type"].startswith("urn:gmn:problem:")
    assert ("ok" in told) is legacy
    kind = "application/json" if legacy else "application/problem+json"
    assert reply.headers["Content-Type"] == kind
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


# Health and errors -------------------------------------------------------------------------------


def test_it_is_alive_and_ready(server: Server) -> None:
    assert server.get("/healthz").json == {"ok": True}
    ready = server.get("/readyz").json
    assert ready["snapshot"] == server.snapshot


@pytest.mark.parametrize("path", ["//", "/nothing", "/gmn_rest_api/nothing", "/docs/../../etc",
                                  "/%2e%2e/%2e%2e/etc/passwd", "/gmn_rest_api/"])  # fmt: skip
def test_where_nothing_is_that_is_said(server: Server, path: str) -> None:
    assert_is_problem(server.get(path), 404, legacy=is_legacy(path))


_OF_READINGS = frozenset(one.name for one in READINGS_RELATIONS)
READ_ONLY = {
    f"{route.name}-{method}": (route.path, method)
    for route in ROUTES
    for method in ("POST", "PUT", "DELETE", "PATCH")
    if method not in route.methods
    and "GET" in route.methods  # jobs are made and removed
    and not is_below(route.path, OBJECTS_PREFIX)  # test_objects_rights.py has these
    and not is_below(route.path.removesuffix(".json"), DASHBOARDS_PREFIX)  # test_dashboards.py
}


@pytest.mark.parametrize(("path", "method"), READ_ONLY.values(), ids=READ_ONLY)
def test_addresses_are_read_only(server: Server, path: str, method: str) -> None:
    reply = server.get(path, method=method)
    if path.startswith("/tap"):
        assert reply.status == 405
        assert b'name="QUERY_STATUS" value="ERROR"' in reply.body
    else:
        assert_is_problem(reply, 405, legacy=is_legacy(path))
    assert "GET" in reply.headers["Allow"]


def test_a_parameter_that_there_is_not_is_an_error_where_the_old_platform_had_no_say(
    server: Server,
) -> None:
    assert_is_problem(server.get("/healthz", {"verbose": 1}), 400, legacy=False)
    assert server.get(SUMMARY, {"_": 1}).status == 200
    twice = server.get(f"{SUMMARY}?page=1&page=2")
    assert_is_problem(twice, 400, legacy=True)


def test_huge_parameters_are_refused_and_the_server_goes_on(server: Server) -> None:
    assert_is_problem(server.get(SUMMARY, {"where": "x" * 30_000}), 400, legacy=True)
    assert_is_problem(server.get("/nothing", {"a": "x" * 70_000}), 414, legacy=False)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(b"GET /healthz?a=")
        try:
            for _ in range(100):
                raw.sendall(b"x" * 10_000)
        except OSError:
            pass  # it has had enough
        else:
            assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert server.get("/healthz").status == 200


def test_no_header_can_be_put_in_by_a_parameter(server: Server) -> None:
    reply = server.get(SUMMARY, {"where": "vgeo_km_s > 0 /*\r\nX-Bad: 1\r\n\r\n<script>*/"})
    assert reply.status == 200
    assert "X-Bad" not in reply.headers
    assert re.fullmatch(r"<[!-~]+>; rel=\"next\"", reply.headers["Link"])
    assert "<script>" not in reply.headers["Link"]


def test_anybody_may_read_from_anywhere(server: Server) -> None:
    reply = server.get(SUMMARY, method="OPTIONS", headers={"Origin": "https://example.org"})
    assert reply.status == 204
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "GMN-Snapshot" in server.get(SUMMARY).headers["Access-Control-Expose-Headers"]


# Conditional requests ----------------------------------------------------------------------------


def test_who_has_an_answer_already_is_told_so(server: Server) -> None:
    first = server.get(SUMMARY)
    tag = first.headers["ETag"]
    known = server.get(SUMMARY, headers={"If-None-Match": f'"other", {tag}'})
    assert (known.status, known.body) == (304, b"")
    for name in ("ETag", "GMN-Snapshot", "Last-Modified", "Cache-Control"):
        assert known.headers[name] == first.headers[name], name
    assert server.get(SUMMARY, {"page": 2}, headers={"If-None-Match": tag}).status == 200
    since = first.headers["Last-Modified"]
    assert server.get(SUMMARY, headers={"If-Modified-Since": since}).status == 304
    assert server.get(SUMMARY, headers={"If-Modified-Since": "0"}).status == 200


def test_an_address_that_names_its_state_may_be_kept(server: Server) -> None:
    pinned = server.get(SUMMARY, {"snapshot": server.snapshot})
    assert "max-age" in pinned.headers["Cache-Control"]
    assert "no-cache" in server.get(SUMMARY).headers["Cache-Control"]
    assert server.get("/readyz").headers["Cache-Control"] == "no-store"
    assert parsedate_to_datetime(pinned.headers["Date"])


def test_a_state_that_never_was_is_gone(server: Server) -> None:
    assert_is_problem(server.get(SUMMARY, {"snapshot": 10**9}), 410, legacy=True)
    assert_is_problem(server.sql("SELECT 1", snapshot=10**9), 410, legacy=True)


def test_a_state_in_which_the_lake_was_still_being_made_is_gone_and_nothing_else_is(
    server: Server,
) -> None:
    for number in range(3):
        assert server.get("/gmn/trajectories.json", {"_as_of": number}).status == 410, number
        assert server.get(SUMMARY, {"snapshot": number}).status == 410
        assert server.get("/gmn/changes.ndjson", {"since": number or "00"}).status == 410
    made = server.get("/gmn/trajectories.json", {"_as_of": 3})
    assert (made.status, made.json["rows"]) == (200, [])
    assert server.get("/readyz").status == 200


# Compression -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "coding"),
    [("gzip, deflate", "gzip"), ("gzip, zstd", "zstd"), ("zstd;q=0.1, gzip;q=0.5", "gzip"),
     ("*", "zstd"), ("identity", None), ("", None), ("gzip;q=0", None), ("gzip;q=x", None),
     ("*, zstd;q=0", "gzip")],
)  # fmt: skip
def test_the_client_chooses_the_coding(header: str, coding: str | None) -> None:
    assert accepted(header) == coding


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_answers_are_compressed_and_the_same(server: Server, coding: str) -> None:
    plain = server.get(SUMMARY)
    packed = server.get(SUMMARY, headers={"Accept-Encoding": coding})
    assert packed.headers["Content-Encoding"] == coding
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.body == plain.body
    assert "Content-Length" not in packed.headers or (
        int(packed.headers["Content-Length"]) < len(plain.body) / 2
    )
    assert (
        "Content-Encoding"
        not in server.get("/healthz", headers={"Accept-Encoding": coding}).headers
    )


# Limits ------------------------------------------------------------------------------------------


def test_addresses_of_one_customer_are_counted_together() -> None:
    assert customer("192.0.2.1") == "192.0.2.1"
    assert customer("2001:db8::1") == customer("2001:db8::ffff") != customer("2001:db8:1::1")
    assert customer("unix") == "unix"


@pytest.mark.anyio
async def test_an_address_may_ask_so_often_a_minute() -> None:
    asked: list[str] = []
    statuses: list[int] = []

    async def app(scope: object, receive: object, send: object) -> None:
        asked.append("x")

    async def send(message: dict[str, object]) -> None:
        if "status" in message:
            statuses.append(int(str(message["status"])))

    now = 30.0
    limited = RequestsPerMinute(app, limit=2, clock=lambda: now)
    scope = {"type": "http", "path": "/", "client": ("192.0.2.1", 1)}
    for _ in range(3):
        await limited(scope, None, send)  # type: ignore[arg-type]
    assert (len(asked), statuses) == (2, [429])
    await limited({**scope, "client": ("192.0.2.2", 1)}, None, send)  # type: ignore[arg-type]
    now = 61.0
    await limited(scope, None, send)  # type: ignore[arg-type]
    assert (len(asked), statuses) == (4, [429])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# Nothing is written ------------------------------------------------------------------------------

WRITES = (
    "DELETE FROM trajectories",
    "INSERT INTO stations VALUES (1)",
    "CREATE TABLE t AS SELECT 1",
    "COPY (SELECT 1) TO '/tmp/gmn-http-test.csv'",
    "ATTACH '/tmp/gmn-http-test.duckdb' AS x; SELECT 1",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT getenv('PATH')",
    "SET memory_limit = '100GB'",
    "PRAGMA enable_profiling",
    "CALL ducklake_expire_snapshots('warehouse')",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM dead_letters",
    "SELECT * FROM warehouse.main.stream_offsets",
    "INSTALL httpfs",
    "WITH x AS (DELETE FROM trajectories RETURNING *) SELECT * FROM x",
)


def test_a_query_cannot_write_or_look_elsewhere(server: Server, lake: Settings) -> None:
    before = fingerprints(lake)
    for sql in WRITES:
        reply = server.sql(sql)
        assert_is_problem(reply, 400, legacy=True)
        assert str(lake.data_dir) not in reply.body.decode(), sql
    assert fingerprints(lake) == before


# The documents -----------------------------------------------------------------------------------


def test_every_address_and_parameter_is_documented(server: Server, lake: Settings) -> None:
    document = server.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    addresses = {
        route.path.replace(":path}", "}")  # type: ignore[attr-defined]
        for route in build_app(lake).routes
    }
    assert set(document["paths"]) == addresses
    page = server.get("/docs").body.decode()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            for name in documented(operation):
                assert f"<code>{name}</code>" in page
    for route in ROUTES:
        for method in route.methods:
            names = documented(document["paths"][route.address][method.lower()])
            assert names == {parameter.name for parameter in route.parameters}


def documented(operation: dict[str, Any]) -> set[str]:
    """The parameters of an operation, in the address and in the form."""
    bodies = operation.get("requestBody", {}).get("content", {})
    form = bodies.get("application/x-www-form-urlencoded", {"schema": {}})
    in_form = set(form["schema"].get("properties", {}))
    return in_form | {p["name"] for p in operation["parameters"]}


def test_the_page_takes_nothing_from_outside(server: Server) -> None:
    page = server.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    for address in re.findall(r"(?:href|src)='([^']+)'", page.body.decode()):
        assert address.startswith("/")
        # Of this lake no copy has been published.
        # Nobody signs in here, and this machine's people are operators.
        is_of_settings = "/downloads/" in address or address.startswith("/account/")
        expected = (404, 410, 204) if is_of_settings else (200,)
        if address.endswith("/access.json"):
            expected = (409,)  # the example comes along, and belongs to nobody
        answer = server.get(address.replace("&amp;", "&"))
        is_of_objects = b"Nothing was read out of objects here yet." in answer.body
        assert answer.status in expected or is_of_objects, address
    assert "<script" not in page.body.decode()
    assert server.get("/docs.css").headers["Content-Type"].startswith("text/css")


def test_the_lines_of_the_page_for_clients_work(server: Server) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    page = page.replace("http://127.0.0.1:8001", server.url)
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert client_says(server, f"{python}\nprint(json.dumps(len(frame)))") > 0
    shell = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    lines = shell.replace("\\\n", " ").strip().split("\n")
    assert len(lines) >= 8
    begins = (b'{"ok": true', b"unique_trajectory_identifier,", b'{"database": "gmn"',
              b"trajectory_identifier,", b'{"trajectory_identifier":', b"# Summary",
              b'{"queries":', b'{"views":', b"solar_longitude", b"<?xml", b"retry: ",
              b'{"change":"inserted"')  # fmt: skip
    for line in lines:
        done = subprocess.run([*shlex.split(line), "--silent", "--fail-with-body"],
                              capture_output=True, timeout=60)  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert done.stdout.lstrip().startswith(begins), line


@schemathesis.serializer("application/offset+octet-stream", "application/zip")
def _as_it_is(context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.filterwarnings("ignore")
def test_requests_made_up_from_the_document_are_answered_as_it_says(server: Server) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    checks = [not_a_server_error, status_code_conformance, content_type_conformance,
              response_schema_conformance]  # fmt: skip
    for found in schema.get_all_operations():
        operation = found.ok()
        examples = 8 if operation.path.startswith("/gmn_rest_api") else 3
        if any(f"/{name}" in operation.path for name in _OF_READINGS):
            examples = 1  # what answers there is what answers beside the other tables
        if is_below(operation.path, OBJECTS_PREFIX) or DASHBOARDS_PREFIX in operation.path:
            examples = 1  # nothing is there but what these requests put

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def asked(case: schemathesis.Case) -> None:
            if case.path.endswith("/events"):
                case.query["_seconds"] = "0"  # else it would go on
            case.call_and_validate(checks=checks)

        asked()
