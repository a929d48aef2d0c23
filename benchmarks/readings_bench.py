"""Readings of stations: what a month of them takes, how soon each can be asked.

    python -m benchmarks.readings_bench lake --readings 10000000
    python -m benchmarks.readings_bench latency --rate 5000 --seconds 60
    python -m benchmarks.readings_bench latest --sensors 5000

What belongs here: a lake of made-up readings, written by SQL without Kafka, with questions beside
bare DuckDB over the same files; the way of readings from Kafka to a query; and what each sensor
told last, moved on beside summed up anew. What does not: datagrams (the listener's own benchmark).
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, TypeVar

import duckdb
import polars as pl
import typer

from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.framing import single_object_framing
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.local_broker.install import default_libs_dir
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.station_readings import DATASET, STATION_READING_MESSAGES
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.schemas.topics import readings_topic
from gmn_pipeline.serving.events.listeners import Listeners
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.readings.arrivals import Arrivals
from gmn_pipeline.serving.readings.latest import body
from gmn_pipeline.serving.readings.latest_held import LatestHeld
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.warehouse.connection import METADATA, WarehouseConnection, transaction
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline.warehouse.station_readings.upkeep import keep_in_order
from gmn_pipeline.warehouse.stream_session import stream_session

BEGIN = datetime(2026, 8, 1)
_TIMES = 9
_LIBS = default_libs_dir(Path(__file__).parents[1] / "data")
_SENT = polars_schema(DATASET.validated[0].fields)
_PROCESSES = multiprocessing.get_context("spawn")

T = TypeVar("T")

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def lake(
    readings: Annotated[int, typer.Option(help="How many; a month is 100,000,000.")] = 10_000_000,
    sensors: Annotated[int, typer.Option(help="Of so many sensors, one a second each.")] = 40,
) -> None:
    """Print what they take on disk, and how long questions take."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder), readings_keep_days="")
        warehouse = WarehouseConnection(settings, READINGS)
        with stream_session(warehouse):
            seconds = readings // sensors
            _timed_once("write", lambda: write(warehouse, sensors, seconds))
            _timed_once("roll up", lambda: roll_up(warehouse))
            _timed_once("put in order", lambda: keep_in_order(warehouse, settings))
        _print_disk(warehouse, Path(folder), seconds * sensors)
        _ask(warehouse, seconds)


def _timed_once(what: str, act: Callable[[], object]) -> None:
    began = time.monotonic()
    act()
    print(f"{what}: {time.monotonic() - began:.1f} s")


def made_up_readings(sensors: int, begin: int, end: int) -> str:
    """SQL that gives readings of each second from `begin` until before `end`."""
    return f"""
    SELECT format('HR{{:04d}}', s) AS station_code, '1' AS sensor_id,
      TIMESTAMP '{BEGIN}' + to_seconds(t) AS measured_at_utc,
      45 + s / 10 AS latitude_deg, 15.0 AS longitude_deg, 100.0 AS height_m,
      round(12 + 6 * sin(t / 13751) + (hash(s, t) % 100) / 50, 2) AS temperature_deg_c,
      round(70 + 20 * cos(t / 13751) + (hash(t, s) % 100) / 50, 2) AS humidity_percent,
      round(1000 + 9 * sin(t / 99000 + s), 2) AS pressure_hpa,
      measured_at_utc + INTERVAL 20 MILLISECOND AS received_at_utc,
      '127.0.0.1' AS sender, 'udp' AS transport,
      TIMESTAMP '{BEGIN + timedelta(seconds=end)}' AS taken_in_at_utc
    FROM range({begin}, {end}) AS times(t), range({sensors}) AS sensors(s)
    """


def days(seconds: int) -> Iterator[tuple[int, int]]:
    """From which second until before which each day lasts."""
    for begin in range(0, seconds, 86_400):
        yield begin, min(begin + 86_400, seconds)


def write(warehouse: WarehouseConnection, sensors: int, seconds: int) -> None:
    """A day in one commit."""
    for begin, end in days(seconds):
        taken_in = BEGIN + timedelta(seconds=end)
        with warehouse.writing() as connection:
            connection.execute(
                f"INSERT INTO station_readings BY NAME {made_up_readings(sensors, begin, end)}"
            )
            connection.execute(
                f"INSERT INTO readings_to_roll_up VALUES (TIMESTAMP '{taken_in}', "
                f"{(end - begin) * sensors}, TIMESTAMP '{BEGIN + timedelta(seconds=begin)}', "
                f"TIMESTAMP '{taken_in}')"
            )


