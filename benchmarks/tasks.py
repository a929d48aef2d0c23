"""What is timed: each task runs in a process of its own, so that its memory is its own.

What belongs here: the tasks, and the references they are compared with. What does not: which are
run on what, and the tables (`bench.py`).

    python -m benchmarks.tasks load SOURCE FOLDER 2026-11-01 2026-11-20
"""

import inspect
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import duckdb

from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.flows.maintenance import maintain
from gmn_pipeline.flows.progress import ProgressListener
from gmn_pipeline.flows.report import Report
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.kafka.framing import single_object_framing
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.orchestration.home import prepare_dagster_home
from gmn_pipeline.orchestration.jobs import trajectory_days_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.schemas.derive import sql_text
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Kind
from gmn_pipeline.schemas.messages import TRAJECTORY_MESSAGES, to_message_fields
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.streams.trajectories import decode_batch
from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.stream_session import stream_session
from gmn_pipeline.warehouse.trajectories.messages import merge_messages

Measured = dict[str, Any]
_NULLS = [f"'{word:>{width}}'" for word in ("None", "nan") for width in range(6, 12)]
_STATION_ROWS = 10_000
_COMMIT_ROWS = 20
QUERIES = {
    "shower counts": "SELECT iau_shower_code, count(*) FROM trajectories GROUP BY 1",
    "one date": "SELECT * FROM trajectories WHERE bin_date = DATE '{day}' ORDER BY vgeo_km_s",
    "one station, all columns": "FROM trajectories "
    "WHERE list_contains(participating_stations, '{station}')",
    "one station, its links": "SELECT trajectory_identifier FROM trajectory_stations "
    "WHERE station_code = '{station}'",
    "radiant histogram": "SELECT floor(rageo_deg / 5), floor(decgeo_deg / 5), count(*) "
    "FROM trajectories GROUP BY 1, 2",
    "first page, legacy view": "FROM meteor_summary ORDER BY beginning_utc_time LIMIT 1000",
    "one trajectory": "FROM trajectories WHERE trajectory_identifier = '{identifier}'",
    "as of now": "SELECT count(*) FROM trajectories_as_of(now()::TIMESTAMP)",
}


def bare(source: Path, folder: Path) -> Measured:
    """The reference of loads: one CREATE TABLE AS SELECT of the all-file into a DuckDB file."""
    kinds = {Kind.NUMBER: "DOUBLE", Kind.INTEGER: "INTEGER"}
    columns = ", ".join(
        f"'{field.name}': '{kinds.get(field.kind, 'VARCHAR')}'" for field in TRAJECTORY_FIELDS
    )
    file = sql_text(str(source / "traj_summary_all.txt"))
    with duckdb.connect(str(folder / "bare.duckdb")) as connection:
        connection.execute(
            f"CREATE TABLE t AS SELECT * FROM read_csv({file}, delim=';', header=false, "
            f"comment='#', quote='', auto_detect=false, strict_mode=false, "
            # With the default of 32 MB its parallel reader gives up on some files.
            f"buffer_size={16 << 20}, "
            f"nullstr=[{', '.join(_NULLS)}], columns={{{columns}}})"
        )
        connection.execute("CHECKPOINT")
        rows = connection.execute("SELECT count(*) FROM t").fetchone()
    assert rows is not None
    return {"rows": rows[0]}


def load(source: Path, folder: Path, first: str, last: str, history: str = "daily") -> Measured:
    """Days from the source to the warehouse through Dagster, as `gmn run` takes them."""
    return _measured(_run_job(_settings(source, folder, history), _days(first, last)))


def bookkeeping(source: Path, folder: Path, first: str, last: str) -> Measured:
    """What a Dagster run over loaded days costs beyond the same days without Dagster."""
    settings, days = _settings(source, folder), _days(first, last)
    # In a new home, made before: what Dagster shows already would not be told again.
    shutil.rmtree(settings.dagster_home, ignore_errors=True)
    with _dagster(settings):
        pass
    began = time.perf_counter()
    load_days(days, settings)
    without = time.perf_counter() - began
    began = time.perf_counter()
    _run_job(settings, days)
    spent = time.perf_counter() - began - without
    return {"rows": 0, "days": len(days), "ms_a_day": spent * 1000 / len(days)}


def queries(folder: Path) -> Measured:
    """Median latency of each query, in a session that is open."""
    with WarehouseConnection(load_settings(data_dir=folder / "data")).open(
        read_only=True
    ) as connection:
        return _query_times(connection)


def plain_queries(folder: Path) -> Measured:
    """The reference of queries: the same rows and views in a plain DuckDB file."""
    file = folder / "plain.duckdb"
    with WarehouseConnection(load_settings(data_dir=folder / "data")).open() as connection:
        connection.execute(f"ATTACH {sql_text(str(file))} AS plain")
        ddl.create_tables(connection, "plain")
        for table in WAREHOUSE_TABLES:
            connection.execute(f"INSERT INTO plain.{table.name} FROM warehouse.{table.name}")
    with duckdb.connect(str(file)) as connection:
        views.create_views(connection, "plain", with_comments_on_columns=True)
        return _query_times(connection)


