"""How the lake of objects is used: objects by project, type and size, operations by day.

What belongs here: these counts. What does not: who may see them (`serving/objects/use.py`), and
single objects (`object_search.py`).
"""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import NEWEST, described
from gmn_pipeline.database.tables import (
    CONTAINERS,
    OBJECT_OPERATIONS,
    OBJECT_VERSIONS,
    OBJECTS,
)

DAYS = 366
"""Of operations: so many days until now."""
_SIZES = ((1_000, "below 1 kB"), (1_000_000, "1 kB to 1 MB"), (1_000_000_000, "1 MB to 1 GB"))
_LARGEST = "1 GB and more"


class ObjectUse:
    """Any number of processes ask at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, by: str, projects: Collection[str]) -> list[dict[str, Any]]:
        """Rows of one of `QUERIES`, of some projects."""
        with self._database.reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(QUERIES[by](sorted(projects))).mappings()
            return [
                {name: value if isinstance(value, int) else str(value) for name, value in r.items()}
                for r in rows
            ]


def _by_project(projects: Collection[str]) -> Select[Any]:
    return _objects(CONTAINERS.c.project, projects)


def _by_type(projects: Collection[str]) -> Select[Any]:
    return _objects(OBJECT_VERSIONS.c.content_type, projects)


def _by_size(projects: Collection[str]) -> Select[Any]:
    size = OBJECT_VERSIONS.c.size_bytes
    classes = case(*((size < most, name) for most, name in _SIZES), else_=_LARGEST)
    return _objects(classes.label("size"), projects).order_by(None).order_by(func.min(size))


def _objects(by: ColumnElement[Any], projects: Collection[str]) -> Select[Any]:
    """How many there are, and how large they are together, the most first."""
    count = func.count().label("objects")
    return (
        described()
        .where(NEWEST, OBJECTS.c.live_name.is_not(None), CONTAINERS.c.project.in_(projects))
        .with_only_columns(by, count, func.sum(OBJECT_VERSIONS.c.size_bytes).label("size_bytes"))
        .group_by(by)
        .order_by(count.desc(), by)
    )


def _by_day(projects: Collection[str]) -> Select[Any]:
    columns = OBJECT_OPERATIONS.c
    day = func.date(columns.at_utc)
    failed = func.sum(case((columns.reason != "", 1), else_=0))
    return (
        select(
            day.label("date"), columns.kind, func.count().label("operations"),
            failed.label("failed"),
        )
        .where(
            columns.project.in_(projects), columns.at_utc >= utc_now() - timedelta(days=DAYS)
        )
        .group_by(day, columns.kind)
        .order_by(day, columns.kind)
    )  # fmt: skip


QUERIES: dict[str, Callable[[Collection[str]], Select[Any]]] = {
    "project": _by_project,
    "content_type": _by_type,
    "size": _by_size,
    "day": _by_day,
}
"""By what the use is told."""
