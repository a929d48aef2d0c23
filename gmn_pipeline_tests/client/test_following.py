"""Who follows has each change once, and each event; also who is stopped in between."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from gmn_client import (
    AsyncClient,
    Changes,
    Client,
    Event,
    Patience,
    SnapshotGone,
    UnexpectedAnswer,
    c,
    flows,
    spooled,
)
from gmn_client.event_stream import EventDecoder
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.client.test_transfers import STATE, STREAM, problem
from gmn_pipeline_tests.serving.test_mirrors import versions
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.script_server import Heard, Said, answering
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.warehouse import ask

Rows = dict[str, dict[str, Any]]
SOON = Patience(tries=5, seconds=5, first_wait_s=0.01)


def apply(mirror: Rows, changes: Changes) -> None:
    for change in changes:
        known = mirror.pop(change.trajectory_identifier, None)
        assert (known and known["revision"]) == change.former_revision
        if change.kind != "withdrawn":
            mirror[change.trajectory_identifier] = dict(change.row)


@pytest.mark.anyio
async def test_who_follows_has_our_rows(tmp_path: Path) -> None:
    """Given up and begun again at random, while loads go on."""
    bench, chance = Bench(tmp_path, run_retries=0), random.Random(3)
    bench.put(DAILY, sample().first(30))
    load_days([DAY], bench.settings)
    mirror: Rows = {}
    state = 0
    kinds: set[str] = set()
    with serving(bench.settings) as server, Client(server.url) as gmn:
        follower = gmn.follow(0, poll_s=0.05)
        for version in versions():
            for changes in follower:
                assert changes.since == state
                apply(mirror, changes)
                kinds |= {change.kind for change in changes}
                state = changes.snapshot
                assert len(changes) == changes.table.num_rows
                if state == gmn.state().snapshot:
                    break
            ours = {row["trajectory_identifier"]: row for b in gmn.trajectories() for row in
                    b.to_pylist()}  # fmt: skip
            assert mirror == ours
            if chance.random() < 0.5:
                follower.close()  # type: ignore[attr-defined]
                follower = gmn.follow(state, poll_s=0.05)
            before = server.snapshot
            bench.put(DAILY, version)
            load_days([DAY], bench.settings)
            server.wait_for(lambda seen=before: server.snapshot > seen)
        assert kinds == {"inserted", "revised", "withdrawn"}
        async with AsyncClient(server.url) as other:
            async for changes in other.follow(state, poll_s=0.05):
                apply(mirror, changes)
                break
        assert mirror.keys() == set(
            gmn.trajectories(columns=["trajectory_identifier"]).arrow()[0].to_pylist()
        )
        with pytest.raises(SnapshotGone, match="not kept"):
            next(gmn.follow(10**6))


def test_without_a_state_it_follows_from_now_on() -> None:
    seven, eight = (Said(200, {**STATE, "GMN-Snapshot": number}, [STREAM]) for number in "78")
    with (
        answering(seven, seven, eight, eight) as script,
        Client(script.url) as gmn,
        closing(gmn.follow(poll_s=0.01)) as follower,
    ):
        found = next(follower)
    assert (found.since, found.snapshot, len(found)) == (7, 8, 14)
    assert [(heard.method, heard.path) for heard in script.heard] == [
        ("HEAD", "/gmn/changes.arrow?since=0"), ("HEAD", "/gmn/changes.arrow?since=7"),
        ("HEAD", "/gmn/changes.arrow?since=7"), ("GET", "/gmn/changes.arrow?since=7"),
    ]  # fmt: skip


def test_more_than_memory_is_for_is_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = Said(200, {**STATE, "GMN-Snapshot": "7"}, [STREAM])
    with answering(reply, reply) as script, Client(script.url) as gmn:
        in_memory = gmn.changes(0)
        monkeypatch.setattr(spooled, "MOST_BYTES", 1)
        before = pa.total_allocated_bytes()
        mapped = gmn.changes(0)
        taken = pa.total_allocated_bytes() - before
    assert mapped.table.equals(in_memory.table)
    assert len(mapped) == 14
    assert taken < mapped.table.nbytes


@pytest.mark.anyio
async def test_files_are_written_beside_the_event_loop(tmp_path: Path) -> None:
    """Also where the disk fails: then nothing is left there."""
    loop = threading.get_ident()
    writers = set()

    def write(piece: bytes) -> int:
        writers.add(threading.get_ident())
        raise OSError(28, "no space")

    reply = Said(200, {**STATE, "GMN-Snapshot": "7"}, [STREAM])
    with answering(reply, reply) as script:
        async with AsyncClient(script.url) as gmn:
            path = await gmn.trajectories().save(tmp_path / "rows.arrow")
            assert path.read_bytes() == STREAM
            with (
                patch.object(flows, "write_piece", lambda file, piece: write(piece)),
                pytest.raises(OSError, match="no space"),
            ):
                await gmn.trajectories().save(tmp_path / "other.arrow")
    assert writers
    assert loop not in writers
    assert list(tmp_path.iterdir()) == [path]


# Events ------------------------------------------------------------------------------------------

EVENTS = (
    b"\xef\xbb\xbf: hello\n\nid: 1\ndata: {\"n\": 1}\n\n"
    b"event: withdrawn\r\nid: 2\r\ndata:first\r\ndata: second\r\n\r\n"
    b"retry: 20\rid: 3\rdata\rdata\r\rid\ndata: \xc3\xa4\n\nid: a\0b\nunknown: x\nid: 5\n\n"
    b"data: not whole"
)  # fmt: skip
DECODED = [
    Event("message", '{"n": 1}', "1"), Event("withdrawn", "first\nsecond", "2"),
    Event("message", "\n", "3"), Event("message", "ä", ""),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 50, len(EVENTS)])
def test_events_are_decoded_as_the_standard_says(size: int) -> None:
    decoder = EventDecoder()
    found = [e for at in range(0, len(EVENTS), size) for e in decoder.feed(EVENTS[at : at + size])]
    assert found == DECODED
    assert (decoder.last_event_id, decoder.retry_s) == ("5", 0.02)
    assert found[0].json() == {"n": 1}


def event(number: int) -> bytes:
    return b'id: %d\ndata: {"n": %d}\n\n' % (number, number)


SSE = {"Content-Type": "text/event-stream; charset=utf-8"}


def sent(heard: Heard) -> Said:
    """A server that breaks off after two events, in the middle of the next one."""
    last = int(heard.headers.get("last-event-id", "0"))
    pieces = [b"retry: 1\n", event(last + 1), event(last + 2), event(last + 3)[:-2]]
    return Said(200, SSE, pieces, breaks=last % 4 == 0)


def test_events_go_on_after_the_last_one() -> None:
    with answering(sent, problem(503, Retry_After="0"), sent) as script:
        with Client(script.url, patience=SOON) as gmn:
            events = gmn.events(where=[c.iau_shower_code == "PER"], since=12)
            assert [next(events).json()["n"] for _ in range(7)] == [1, 2, 3, 4, 5, 6, 7]
            assert next(gmn.events(last_event_id="40")).id == "41"
        assert script.heard[0].path == "/gmn/events?iau_shower_code__exact=PER&_since=12"
        assert script.heard[0].headers["accept"] == "text/event-stream"
    assert [heard.headers.get("last-event-id") for heard in script.heard] == [
        None, "2", "2", "4", "6", "40",
    ]  # fmt: skip


@pytest.mark.anyio
async def test_the_awaited_client_has_them_too() -> None:
    with answering(sent) as script:
        async with AsyncClient(script.url, patience=SOON) as gmn:
            found = []
            async for one in gmn.events(since=0):
                found.append(json.loads(one.data)["n"])
                if len(found) == 5:
                    break
    assert found == [1, 2, 3, 4, 5]


def test_events_end_where_the_server_wants_no_one() -> None:
    with answering(sent, Said(204)) as script, Client(script.url, patience=SOON) as gmn:
        assert len(list(gmn.events(since=0))) == 2
    with (
        answering(Said(200, {"Content-Type": "text/html"})) as script,
        Client(script.url) as gmn,
        pytest.raises(UnexpectedAnswer, match="text/html"),
    ):
        next(gmn.events(since=0))


def test_now_is_the_state_that_there_was_at_first() -> None:
    silent = Said(200, SSE, [b": still here\nid: 9\n\n"])
    with (
        answering(
            Said(200, {"GMN-Snapshot": "7"}), Said(200, SSE, [b"retry: 1\n\n"]), silent, sent
        ) as script,
        Client(script.url, patience=SOON) as gmn,
        closing(gmn.events()) as events,
    ):
        assert next(events).id == "10"
    assert [(heard.method, heard.headers.get("last-event-id")) for heard in script.heard] == [
        ("HEAD", None), ("GET", None), ("GET", None), ("GET", "9"),
    ]  # fmt: skip
    assert script.heard[1].path == script.heard[2].path == "/gmn/events?_since=7"


def test_a_connection_that_is_quiet_is_given_up() -> None:
    released = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"retry: 1\n" + event(1)
        released.wait(20)

    with (
        answering(Said(200, SSE, pieces()), sent) as script,
        Client(script.url, patience=SOON) as gmn,
        closing(gmn.events(since=0, quiet_s=0.1)) as events,
    ):
        assert [next(events).id for _ in range(2)] == ["1", "2"]
        released.set()


def test_a_position_that_is_too_old_is_an_error() -> None:
    gone = b'event: gone\ndata: {"type": "urn:gmn:problem:snapshot-gone", "detail": "Anew."}\n\n'
    with (
        answering(Said(200, SSE, [gone])) as script,
        Client(script.url) as gmn,
        pytest.raises(SnapshotGone, match=r"Anew\."),
    ):
        next(gmn.events(since=3))


def test_the_events_of_the_server(lake: Settings, server: Server) -> None:
    """What is told of a change is what /gmn/changes has."""
    if "/{store}/events" not in server.get("/openapi.json").json["paths"]:
        pytest.skip("this server has no events yet")
    with Client(server.url) as gmn:
        first = gmn.state().snapshot
        loaded = ask(lake, "SELECT max(loaded_at_utc) FROM source_files")[0][0]
        (change,) = gmn.changes(loaded)
        with closing(gmn.events(since=loaded)) as events:
            told = next(events)
        assert told.json()["trajectory_identifier"] == change.trajectory_identifier
        assert told.json()["change"] == change.kind == "revised"
        assert gmn.changes(loaded, as_of=first).table.num_rows == 1