def _print_disk(warehouse: WarehouseConnection, folder: Path, readings: int) -> None:
    with warehouse.open(read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_name, file_count, file_size_bytes FROM ducklake_table_info('warehouse')"
        ).fetchall()
    for name, files, size in sorted(tables):
        if files:
            print(f"{name}: {files} files, {size / 1e6:.1f} MB")
    total = sum(path.stat().st_size for path in (folder / "readings").rglob("*") if path.is_file())
    print(f"{readings:,} readings: {total / 1e6:.0f} MB in all, {total / readings:.1f} bytes each")


def _files(connection: duckdb.DuckDBPyConnection, data: str, table: str) -> list[str]:
    rows = connection.execute(
        f"SELECT s.path || t.path || f.path FROM {METADATA}.ducklake_data_file f "
        f"JOIN {METADATA}.ducklake_table t USING (table_id) "
        f"JOIN {METADATA}.ducklake_schema s USING (schema_id) "
        "WHERE t.table_name = ? AND f.end_snapshot IS NULL AND t.end_snapshot IS NULL",
        [table],
    ).fetchall()
    return [f"{data}/{path}" for (path,) in rows]


def middle_day(seconds: int) -> datetime:
    """A day that lies in the middle."""
    return BEGIN + timedelta(days=seconds // 86_400 // 2)


def questions(seconds: int) -> dict[str, tuple[str, str, str]]:
    """Each with the view that is asked, SQL, and the table that the view is of."""
    day = middle_day(seconds)
    return {
        "a day of one sensor": (
            "station_readings",
            "SELECT measured_at_utc, temperature_deg_c FROM {} WHERE station_code = 'HR0007' AND "
            f"measured_at_utc >= TIMESTAMP '{day}' "
            f"AND measured_at_utc < TIMESTAMP '{day + timedelta(days=1)}'",
            "station_readings",
        ),
        "a month by hours": (
            "station_readings_by_hour_now",
            "SELECT station_code, begin_utc, minimum, mean, maximum FROM {} "
            "WHERE quantity = 'temperature_deg_c'",
            "station_readings_by_hour",
        ),
        "the map of last values": ("latest_readings", "SELECT * FROM {}", "latest_values"),
    }


def _ask(warehouse: WarehouseConnection, seconds: int) -> None:
    plain = duckdb.connect(":memory:")
    with warehouse.session():
        for name, (relation, sql, table) in questions(seconds).items():
            with warehouse.open(read_only=True) as connection:
                ours, rows = median_ms(connection, sql.format(relation))
                files = _files(connection, warehouse.backend.storage.path, table)
            bare, _ = median_ms(plain, sql.format(f"read_parquet({files!r})"))
            print(f"{name}: {rows:,} rows in {ours:.0f} ms, bare {bare:.0f} ms, {ours / bare:.1f}x")


def median_ms(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[float, int]:
    times, rows = [], 0
    for _ in range(_TIMES):
        began = time.monotonic()
        rows = connection.execute(sql).to_arrow_table().num_rows
        times.append(time.monotonic() - began)
    return 1000 * median(times), rows


@app.command()
def latency(
    rate: Annotated[int, typer.Option(help="Readings a second.")] = 5_000,
    seconds: Annotated[int, typer.Option(help="For so long.")] = 60,
    rollup_s: Annotated[float, typer.Option(help="Seconds between rollups.")] = 20.0,
) -> None:
    """Print how long it takes from the sending of a reading until a query has it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        brokers.own_broker(Path(folder), libs_dir=_LIBS) as broker,
    ):
        settings = load_settings(
            data_dir=Path(folder), kafka_bootstrap_servers=broker.bootstrap_servers,
            readings_rollup_s=rollup_s,
        )  # fmt: skip
        ensure_topics(settings, readings_topic(settings))
        ready = _PROCESSES.Event()
        service = _PROCESSES.Process(target=_serve, args=(settings, ready))
        service.start()
        ready.wait()
        sender = _PROCESSES.Process(target=_send, args=(settings, rate, seconds))
        sender.start()
        ages = _watch(settings, sender.is_alive)
        service.terminate()
        service.join()
        with WarehouseConnection(settings, READINGS).open(read_only=True) as connection:
            count = connection.execute("SELECT count(*) FROM station_readings").fetchone()
    cuts = quantiles(ages, n=100)
    print(
        f"{rate:,} readings/s for {seconds} s, {count} in the lake: to a query p50 "
        f"{cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, p99 {cuts[98]:.2f} s, most {max(ages):.2f} s"
    )


def _serve(settings: Settings, ready: Event) -> None:
    service = StreamService(STATION_READINGS, settings)
    with on_signals(service.stop, service.cut_short):
        service.run(on_ready=ready.set)


def _send(settings: Settings, rate: int, seconds: int) -> None:
    framing = single_object_framing(STATION_READING_MESSAGES)
    topic = readings_topic(settings).name
    steps_a_second = 10
    with producer(settings) as kafka:
        began = time.monotonic()
        for step in range(seconds * steps_a_second):
            time.sleep(max(0.0, began + step / steps_a_second - time.monotonic()))
            for value in framing.frame(_readings(rate // steps_a_second)):
                kafka.send(topic, value=value)
        kafka.flush()
    time.sleep(3)


def _readings(count: int) -> pl.DataFrame:
    now = utc_now()
    rows = pl.DataFrame({"at": range(count)}).select(
        pl.format("HR{}", pl.col("at")).alias("station_code"),
        pl.lit("1").alias("sensor_id"),
        pl.lit(now).alias("measured_at_utc"),
        (pl.col("at") % 40 + 0.5).alias("temperature_deg_c"),
        pl.lit(55.5).alias("humidity_percent"),
        pl.lit(now).alias("received_at_utc"),
        pl.lit("127.0.0.1").alias("sender"),
        pl.lit("udp").alias("transport"),
    )
    missing = [pl.lit(None, kind).alias(n) for n, kind in _SENT.items() if n not in rows.columns]
    typed = rows.with_columns(missing).select(_SENT.names()).cast(dict(_SENT))  # type: ignore[arg-type]
    return to_fields(typed, STATION_READING_MESSAGES)


def _watch(settings: Settings, goes_on: Callable[[], bool]) -> list[float]:
    """How old each step's readings were when a query first had them."""
    warehouse = WarehouseConnection(settings, READINGS)
    ages: list[float] = []
    seen = datetime.min
    with warehouse.session():
        while goes_on():
            time.sleep(0.02)
            try:
                steps = _newer(warehouse, max(seen, datetime(2000, 1, 1)))
            except WarehouseBusy:  # put in order since it was attached
                warehouse.renew()
                continue
            now = utc_now()
            ages += [(now - when).total_seconds() for (when,) in steps]
            seen = steps[-1][0] if steps else seen
    return ages


def _newer(warehouse: WarehouseConnection, seen: datetime) -> list[tuple[datetime]]:
    with warehouse.open(read_only=True) as connection:
        return connection.execute(
            "SELECT DISTINCT received_at_utc FROM station_readings "
            f"WHERE received_at_utc > TIMESTAMP '{seen}' ORDER BY 1"
        ).fetchall()


@app.command()
def latest(
    sensors: Annotated[int, typer.Option(help="So many sensors, three quantities each.")] = 5_000,
    commits: Annotated[int, typer.Option(help="So many, half of the sensors in each.")] = 20,
) -> None:
    """Print how long it takes to tell what each sensor told last, a commit after the other."""
    moved, anew = [], []
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder))
        warehouse = WarehouseConnection(settings, READINGS)
        with stream_session(warehouse):
            write(warehouse, sensors, 10)
            roll_up(warehouse)
            served = Lake(settings, settings, READINGS)
            served.start()
            held = _latest_held(served, settings)
            for commit in range(commits):
                _commit(warehouse, sensors // 2, 10 + commit)
                served.verify(served.snapshot())
                asked = _timed(held, served.snapshot())
                moved += [asked] if commit else []
                anew.append(_timed(_latest_held(served, settings), served.snapshot()))
            served.stop()
    one, other = 1000 * median(moved), 1000 * median(anew)
    print(f"{sensors:,} sensors: moved on {one:.0f} ms, anew {other:.0f} ms, {other / one:.1f}x")


def _latest_held(served: Lake, settings: Settings) -> LatestHeld:
    return LatestHeld(served, _at_once, Arrivals(served, _at_once, Listeners(settings)))


async def _at_once(work: Callable[[], T]) -> T:
    return work()


def _timed(held: LatestHeld, state: Snapshot) -> float:
    """Seconds to the whole answer."""
    loop = asyncio.new_event_loop()  # asyncio.run writes out what it returns, for nobody
    began = time.monotonic()
    body(loop.run_until_complete(held.of(state)), (), ())
    seconds = time.monotonic() - began
    loop.close()
    return seconds


def _commit(warehouse: WarehouseConnection, sensors: int, second: int) -> None:
    now = utc_now()
    sql = made_up_readings(sensors, second, second + 1)
    with warehouse.writing() as connection, transaction(connection):
        connection.execute(
            "INSERT INTO station_readings BY NAME SELECT * REPLACE "
            f"(TIMESTAMP '{now}' AS taken_in_at_utc) FROM ({sql})"
        )
        connection.execute(
            "INSERT INTO readings_to_roll_up SELECT taken_in_at_utc, count(*), "
            "min(measured_at_utc), max(measured_at_utc) FROM station_readings "
            f"WHERE taken_in_at_utc = TIMESTAMP '{now}' GROUP BY 1"
        )


if __name__ == "__main__":
    app()
