"""A transfer that breaks is an error, a server that is busy is asked again, as it says."""

import gzip
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pyarrow as pa
import pytest

from gmn_client import (
    AsyncClient,
    BrokenTransfer,
    Client,
    Patience,
    Problem,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from gmn_client.arrow_stream import ArrowDecoder
from gmn_client.errors import retry_after_s
from gmn_pipeline_tests.support.script_server import Heard, Said, answering

SOON = Patience(tries=4, seconds=5, first_wait_s=0.01)
STATE = {"GMN-Snapshot": "7", "Content-Type": "application/vnd.apache.arrow.stream"}


def stream_of(*tables: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table, max_chunksize=3)
    return sink.getvalue().to_pybytes()


def rows(count: int = 10) -> pa.Table:
    words = pa.array([f"w{n % 3}" for n in range(count)]).dictionary_encode()
    return pa.table({"n": range(count), "word": words, "nothing": pa.nulls(count)})


STREAM = stream_of(rows(), rows(4))


# Decoding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64, 1000, len(STREAM)])
def test_a_stream_is_decoded_whatever_its_pieces(size: int) -> None:
    decoder = ArrowDecoder()
    found = [b for at in range(0, len(STREAM), size) for b in decoder.feed(STREAM[at : at + size])]
    decoder.close()
    table = pa.Table.from_batches(found, decoder.schema)
    assert table.to_pydict() == pa.concat_tables([rows(), rows(4)]).to_pydict()
    assert decoder.bytes == len(STREAM)


def test_wherever_it_is_cut_it_is_broken() -> None:
    for end in range(0, len(STREAM), 5):
        decoder = ArrowDecoder()
        decoder.feed(STREAM[:end])
        with pytest.raises(BrokenTransfer):
            decoder.close()


def test_what_is_no_stream_says_so() -> None:
    with pytest.raises(UnexpectedAnswer):
        ArrowDecoder().feed(b"<!doctype html><title>Hello</title>")


# Transfers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [8, len(STREAM) // 2, len(STREAM) - 8, len(STREAM)])
def test_a_transfer_without_its_end_is_an_error(end: int, tmp_path: Path) -> None:
    said = Said(200, STATE, [STREAM[:end]], breaks=True)
    with answering(said) as script, Client(script.url, patience=SOON) as gmn:
        with pytest.raises(BrokenTransfer):
            gmn.trajectories().arrow()
        with pytest.raises(BrokenTransfer):
            list(gmn.trajectories())
        with pytest.raises(BrokenTransfer):
            gmn.trajectories().save(tmp_path / "all.arrow")
        assert list(tmp_path.iterdir()) == []


def test_a_proxy_that_ends_it_well_deceives_nobody() -> None:
    with (
        answering(Said(200, STATE, [STREAM[:200]])) as script,
        Client(script.url) as gmn,
        pytest.raises(BrokenTransfer, match="200 bytes"),
    ):
        gmn.trajectories().arrow()


def test_what_is_handed_out_only_when_whole_is_asked_again() -> None:
    body = b'{"queries": []}'
    broken = Said(200, {"Content-Type": "application/json"}, [body[:5]], breaks=True)
    with (
        answering(broken, Said(200, {}, [body])) as script,
        Client(script.url, patience=SOON) as gmn,
    ):
        assert gmn.queries() == []
    state, half = Said(200, STATE), Said(200, STATE, [STREAM[:-8]], breaks=True)
    with (
        answering(state, half, Said(200, STATE, [STREAM])) as script,
        Client(script.url, patience=SOON) as gmn,
        closing(gmn.follow(3)) as changes,
    ):
        assert (len(next(changes)), len(script.heard)) == (14, 3)
    with answering(broken) as script, Client(script.url, patience=SOON) as gmn:
        with pytest.raises(BrokenTransfer):
            gmn.queries()
        assert len(script.heard) == SOON.tries


def test_the_first_answer_decides_the_state() -> None:
    with answering(Said(200, STATE, [STREAM])) as script, Client(script.url) as gmn:
        answer = gmn.trajectories()
        assert answer.arrow().num_rows == 14
        assert sum(batch.num_rows for batch in answer) == 14
    assert [heard.path for heard in script.heard] == [
        "/gmn/trajectories.arrow", "/gmn/trajectories.arrow?_as_of=7",
    ]  # fmt: skip


# Patience ----------------------------------------------------------------------------------------


def problem(status: int, **headers: str) -> Said:
    body = json.dumps({"type": "urn:gmn:problem:busy", "title": "x", "detail": "Later."}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, {"Content-Type": "application/problem+json", **named}, [body])


def test_it_waits_as_long_as_it_is_told() -> None:
    answers = (
        problem(503, Retry_After="0"),
        problem(429, Retry_After="1"),
        Said(200, STATE, [STREAM]),
    )
    with answering(*answers) as script, Client(script.url, patience=SOON) as gmn:
        began = time.monotonic()
        assert gmn.trajectories().arrow().num_rows == 14
        assert time.monotonic() - began >= 1
    assert len(script.heard) == 3


@pytest.mark.anyio
async def test_so_does_the_awaited_one() -> None:
    answers = (problem(503, Retry_After="0"), problem(503), Said(200, STATE, [STREAM]))
    with answering(*answers) as script:
        async with AsyncClient(script.url, patience=SOON) as gmn:
            assert (await gmn.trajectories().arrow()).num_rows == 14
            assert [b.num_rows async for b in gmn.trajectories()] == [3, 3, 3, 1, 3, 1]
        with pytest.raises(Unreachable):
            async with AsyncClient("http://127.0.0.1:9", patience=Patience(tries=1)) as gmn:
                await gmn.state()
    broken = Said(200, STATE, [STREAM[:-8]], breaks=True)
    with answering(broken) as script:
        async with AsyncClient(script.url, patience=SOON) as gmn:
            with pytest.raises(BrokenTransfer):
                await gmn.trajectories().arrow()


def test_patience_has_an_end() -> None:
    with answering(problem(503)) as script, Client(script.url, patience=SOON) as gmn:
        with pytest.raises(Unavailable, match=r"Later\."):
            gmn.trajectories().arrow()
        assert len(script.heard) == SOON.tries
    long = problem(429, Retry_After="60")
    with answering(long) as script, Client(script.url, patience=SOON) as gmn:
        with pytest.raises(TooManyRequests) as caught:
            gmn.trajectories().arrow()
        assert caught.value.retry_after_s == 60
        assert len(script.heard) == 1


def test_other_refusals_are_not_repeated() -> None:
    with answering(Said(500, {}, [b"Oops"])) as script, Client(script.url, patience=SOON) as gmn:
        with pytest.raises(Problem, match=r"Oops \(500"):
            gmn.trajectories().arrow()
        assert len(script.heard) == 1
    zipped = Said(403, {"Content-Encoding": "gzip"}, [gzip.compress(b"Not for you")])
    with (
        answering(zipped) as script,
        Client(script.url) as gmn,
        pytest.raises(Problem, match="Not for you"),
    ):
        gmn.trajectories().arrow()


def test_a_server_that_is_not_there() -> None:
    with (
        Client("http://127.0.0.1:9", patience=Patience(tries=2, first_wait_s=0)) as gmn,
        pytest.raises(Unreachable),
    ):
        gmn.state()


def test_a_server_that_is_another_one() -> None:
    with (
        answering(Said(200, {"Content-Type": "text/html"}, [b"<html>"])) as script,
        Client(script.url) as gmn,
    ):
        with pytest.raises(UnexpectedAnswer):
            gmn.trajectories().arrow()
        with pytest.raises(UnexpectedAnswer):
            gmn.queries()


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert retry_after_s("7", now) == 7
    assert retry_after_s(format_datetime(now + timedelta(seconds=9), usegmt=True), now) == 9
    assert retry_after_s(format_datetime(now - timedelta(days=1), usegmt=True), now) == 0
    assert retry_after_s("soon", now) is retry_after_s(None, now) is None


# Files -------------------------------------------------------------------------------------------


def test_a_file_that_breaks_off_is_gone_on_with(tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    about = {**STATE, "ETag": tag, "Content-Type": "application/octet-stream"}

    def rest(heard: Heard) -> Said:
        assert heard.headers["if-range"] == tag
        begin = int(heard.headers["range"].removeprefix("bytes=").removesuffix("-"))
        return Said(206, {**about, "Content-Length": str(len(content) - begin)}, [content[begin:]])

    sized = {**about, "Content-Length": str(len(content))}
    with (
        answering(Said(200, sized, [content[:5000]], breaks=True), rest) as script,
        Client(script.url, patience=SOON) as gmn,
    ):
        path = gmn.download("gmn.duckdb", tmp_path / "mine.duckdb")
    assert path.read_bytes() == content
    assert [heard.headers.get("range") for heard in script.heard] == [None, "bytes=5000-"]
    assert list(tmp_path.iterdir()) == [path]
    # Another one meanwhile: from the beginning. Not what its checksum says: an error.
    wrong = Said(200, sized, [content[::-1]])
    with (
        answering(Said(200, sized, [content[:9]], breaks=True), wrong) as script,
        Client(script.url, patience=SOON) as gmn,
        pytest.raises(BrokenTransfer, match="checksum"),
    ):
        gmn.download("gmn.duckdb", tmp_path / "mine.duckdb")
    assert path.read_bytes() == content


def test_a_process_that_is_killed_has_not_downloaded_in_vain(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    sized = {**STATE, "ETag": tag, "Content-Length": str(len(content))}
    target, part = tmp_path / "gmn.duckdb", tmp_path / ".gmn.duckdb.part"
    released = threading.Event()

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        released.wait(30)

    def rest(heard: Heard) -> Said:
        begin = int(heard.headers["range"].removeprefix("bytes=").removesuffix("-"))
        return Said(206, {**sized, "Content-Length": str(len(content) - begin)}, [content[begin:]])

    with answering(Said(200, sized, half()), rest) as script:
        program = f"from gmn_client import Client; Client({script.url!r}).download('gmn.duckdb')"
        process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
        deadline = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.wait()
        released.set()
        assert not target.exists()
        with Client(script.url, patience=SOON) as gmn:
            gmn.download("gmn.duckdb", target)
        assert int(script.heard[1].headers["range"][6:-1]) > 0
    assert target.read_bytes() == content
