"""Dagster's event log in one SQLite file, made for runs over thousands of days.

Dagster's own SQLite storages open a connection for every statement and commit every event by
itself; this one keeps its connections, and writes the events of a batch in one transaction
(docs/decisions/0008-dagsters-bookkeeping.md). `gmn run` and `gmn dev` put it into dagster.yaml.
What belongs here: how events reach the file. What does not: their meaning; tables and queries are
Dagster's.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, cast

import sqlalchemy as db
from dagster import AssetKey
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.events import (
    ASSET_EVENTS,
    AssetMaterializationPlannedData,
    DagsterEventType,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import (
    SQLITE_EVENT_LOG_FILENAME,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._record import copy
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import QueuePool

from gmn_pipeline.orchestration.sqlite_storage import copy_database, make_once, sqlite_address

_BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
_EVENTS_PER_BATCH = 1000
_FILE_NAME = f"{SQLITE_EVENT_LOG_FILENAME}.db"
_FORMER_FILE = "history/runs/index.db"
"""What Dagster's default storage knows of assets, in the same tables: taken over if it is there."""
_A_PARTITION = "a partition"


class BatchingEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """The events of all runs in one file, which any number of processes may read and write."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        _make_file(Path(base_dir))
        # Dagster hands events over in batches only if this variable says so: here it is set in
        # every process that opens the storage, however that was started.
        os.environ.setdefault(_BATCH_SIZE_VARIABLE, str(_EVENTS_PER_BATCH))
        super().__init__(base_dir, inst_data)
        self._engine = _engine(Path(base_dir) / _FILE_NAME)
        # The base class waits for the file to be touched; with a write-ahead log that is rare.
        self._poller = SqlPollingEventWatcher(self)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchingEventLogStorage":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self) -> Iterator[db.Connection]:
        with self._engine.begin() as connection:
            yield connection

    # Tables and columns are all there from the beginning: looked up once, not for every event.

    @cached_property
    def _tables(self) -> set[str]:
        return set(db.inspect(self._engine).get_table_names())

    @cached_property
    def _asset_columns(self) -> set[str]:
        columns = db.inspect(self._engine).get_columns(AssetKeyTable.name)
        return {column["name"] for column in columns}

    def has_table(self, table_name: str) -> bool:
        return table_name in self._tables

    def _has_asset_key_col_on_connection(self, _conn: db.Connection, column_name: str) -> bool:
        return column_name in self._asset_columns

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """Dagster plans all days of a run in one event for each asset, and this storage makes the
        rows of it (`_rows`) that it would make of as many events."""
        return True

    def store_event(self, event: EventLogEntry) -> None:
        if _planned_partitions(event) is None:
            super().store_event(event)
        else:
            self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """The asset events of a batch in one transaction; what else is in it one by one."""
        of_assets = [event for event in events if event.dagster_event_type in ASSET_EVENTS]
        for event in events:
            if event.dagster_event_type not in ASSET_EVENTS:
                self.store_event(event)
        if of_assets:
            with self._connect() as connection:
                self._store_asset_events(connection, of_assets)

    def _store_asset_events(
        self, connection: db.Connection, events: Sequence[EventLogEntry]
    ) -> None:
        rows = [self._rows(event) for event in events]
        connection.execute(SqlEventLogStorageTable.insert(), list(chain(*rows)))
        # SQLite has one writer at a time, and counts up: to be told each number takes ten times
        # as long.
        last_id = connection.execute(db.text("SELECT last_insert_rowid()")).scalar_one()
        ends = list(accumulate(map(len, rows)))
        ids = [last_id - ends[-1] + end for end in ends]
        self._store_asset_event_tags(connection, events, ids)
        # The row of an asset keeps its newest event of each type: only those are worth writing.
        newest = {
            (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
            for event, event_id in zip(events, ids, strict=True)
        }
        for event, event_id in newest.values():
            self._store_asset_event(connection, event, event_id)

    def _rows(self, event: EventLogEntry) -> list[dict[str, Any]]:
        """The row of an event, or one for each partition that it plans: what Dagster asks of
        partitions, it asks of rows. They differ in that only, so one is made and filled in."""
        partitions = _planned_partitions(event)
        if partitions is None:
            return [self._event_to_row(event)]
        planned = event.get_dagster_event()
        data = AssetMaterializationPlannedData(cast("AssetKey", planned.asset_key), _A_PARTITION)
        planned = planned._replace(event_specific_data=data)
        row = self._event_to_row(event._replace(dagster_event=planned))
        before, after = row["event"].split(json.dumps(_A_PARTITION))
        return [
            row | {"event": f"{before}{json.dumps(partition)}{after}", "partition": partition}
            for partition in partitions
        ]

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        """One row for a check of a run: the checks here judge all days of a run at once.

        Dagster would write a row for every day of the run, which no evaluation ever completes.
        """
        planned = event.get_dagster_event()
        data = copy(planned.asset_check_planned_data, partitions_subset=None)
        planned = planned._replace(event_specific_data=data)
        super()._store_asset_check_evaluation_planned(
            event._replace(dagster_event=planned), event_id
        )

    def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        """The evaluation as one of all that the asset has by now, and as the newest of its check.

        The UI shows the row of the check that was planned last, and only if it judges the asset's
        last materialization. Of two runs that overlap, the one that began last need not be the one
        that ended last: the check would show as not evaluated.
        """
        evaluation = cast("AssetCheckEvaluation", event.get_dagster_event().event_specific_data)
        if (target := self._last_materialization(evaluation.asset_key)) is not None:
            evaluation = copy(evaluation, target_materialization_data=target)
            judged = event.get_dagster_event()._replace(event_specific_data=evaluation)
            event = event._replace(dagster_event=judged)
        super()._update_asset_check_evaluation(event, event_id)
        with self._connect() as connection:
            _make_newest(connection, evaluation, event.run_id)

    def _last_materialization(
        self, asset: AssetKey
    ) -> AssetCheckEvaluationTargetMaterializationData | None:
        for record in self.get_asset_records([asset]):
            if (last := record.asset_entry.last_materialization_record) is not None:
                return AssetCheckEvaluationTargetMaterializationData(
                    storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp
                )
        return None

    def watch(
        self, run_id: str, cursor: str | None, callback: Callable[[EventLogEntry, str], None]
    ) -> None:
        self._poller.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: Callable[[EventLogEntry, str], None]) -> None:
        self._poller.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        self._poller.close()
        self._engine.dispose()


def _planned_partitions(event: EventLogEntry) -> Sequence[str] | None:
    """The partitions that an event plans together, at least one."""
    if event.dagster_event_type != DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
        return None
    planned = event.get_dagster_event().asset_materialization_planned_data.partitions_subset
    return list(planned.get_partition_keys()) or None if planned is not None else None


def _make_newest(connection: db.Connection, evaluation: AssetCheckEvaluation, run_id: str) -> None:
    """Let the run's row of a check change places with the newest one that is evaluated already.

    Those planned and not evaluated stay where they are: they show as in progress, or as failed.
    """
    rows = AssetCheckExecutionsTable.c
    of_check = db.and_(
        rows.asset_key == evaluation.asset_key.to_string(),
        rows.check_name == evaluation.check_name,
        rows.partition.is_(None),
    )
    own = connection.execute(
        db.select(rows.id).where(of_check, rows.run_id == run_id)
    ).scalar_one_or_none()
    newest = connection.execute(
        db.select(db.func.max(rows.id)).where(
            of_check, rows.execution_status != AssetCheckExecutionRecordStatus.PLANNED.value
        )
    ).scalar_one_or_none()
    if own is None or newest is None or newest <= own:
        return
    for now, then in ((own, -own), (newest, own), (-own, newest)):
        connection.execute(AssetCheckExecutionsTable.update().where(rows.id == now).values(id=then))


def _make_file(folder: Path) -> None:
    """Make the file if there is none, with what Dagster's default storage knows of assets."""

    def make(plain: Path) -> None:
        ConsolidatedSqliteEventLogStorage(str(plain))
        if (former := folder / _FORMER_FILE).exists():
            copy_database(former, plain / _FILE_NAME)

    make_once(folder / _FILE_NAME, make)


def _engine(file: Path) -> db.Engine:
    """Connections that stay open; who finds the file busy waits."""
    engine = db.create_engine(
        sqlite_address(file),
        poolclass=QueuePool,
        max_overflow=-1,  # a thread never waits for another one's connection
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @db.event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        # With the write-ahead log, NORMAL cannot lose what a killed process had committed.
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine
