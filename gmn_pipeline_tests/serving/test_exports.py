"""Exports over HTTP: real readers read the query's rows, and nothing broken looks whole."""

import io
import json
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse as parse_votable
from astropy.table import Table as AstropyTable

from gmn_pipeline.errors import DataDamaged
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.serving.compression import Compression
from gmn_pipeline.serving.streaming import Pieces, Streamed
from gmn_pipeline.serving.tables.exports import suffixes_of
from gmn_pipeline.serving.tables.relations import RELATIONS
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.server import Reply, Server
from gmn_pipeline_tests.support.warehouse import ask, frame

ID, SPEED = "trajectory_identifier", "vgeo_km_s"
FILTER = f"{SPEED}__gt=30&_sort={SPEED}"
OURS = f"SELECT * FROM trajectories WHERE {SPEED} > 30 ORDER BY {SPEED}, {ID}"


def export(server: Server, suffix: str, query: str = FILTER, table: str = "trajectories") -> Reply:
    reply = server.get(f"/gmn/{table}.{suffix}?{query}")
    assert reply.status == 200, reply.body
    return reply


def identifiers(lake: Settings) -> list[str]:
    return [str(row[0]) for row in ask(lake, OURS)]


def _of_votable(data: bytes) -> list[Any]:
    return list(parse_votable(io.BytesIO(data)).get_first_table().array[ID])


READERS = {
    "parquet": lambda data: pq.read_table(io.BytesIO(data))[ID].to_pylist(),
    "arrow": lambda data: pa.ipc.open_stream(data).read_all()[ID].to_pylist(),
    "csv": lambda data: pl.read_csv(data)[ID].to_list(),
    "ndjson": lambda data: pl.read_ndjson(data)[ID].to_list(),
    "geojson": lambda data: [f["properties"][ID] for f in json.loads(data)["features"]],
    "vot": _of_votable,
    "ecsv": lambda data: list(AstropyTable.read(data.decode(), format="ascii.ecsv")[ID]),
    "summary.txt": lambda data: [
        line.split(b";")[0].strip().decode()
        for line in data.splitlines()
        if line[:2] == b"20" and b";" in line
    ],
}
"""Formats that name a row by its identifier."""


@pytest.mark.parametrize("suffix", READERS)
def test_a_format_has_the_rows_of_the_query_in_its_order(
    server: Server, lake: Settings, suffix: str
) -> None:
    assert [str(one) for one in READERS[suffix](export(server, suffix).body)] == identifiers(lake)


def test_arrow_and_parquet_have_the_values_and_say_which_state(
    server: Server, lake: Settings
) -> None:
    ours = frame(lake, OURS)
    arrow = pa.ipc.open_stream(export(server, "arrow").body).read_all()
    assert pl.DataFrame(pl.from_arrow(arrow)).equals(ours)
    parquet = pq.read_table(io.BytesIO(export(server, "parquet").body))
    assert pl.DataFrame(pl.from_arrow(parquet)).equals(ours)
    assert arrow.schema.metadata[b"warehouse_snapshot_id"] == str(server.snapshot).encode()
    assert arrow.schema.field(SPEED).metadata[b"unit"] == b"km/s"
    address = arrow.schema.metadata[b"address"].decode()
    assert server.get(address).status == 200


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_each_table_can_be_had_in_each_of_its_formats(
    server: Server, lake: Settings, relation: Any
) -> None:
    ((rows,),) = ask(lake, f"SELECT count(*) FROM {relation.name}")
    # All formats of some; the others differ from them in nothing but their columns.
    all_of_them = relation.name in ("trajectories", "meteor_summary", "iau_shower_solutions")
    for suffix in suffixes_of(relation) if all_of_them else ("ndjson", "parquet"):
        reply = export(server, suffix, "", relation.name)
        if suffix == "ndjson":
            assert len(reply.body.splitlines()) == rows
        if suffix == "parquet":
            assert pq.read_metadata(io.BytesIO(reply.body)).num_rows == rows
        if suffix.endswith(".csv"):
            assert len(reply.body.splitlines()) == rows + 1


def test_formats_are_offered_where_their_columns_are(server: Server) -> None:
    offered = {relation.name: set(suffixes_of(relation)) for relation in RELATIONS}
    assert {"kml", "ufo.csv", "summary.txt"} <= offered["trajectories"]
    assert {"kml", "ukmon.csv"} <= offered["meteor_summary"]
    assert "summary.txt" not in offered["meteor_summary"]
    assert "kml" not in offered["stations"]
    assert server.get(f"/gmn/trajectories.kml?_col={SPEED}").status == 400
    assert server.get(f"/gmn/trajectories.summary.txt?_nocol={SPEED}").status == 400
    assert server.get("/gmn/trajectories.csv?_size=3").status == 400


