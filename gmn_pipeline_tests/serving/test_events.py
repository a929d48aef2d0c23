"""Live events: nothing is missed and nothing comes twice, whoever is killed, slow or filtered."""

import itertools
import json
import random
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline_tests.support.listeners import Event, Listener, all_until_now
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, Summary, sample
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.warehouse import ask, maintain

ID = "trajectory_identifier"
MOST_CHANGES = 120
OF_ADDRESS = 40


class Loads:
    """The same file again and again, each time with other rows and values."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._numbers = itertools.count()

    def load(self, rows: int, *changed: int, moved: int | None = None) -> None:
        """So many rows; some of them solved anew, one of them into another shower."""
        number = next(self._numbers)
        some = sample().first(rows)
        for row in changed:
            some = some.with_fields(row, vgeo_km_s=f"{30 + number:9.5f}")
        if moved is not None:
            some = some.with_fields(moved, iau_shower_code="  PER", iau_shower_number="  7")
        day, minute = divmod(number, 60)
        self.put(some.stamped(f"2022-04-{day + 1:02d} 00:{minute:02d}:00"))

    def put(self, summary: Summary) -> None:
        self.bench.put(DAILY, summary)
        load_days([DAY], self.bench.settings)


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> Loads:
    loads = Loads(Bench(tmp_path_factory.mktemp("events"), run_retries=0))
    loads.load(30)
    return loads


@pytest.fixture(scope="module")
def server(loads: Loads) -> Iterator[Server]:
    with serving(
        loads.bench.settings, serve_event_changes=MOST_CHANGES, serve_events_mb=1,
        serve_listeners_per_address=OF_ADDRESS, serve_requests_per_minute=10**6,
    ) as running:  # fmt: skip
        yield running


def caught_up(server: Server, loads: Loads) -> int:
    """The newest state, served."""
    newest_sql = "SELECT max(snapshot_id) FROM ducklake_snapshots('warehouse')"
    ((newest,),) = ask(loads.bench.settings, newest_sql)
    server.wait_for(lambda: server.snapshot >= newest)
    return int(newest)


def changes(server: Server, since: int, until: int) -> list[dict[str, Any]]:
    reply = server.get("/gmn/changes.ndjson", {"since": since, "_as_of": until})
    assert reply.status == 200, reply.body
    return [json.loads(line) for line in reply.body.splitlines()]


# What is told -------------------------------------------------------------------------------------


def test_a_commit_is_told_as_changes_have_it(server: Server, loads: Loads) -> None:
    before = caught_up(server, loads)
    with Listener(server) as listener, Listener(server, last=str(before)) as other:
        assert listener.headers["content-type"] == "text/event-stream"
        assert listener.headers["cache-control"] == "no-store"
        assert listener.headers["access-control-allow-origin"] == "*"
        loads.load(25, 3, 4)
        ours = changes(server, before, caught_up(server, loads))
        assert {one["change"] for one in ours} >= {"revised", "withdrawn"}
        told = listener.until(len(ours))
        assert [event.data for event in told] == ours
        assert {event.name for event in told} == {""}
        assert other.until(len(ours)) == told
    assert told[-1].id == str(server.snapshot)
    assert all_until_now(server, last=str(before)) == told
    assert all_until_now(server, _since=before) == told
    assert all_until_now(server, _since=before, last=told[-1].id) == []  # the header goes before


def test_it_goes_on_in_the_middle_of_a_commit(server: Server, loads: Loads) -> None:
    before = caught_up(server, loads)
    loads.load(40, 5)
    caught_up(server, loads)
    whole = all_until_now(server, last=str(before))
    assert len(whole) > 10
    for number, event in enumerate(whole):
        assert all_until_now(server, last=event.id) == whole[number + 1 :]


def test_several_commits_that_were_missed_come_as_one(server: Server, loads: Loads) -> None:
    before = caught_up(server, loads)
    for rows, changed in ((41, 1), (42, 1), (30, 2)):
        loads.load(rows, changed)
    after = caught_up(server, loads)
    told = all_until_now(server, last=str(before))
    assert [event.data for event in told] == changes(server, before, after)
    assert len({event.data[ID] for event in told}) == len(told)


def test_more_than_is_told_one_by_one_is_told_where_to_fetch(server: Server, loads: Loads) -> None:
    before = caught_up(server, loads)
    with Listener(server) as listener, Listener(server, vgeo_km_s__gt=1000) as filtered:
        loads.load(31 + MOST_CHANGES)
        after = caught_up(server, loads)
        loads.load(31 + MOST_CHANGES, 7)
        bulk, change = listener.until(2)
        assert (bulk.name, bulk.id) == ("bulk", str(after))
        assert (bulk.data["from"], bulk.data["to"]) == (before, after)
        assert len(server.get(bulk.data["fetch"]).body.splitlines()) > MOST_CHANGES
        assert change.data["change"] == "revised"
        assert filtered.until(1)[0] == bulk


def test_position_moves_on_where_nothing_is_told(server: Server, loads: Loads) -> None:
    before = caught_up(server, loads)
    with Listener(server, vgeo_km_s__gt=1000, last=str(before), _seconds=1) as listener:
        loads.load(31 + MOST_CHANGES, 8)
        maintain(loads.bench.settings)  # commits that change no row
        after = caught_up(server, loads)
        assert list(listener.events()) == []
        assert listener.is_whole
    assert all_until_now(server, last=str(before), vgeo_km_s__gt=1000) == []
    with Listener(server, vgeo_km_s__gt=1000, last=str(before), _seconds=0) as listener:
        assert list(listener.events()) == []
        assert listener.last == str(after)


# Filters ------------------------------------------------------------------------------------------


def test_a_filter_lets_through_what_matched_before_or_matches_now(
    server: Server, loads: Loads
) -> None:
    loads.load(30)
    start = caught_up(server, loads)
    filters: dict[str, dict[str, object]] = {
        "shower": {"iau_shower_code": "PER"}, "speed": {"vgeo_km_s__gt": 30, "_since": start},
        "both": {"iau_shower_code": "PER", "vgeo_km_s__lt": 30}, "all": {},
        "missing": {"vgeo_km_s__isnull": ""},
    }  # fmt: skip
    loads.load(40, moved=12)
    came = caught_up(server, loads)
    loads.load(40, 12)
    loads.load(10)
    for filters_of in filters.values():
        filters_of["_since"] = start
    told = {name: all_until_now(server, **given) for name, given in filters.items()}
    everything = [event.data for event in told["all"]]
    mover = sample().rows[12][0].strip()
    # Came with a shower, left it, and was withdrawn: seen from the beginning only the last.
    assert told["shower"] == told["both"] == told["missing"] == []
    assert "withdrawn" in {event.data["change"] for event in told["speed"]}
    assert 0 < len(told["speed"]) < len(told["all"])
    assert all(event.data in everything for event in told["speed"])
    # From when it was a Perseid on: that it is none any more is told.
    (left,) = all_until_now(server, _since=came, iau_shower_code="PER")
    assert (left.data[ID], left.data["change"]) == (mover, "withdrawn")


def test_filters_of_many_listeners_go_their_own_ways(server: Server, loads: Loads) -> None:
    loads.load(40)
    before = caught_up(server, loads)
    speeds = [10 + number for number in range(OF_ADDRESS - 5)]
    listeners = [Listener(server, vgeo_km_s__gt=speed, _seconds=30) for speed in speeds]
    try:
        loads.load(60, *range(3, 9))
        after = caught_up(server, loads)
        ours = {
            speed: [event.data for event in all_until_now(server, last=str(before),
                                                          vgeo_km_s__gt=speed)]
            for speed in speeds
        }  # fmt: skip
        assert len({len(of_one) for of_one in ours.values()}) > 3
        for speed, listener in zip(speeds, listeners, strict=True):
            told = listener.until(len(ours[speed])) if ours[speed] else []
            assert [event.data for event in told] == ours[speed]
            assert not told or told[-1].id == str(after)
    finally:
        for listener in listeners:
            listener.close()


# Who comes and goes -------------------------------------------------------------------------------


def follow(server: Server, chance: random.Random, told: list[Event], start: str, end: Any) -> None:
    """Listen, be killed at any time, go on by the last id; until there is no more."""
    last = start
    while True:
        is_last = end.is_set()
        with Listener(server, last=last, _seconds=0 if is_last else 5) as listener:
            assert listener.status == 200
            for event in listener.events():
                told.append(event)
                last = event.id
                if chance.random() < 0.1 and not is_last:
                    break
            else:
                if is_last:
                    return


def test_who_is_killed_at_random_gets_each_change_once_and_in_order(
    server: Server, loads: Loads
) -> None:
    loads.load(30)
    start = caught_up(server, loads)
    rows = {row[ID]: row for row in all_rows(server)}
    end = threading.Event()
    told: list[list[Event]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=follow, args=(server, random.Random(n), one, str(start), end))
        for n, one in enumerate(told)
    ]
    for thread in threads:
        thread.start()
    try:
        for number, (count, *changed) in enumerate(
            [(50, 1), (50, 2, 3), (20, 4), (20, 4), (60, 5), (35, 6), (60, 7, 8)]
        ):
            loads.load(count, *changed)
            if number == 3:
                maintain(loads.bench.settings)
    finally:
        caught_up(server, loads)
        end.set()
        for thread in threads:
            thread.join(timeout=60)
    now = {row[ID]: row for row in all_rows(server)}
    for events in told:
        assert len({event.id for event in events}) == len(events)
        ours = dict(rows)
        for event in events:
            row = dict(event.data)
            change, former = row.pop("change"), row.pop("former_revision")
            row.pop("changed_at_utc")
            known = ours.pop(row[ID], None)
            assert (known and known["revision"]) == former  # none before it was missed
            if change != "withdrawn":
                ours[row[ID]] = row
        assert ours == now


def all_rows(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.get("/gmn/trajectories.ndjson").body.splitlines()]


def test_who_does_not_read_slows_nobody_and_misses_nothing(server: Server, loads: Loads) -> None:
    loads.load(20)
    before = caught_up(server, loads)
    slow = [Listener(server, receive_bytes=4096) for _ in range(10)]
    with Listener(server) as listener:
        loads.load(MOST_CHANGES, 3)  # 300 kB for each of them
        loads.load(20, 4)
        after = caught_up(server, loads)
        count = len(changes(server, before, after))
        assert count
        told = 0
        for event in listener.events():
            told += 1
            if event.id == str(after):
                break
        assert told >= count
        loads.load(21, 5)
        newest = caught_up(server, loads)
        assert listener.until(1)[0].data["change"] in ("inserted", "revised")
    for one in slow:
        seen: dict[str, Any] = {}
        for event in one.events():
            seen[event.data[ID]] = event.data
            if event.id == str(newest):
                break
        ours = {row[ID]: row for row in changes(server, before, newest)}
        assert {name: seen[name]["revision"] for name in ours} == {
            name: row["revision"] for name, row in ours.items()
        }
        one.close()
    assert server.get("/readyz").status == 200


def test_so_many_may_listen(server: Server) -> None:
    listeners = [Listener(server) for _ in range(OF_ADDRESS)]
    assert {one.status for one in listeners} == {200}
    with Listener(server) as refused:
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.body()["type"] == "urn:gmn:problem:too-many-listeners"
    for one in listeners:
        one.socket.shutdown(socket.SHUT_RDWR)
        one.close()

    def is_free() -> bool:
        with Listener(server, _seconds=0) as one:
            return one.status == 200

    server.wait_for(is_free)


# Where it cannot go on ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "status"),
    [("0", 400), ("x", 400), ("-1", 400), ("5-5-0", 400), ("9" * 15, 410), ("7-999999-1", 410),
     ("9" * 30, 400), ("7-8", 400), ("1", 410)],
)  # fmt: skip
def test_a_position_that_is_none_is_said(server: Server, last: str, status: int) -> None:
    with Listener(server, last=last) as listener:
        assert listener.status == status
        assert "/gmn/changes.ndjson?since=0" in listener.body()["detail"]


def test_what_else_is_asked_wrongly_is_said(server: Server) -> None:
    for wrong in ({"_since": "then"}, {"_seconds": -1}, {"speed": 1}, {"vgeo_km_s": "fast"}):
        reply = server.get("/gmn/events", wrong)
        assert reply.status == 400, wrong
    head = server.get("/gmn/events", method="HEAD")
    assert (head.status, head.headers["Content-Type"]) == (200, "text/event-stream")
    assert server.get("/gmn/events", method="POST").status == 405


def test_since_may_be_a_time(server: Server, loads: Loads) -> None:
    before = utc_now().isoformat()
    state = caught_up(server, loads)
    loads.load(33, 3)
    caught_up(server, loads)
    told = all_until_now(server, _since=before)
    assert told
    assert told == all_until_now(server, last=str(state))


def test_a_lake_that_goes_away_is_waited_for(server: Server, loads: Loads) -> None:
    loads.load(30)
    caught_up(server, loads)
    folder = loads.bench.settings.warehouse_dir
    with Listener(server) as listener:
        folder.rename(folder.with_name("away"))
        server.wait_for(lambda: server.get("/gmn/events", {"_seconds": 0}).status == 503)
        folder.with_name("away").rename(folder)
        server.wait_for(lambda: server.get("/readyz").status == 200)
        loads.load(30, 9)
        (event,) = listener.until(1)
        assert event.data["change"] == "revised"


def test_a_position_that_expired_is_gone_and_says_what_to_do(server: Server, loads: Loads) -> None:
    before = caught_up(server, loads)
    loads.load(34, 5)
    caught_up(server, loads)
    middle = all_until_now(server, last=str(before))[0].id
    maintain(loads.bench.settings, utc_now() + timedelta(days=30))
    caught_up(server, loads)

    def is_gone(last: str) -> bool:
        with Listener(server, last=last, _seconds=0) as listener:
            return listener.status == 410 and "since=0" in listener.body()["detail"]

    server.wait_for(lambda: is_gone(str(before)))
    assert "-" in middle
    assert is_gone(middle)
    with Listener(server, _seconds=0) as listener:  # from now on it can be listened to
        assert listener.status == 200


def test_the_end_of_the_server_is_the_end_of_the_answers(loads: Loads, tmp_path: Path) -> None:
    with serving(loads.bench.settings) as other:
        listeners = [Listener(other) for _ in range(20)]
        last = str(other.snapshot)
    assert other.process.returncode in (0, -signal.SIGTERM)
    for listener in listeners:
        assert list(listener.events()) == []
        assert listener.is_whole
        assert listener.last == last
        listener.close()
    with serving(loads.bench.settings) as again:
        assert all_until_now(again, last=last) == []
