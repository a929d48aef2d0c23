"""Which processor has read which object, what was made of it, and what is to be read again.

What belongs here: runs, their outcome, the list of what to do again, what waits. What does not: the
work (`flows/object_processing.py`), rows that came of it (`warehouse/objects/`).

A run is of a processor's version over a version of an object. What waits is found by the bytes: to
say something else of an object makes a version of it that need not be read again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true, union

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_naming import container_id_of
from gmn_pipeline.database.object_rows import (
    NEWEST,
    described,
    in_container,
    stored_object,
)
from gmn_pipeline.database.object_run_rows import (
    ProcessorVersion,
    RunEnd,
    RunState,
    end,
    runs_of,
    start,
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

__all__ = ["ObjectRun", "ObjectRuns", "ProcessorVersion", "RunEnd", "RunState"]

MADE_BY = "processor "
"""How `application` of an object begins that a processor made; its name follows."""

LATE = 500
"""Operations of which one may have been logged after others with higher numbers were: PostgreSQL
gives numbers before transactions commit."""

_CHANGES = [kind.value for kind in OperationKind if kind not in (
    OperationKind.GET, OperationKind.SHARE, OperationKind.PROCESS,
)]  # fmt: skip


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

    def start(
        self, begun: Sequence[tuple[StoredObject, Sequence[ProcessorVersion]]], run_id: str
    ) -> None:
        """Note that processors begin, which counts as a try; what was asked for is being done."""
        with self._database.writing() as connection:
            for stored, wanted in begun:
                for one in wanted:
                    start(connection, stored, one, run_id)

    def tried(self, object_ids: Collection[int]) -> set[int]:
        """Those of the objects over which a run failed, or was left by a process that ended."""
        runs = OBJECT_RUNS.c
        query = select(runs.object_id).where(
            runs.object_id.in_(object_ids), runs.state != RunState.FINISHED.value, runs.tries > 0
        )
        with self._database.reading() as connection:
            return set(connection.scalars(query)) if connection else set()

    def end(self, ends: Sequence[RunEnd], by: By) -> None:
        """Note how runs ended, with the operations: all of them, or none."""
        with self._database.writing() as connection:
            for one in ends:
                end(connection, one, by)

    def postpone(
        self, stored: StoredObject, wanted: Sequence[ProcessorVersion], reason: str
    ) -> None:
        """Take back what has begun, and the try: a database or a lake is away."""
        with self._database.writing() as connection:
            for one in wanted:
                running = and_(runs_of(stored, one), OBJECT_RUNS.c.state == RunState.RUNNING.value)
                connection.execute(
                    OBJECT_RUNS.update()
                    .where(running)
                    .values(
                        state=RunState.FAILED.value, tries=OBJECT_RUNS.c.tries - 1, reason=reason,
                        ended_at_utc=utc_now(),
                    )
                )  # fmt: skip

    def live(self, object_ids: Collection[int]) -> set[int]:
        """Those of the objects that are not deleted."""
        query = select(OBJECTS.c.object_id).where(
            OBJECTS.c.object_id.in_(object_ids), OBJECTS.c.live_name.is_not(None)
        )
        with self._database.reading() as connection:
            return set(connection.scalars(query)) if connection else set()

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

    def made_of(self, object_ids: Collection[int]) -> list[tuple[int, str, int]]:
        """Objects that were made of these: of which, by which processor, and which."""
        sources = OBJECT_SOURCES.c
        query = select(sources.object_id, sources.processor, sources.made_id).distinct()
        query = query.where(sources.object_id.in_(object_ids)).order_by(sources.made_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [(row.object_id, row.processor, row.made_id) for row in rows]

    def sources_of(self, object_id: int) -> list[int]:
        """Objects that this one was made of."""
        sources = OBJECT_SOURCES.c
        query = select(sources.object_id).where(sources.made_id == object_id).distinct()
        with self._database.reading() as connection:
            found = connection.scalars(query.order_by(sources.object_id)) if connection else ()
            return list(found)

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
