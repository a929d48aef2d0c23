"""Find objects by what they are called, are, and what is said of them; and their operations.

What belongs here: questions to the catalogue, a page at a time. What does not: its changes
(`objects.py`).

A page goes on after the last of the one before, by name or by id, so that it costs the same
wherever it is, and nothing is shown twice while others put more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_conditions import LAST, Interval, Search, conditions, leads
from gmn_pipeline.database.object_folders import folders_within
from gmn_pipeline.database.object_rows import (
    NEWEST,
    described,
    in_container,
    operation,
    some_at_once,
    stored_object,
)
from gmn_pipeline.database.object_runs import LATE
from gmn_pipeline.database.tables import CONTAINERS, OBJECT_OPERATIONS, OBJECT_VERSIONS, OBJECTS
from gmn_pipeline.schemas.objects import Operation, OperationKind, StoredObject

__all__ = ["Folder", "Interval", "ObjectSearch", "Search"]

_FEW = 10_000
"""Objects that one condition leaves, to ask the others of each of them. Where each leaves more, the
first that hold all come soon, in the order of their ids."""
_SOON = 20_000
"""So far in that order: of what came late, the first is looked for before all are asked."""


@dataclass(frozen=True)
class Folder:
    """A folder of a container, as a listing of one level shows it."""

    name: str
    objects: int


class ObjectSearch:
    """Any number of processes ask at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, search: Search, most: int, after_id: int = 0) -> list[StoredObject]:
        """Objects in their newest versions, in the order of their ids, after that one."""
        with self._database.reading() as connection:
            if connection is None:
                return []
            query, many = _wanted(connection, search, after_id)
            query = query.order_by(OBJECTS.c.object_id).limit(most)
            if many:  # most often there are enough among the next ones
                soon = query.where(OBJECTS.c.object_id.between(after_id + 1, after_id + _SOON))
                found = list(map(stored_object, connection.execute(soon)))
                if len(found) == most:
                    return found
                firsts = [connection.scalars(one.order_by("object_id").limit(1)) for one in many]
                after_id = max(first.one() for first in firsts) - 1
            query = query.where(OBJECTS.c.object_id > after_id)
            return list(map(stored_object, connection.execute(query)))

    def named(
        self, project: str, container: str, names: Collection[str]
    ) -> dict[str, StoredObject]:
        """Objects of a container by their names, as many of them as there are."""
        found: dict[str, StoredObject] = {}
        with self._database.reading() as connection:
            if connection is None:
                return found
            for some in some_at_once(names):
                query = described().where(
                    NEWEST, in_container(project, container), OBJECTS.c.live_name.in_(some)
                )
                found |= {row.name: stored_object(row) for row in connection.execute(query)}
        return found

    def count(self, search: Search, most: int | None = None) -> tuple[int, int]:
        """How many objects there are, and how many bytes in their newest versions; of more than
        `most`, some `most` + 1 are counted, however many there are."""
        with self._database.reading() as connection:
            if connection is None:
                return 0, 0
            query, _ = _wanted(connection, search, 0, are_all_wanted=most is None)
            counted = query.with_only_columns(OBJECT_VERSIONS.c.size_bytes)
            if most is not None:
                counted = counted.limit(most + 1)
            size_bytes = func.coalesce(func.sum(counted.subquery().c.size_bytes), 0)
            row = connection.execute(select(func.count(), size_bytes)).one()
        return int(row[0]), int(row[1])

    def level(
        self, project: str, container: str, folder: str, most: int, after: str = ""
    ) -> list[Folder | StoredObject]:
        """What lies directly in a folder of a container, in the order of names, after that one.

        `folder` is empty, or ends with `/`, as `after` does if that is a folder. Each step is a
        look into an index, so a folder of a million objects costs as much as one of ten.
        """
        found: list[Folder | StoredObject] = []
        with self._database.reading() as connection:
            if connection is None:
                return []
            container_id = connection.scalar(
                select(CONTAINERS.c.container_id).where(in_container(project, container))
            )
            if container_id is None:
                return []
            last = folder + after + (LAST if after.endswith("/") else "")
            inner = folders_within(connection, container_id, folder, folder + after, most)
            for name, objects in [*inner, (folder + LAST, 0)]:
                within = {"of": container_id, "last": last, "next": name, "most": most - len(found)}
                found += map(stored_object, connection.execute(_BETWEEN, within))
                if len(found) == most or not objects:
                    break
                found.append(Folder(name[len(folder) : -1], objects))
                last = name + LAST
        return found

    def gone_from(self, projects: Collection[str], operation: int, most: int) -> frozenset[int]:
        """Objects that operations with later numbers deleted or moved, and that are in none of
        these projects now; up to so many."""
        number, kind = OBJECT_OPERATIONS.c.number, OBJECT_OPERATIONS.c.kind
        leaving = [OperationKind.MOVE.value, OperationKind.DELETE.value]
        moved = select(OBJECT_OPERATIONS.c.object_id).where(
            number > operation - LATE, kind.in_(leaving),
            OBJECT_OPERATIONS.c.object_id.is_not(None),
        )  # fmt: skip
        there = (
            select(OBJECTS.c.object_id)
            .join(CONTAINERS, CONTAINERS.c.container_id == OBJECTS.c.container_id)
            .where(OBJECTS.c.live_name.is_not(None), CONTAINERS.c.project.in_(projects))
        )
        query = moved.where(OBJECT_OPERATIONS.c.object_id.not_in(there)).distinct().limit(most)
        with self._database.reading() as connection:
            return frozenset(connection.scalars(query)) if connection else frozenset()

    def operations(
        self,
        *,
        object_id: int | None = None,
        project: str | None = None,
        run_id: str | None = None,
        most: int = 100,
        before: int | None = None,
    ) -> list[Operation]:
        """What was done to an object, in a project or by a run, the newest first, before that
        number."""
        columns = OBJECT_OPERATIONS.c
        query = select(OBJECT_OPERATIONS).order_by(columns.number.desc()).limit(most)
        if object_id is not None:
            query = query.where(columns.object_id == object_id)
        if project is not None:
            query = query.where(columns.project == project)
        if run_id is not None:
            query = query.where(columns.run_id == run_id)
        if before is not None:
            query = query.where(columns.number < before)
        with self._database.reading() as connection:
            return list(map(operation, connection.execute(query))) if connection else []


