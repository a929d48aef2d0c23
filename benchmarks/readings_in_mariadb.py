"""The same readings in MariaDB, with the usual index: what observatories have today.

    python -m benchmarks.readings_in_mariadb --readings 10000000

What belongs here: rows of the lake of readings copied into a MariaDB of its own, and the three
questions of `readings_bench.py` asked of both in one run. A MariaDB (Debian's) has to be there.
"""

import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import duckdb
import pymysql
import typer

from benchmarks.readings_bench import (
    days,
    made_up_readings,
    median_ms,
    middle_day,
    questions,
    write,
)
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline.warehouse.station_readings.upkeep import keep_in_order
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline_tests.support.mariadb import MariaDbServer, own_mariadb

_TIMES = 5
_TABLE = """
CREATE TABLE readings (
  station VARCHAR(16), sensor VARCHAR(16), measured DATETIME(6), latitude DOUBLE, longitude DOUBLE,
  temperature DOUBLE, humidity DOUBLE, pressure DOUBLE, PRIMARY KEY (station, sensor, measured)
)
"""
_THEIRS = {
    "a day of one sensor": "SELECT measured, temperature FROM readings WHERE station = 'HR0007' "
    "AND sensor = '1' AND measured >= '{day}' AND measured < '{day}' + INTERVAL 1 DAY",
    "a month by hours": "SELECT station, date_format(measured, '%Y-%m-%d %H:00:00') AS hour, "
    "min(temperature), avg(temperature), max(temperature) FROM readings GROUP BY station, hour",
    "the map of last values": "SELECT r.* FROM readings r JOIN (SELECT station, sensor, "
    "max(measured) AS measured FROM readings GROUP BY station, sensor) l "
    "USING (station, sensor, measured)",
}


def main(
    readings: Annotated[int, typer.Option(help="How many.")] = 10_000_000,
    sensors: Annotated[int, typer.Option(help="Of so many sensors, one a second each.")] = 40,
) -> None:
    """Print how long each question takes in both, and what both take on disk."""
    seconds = readings // sensors
    with tempfile.TemporaryDirectory() as folder, own_mariadb(memory_mb=2_000) as mariadb:
        path = Path(folder)
        _copy(mariadb, path, sensors, seconds)
        size = _size(mariadb)
        print(f"MariaDB: {readings:,} readings, {size / 1e6:.0f} MB, {size / readings:.1f} bytes")
        settings = load_settings(data_dir=path / "data", readings_keep_days="")
        warehouse = WarehouseConnection(settings, READINGS)
        with stream_session(warehouse):
            write(warehouse, sensors, seconds)
            roll_up(warehouse)
            keep_in_order(warehouse, settings)
        with warehouse.session():
            for name, (relation, sql, _) in questions(seconds).items():
                with warehouse.open(read_only=True) as connection:
                    ours, _ = median_ms(connection, sql.format(relation))
                day = middle_day(seconds)
                theirs = _median_ms(mariadb, _THEIRS[name].format(day=day))
                print(f"{name}: {ours:.0f} ms, MariaDB {theirs:.0f} ms, {theirs / ours:.1f}x")


def _copy(mariadb: MariaDbServer, folder: Path, sensors: int, seconds: int) -> None:
    """As the observatory's own programs would have filled it, but at once."""
    mariadb.run(_TABLE)
    began = time.monotonic()
    for begin, end in days(seconds):
        file = folder / "day.csv"
        with duckdb.connect() as db:
            db.execute(
                "COPY (SELECT station_code, sensor_id, measured_at_utc, latitude_deg, "
                "longitude_deg, temperature_deg_c, humidity_percent, pressure_hpa FROM "
                f"({made_up_readings(sensors, begin, end)}) "
                f"ORDER BY ALL) TO '{file}' (FORMAT csv, HEADER false)"
            )
        with closing(_loading(mariadb)) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE readings FIELDS TERMINATED BY ','"
            )
            connection.commit()
    print(f"MariaDB: loaded in {time.monotonic() - began:.1f} s")


def _loading(mariadb: MariaDbServer) -> Any:
    return pymysql.connect(
        host="127.0.0.1", port=mariadb.port, user="writer", password=mariadb.password,
        database="weather", local_infile=True,
    )  # fmt: skip


def _size(mariadb: MariaDbServer) -> int:
    mariadb.run("ANALYZE TABLE readings")
    [(size,)] = mariadb.run(
        "SELECT data_length + index_length FROM information_schema.tables "
        "WHERE table_schema = 'weather' AND table_name = 'readings'"
    )
    return int(size)


def _median_ms(mariadb: MariaDbServer, sql: str) -> float:
    times = []
    for _ in range(_TIMES):
        began = time.monotonic()
        mariadb.run(sql)
        times.append(time.monotonic() - began)
    return 1000 * median(times)


if __name__ == "__main__":
    typer.run(main)