def commits(folder: Path, count: int) -> Measured:
    """So many small merges, as of a stream: each revises 20 trajectories of the last days."""
    warehouse = WarehouseConnection(load_settings(data_dir=folder / "data"))
    with warehouse.open(read_only=True) as connection:
        rows = connection.execute(
            "SELECT * REPLACE (coalesce(vgeo_km_s, 0) + 1e-4 AS vgeo_km_s, (SELECT "
            "max(summary_generated_at_utc) + INTERVAL 1 HOUR FROM trajectories) AS "
            "summary_generated_at_utc), 'revised' AS change FROM trajectories "
            f"ORDER BY beginning_utc_time DESC LIMIT {count * _COMMIT_ROWS}"
        ).pl()
    values = single_object_framing(TRAJECTORY_MESSAGES).frame(to_message_fields(rows))
    keys = rows.get_column("trajectory_identifier").to_list()
    sent = [
        _Message(key.encode(), value, offset)
        for offset, (key, value) in enumerate(zip(keys, values, strict=True))
    ]
    topic = TopicState("bench", "bench", "bench", {0: 0}, {0: len(sent)})
    seconds = []
    with stream_session(warehouse):
        for begin in range(0, len(sent), _COMMIT_ROWS):
            began = time.perf_counter()
            end = begin + _COMMIT_ROWS
            batch, dead = decode_batch(sent[begin:end], topic, [OffsetRange(0, begin, end)], None)
            assert not dead
            counts = merge_messages(warehouse, batch)
            assert counts.revised == _COMMIT_ROWS, counts
            seconds.append(time.perf_counter() - began)
    tenth = max(len(seconds) // 10, 1)
    return {
        "rows": len(sent),
        "first_ms": statistics.median(seconds[:tenth]) * 1000,
        "last_ms": statistics.median(seconds[-tenth:]) * 1000,
    }


def maintenance(folder: Path) -> Measured:
    """The nightly maintenance."""
    settings = load_settings(data_dir=folder / "data")
    done = maintain(settings, open_ledger(settings))
    return {"rows": 0, "files_before": done.files_before, "files_after": done.files_after}


class _Message(NamedTuple):
    """What is read of a Kafka record."""

    key: bytes
    value: bytes
    offset: int
    partition: int = 0
    timestamp: int = 1_767_225_600_000
    headers: tuple[()] = ()


def _settings(source: Path, folder: Path, history: str = "daily") -> Settings:
    return load_settings(
        source_url=str(source), data_dir=folder / "data", history=history, run_retries=0
    )


def _days(first: str, last: str) -> list[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


class _Keep(ProgressListener):
    report: Report | None = None

    def finished(self, report: Report) -> None:
        self.report = report


def _dagster(settings: Settings) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(prepare_dagster_home(settings)))


def _run_job(settings: Settings, days: list[date]) -> Report:
    listener = _Keep()
    overrides = settings.model_dump(exclude_unset=True)
    with _dagster(settings) as instance:
        result = (
            build_defs(overrides, listener=listener)
            .resolve_job_def(trajectory_days_job.name)
            .execute_in_process(
                instance=instance,
                tags=range_tags(days[0], days[-1]),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )
    assert result.success
    assert listener.report is not None
    return listener.report


def _measured(report: Report) -> Measured:
    assert not report.failed
    names = ("read", "accepted", "inserted", "revised", "unchanged", "withdrawn")
    return {
        "rows": report.total("read"),
        "counts": {name: report.total(name) for name in names},
        "steps": {step: round(spent, 2) for step, spent in report.stopwatch.seconds.items()},
    }


def _query_times(connection: duckdb.DuckDBPyConnection) -> Measured:
    station = _one(
        connection,
        "SELECT station_code FROM trajectory_stations GROUP BY 1 "
        f"ORDER BY abs(count(*) - {_STATION_ROWS}), 1 LIMIT 1",
    )
    identifier = _one(connection, "SELECT median(trajectory_identifier) FROM trajectories")
    day = _one(connection, "SELECT max(bin_date) FROM trajectories")
    found = {}
    for name, query in QUERIES.items():
        sql = query.format(station=station, identifier=identifier, day=day)
        times = []
        for _ in range(9):
            began = time.perf_counter()
            connection.execute(sql).to_arrow_table()
            times.append((time.perf_counter() - began) * 1000)
        found[name] = round(statistics.median(times), 1)
    return found


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


TASKS: dict[str, Callable[..., Measured]] = {
    task.__name__: task
    for task in (
        bare,
        load,
        bookkeeping,
        queries,
        plain_queries,
        commits,
        maintenance,
    )
}


# --- A task in a process of its own -----------------------------------------------------------


def run(task: Callable[..., Measured], *arguments: object) -> Measured:
    """What a task measured, with its seconds and the peak memory of its whole process tree."""
    command = [sys.executable, "-m", "benchmarks.tasks", task.__name__, *map(str, arguments)]
    os.sync()  # what was written before is not to hold this one up
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        memory = _TreeMemory(process.pid)
        out, err = process.communicate()
        peak_mb = memory.stop()
    if process.returncode:
        raise SystemExit(err[-3000:])
    measured: Measured = json.loads(out.splitlines()[-1])
    return measured | {"peak_memory_mb": peak_mb}


class _TreeMemory:
    """Looks at the memory of a process and its descendants every 50 ms (Linux)."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak_kb = pid, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """The highest sum of resident memory that was seen, in MB."""
        self._ended.set()
        self._thread.join()
        return self._peak_kb / 1024

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._peak_kb = max(self._peak_kb, sum(map(_resident_kb, _tree(self._pid))))


def _tree(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return [pid]
    return [pid, *(one for child in found.split() for one in _tree(int(child)))]


def _resident_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS")), 0)


if __name__ == "__main__":
    task = TASKS[sys.argv[1]]
    types = inspect.get_annotations(task).values()
    given = [as_type(text) for as_type, text in zip(types, sys.argv[2:], strict=False)]
    began = time.perf_counter()
    answer = task(*given)
    print("\n" + json.dumps({"seconds": time.perf_counter() - began} | answer))
