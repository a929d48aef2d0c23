"""A server that is used hard, beside loads and maintenance, over a lake that breaks."""

import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from gmn_pipeline.clock import utc_now
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.warehouse import maintain

SUMMARY = "/gmn_rest_api/meteor_summary"
ENDLESS = "SELECT count(*) FROM range(1000000000000) a, range(1000) b"
HUGE = "SELECT length(repeat('x', 3000000000))"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder without a warehouse."""
    return Bench(tmp_path_factory.mktemp("survival"), run_retries=0)


@pytest.fixture(scope="module")
def server(bench: Bench) -> Iterator[Server]:
    """Its tests follow one another: the lake comes, grows, is put in order, and breaks."""
    with serving(
        bench.settings, serve_page_rows=20, serve_sql_queries=1, serve_queue=1,
        serve_sql_timeout_s=3, serve_sql_memory_mb=300, serve_states=2,
    ) as running:  # fmt: skip
        yield running


def load(bench: Bench, rows: int, generated: str, **fields: str) -> None:
    bench.put(DAILY, sample().first(rows).stamped(generated).with_fields(0, **fields))
    load_days([DAY], bench.settings)


def identifiers(server: Server, path: str = SUMMARY) -> list[str]:
    return [
        row["unique_trajectory_identifier"]
        for page in server.pages(path)
        for row in page.json["rows"]
    ]


def test_without_a_warehouse_it_says_so_and_waits_for_one(bench: Bench, server: Server) -> None:
    for path in ("/readyz", SUMMARY, "/gmn_rest_api?sql=SELECT+1"):
        reply = server.get(path)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert "no warehouse" in reply.json["detail"]
    assert server.get("/healthz").status == 200
    load(bench, 60, "2022-03-16 00:00:00")
    server.wait_for(lambda: server.get("/readyz").status == 200, within_s=5)
    assert len(identifiers(server)) == 60


def test_a_commit_is_served_within_a_second(bench: Bench, server: Server) -> None:
    before = server.snapshot
    load(bench, 61, "2022-03-17 00:00:00")
    # Only looking at the catalogue takes so long here; the machine may be busy.
    server.wait_for(lambda: server.snapshot > before, within_s=3)
    assert len(identifiers(server)) == 61


def test_pages_stand_on_their_state_through_loads_and_maintenance(
    bench: Bench, server: Server
) -> None:
    before = identifiers(server)
    first = server.get(SUMMARY)
    assert first.link
    maintain(bench.settings)  # a server that does nothing is no reader that it would wait for
    load(bench, 90, "2022-03-18 00:00:00", vgeo_km_s="  44.00000")
    maintain(bench.settings)
    second = server.get(first.link)
    assert second.headers["Last-Modified"] == first.headers["Last-Modified"]
    load(bench, 120, "2022-03-19 00:00:00", vgeo_km_s="  45.00000")
    assert second.link
    rest = identifiers(server, second.link)
    seen = [r["unique_trajectory_identifier"] for p in (first, second) for r in p.json["rows"]]
    assert seen + rest == before
    server.wait_for(lambda: len(identifiers(server)) == 120)

    past = first.link
    maintain(bench.settings, utc_now() + timedelta(days=30))
    server.wait_for(lambda: server.get(past).status == 410)
    gone = server.get(past).json
    assert "Begin anew" in gone["error"]
    free = server.sql("SELECT 1", snapshot=first.headers["GMN-Snapshot"])
    assert free.status == 410
    assert len(identifiers(server)) == 120


def test_many_ask_while_loads_go_on(bench: Bench, server: Server) -> None:
    def look(number: int) -> int:
        reply = server.get(SUMMARY, {"page": number % 5 + 1})
        assert reply.status == 200, reply.body
        return len(reply.json["rows"])

    with ThreadPoolExecutor(8) as threads:
        looks = [threads.submit(look, number) for number in range(80)]
        load(bench, 121, "2022-03-20 00:00:00")
        assert {done.result() for done in looks} == {20}


def test_a_clock_that_jumps_is_only_told(bench: Bench, server: Server) -> None:
    """States follow each other by their numbers; their times are as the clock was."""

    def jumps(by: timedelta) -> None:
        with closing(sqlite3.connect(bench.settings.warehouse_dir / "catalog.sqlite")) as catalog:
            time = (utc_now() + by).strftime("%Y-%m-%d %H:%M:%S.%f+00")
            catalog.execute("UPDATE ducklake_snapshot SET snapshot_time = ? WHERE snapshot_id = "
                            "(SELECT max(snapshot_id) FROM ducklake_snapshot)", [time])  # fmt: skip
            catalog.commit()

    for number, by in enumerate((timedelta(hours=-2), timedelta(days=400))):
        load(bench, 123 + number, f"2022-03-2{1 + number} 00:00:00")
        jumps(by)
        # Which is the time of a state that the server may have seen: it opens the lake anew.
        server.wait_for(lambda n=123 + number: count(server) == n)
        assert len(identifiers(server)) == 123 + number
        soon = (utc_now() + timedelta(minutes=10)).isoformat()
        then = server.get("/gmn/trajectories.json", {"_as_of": soon, "_size": 1})
        assert then.status == 200
        assert "no-cache" in then.headers["Cache-Control"]
    load(bench, 125, "2022-03-23 00:00:00")  # the clock is right again
    server.wait_for(lambda: len(identifiers(server)) == 125)
    now = server.get("/gmn/trajectories.json", {"_as_of": utc_now().isoformat(), "_size": 1})
    assert now.json["snapshot"] == server.snapshot
    assert now.json["filtered_table_rows_count"] == 125


def test_a_query_that_takes_too_much_is_ended_and_the_next_one_answered(server: Server) -> None:
    for sql, word in ((ENDLESS, "stopped after 3 s"), (HUGE, "memory")):
        reply = server.sql(sql)
        assert reply.status == 400
        assert word in reply.json["error"]
        assert "GMN_" not in reply.json["error"]
        assert server.sql("SELECT 1 AS one").json["rows"] == [{"one": 1}]


def test_who_comes_when_too_many_wait_is_told_to_come_later(server: Server) -> None:
    with ThreadPoolExecutor(6) as threads:
        replies = [reply.result() for reply in
                   [threads.submit(server.sql, f"{ENDLESS} -- {n}") for n in range(6)]]  # fmt: skip
        statuses = [reply.status for reply in replies]
    assert statuses.count(400) == 2  # one at work, one in the queue
    assert statuses.count(503) == 4
    with ThreadPoolExecutor(6) as threads:  # who asks the same waits with the first one
        same = [threads.submit(server.sql, ENDLESS) for _ in range(6)]
        assert [reply.result().status for reply in same] == [400] * 6
    busy = next(reply for reply in replies if reply.status == 503)
    assert busy.json["type"] == "urn:gmn:problem:busy"
    assert int(busy.headers["Retry-After"]) >= 1


def test_a_client_that_goes_away_ends_its_query(server: Server) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(b"GET /gmn_rest_api?sql=" + ENDLESS.replace(" ", "+").encode() +
                        b" HTTP/1.1\r\nHost: x\r\n\r\n")  # fmt: skip
            time.sleep(0.5)  # it may have begun by now or not
    begun = time.monotonic()
    server.wait_for(lambda: server.sql("SELECT 1").status == 200)
    assert time.monotonic() - begun < 3 * 3  # three of them at their limit would take longer


def test_a_thousand_idle_connections_keep_nobody_out(server: Server) -> None:
    idle = []
    try:
        for number in range(1000):
            raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            if number % 2:
                raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            idle.append(raw)
        assert server.get(SUMMARY).status == 200
    finally:
        for raw in idle:
            raw.close()


def test_a_broken_lake_is_said_and_recovers(bench: Bench, server: Server) -> None:
    settings: Settings = bench.settings
    away = settings.warehouse_dir.with_name("away")
    settings.warehouse_dir.rename(away)
    server.wait_for(lambda: server.get(SUMMARY).status == 503)
    assert server.sql("SELECT 1").status == 503
    away.rename(settings.warehouse_dir)
    server.wait_for(lambda: server.get(SUMMARY).status == 200)

    maintain(settings)
    files = list((settings.warehouse_dir / "data").rglob("*.parquet"))
    assert files
    for file in files:
        hide(file)
    broken = server.get("/readyz")
    assert broken.status == 503, broken.body
    assert str(settings.data_dir) not in broken.body.decode()
    free = server.sql("SELECT sum(e) FROM meteor_summary")
    assert free.status == 503, free.body
    for file in (settings.warehouse_dir / "data").rglob("*.hidden"):
        file.rename(file.with_suffix(""))
    server.wait_for(lambda: server.get("/readyz").status == 200)
    rows = count(server)

    # A folder that was copied back is another catalogue in the same place.
    shutil.copytree(settings.warehouse_dir, away)
    settings.warehouse_dir.rename(away.with_name("former"))
    away.rename(settings.warehouse_dir)
    assert count(server) == rows
    load(bench, 126, "2022-03-24 00:00:00")
    server.wait_for(lambda: count(server) == 126)


def test_a_backup_that_went_on_otherwise_is_not_answered_with_what_was_kept(
    bench: Bench, server: Server
) -> None:
    """Its states have the numbers of others that were served, and it is of the same lake."""
    folder = bench.settings.warehouse_dir
    backup = folder.with_name("backup")
    shutil.copytree(folder, backup)
    asked = f"/gmn/trajectories/{sample().rows[0][0].strip()}.json"
    replies = []
    for number, speed in enumerate(("  41.00000", "  42.00000")):
        load(bench, 126, f"2022-03-2{5 + number} 00:00:00", vgeo_km_s=speed)
        server.wait_for(lambda v=float(speed): speed_of(server, asked) == v)
        replies.append(server.get(asked))
        if not number:
            folder.rename(folder.with_name("replaced"))
            backup.rename(folder)
    first, second = replies
    assert first.headers["GMN-Snapshot"] == second.headers["GMN-Snapshot"]
    known = {"If-None-Match": first.headers["ETag"]}
    assert server.get(asked, headers=known).status == 200
    known = {"If-None-Match": second.headers["ETag"]}
    assert server.get(asked, headers=known).status == 304


def speed_of(server: Server, path: str) -> float | None:
    reply = server.get(path)
    return float(reply.json["current"]["vgeo_km_s"]) if reply.status == 200 else None


def count(server: Server) -> int | None:
    """Trajectories that it serves; None where it cannot just now."""
    reply = server.sql("SELECT count(*) AS n FROM meteor")
    return int(reply.json["rows"][0]["n"]) if reply.status == 200 else None


def hide(file: Path) -> None:
    file.rename(file.with_name(f"{file.name}.hidden"))


def test_a_warehouse_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    bench = Bench(tmp_path, run_retries=0)
    load(bench, 5, "2022-03-16 17:49:26.0")
    with WarehouseConnection(bench.settings).writing() as connection:
        connection.execute("ALTER TABLE source_files DROP COLUMN definition")
    with serving(bench.settings) as running:
        assert (
            running.get("/gmn/source_files.json?_shape=objects").json["rows"][0]["definition"]
            is None
        )
