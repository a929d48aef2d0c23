"""Find objects by what they are called, are, and what is said of them; and their operations.

What belongs here: questions to the catalogue, a page at a time. What does not: its changes
(`objects.py`).

A page goes on after the last of the one before, by name or by id, so that it costs the same
wherever it is, and nothing is shown twice while others put more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import (
    METADATA,
    NEWEST,
    OBSERVED_DAY,
    OBSERVED_LONG,
    TAG,
    described,
    in_container,
    operation,
    some_at_once,
    stored_object,
)
from gmn_pipeline.database.object_runs import LATE
from gmn_pipeline.database.tables import (
    CONTAINERS,
    OBJECT_OPERATIONS,
    OBJECT_TERMS,
    OBJECT_VERSIONS,
    OBJECTS,
)
from gmn_pipeline.schemas.objects import Link, Operation, OperationKind, StoredObject

_FEW_DAYS = timedelta(days=60)  # of more there are too many objects to begin with


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both within; None is open."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Search:
    """Which objects are wanted: those for which all of this holds.

    `text` is in the name, however its letters are written; `content_type` ends in `/*` for a
    family. A metadata value is a text, a number, or an Interval of numbers, by its path. The time
    is one in which an object was observed, UTC; the box is west, south, east, north in degrees
    (west above east goes over the date line). `projects`: those that may be looked into.
    """

    projects: frozenset[str] | None = None
    project: str | None = None
    container: str | None = None
    folder: str = ""
    text: str = ""
    content_type: str | None = None
    size_bytes: Interval = Interval()
    sha256: str | None = None
    tags: frozenset[str] = frozenset()
    links: frozenset[Link] = frozenset()
    metadata: Mapping[str, str | float | Interval] = field(default_factory=dict)
    observed_from_utc: datetime | None = None
    observed_until_utc: datetime | None = None
    box_deg: tuple[float, float, float, float] | None = None
    put_since_utc: datetime | None = None
    is_deleted: bool = False


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
        query = (
            described()
            .where(NEWEST, OBJECTS.c.object_id > after_id, *_conditions(search))
            .order_by(OBJECTS.c.object_id)
            .limit(most)
        )
        with self._database.reading() as connection:
            return list(map(stored_object, connection.execute(query))) if connection else []

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

    def count(self, search: Search) -> tuple[int, int]:
        """How many objects there are, and how many bytes in their newest versions."""
        query = (
            described()
            .where(NEWEST, *_conditions(search))
            .with_only_columns(
                func.count(), func.coalesce(func.sum(OBJECT_VERSIONS.c.size_bytes), 0)
            )
        )
        with self._database.reading() as connection:
            objects, size_bytes = connection.execute(query).one() if connection else (0, 0)
        return int(objects), int(size_bytes)

    def level(
        self, project: str, container: str, folder: str, most: int, after: str = ""
    ) -> list[Folder | StoredObject]:
        """What lies directly in a folder of a container, in the order of names, after that one.

        `folder` is empty, or ends with `/`, as `after` does if that is a folder. Each step is a
        look into the index, so a folder of a million objects costs as much as one of ten.
        """
        found: list[Folder | StoredObject] = []
        with self._database.reading() as connection:
            if connection is None:
                return []
            container_id = connection.scalar(
                select(CONTAINERS.c.container_id).where(in_container(project, container))
            )
            last = folder + after + (_LAST if after.endswith("/") else "")
            while container_id is not None and len(found) < most:
                query = (
                    described()
                    .where(
                        NEWEST,
                        OBJECTS.c.container_id == container_id,
                        OBJECTS.c.live_name > last,
                        _begins_with(OBJECTS.c.live_name, folder),
                    )
                    .order_by(OBJECTS.c.live_name)
                    .limit(most - len(found))
                )
                rows = connection.execute(query).all()
                for row in rows:
                    inner, slash, _ = row.name[len(folder) :].partition("/")
                    if slash:
                        inside = f"{folder}{inner}/"
                        number = connection.scalar(
                            select(func.count()).where(
                                OBJECTS.c.container_id == container_id,
                                _begins_with(OBJECTS.c.live_name, inside),
                            )
                        )
                        found.append(Folder(inner, int(number or 0)))
                        last = inside + _LAST
                        break
                    found.append(stored_object(row))
                    last = row.name
                else:
                    break
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


_LAST = "\U0010ffff"
"""Comes after each letter that a name can have."""


def _begins_with(column: ColumnElement[str | None], prefix: str) -> ColumnElement[bool]:
    """Whether a name lies in a folder: by an interval, which an index knows."""
    return (column >= prefix) & (column < prefix + _LAST) if prefix else column.is_not(None)


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        OBJECTS.c.live_name.is_(None) if search.is_deleted else OBJECTS.c.live_name.is_not(None)
    ]
    said, size = OBJECT_VERSIONS.c, search.size_bytes
    for column, value in (
        (CONTAINERS.c.project, search.project),
        (CONTAINERS.c.container, search.container),
        (said.sha256, search.sha256),
    ):
        if value is not None:
            found.append(column == value)
    if search.projects is not None:
        found.append(CONTAINERS.c.project.in_(sorted(search.projects)))
    if search.folder:
        found.append(_begins_with(OBJECTS.c.name, search.folder.rstrip("/") + "/"))
    if search.text:
        found.append(OBJECTS.c.name.icontains(search.text, autoescape=True))
    if search.content_type is not None:
        family = search.content_type.removesuffix("*")
        is_family = family != search.content_type
        found.append(
            said.content_type.startswith(family, autoescape=True)
            if is_family
            else said.content_type == family
        )
    found += _within(said.size_bytes, size)
    found += [_has_term(TAG, tag) for tag in sorted(search.tags)]
    found += [_has_term(link.kind.value, link.key) for link in sorted(search.links)]
    found += [_has_term(METADATA + path, value) for path, value in search.metadata.items()]
    if search.observed_from_utc is not None:
        until = func.coalesce(said.observed_until_utc, said.observed_from_utc)
        found.append(until >= search.observed_from_utc)
    if search.observed_until_utc is not None:
        found.append(said.observed_from_utc <= search.observed_until_utc)
    begin, end = search.observed_from_utc, search.observed_until_utc
    if begin is not None and end is not None and end - begin < _FEW_DAYS:
        found.append(_on_days(begin, end))
    if search.put_since_utc is not None:
        found.append(said.put_at_utc >= search.put_since_utc)
    if search.box_deg is not None:
        west, south, east, north = search.box_deg
        found.append(said.latitude_deg.between(south, north))
        inside = said.longitude_deg.between(west, east)
        over_date_line = (said.longitude_deg >= west) | (said.longitude_deg <= east)
        found.append(inside if west <= east else over_date_line)
    return found


def _on_days(first: datetime, last: datetime) -> ColumnElement[bool]:
    """Which objects can have been observed in a time: those that the index of terms knows."""
    terms = OBJECT_TERMS.c
    days = terms.number_value.between(float(first.toordinal()), float(last.toordinal()))
    on_days = select(terms.object_id).where(terms.field == OBSERVED_DAY, days)
    for_long = select(terms.object_id).where(terms.field == OBSERVED_LONG)
    return OBJECTS.c.object_id.in_(on_days.union_all(for_long))


def _has_term(name: str, value: str | float | Interval) -> ColumnElement[bool]:
    """Whether an object has a term: asked of the terms' own index, not of each object."""
    terms = OBJECT_TERMS.c
    if isinstance(value, Interval):
        conditions = [terms.number_value.is_not(None), *_within(terms.number_value, value)]
    elif isinstance(value, str):
        conditions = [terms.text_value == value]
    else:
        conditions = [terms.number_value == float(value)]
    return OBJECTS.c.object_id.in_(select(terms.object_id).where(terms.field == name, *conditions))


def _within(column: ColumnElement[Any], interval: Interval) -> list[ColumnElement[bool]]:
    found = []
    if interval.low is not None:
        found.append(column >= interval.low)
    if interval.high is not None:
        found.append(column <= interval.high)
    return found
