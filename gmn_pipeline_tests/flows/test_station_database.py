"""A table of an observatory's own database: whole, then what came since, with its types."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pymysql
import pytest
from pydantic import SecretStr

from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.source_marks import SourceMarks
from gmn_pipeline.errors import CountMismatch, SettingsError, SourceUnavailable
from gmn_pipeline.flows.station_database import LastSent, Taken, take_between, take_what_is_new
from gmn_pipeline.sources.station_database import (
    StationDatabase,
    StationTable,
    station_database,
    station_table,
)
from gmn_pipeline.streams.consumer import consume
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.kafka import RunningBroker
from gmn_pipeline_tests.support.mariadb import MariaDbServer, own_mariadb
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.stream_bench import StreamBench

TABLE = """
CREATE TABLE readings (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, station VARCHAR(16), sensor INT UNSIGNED,
  measured DATETIME(6), changed TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP, place POINT,
  temp DECIMAL(6,2), humidity DOUBLE, pressure FLOAT, ok TINYINT(1), flags BIT(8), note TEXT,
  INDEX (measured), INDEX (changed)
)
"""


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDbServer]:
    with own_mariadb() as server:
        yield server


@pytest.fixture
def table(mariadb: MariaDbServer) -> StationTable:
    mariadb.run("DROP TABLE IF EXISTS readings", TABLE)
    columns = {"timestamp": "measured", "station_code": "station", "sensor_id": "sensor",
               "location": "place", "temperature": "temp"}  # fmt: skip
    return StationTable(mariadb.address, "readings", "id", "id", columns, reread=2,
                        left_out=("changed",))  # fmt: skip


@pytest.fixture
def marks(bench: Bench) -> SourceMarks:
    return SourceMarks(open_database(bench.settings))


class Topic:
    """Takes records as the topic does; `then` happens before a page is acknowledged."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.records: list[dict[str, Any]] = []
        self._then = then

    def __call__(self, records: Sequence[bytes]) -> tuple[int, int]:
        self._then()
        self.records += [json.loads(record) for record in records]
        return len(records), 0

    @property
    def sensors(self) -> list[int]:
        return [record["sensor_id"] for record in self.records]


@contextmanager
def opened(
    mariadb: MariaDbServer, table: StationTable, page_rows: int = 1_000, timeout_s: float = 5.0
) -> Iterator[StationDatabase]:
    with station_database(
        table, mariadb.password, page_rows=page_rows, timeout_s=timeout_s
    ) as database:
        yield database


def insert(mariadb: MariaDbServer, *sensors: int, hour: int = 0) -> None:
    rows = ", ".join(
        f"('ES0001', {n}, '2024-01-21 {hour:02}:06:04.095931', "
        f"ST_PointFromText('POINT(3.18 42.48)'), 20.90, 59.22, 1001.5, 1, b'101', 'ok')"
        for n in sensors
    )
    mariadb.run(
        "INSERT INTO readings (station, sensor, measured, place, temp, humidity, pressure, ok, "
        f"flags, note) VALUES {rows}"
    )


