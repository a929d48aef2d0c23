"""Objects of a project in the order of their keys (`container/name`), as S3 lists them.

What belongs here: a page of keys, with what begins alike rolled up. What does not: all versions of
each (`object_key_versions.py`), a level of folders (`object_search.py`), and how a page is told
(`serving/s3/buckets.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, select

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_conditions import LAST, begins_with
from gmn_pipeline.database.object_rows import NEWEST, described, stored_object
from gmn_pipeline.database.tables import CONTAINERS, OBJECTS
from gmn_pipeline.schemas.objects import StoredObject

_FEW, _MORE = 8, 8
T = TypeVar("T")
Named = Callable[[int, str, str, int], Sequence[tuple[str, T]]]
"""Names of a container (by its id) that begin so and come after that one, so many at most, in
order; each with what stands for it."""


@dataclass
class KeyPage:
    """Objects, and the beginnings that others have in common, in one order. `next_after`: the page
    after this one begins after it; empty if there is none."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_after: str = ""

    @property
    def length(self) -> int:
        return len(self.objects) + len(self.prefixes)


def key_of(stored: StoredObject) -> str:
    """An object's key in its project."""
    return f"{stored.name.container}/{stored.name.name}"


class ObjectKeys:
    """Any number of processes ask at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, project: str, prefix: str = "", delimiter: str = "", after: str = "",
        most: int = 1_000,
    ) -> KeyPage:  # fmt: skip
        """Keys that begin so, after that one (which need not be there). With a delimiter, those
        that have it behind the prefix are told of by what they have up to it."""
        found = KeyPage()
        if most <= 0:
            return found
        last = ""
        with self._database.reading() as connection:
            if connection is None:
                return found
            newest = partial(_newest, connection)
            for one in walk(connection, project, prefix, delimiter, after, most + 1, newest):
                if found.length == most:
                    found.next_after = last
                    break
                if isinstance(one, str):
                    found.prefixes.append(one)
                    last = one + LAST
                else:
                    found.objects.append(stored_object(one))
                    last = key_of(found.objects[-1])
        return found


def _newest(
    connection: Connection, container_id: int, prefix: str, after: str, most: int
) -> list[tuple[str, Row[Any]]]:
    query = (
        described()
        .where(
            NEWEST, OBJECTS.c.container_id == container_id, OBJECTS.c.live_name > after,
            begins_with(OBJECTS.c.live_name, prefix),
        )
        .order_by(OBJECTS.c.live_name)
        .limit(most)
    )  # fmt: skip
    return [(row.name, row) for row in connection.execute(query)]


def walk(
    connection: Connection, project: str, prefix: str, delimiter: str, after: str, most: int,
    named: Named[T],
) -> Iterator[T | str]:  # fmt: skip
    """What stands for each key of a project, or, as a text, for those that are rolled up; asked
    for not more than `most` at once."""
    rows = connection.execute(
        select(CONTAINERS.c.container, CONTAINERS.c.container_id).where(
            CONTAINERS.c.project == project
        )
    )
    # A container's keys begin with its name and "/", which comes after "-" and before letters.
    for folder, container_id in sorted((f"{row.container}/", row.container_id) for row in rows):
        is_before = folder < after and not after.startswith(folder)
        if is_before or not (folder.startswith(prefix) or prefix.startswith(folder)):
            continue
        rolled_up = _rolled_up(folder, prefix, delimiter)
        if rolled_up is not None:
            if rolled_up > after:
                yield rolled_up
                after = rolled_up + LAST
            continue
        within = after[len(folder) :] if after.startswith(folder) else ""
        of_container = partial(named, container_id)
        yield from _of_container(of_container, folder, prefix, delimiter, within, most)


def _of_container(
    named: Callable[[str, str, int], Sequence[tuple[str, T]]], folder: str, prefix: str,
    delimiter: str, after: str, most: int,
) -> Iterator[T | str]:  # fmt: skip
    inner = prefix[len(folder) :]
    some = _FEW  # behind what is rolled up there may be the next such
    while True:
        found = named(inner, after, some)
        for name, one in found:
            rolled_up = _rolled_up(folder + name, prefix, delimiter)
            if rolled_up is not None:
                yield rolled_up
                after = rolled_up[len(folder) :] + LAST
                some = _FEW
                break
            yield one
            after = name
        else:
            if len(found) < some:
                return
            some = min(some * _MORE, most)


def _rolled_up(key: str, prefix: str, delimiter: str) -> str | None:
    """What a key is told of by, if it has the delimiter behind the prefix."""
    if not delimiter or not key.startswith(prefix):
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]