def test_an_export_stands_on_the_state_that_is_asked_for(server: Server, lake: Settings) -> None:
    loads = ask(lake, "SELECT loaded_at_utc FROM source_files ORDER BY 1")
    between = loads[-1][0].isoformat()
    former = export(server, "ndjson", f"_as_of={between}&_col=revision")
    assert {json.loads(line)["revision"] for line in former.body.splitlines()} == {1}
    assert int(former.headers["GMN-Snapshot"]) < server.snapshot
    assert server.get("/gmn/trajectories.csv?_as_of=2001-01-01").status == 410


def test_what_is_compressed_already_is_not_compressed_again(server: Server) -> None:
    asked = {"Accept-Encoding": "gzip, zstd"}
    text = server.get("/gmn/trajectories.csv", headers=asked)
    assert text.headers["Content-Encoding"] == "zstd"
    assert text.body == server.get("/gmn/trajectories.csv").body
    assert "Content-Encoding" not in server.get("/gmn/trajectories.parquet", headers=asked).headers
    head = server.get("/gmn/trajectories.csv", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    again = server.get("/gmn/trajectories.csv", headers={"If-None-Match": head.headers["ETag"]})
    assert again.status == 304


def test_a_part_of_an_export_is_not_offered(server: Server) -> None:
    """What comes the second time need not be the same bytes."""
    whole = server.get("/gmn/stations.csv")
    assert "Accept-Ranges" not in whole.headers
    part = server.get("/gmn/stations.csv", headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (200, whole.body)


def test_a_formula_in_a_cell_does_not_run(server: Server) -> None:
    text = export(server, "csv", "", "macro_definitions").body.decode()
    assert not any(line.startswith(("=", "+", "-", "@")) for line in text.splitlines())


# An end that is none ------------------------------------------------------------------------------


def batches(fails: bool) -> Iterator[pa.RecordBatch]:
    for number in range(3):
        yield pa.record_batch({"a": [number] * 1_000})
    if fails:
        raise DataDamaged("A file is missing.")


async def _sent(
    coding: str, *, fails: bool, leaves: bool = False, takes_until_piece: int = 99
) -> tuple[list[Any], list[str]]:
    """What is sent of an answer, and in which order things were given back."""
    ended: list[str] = []
    cancellation = Cancellation()
    cancellation.ends_with(lambda: ended.append("cancelled"))
    answer = Answer(
        pa.schema({"a": pa.int64()}), batches(fails), truncated=lambda: False,
        close=lambda: ended.append("closed"),
    )  # fmt: skip
    pieces = Pieces(answer, lambda rows: (b"%d\n" % b.num_rows * 400 for b in rows), cancellation)
    streamed = Streamed(pieces, _held(ended), anyio.CapacityLimiter(1))
    sent: list[Any] = []
    gone = anyio.Event()

    async def receive() -> Any:
        if not leaves:
            await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if len(sent) >= takes_until_piece:
            await anyio.sleep_forever()
        sent.append(message)
        await anyio.sleep(0)

    says = streamed.says({}, "text/csv")
    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", coding.encode())]}
    await Compression(says)(scope, receive, send)
    return sent, ended


def _held(ended: list[str]) -> Any:
    held = AsyncExitStack()
    held.callback(lambda: ended.append("turn given back"))
    return held


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
async def test_a_failure_in_the_middle_sends_no_end(coding: str) -> None:
    sent, ended = await _sent(coding, fails=False)
    assert [m.get("more_body") for m in sent][-1] is False
    sent, ended = await _sent(coding, fails=True)
    assert sent[0]["status"] == 200
    assert all(message["more_body"] for message in sent[1:])
    assert ended[-1] == "turn given back"
    assert "closed" in ended


@pytest.mark.anyio
async def test_a_client_that_goes_away_ends_its_query() -> None:
    _, ended = await _sent("identity", fails=False, leaves=True)
    assert "cancelled" in ended
    assert ended[-1] == "turn given back"


@pytest.mark.anyio
async def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmn_pipeline.serving.streaming._TAKEN_WITHIN_S", 0.05)
    sent, ended = await _sent("identity", fails=False, takes_until_piece=2)
    assert len(sent) == 2
    assert "closed" in ended
    assert ended[-1] == "turn given back"


def test_http_that_cannot_tell_a_broken_transfer_gets_none(server: Server) -> None:
    for path, status in (("csv", b"505"), ("json", b"200")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(b"GET /gmn/trajectories.%b HTTP/1.0\r\n\r\n" % path.encode())
            assert raw.recv(12).endswith(status)


def test_who_leaves_in_the_middle_or_reads_slowly_keeps_nobody(server: Server) -> None:
    """More leave than there may be exports at once."""
    raw = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(6)]
    for one in raw:
        one.sendall(b"GET /gmn/trajectories.ndjson HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw[0].recv(100).startswith(b"HTTP/1.1 200")
    assert server.get("/gmn/trajectories.json?_size=1").status == 200
    for one in raw:
        one.close()
    assert len(export(server, "ndjson", "").body.splitlines()) == 534
