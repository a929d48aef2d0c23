"""Which processor has read which object, what was made of it, and what is to be read again.

What belongs here: runs, their outcome, the list of what to do again, what waits. What does not: the
work (`flows/object_processing.py`), rows that came of it (`warehouse/objects/`).

A run is of a processor's version over a version of an object. What waits is found by the bytes: to
say something else of an object makes a version of it that need not be read again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, true, union

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_naming import container_id_of
from gmn_pipeline.database.object_rows import (
    NEWEST,
    described,
    in_container,
    insert_operations,
    stored_object,
)
from gmn_pipeline.database.tables import (
    CONTAINER_RULES,
    CONTAINERS,
    OBJECT_OPERATIONS,
    OBJECT_RUNS,
    OBJECT_SOURCES,
    OBJECT_VERSIONS,
    OBJECTS,
    OBJECTS_TO_REPROCESS,
)
from gmn_pipeline.database.tables_search import OBJECT_TEXTS
from gmn_pipeline.schemas.objects import By, Json, OperationKind, StoredObject

MADE_BY = "processor "
"""How `application` of an object begins that a processor made; its name follows."""

LATE = 500
"""Operations of which one may have been logged after others with higher numbers were: PostgreSQL
gives numbers before transactions commit."""

_CHANGES = [kind.value for kind in OperationKind if kind not in (
    OperationKind.GET, OperationKind.SHARE, OperationKind.PROCESS,
)]  # fmt: skip


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
class ObjectRun:
    """A run, as it is kept. `reason` is why it failed, or what could not be kept of it."""

    object_id: int
    version: int
    processor: str
    processor_version: int
    state: RunState
    run_id: str
    tries: int
    started_at_utc: datetime
    ended_at_utc: datetime | None
    row_count: int
    reason: str


class ObjectRuns:
    """Any number of processes look; one at a time works (`flows/object_processing.py`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # what waits

    def waiting(
        self, wanted: Sequence[ProcessorVersion], tries: int, most: int, since: int = 0
    ) -> list[tuple[StoredObject, list[str]]]:
        """Objects that processors have not read yet, or are to read again, in the order of their
        ids, and which processors; not those that failed so often.

        `since`: nothing waited when the operation of that number was the last, so that only what
        changed later is looked at; of millions of objects that takes no time.
        """
        found: dict[int, tuple[StoredObject, list[str]]] = {}
        with self._database.reading() as connection:
            for one in wanted if connection else ():
                assert connection is not None
                query = (
                    described()
                    .where(
                        NEWEST, OBJECTS.c.live_name.is_not(None), _may_wait(since, tries),
                        _is_of(one.content_types), _is_due(one, tries),
                        OBJECT_VERSIONS.c.application != MADE_BY + one.name,
                    )
                    .order_by(OBJECTS.c.object_id)
                    .limit(most)
                )  # fmt: skip
                for row in connection.execute(query):
                    _, names = found.setdefault(row.object_id, (stored_object(row), []))
                    names.append(one.name)
        return [found[object_id] for object_id in sorted(found)[:most]]

    def mark(self) -> tuple[int, int]:
        """Numbers that are others once objects came, changed, or are to be read again."""
        with self._database.reading() as connection:
            if connection is None:
                return 0, 0
            changed = connection.scalar(
                select(OBJECT_OPERATIONS.c.number)
                .where(OBJECT_OPERATIONS.c.kind.in_(_CHANGES))
                .order_by(OBJECT_OPERATIONS.c.number.desc())
                .limit(1)
            )
            again = connection.scalar(select(func.max(OBJECTS_TO_REPROCESS.c.number)))
        return changed or 0, again or 0

    def ask_again(self, asked: Iterable[tuple[int, str]], by: By) -> int:
        """Have objects (by id) read again by processors (by name), however that went before; how
        many such pairs."""
        now = utc_now()
        rows = [
            {"object_id": one, "processor": name, "asked_by": by.who, "asked_at_utc": now}
            for one, name in asked
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(OBJECTS_TO_REPROCESS.insert(), rows)
        return len(rows)

    # runs

    def start(self, stored: StoredObject, wanted: ProcessorVersion, run_id: str) -> None:
        """Note that a processor begins, which counts as a try; what was asked for is being done."""
        with self._database.writing() as connection:
            asked = connection.execute(
                OBJECTS_TO_REPROCESS.delete().where(
                    OBJECTS_TO_REPROCESS.c.object_id == stored.object_id,
                    OBJECTS_TO_REPROCESS.c.processor == wanted.name,
                )
            ).rowcount
            before = connection.execute(
                select(OBJECT_RUNS.c.state, OBJECT_RUNS.c.tries)
                .where(_runs_of(stored, wanted))
                .order_by(OBJECT_RUNS.c.started_at_utc.desc())
                .limit(1)
            ).one_or_none()
            is_again = asked or before is None or before.state == RunState.FINISHED
            tries = 1 if is_again or before is None else before.tries + 1
            connection.execute(OBJECT_RUNS.delete().where(_runs_of(stored, wanted)))
            connection.execute(
                OBJECT_RUNS.insert().values(
                    object_id=stored.object_id, version=stored.version, processor=wanted.name,
                    processor_version=wanted.version, sha256=stored.content.sha256,
                    state=RunState.RUNNING.value, run_id=run_id, tries=tries,
                    started_at_utc=utc_now(), row_count=0, reason="",
                )
            )  # fmt: skip

    def end(
        self,
        stored: StoredObject,
        wanted: ProcessorVersion,
        by: By,
        *,
        failure: str = "",
        remark: str = "",
        row_count: int = 0,
        made: Sequence[StoredObject] = (),
    ) -> None:
        """Note how it ended: which objects were made, or why it failed; with the operation."""
        state = RunState.FAILED if failure else RunState.FINISHED
        with self._database.writing() as connection:
            connection.execute(
                OBJECT_RUNS.update()
                .where(_runs_of(stored, wanted))
                .values(
                    state=state.value, ended_at_utc=utc_now(), row_count=row_count,
                    reason=failure or remark,
                )
            )  # fmt: skip
            if not failure:
                _replace_sources(connection, stored, wanted, made)
            done = [(stored.name, stored.object_id, stored.version)]
            reason = f"{wanted.name}: {failure}" if failure else ""
            insert_operations(connection, OperationKind.PROCESS, done, by, reason)

    def postpone(
        self, stored: StoredObject, wanted: Sequence[ProcessorVersion], reason: str
    ) -> None:
        """Take back what has begun, and the try: a database or a lake is away."""
        with self._database.writing() as connection:
            for one in wanted:
                running = and_(_runs_of(stored, one), OBJECT_RUNS.c.state == RunState.RUNNING.value)
                connection.execute(
                    OBJECT_RUNS.update()
                    .where(running)
                    .values(
                        state=RunState.FAILED.value, tries=OBJECT_RUNS.c.tries - 1, reason=reason,
                        ended_at_utc=utc_now(),
                    )
                )  # fmt: skip

    def is_live(self, object_id: int) -> bool:
        """Whether an object is not deleted."""
        query = exists().where(OBJECTS.c.object_id == object_id, OBJECTS.c.live_name.is_not(None))
        with self._database.reading() as connection:
            return bool(connection.scalar(select(query))) if connection else False

    def of_object(self, object_id: int) -> list[ObjectRun]:
        """Its runs, the newest first."""
        return self._runs(OBJECT_RUNS.c.object_id == object_id)

    def failed(self, most: int) -> list[ObjectRun]:
        """Runs that failed, the newest first."""
        return self._runs(OBJECT_RUNS.c.state == RunState.FAILED.value, most)

    def _runs(self, which: ColumnElement[bool], most: int = 1_000) -> list[ObjectRun]:
        query = select(OBJECT_RUNS).where(which)
        query = query.order_by(OBJECT_RUNS.c.started_at_utc.desc()).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [
            ObjectRun(
                row.object_id, row.version, row.processor, row.processor_version,
                RunState(row.state), row.run_id, row.tries, row.started_at_utc, row.ended_at_utc,
                row.row_count, row.reason,
            )
            for row in rows
        ]  # fmt: skip

    def made_of(self, object_id: int, by: Collection[str] | None = None) -> list[int]:
        """Objects that were made of this one, by these processors or by all."""
        sources = OBJECT_SOURCES.c
        of_it = sources.object_id == object_id
        if by is not None:
            of_it = and_(of_it, sources.processor.in_(by))
        return self._sources(sources.made_id, of_it)

    def sources_of(self, object_id: int) -> list[int]:
        """Objects that this one was made of."""
        return self._sources(OBJECT_SOURCES.c.object_id, OBJECT_SOURCES.c.made_id == object_id)

    def _sources(self, column: ColumnElement[int], which: ColumnElement[bool]) -> list[int]:
        with self._database.reading() as connection:
            query = select(column).where(which).distinct().order_by(column)
            return list(connection.scalars(query)) if connection else []

    # changes of the catalogue

    def changed_since(self, operation: int, most: int) -> tuple[list[int], int]:
        """Objects that operations with later numbers changed, up to so many operations; and the
        number of the last of them."""
        query = (
            select(OBJECT_OPERATIONS.c.number, OBJECT_OPERATIONS.c.object_id)
            .where(OBJECT_OPERATIONS.c.number > operation, OBJECT_OPERATIONS.c.kind.in_(_CHANGES))
            .order_by(OBJECT_OPERATIONS.c.number)
            .limit(most)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        changed = {row.object_id for row in rows if row.object_id is not None}
        return sorted(changed), rows[-1].number if rows else operation

    def forget(self, object_ids: Sequence[int]) -> None:
        """Forget the runs over deleted objects, of which nothing is left, and their texts."""
        if object_ids:
            with self._database.writing() as connection:
                for table in (OBJECT_RUNS, OBJECT_TEXTS):
                    connection.execute(table.delete().where(table.c.object_id.in_(object_ids)))

    def now(self, object_ids: Sequence[int]) -> list[StoredObject]:
        """These objects in their newest versions, without those that are deleted."""
        query = described().where(
            NEWEST, OBJECTS.c.object_id.in_(object_ids), OBJECTS.c.live_name.is_not(None)
        )
        with self._database.reading() as connection:
            return list(map(stored_object, connection.execute(query))) if connection else []

    # rules of containers

    def rules(self, project: str, container: str) -> Mapping[str, Any]:
        """What a container says to processors, by their names."""
        query = select(CONTAINER_RULES.c.rules).join(
            CONTAINERS, CONTAINERS.c.container_id == CONTAINER_RULES.c.container_id
        )
        with self._database.reading() as connection:
            found = connection.scalar(query.where(in_container(project, container))) \
                if connection else None  # fmt: skip
        return found or {}

    def set_rules(self, project: str, container: str, rules: Json, by: By) -> None:
        """Let a container say something else to them. Raises ObjectMissing if there is none."""
        with self._database.writing() as connection:
            container_id = container_id_of(connection, project, container)
            of_it = CONTAINER_RULES.c.container_id == container_id
            connection.execute(CONTAINER_RULES.delete().where(of_it))
            connection.execute(
                CONTAINER_RULES.insert().values(
                    container_id=container_id, rules=rules, set_by=by.who, set_at_utc=utc_now()
                )
            )


def _is_of(content_types: Sequence[str]) -> ColumnElement[bool]:
    column = OBJECT_VERSIONS.c.content_type
    families = [one.removesuffix("*") for one in content_types if one.endswith("/*")]
    return or_(
        column.in_([one for one in content_types if not one.endswith("/*")]),
        *(column.startswith(family, autoescape=True) for family in families),
    )


def _may_wait(since: int, tries: int) -> ColumnElement[bool]:
    if not since:
        return true()
    operations, runs = OBJECT_OPERATIONS.c, OBJECT_RUNS.c
    candidates = union(
        select(operations.object_id).where(
            operations.number > since - LATE, operations.object_id.is_not(None)
        ),
        select(OBJECTS_TO_REPROCESS.c.object_id),
        select(runs.object_id).where(
            runs.state.in_([RunState.RUNNING.value, RunState.FAILED.value]), runs.tries < tries
        ),
    )
    return OBJECTS.c.object_id.in_(candidates)


def _is_due(one: ProcessorVersion, tries: int) -> ColumnElement[bool]:
    """Whether it was not read by this version of the processor, or is to be read again."""
    runs, again = OBJECT_RUNS.c, OBJECTS_TO_REPROCESS.c
    is_over = exists().where(
        runs.object_id == OBJECTS.c.object_id,
        runs.sha256 == OBJECT_VERSIONS.c.sha256,
        runs.processor == one.name,
        runs.processor_version == one.version,
        or_(runs.state == RunState.FINISHED.value, runs.tries >= tries),
    )
    is_asked = exists().where(again.object_id == OBJECTS.c.object_id, again.processor == one.name)
    return or_(~is_over, is_asked)


def _runs_of(stored: StoredObject, wanted: ProcessorVersion) -> ColumnElement[bool]:
    """Those of the processor's version over these bytes."""
    runs = OBJECT_RUNS.c
    return and_(
        runs.object_id == stored.object_id,
        runs.sha256 == stored.content.sha256,
        runs.processor == wanted.name,
        runs.processor_version == wanted.version,
    )


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
