"""Readings of stations: what a month of them takes, how soon each can be asked.

    python -m benchmarks.readings_bench lake --readings 10000000
    python -m benchmarks.readings_bench latency --rate 5000 --seconds 60

What belongs here: a lake of made-up readings, written by SQL without Kafka, with questions beside
bare DuckDB over the same files; and the way of readings from Kafka to a query. What does not:
datagrams (the listener's own benchmark).
"""

import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import duckdb
import polars as pl
import typer

from gmn_pipeline.clock import utc_now
from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.framing import single_object_framing
from gmn_pipeline.kafka.topics import ensure_topics
from gmn_pipeline.schemas.station_readings import STATION_READING_MESSAGES
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.schemas.topics import readings_topic
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline.warehouse.connection import METADATA, WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline.warehouse.station_readings.upkeep import keep_in_order
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline_tests.support.kafka import own_broker
from gmn_pipeline_tests.support.readings import SENT

_BEGIN = datetime(2026, 8, 1)
_TIMES = 9

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
            _timed_once("write", lambda: _write(warehouse, sensors, seconds))
            _timed_once("roll up", lambda: roll_up(warehouse))
            _timed_once("put in order", lambda: keep_in_order(warehouse, settings))
        _print_disk(warehouse, Path(folder), seconds * sensors)
        _ask(warehouse, seconds)


def _timed_once(what: str, act: Callable[[], object]) -> None:
    began = time.monotonic()
    act()
    print(f"{what}: {time.monotonic() - began:.1f} s")


def _write(warehouse: WarehouseConnection, sensors: int, seconds: int) -> None:
    """A day in one commit."""
    for begin in range(0, seconds, 86_400):
        end = min(begin + 86_400, seconds)
        taken_in = _BEGIN + timedelta(seconds=end)
        with warehouse.writing() as connection:
            connection.execute(
                f"""
                INSERT INTO station_readings BY NAME
                SELECT format('HR{{:04d}}', s) AS station_code, '1' AS sensor_id,
                  TIMESTAMP '{_BEGIN}' + to_seconds(t) AS measured_at_utc,
                  45 + s / 10 AS latitude_deg, 15.0 AS longitude_deg, 100.0 AS height_m,
                  round(12 + 6 * sin(t / 13751) + (hash(s, t) % 100) / 50, 2) AS temperature_deg_c,
                  round(70 + 20 * cos(t / 13751) + (hash(t, s) % 100) / 50, 2) AS humidity_percent,
                  round(1000 + 9 * sin(t / 99000 + s), 2) AS pressure_hpa,
                  measured_at_utc + INTERVAL 20 MILLISECOND AS received_at_utc,
                  '127.0.0.1' AS sender, 'udp' AS transport,
                  TIMESTAMP '{taken_in}' AS taken_in_at_utc
                FROM range({begin}, {end}) AS times(t), range({sensors}) AS sensors(s)
                """
            )
            connection.execute(
                f"INSERT INTO readings_to_roll_up VALUES (TIMESTAMP '{taken_in}', "
                f"{(end - begin) * sensors}, TIMESTAMP '{_BEGIN + timedelta(seconds=begin)}', "
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


def _ask(warehouse: WarehouseConnection, seconds: int) -> None:
    day = _BEGIN + timedelta(days=seconds // 86_400 // 2)
    questions = {
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
        "the map of last values": (
            "latest_readings",
            "SELECT * FROM {}",
            "latest_values",
        ),
    }
    plain = duckdb.connect(":memory:")
    with warehouse.session():
        for name, (relation, sql, table) in questions.items():
            with warehouse.open(read_only=True) as connection:
                ours, rows = _median_ms(connection, sql.format(relation))
                files = _files(connection, warehouse.backend.storage.path, table)
            bare, _ = _median_ms(plain, sql.format(f"read_parquet({files!r})"))
            print(f"{name}: {rows:,} rows in {ours:.0f} ms, bare {bare:.0f} ms, {ours / bare:.1f}x")


def _median_ms(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[float, int]:
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
    with tempfile.TemporaryDirectory() as folder, own_broker(Path(folder)) as broker:
        settings = load_settings(
            data_dir=Path(folder), kafka_bootstrap_servers=broker.bootstrap_servers,
            readings_rollup_s=rollup_s,
        )  # fmt: skip
        ensure_topics(settings, readings_topic(settings))
        service, ready = StreamService(STATION_READINGS, settings), threading.Event()
        working = threading.Thread(target=lambda: service.run(on_ready=ready.set))
        working.start()
        ready.wait()
        ended = threading.Event()
        sending = threading.Thread(target=_send, args=(settings, rate, seconds, ended))
        sending.start()
        ages = _watch(settings, ended)
        service.stop()
        working.join()
        with WarehouseConnection(settings, READINGS).open(read_only=True) as connection:
            count = connection.execute("SELECT count(*) FROM station_readings").fetchone()
    cuts = quantiles(ages, n=100)
    print(
        f"{rate:,} readings/s for {seconds} s, {count} in the lake: to a query p50 "
        f"{cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, p99 {cuts[98]:.2f} s, most {max(ages):.2f} s"
    )


def _send(settings: Settings, rate: int, seconds: int, ended: threading.Event) -> None:
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
    ended.set()


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
    missing = [pl.lit(None, kind).alias(n) for n, kind in SENT.items() if n not in rows.columns]
    typed = rows.with_columns(missing).select(SENT.names()).cast(dict(SENT))  # type: ignore[arg-type]
    return to_fields(typed, STATION_READING_MESSAGES)


def _watch(settings: Settings, ended: threading.Event) -> list[float]:
    """How old each step's readings were when a query first had them."""
    warehouse = WarehouseConnection(settings, READINGS)
    ages: list[float] = []
    seen = datetime.min
    with warehouse.session():
        while not ended.wait(0.02):
            with warehouse.open(read_only=True) as connection:
                steps = connection.execute(
                    "SELECT DISTINCT received_at_utc FROM station_readings WHERE "
                    f"received_at_utc > TIMESTAMP '{max(seen, datetime(2000, 1, 1))}' ORDER BY 1"
                ).fetchall()
            now = utc_now()
            ages += [(now - when).total_seconds() for (when,) in steps]
            seen = steps[-1][0] if steps else seen
    return ages


if __name__ == "__main__":
    app()