def test_a_table_is_taken_whole_and_then_only_what_came_since(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    insert(mariadb, *range(7))
    topic = Topic()
    with opened(mariadb, table, page_rows=3) as database:
        assert take_what_is_new(database, marks, topic) == Taken(read=7, published=7)
        assert topic.sensors == list(range(7))
        insert(mariadb, 7, 8)
        taken = take_what_is_new(database, marks, topic)
        assert topic.sensors[7:] == [5, 6, 7, 8]  # two are read again, as the description says
        assert taken.read == 4
        sent = LastSent(most=3)
        for changed, again in (((), 2), ((), 0), ((8,), 1)):
            for sensor in changed:
                mariadb.run(f"UPDATE readings SET temp = 9 WHERE sensor = {sensor}")
            taken = take_what_is_new(database, marks, topic, sent=sent)
            assert (taken.read, taken.published, taken.unchanged) == (2, again, 2 - again)


def test_values_keep_what_they_are(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    insert(mariadb, 4_294_967_295)
    mariadb.run("INSERT INTO readings (measured) VALUES ('0000-00-00 00:00:00')",
                "UPDATE readings SET id = 18446744073709551615 WHERE id = 2")  # fmt: skip
    topic = Topic()
    with opened(mariadb, replace(table, time_zone="Europe/Madrid")) as database:
        take_what_is_new(database, marks, topic)
    whole, empty = topic.records
    assert whole == {
        "station_code": "ES0001", "sensor_id": 4_294_967_295,
        "location": {"lon": 3.18, "lat": 42.48},
        "timestamp": "2024-01-20T23:06:04.095931+00:00", "temperature": 20.9, "humidity": 59.22,
        "pressure": 1001.5, "ok": 1, "flags": 5, "note": "ok",
    }  # fmt: skip
    assert empty == {"timestamp": "0000-00-00 00:00:00.000000"}  # whose reader says why it is none
    assert marks.reached(table.place) == 18446744073709551615


def test_a_row_that_was_committed_late_is_not_lost(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    topic = Topic()
    slow = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="writer",
                           password=mariadb.password, database="weather")  # fmt: skip
    with slow.cursor() as cursor, opened(mariadb, table) as database:
        cursor.execute("INSERT INTO readings (sensor, measured) VALUES (1, now())")
        insert(mariadb, 2)  # counted up later, and there before
        take_what_is_new(database, marks, topic)
        assert topic.sensors == [2]
        slow.commit()
        take_what_is_new(database, marks, topic)
    slow.close()
    assert sorted(topic.sensors) == [1, 2, 2]


def test_by_a_time_of_change_a_corrected_row_comes_again_and_one_without_is_counted(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    by_time = replace(table, grows="changed", reread=0)
    insert(mariadb, 1, 2, 3)
    mariadb.run("UPDATE readings SET changed = '2024-01-01 00:00:00'",
                "UPDATE readings SET changed = NULL WHERE sensor = 3")  # fmt: skip
    topic = Topic()
    with opened(mariadb, by_time) as database:
        taken = take_what_is_new(database, marks, topic)
        assert (topic.sensors, taken.out_of_reach) == ([1, 2], 1)
        assert marks.reached(table.place) == datetime(2024, 1, 1)
        mariadb.run("UPDATE readings SET temp = 1, changed = '2024-01-02' WHERE sensor = 2")
        take_what_is_new(database, marks, topic)
    assert [r["temperature"] for r in topic.records] == [20.9, 20.9, 1.0]


def test_a_span_is_taken_by_when_it_was_measured(
    mariadb: MariaDbServer, table: StationTable
) -> None:
    for hour in range(4):
        insert(mariadb, hour, hour, hour=hour)
    topic = Topic()
    madrid = replace(table, time_zone="Europe/Madrid")  # an hour ahead of UTC in winter
    with opened(mariadb, madrid, page_rows=1) as database:
        taken = take_between(database, datetime(2024, 1, 21, 0), datetime(2024, 1, 21, 2), topic)
    assert (topic.sensors, taken.read) == ([1, 1, 2, 2], 4)


def test_a_lock_of_the_observatorys_programs_is_not_waited_for_and_none_is_taken(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    insert(mariadb, 1, 2)
    with pymysql.connect(host="127.0.0.1", port=mariadb.port, user="writer",
                         password=mariadb.password, database="weather") as busy:  # fmt: skip
        busy.cursor().execute("UPDATE readings SET temp = 99 WHERE id = 1")
        topic = Topic(then=lambda: insert(mariadb, 3))
        with opened(mariadb, table) as database:
            take_what_is_new(database, marks, topic)
        busy.rollback()
    assert [r["temperature"] for r in topic.records] == [20.9, 20.9]


def test_what_was_not_acknowledged_is_taken_again(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    insert(mariadb, *range(6))
    turn = iter((False, True))

    def fail() -> None:
        if next(turn, False):
            raise SourceUnavailable("no Kafka")

    with opened(mariadb, table, page_rows=3) as database:
        with pytest.raises(SourceUnavailable):
            take_what_is_new(database, marks, Topic(fail))
        topic = Topic()
        take_what_is_new(database, marks, topic)
    assert topic.sensors == [1, 2, 3, 4, 5]
    with opened(mariadb, table) as database, pytest.raises(CountMismatch):
        take_what_is_new(database, marks, lambda records: (0, 0))


def test_a_database_that_goes_away_is_said_and_gone_on_with(
    mariadb: MariaDbServer, table: StationTable, marks: SourceMarks
) -> None:
    insert(mariadb, *range(4))
    topic = Topic()
    with opened(mariadb, table, page_rows=2) as database:
        pages = database.after(None, 4)
        next(pages)
        mariadb.kill()
        with pytest.raises(SourceUnavailable, match="readings does not answer"):
            next(pages)
        with pytest.raises(SourceUnavailable), opened(mariadb, table):
            pass
    mariadb.restart()
    with opened(mariadb, table) as database:
        take_what_is_new(database, marks, topic)
    assert topic.sensors == [0, 1, 2, 3]


def test_a_page_that_takes_too_long_is_given_up(
    mariadb: MariaDbServer, table: StationTable
) -> None:
    mariadb.run(
        "DROP VIEW IF EXISTS slow_readings",
        "CREATE VIEW slow_readings AS SELECT *, SLEEP(3) AS late FROM readings",
    )
    insert(mariadb, 1)
    slow = replace(table, name="slow_readings")
    with (
        opened(mariadb, slow, timeout_s=0.2) as database,
        pytest.raises(SourceUnavailable, match="does not answer"),
    ):
        list(database.after(None, 10))


def test_a_wrong_password_a_missing_table_and_a_missing_column_say_what_to_do(
    mariadb: MariaDbServer, table: StationTable
) -> None:
    with (
        pytest.raises(SettingsError, match="GMN_STATION_DATABASE_PASSWORD"),
        station_database(table, "wrong", page_rows=1, timeout_s=1),
    ):
        pass
    with (
        pytest.raises(SettingsError, match="Grant SELECT"),
        opened(mariadb, replace(table, name="rea`dings")),
    ):
        pass
    with (
        pytest.raises(SettingsError, match="no column when"),
        opened(mariadb, replace(table, columns={"timestamp": "when"})),
    ):
        pass


def test_dagster_takes_a_database_to_the_topic_and_an_alert_is_told_of_what_came(
    mariadb: MariaDbServer, table: StationTable, kafka: RunningBroker, tmp_path: Path
) -> None:
    road = StreamBench(
        tmp_path / "road", kafka, kafka_readings_topic=f"readings-{uuid.uuid4().hex[:8]}",
        station_database=described(mariadb, table, tmp_path / "readings.toml"),
        station_database_password=SecretStr(mariadb.password),
    )  # fmt: skip
    insert(mariadb, *range(20))
    mariadb.run(
        "UPDATE readings SET humidity = 99 WHERE sensor = 3",
        "INSERT INTO readings (sensor, measured) VALUES (99, '0000-00-00 00:00:00')",
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = road.defs().resolve_job_def("station_database")
        for rows in ({"read": 21, "published": 20, "refused": 1}, {"read": 2, "published": 1}):
            done = job.execute_in_process(instance=instance)
            [event] = done.get_asset_materialization_events()
            metadata = event.materialization.metadata
            assert {name: metadata[name].value for name in rows} == rows
    report = consume(STATION_READINGS, road.settings)
    assert report.counts.as_dict() == {
        "read": 21, "inserted": 20, "duplicate": 1, "outdated": 0, "dead": 0,
    }  # fmt: skip
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "wet"\nwhen = "humidity_percent > 95"\nfresh_s = 1e10\n'
        '[[rule]]\nname = "silent"\nsilent_for_s = 3600\n'
    )
    roll_up(WarehouseConnection(road.settings, READINGS))
    command = Command(GMN_DATA_DIR=str(road.settings.data_dir))
    assert "ES0001, sensor 3: wet holds" in command.says(
        "stations", "alert", "--once", "--rules", str(rules)
    )
    assert "holds" not in command.says("stations", "alert", "--once", "--rules", str(rules))


def described(mariadb: MariaDbServer, table: StationTable, path: Path) -> Path:
    """The file that describes a table."""
    columns = "".join(f'{name} = "{column}"\n' for name, column in table.columns.items())
    path.write_text(
        f'address = "{mariadb.address}"\ntable = "{table.name}"\nkey = "{table.key}"\n'
        f'grows = "{table.grows}"\nreread = {table.reread}\nleft_out = ["changed", "ok"]\n'
        f"[columns]\n{columns}"
    )
    return path


GOOD = """
address = "mysql://reader@db.example.org/weather"
table = "readings"
key = "id"
grows = "id"
time_zone = "Europe/Madrid"
[columns]
timestamp = "measured"
"""


def test_the_description_of_a_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "readings.toml"
    path.write_text(GOOD)
    read = station_table(path)
    assert (read.name, read.time_zone, read.columns) == (
        "readings", "Europe/Madrid", {"timestamp": "measured"},
    )  # fmt: skip
    assert read.place == "mysql://reader@db.example.org/weather#readings"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("key =", "kye ="), "kye is no setting"),
        (("grows = \"id\"", ""), "grows is missing"),
        (("timestamp =", "time ="), "has to say which column is the timestamp"),
        (("Europe/Madrid", "Madrid"), "the time zone 'Madrid'"),
        (("mysql://reader@", "mysql://reader:secret@"), "has a password"),
        (("mysql:", "postgresql:"), "of no MySQL or MariaDB"),
        (("[columns]", "[columns"), "cannot be read"),
        (("\"measured\"", "1"), "each by a text"),
    ],
)  # fmt: skip
def test_what_a_description_has_wrong_is_named(
    tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    path = tmp_path / "readings.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(SettingsError, match=why) as raised:
        station_table(path)
    assert "secret" not in str(raised.value)


def test_marks_are_kept_as_they_were(marks: SourceMarks) -> None:
    for mark in (2**64 - 1, 1.5, "text", datetime(2024, 1, 21, 10, 6, 4, 95931)):
        marks.move("a", mark)
        assert marks.reached("a") == mark
    marks.forget("a")
    assert marks.reached("a") is None
    threads = [threading.Thread(target=marks.move, args=("b", n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert marks.reached("b") in range(4)