_BETWEEN = (
    described()
    .where(
        NEWEST,
        OBJECTS.c.container_id == bindparam("of"),
        OBJECTS.c.live_name > bindparam("last"),
        OBJECTS.c.live_name < bindparam("next"),
    )
    .order_by(OBJECTS.c.live_name)
    .limit(bindparam("most"))
)
"""Files between two folders: asked once for each folder of a level."""


def _wanted(
    connection: Connection, search: Search, after_id: int, *, are_all_wanted: bool = False
) -> tuple[Select[Any], list[Select[Any]]]:
    """Objects for which all holds: asked of the few after that one which one of the conditions
    leaves. If none leaves few, also what each of those leaves that an index knows."""
    dialect = connection.dialect.name
    container_ids = _container_ids(connection, search)
    fewest, few = _FEW + 1, None
    many: list[Select[Any]] = []
    for lead in leads(search, container_ids, dialect):
        column = lead.selected_columns[0]
        one = lead.with_only_columns(column.label("object_id")).where(column > after_id)
        asked = select(func.count()).select_from(one.limit(fewest).subquery())
        number = connection.scalar(asked) or 0
        if number < fewest:
            fewest, few = number, one
        many.append(one)
    are_many_asked = are_all_wanted and few is None
    query = described().where(
        NEWEST, *conditions(search, container_ids, dialect, are_many_asked=are_many_asked)
    )
    if few is None:
        return query, many
    return query.where(OBJECTS.c.object_id.in_(few)), []


def _container_ids(connection: Connection, search: Search) -> list[int] | None:
    """Containers that a search is limited to; None if it is not."""
    columns = CONTAINERS.c
    limits: list[ColumnElement[bool]] = []
    if search.project is not None:
        limits.append(columns.project == search.project)
    if search.container is not None:
        limits.append(columns.container == search.container)
    if search.projects is not None:
        limits.append(columns.project.in_(sorted(search.projects)))
    if not limits:
        return None
    return list(connection.scalars(select(columns.container_id).where(*limits)))
