"""Runs of processors over objects as rows.

What belongs here: what one transaction does to a run. What does not: which transactions there are,
and what is asked (`object_runs.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.object_rows import insert_operations
from gmn_pipeline.database.tables import OBJECT_RUNS, OBJECT_SOURCES, OBJECTS_TO_REPROCESS
from gmn_pipeline.schemas.objects import By, OperationKind, StoredObject


class RunState(StrEnum):
    """Where a run is. One that is running while nobody works was left by a process that ended."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class ProcessorVersion:
    """A processor as the search for what waits knows it; `content_types` may end in `/*`."""

    name: str
    version: int
    content_types: Sequence[str]


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: which objects were made, or why it failed."""

    stored: StoredObject
    wanted: ProcessorVersion
    failure: str = ""
    remark: str = ""
    row_count: int = 0
    made: Sequence[StoredObject] = ()


def start(
    connection: Connection, stored: StoredObject, wanted: ProcessorVersion, run_id: str
) -> None:
    asked = connection.execute(
        OBJECTS_TO_REPROCESS.delete().where(
            OBJECTS_TO_REPROCESS.c.object_id == stored.object_id,
            OBJECTS_TO_REPROCESS.c.processor == wanted.name,
        )
    ).rowcount
    before = connection.execute(
        select(OBJECT_RUNS.c.state, OBJECT_RUNS.c.tries)
        .where(runs_of(stored, wanted))
        .order_by(OBJECT_RUNS.c.started_at_utc.desc())
        .limit(1)
    ).one_or_none()
    is_again = asked or before is None or before.state == RunState.FINISHED
    tries = 1 if is_again or before is None else before.tries + 1
    connection.execute(OBJECT_RUNS.delete().where(runs_of(stored, wanted)))
    connection.execute(
        OBJECT_RUNS.insert().values(
            object_id=stored.object_id, version=stored.version, processor=wanted.name,
            processor_version=wanted.version, sha256=stored.content.sha256,
            state=RunState.RUNNING.value, run_id=run_id, tries=tries,
            started_at_utc=utc_now(), row_count=0, reason="",
        )
    )  # fmt: skip


def end(connection: Connection, ended: RunEnd, by: By) -> None:
    stored, state = ended.stored, RunState.FAILED if ended.failure else RunState.FINISHED
    connection.execute(
        OBJECT_RUNS.update()
        .where(runs_of(stored, ended.wanted))
        .values(
            state=state.value, ended_at_utc=utc_now(), row_count=ended.row_count,
            reason=ended.failure or ended.remark,
        )
    )  # fmt: skip
    if not ended.failure:
        _replace_sources(connection, stored, ended.wanted, ended.made)
    done = [(stored.name, stored.object_id, stored.version)]
    reason = f"{ended.wanted.name}: {ended.failure}" if ended.failure else ""
    insert_operations(connection, OperationKind.PROCESS, done, by, reason)


def _replace_sources(
    connection: Connection,
    stored: StoredObject,
    wanted: ProcessorVersion,
    made: Sequence[StoredObject],
) -> None:
    connection.execute(
        OBJECT_SOURCES.delete().where(
            OBJECT_SOURCES.c.object_id == stored.object_id,
            OBJECT_SOURCES.c.processor == wanted.name,
        )
    )
    rows = [
        {
            "made_id": one.object_id, "made_version": one.version,
            "object_id": stored.object_id, "version": stored.version,
            "processor": wanted.name, "processor_version": wanted.version,
        }
        for one in made
    ]  # fmt: skip
    if rows:
        connection.execute(OBJECT_SOURCES.insert(), rows)


def runs_of(stored: StoredObject, wanted: ProcessorVersion) -> ColumnElement[bool]:
    """Those of the processor's version over these bytes."""
    runs = OBJECT_RUNS.c
    return and_(
        runs.object_id == stored.object_id,
        runs.sha256 == stored.content.sha256,
        runs.processor == wanted.name,
        runs.processor_version == wanted.version,
    )
