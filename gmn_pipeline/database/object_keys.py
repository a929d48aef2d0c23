"""Objects of a project in the order of their keys (`container/name`), as S3 lists them.

What belongs here: a page of keys, with what begins alike rolled up. What does not: a level of
folders (`object_search.py`), and how a page is told (`serving/s3/listing.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_conditions import LAST, begins_with
from gmn_pipeline.database.object_rows import NEWEST, described, stored_object
from gmn_pipeline.database.tables import CONTAINERS, OBJECTS
from gmn_pipeline.schemas.objects import StoredObject

_FEW, _MORE = 8, 8


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
            for one in _entries(connection, project, prefix, delimiter, after, most + 1):
                if found.length == most:
                    found.next_after = last
                    break
                if isinstance(one, str):
                    found.prefixes.append(one)
                    last = one + LAST
                else:
                    found.objects.append(one)
                    last = key_of(one)
        return found


def _entries(
    connection: Connection, project: str, prefix: str, delimiter: str, after: str, most: int
) -> Iterator[StoredObject | str]:
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
        yield from _of_container(connection, container_id, folder, prefix, delimiter, within, most)


def _of_container(
    connection: Connection, container_id: int, folder: str, prefix: str, delimiter: str,
    after: str, most: int,
) -> Iterator[StoredObject | str]:  # fmt: skip
    inner = prefix[len(folder) :]
    some = _FEW  # behind what is rolled up there may be the next such
    while True:
        query = (
            described()
            .where(
                NEWEST, OBJECTS.c.container_id == container_id, OBJECTS.c.live_name > after,
                begins_with(OBJECTS.c.live_name, inner),
            )
            .order_by(OBJECTS.c.live_name)
            .limit(some)
        )  # fmt: skip
        rows = connection.execute(query).all()
        for row in rows:
            rolled_up = _rolled_up(folder + row.name, prefix, delimiter)
            if rolled_up is not None:
                yield rolled_up
                after = rolled_up[len(folder) :] + LAST
                some = _FEW
                break
            yield stored_object(row)
            after = row.name
        else:
            if len(rows) < some:
                return
            some = min(some * _MORE, most)


def _rolled_up(key: str, prefix: str, delimiter: str) -> str | None:
    """What a key is told of by, if it has the delimiter behind the prefix."""
    if not delimiter or not key.startswith(prefix):
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]
