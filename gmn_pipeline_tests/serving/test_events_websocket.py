"""Live events over WebSocket: the same as server-sent ones, and its own ways to end."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline_tests.support.listeners import Event, all_until_now
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving

OF_ADDRESS = 10


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("websocket"), run_retries=0)
    load(bench, 30, "2022-03-20 00:00:00")
    return bench


@pytest.fixture(scope="module")
def server(bench: Bench) -> Iterator[Server]:
    with serving(
        bench.settings, serve_event_changes=50, serve_listeners_per_address=OF_ADDRESS,
    ) as running:  # fmt: skip
        yield running


def load(bench: Bench, rows: int, generated: str, **fields: str) -> None:
    bench.put(DAILY, sample().first(rows).with_fields(3, **fields).stamped(generated))
    load_days([DAY], bench.settings)


def listening(
    server: Server, query: str = "", *, path: str = "/gmn/events", **headers: str
) -> ClientConnection:
    address = f"{server.url.replace('http', 'ws')}{path}{query}"
    return connect(address, additional_headers=headers, compression=None, proxy=None)


def told(connection: ClientConnection) -> list[Event]:
    """All messages until it ends."""
    return [event for message in connection for event in read(message) if event.name != "position"]


def read(message: str | bytes) -> list[Event]:
    some: list[dict[str, Any]] = json.loads(message)
    assert all(set(one) == {"id", "event", "data"} for one in some)
    return [Event(one["id"], one["event"], one["data"]) for one in some]


def as_sent(events: list[Event]) -> list[Event]:
    """Server-sent events as they are over WebSocket."""
    return [Event(one.id, one.name or "change", one.data) for one in events]


def test_it_tells_the_same_as_server_sent_events(bench: Bench, server: Server) -> None:
    before = server.snapshot
    with listening(server) as live, listening(server, "?vgeo_km_s__gt=30") as filtered:
        load(bench, 40, "2022-03-21 00:00:00", vgeo_km_s="   38.00000")
        server.wait_for(lambda: server.snapshot > before)
        ours = as_sent(all_until_now(server, last=str(before)))
        assert {event.data["change"] for event in ours} == {"inserted", "revised"}
        assert take(live, len(ours)) == ours
        some = as_sent(all_until_now(server, last=str(before), vgeo_km_s__gt=30))
        assert 0 < len(some) < len(ours)
        assert take(filtered, len(some)) == some
    with listening(server, f"?_since={before}&_seconds=0", path="/gmn_data_store/events") as late:
        assert told(late) == ours
    with listening(server, "?_seconds=0", **{"Last-Event-ID": ours[4].id}) as late:
        assert told(late) == ours[5:]
    assert late.close_code == 1000


def take(connection: ClientConnection, count: int) -> list[Event]:
    found: list[Event] = []
    while len(found) < count:
        events = read(connection.recv(timeout=20))
        found += [event for event in events if event.name != "position"]
    assert len(found) == count
    return found


def test_positions_are_told_where_nothing_is_new(server: Server) -> None:
    with listening(server) as live:
        (first,) = read(live.recv(timeout=20))
    assert (first.id, first.name, first.data) == (str(server.snapshot), "position", None)


def test_more_than_is_told_one_by_one(bench: Bench, server: Server) -> None:
    before = server.snapshot
    with listening(server) as live:
        load(bench, 100, "2022-03-22 00:00:00")
        (bulk,) = take(live, 1)
    assert (bulk.name, bulk.data["from"]) == ("bulk", before)
    assert bulk.id == str(bulk.data["to"])


@pytest.mark.parametrize(
    ("query", "status"),
    [("?_since=1", 410), ("?_since=999999", 410), ("?_since=x", 400), ("?speed=1", 400),
     ("?vgeo_km_s=fast", 400)],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused_before_it_begins(
    server: Server, query: str, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        listening(server, query)
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.body)["status"] == status


def test_other_addresses_and_stores_are_refused(server: Server) -> None:
    for path, status in (("/gmn/nothing", 403), ("/other/events", 404), ("/readyz", 403)):
        with pytest.raises(InvalidStatus) as refused:
            listening(server, path=path)
        assert refused.value.response.status_code == status, path


def test_so_many_may_listen_in_either_way(server: Server) -> None:
    with ExitStack() as opened:
        for _ in range(OF_ADDRESS):
            opened.enter_context(listening(server))
        with pytest.raises(InvalidStatus) as refused:
            listening(server)
        assert refused.value.response.status_code == 429
        assert server.get("/gmn/events", {"_seconds": 0}).status == 429
    server.wait_for(lambda: server.get("/gmn/events", {"_seconds": 0}).status == 200)


def test_what_a_client_says_is_not_read_and_too_much_ends_it(server: Server) -> None:
    with listening(server) as live:
        live.recv(timeout=20)
        for _ in range(20):
            live.send("x" * 100)
        assert live.ping().wait(timeout=20)
        live.send("x" * 10_000)
        with pytest.raises(ConnectionClosed):
            live.recv(timeout=20)
    assert live.close_code == 1009
    assert server.get("/readyz").status == 200


def test_requests_a_minute_are_counted_here_too(bench: Bench) -> None:
    with serving(bench.settings, serve_requests_per_minute=20) as limited:
        statuses = []
        for _ in range(25):
            try:
                with listening(limited, "?_seconds=0"):
                    pass
            except InvalidStatus as refused:
                statuses.append(refused.response.status_code)
        assert set(statuses) == {429}


def test_the_end_of_the_server_is_told(bench: Bench) -> None:
    with ExitStack() as opened:
        with serving(bench.settings) as other:
            some = [opened.enter_context(listening(other)) for _ in range(5)]
            for one in some:
                one.recv(timeout=20)
        for one in some:
            with pytest.raises(ConnectionClosed):
                one.recv(timeout=20)
            assert one.close_code == 1012
