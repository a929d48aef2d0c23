"""Objects as rows, and back.

What belongs here: how a version, its terms and the log lie in their tables. What does not: which
of them change together (`objects.py`), and which are asked for (`object_search.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.tables import (
    CONTAINERS,
    OBJECT_OPERATIONS,
    OBJECT_TERMS,
    OBJECT_VERSIONS,
    OBJECTS,
)
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    Link,
    LinkKind,
    ObjectName,
    Operation,
    OperationKind,
    StoredObject,
    searchable,
)

NEWEST: ColumnElement[bool] = OBJECT_VERSIONS.c.version == OBJECTS.c.newest_version
TAG = "tag"
METADATA = "metadata."
_AT_ONCE = 500  # asked for by one statement
OBSERVED_DAY = "observed.day"
"""A day (UTC, as an ordinal) on which an object was observed: of two times that limit each other,
an index on either finds half of all objects."""
OBSERVED_LONG = "observed.long"
"""One that was observed on too many days to have each of them."""
OBSERVED_CELL = "observed.cell"
"""The square of a degree in which an object was observed, for the same reason."""
_MOST_DAYS = 31
_CELLS_IN_ROW = 400  # 361 are used: 180 degrees east is one by itself

Beside = Callable[[Connection], None]
"""What is written in the same transaction."""


def nothing_beside(_: Connection) -> None:
    """Write nothing else."""


def insert_or(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insertion that says what to do with rows that are there."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def described(*more: ColumnElement[Any]) -> Select[Any]:
    """Versions of objects with their names, as `stored_object` wants them."""
    return (
        select(
            OBJECT_VERSIONS,
            OBJECTS.c.name, OBJECTS.c.newest_version, OBJECTS.c.deleted_at_utc,
            OBJECTS.c.restorable_until_utc, CONTAINERS.c.project, CONTAINERS.c.container, *more,
        )
        .select_from(OBJECTS)
        .join(CONTAINERS, CONTAINERS.c.container_id == OBJECTS.c.container_id)
        .join(OBJECT_VERSIONS, OBJECT_VERSIONS.c.object_id == OBJECTS.c.object_id)
    )  # fmt: skip


def in_container(project: str, container: str) -> ColumnElement[bool]:
    """Whether a row is of this container."""
    return and_(CONTAINERS.c.project == project, CONTAINERS.c.container == container)


def some_at_once(values: Iterable[str]) -> Iterator[list[str]]:
    """Values in order, each once, as many at a time as one statement asks for."""
    ordered = sorted(set(values))
    for first in range(0, len(ordered), _AT_ONCE):
        yield ordered[first : first + _AT_ONCE]


def stored_object(row: Row[Any]) -> StoredObject:
    """A version from its row."""
    said = Description(
        row.content_type, row.application, row.metadata, frozenset(row.tags),
        frozenset(Link(LinkKind(kind), key) for kind, key in row.links),
        row.observed_from_utc, row.observed_until_utc, row.latitude_deg, row.longitude_deg,
    )  # fmt: skip
    return StoredObject(
        row.object_id, ObjectName(row.project, row.container, row.name), row.version,
        Content(row.sha256, row.size_bytes), said, row.put_at_utc, row.put_by,
        row.version == row.newest_version, row.deleted_at_utc, row.restorable_until_utc,
    )  # fmt: skip


def version_row(stored: StoredObject) -> dict[str, Any]:
    """The row of a version."""
    said = vars(stored.description) | {
        "tags": sorted(stored.description.tags),
        "links": sorted(map(list, stored.description.links)),
    }
    return said | stored.content._asdict() | {
        "object_id": stored.object_id, "version": stored.version,
        "put_at_utc": stored.put_at_utc, "put_by": stored.put_by,
    }  # fmt: skip


def replace_terms(connection: Connection, newest: Sequence[StoredObject]) -> None:
    """Let objects be found by what is said of these versions of theirs, and by nothing else."""
    again = [one.object_id for one in newest if one.version > 1]
    if again:
        connection.execute(
            OBJECT_TERMS.delete().where(OBJECT_TERMS.c.object_id == bindparam("of")),
            [{"of": object_id} for object_id in again],
        )
    rows = [row for one in newest for row in _terms(one)]
    if rows:
        connection.execute(OBJECT_TERMS.insert(), rows)


def _terms(stored: StoredObject) -> list[dict[str, Any]]:
    said = stored.description
    found: list[tuple[str, str | float]] = [(TAG, tag) for tag in said.tags]
    found += [(link.kind.value, link.key) for link in said.links]
    found += [
        (METADATA + path, value)
        for path, values in searchable(said.metadata).items()
        for value in values
    ]
    found += _days(said)
    if said.latitude_deg is not None and said.longitude_deg is not None:
        found.append((OBSERVED_CELL, float(cell_of(said.latitude_deg, said.longitude_deg))))
    return [
        {
            "object_id": stored.object_id, "field": field,
            "text_value": value if isinstance(value, str) else None,
            "number_value": None if isinstance(value, str) else value,
        }
        for field, value in sorted(set(found), key=repr)
    ]  # fmt: skip


def cell_of(latitude_deg: float, longitude_deg: float) -> int:
    """The square of a degree of a place: numbers go on eastwards, then northwards."""
    return int(latitude_deg + 90) * _CELLS_IN_ROW + int(longitude_deg + 180)


def _days(said: Description) -> list[tuple[str, float]]:
    if said.observed_from_utc is None:
        return []
    first = said.observed_from_utc.toordinal()
    last = (said.observed_until_utc or said.observed_from_utc).toordinal()
    if last - first >= _MOST_DAYS:
        return [(OBSERVED_LONG, 1.0)]
    return [(OBSERVED_DAY, float(day)) for day in range(first, last + 1)]


def insert_operations(
    connection: Connection,
    kind: OperationKind,
    done: Sequence[tuple[ObjectName, int | None, int | None]],
    by: By,
    reason: str = "",
) -> None:
    """Log what was done to objects (name, id, version), or why it could not be."""
    now = utc_now()
    rows = [
        {
            "kind": kind.value, "project": name.project, "name": str(name),
            "object_id": object_id, "version": version,
            "by": by.who, "run_id": by.run_id, "at_utc": now, "reason": reason,
        }
        for name, object_id, version in done
    ]  # fmt: skip
    if rows:
        connection.execute(OBJECT_OPERATIONS.insert(), rows)


def operation(row: Row[Any]) -> Operation:
    """What was done, from its row."""
    return Operation(
        row.number, OperationKind(row.kind), row.name, row.object_id, row.version, row.by,
        row.run_id, row.at_utc, row.reason,
    )  # fmt: skip
