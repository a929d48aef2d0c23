"""All versions of the objects of a project, also of deleted ones, in the order of their keys.

What belongs here: a page of them, as S3 lists versions. What does not: the newest ones only
(`object_keys.py`).

A name can have had several objects, one after the other: the one that is there comes first, then
those that were deleted, the last one first; before the versions of a deleted one comes its mark.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, or_, select, true

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_conditions import begins_with
from gmn_pipeline.database.object_keys import key_of, walk
from gmn_pipeline.database.object_rows import described, in_container, some_at_once, stored_object
from gmn_pipeline.database.tables import CONTAINERS, OBJECT_VERSIONS, OBJECTS
from gmn_pipeline.schemas.objects import StoredObject

_KNOWN_AT_ONCE = 10_000  # of deleted names, which no index has in order


class VersionMark(NamedTuple):
    """One of a key's versions, or, without a version, the mark that the object was deleted."""

    object_id: int
    version: int | None


@dataclass(frozen=True)
class KeyVersion:
    """A version, or the mark that its object was deleted; `is_latest`: what is there now."""

    stored: StoredObject
    is_mark: bool
    is_latest: bool

    @property
    def mark(self) -> VersionMark:
        return VersionMark(self.stored.object_id, None if self.is_mark else self.stored.version)


@dataclass
class VersionPage:
    """Versions, and the beginnings that other keys have in common. `last`: there is more, and it
    begins behind this one; None if there is none."""

    versions: list[KeyVersion] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: KeyVersion | str | None = None

    @property
    def length(self) -> int:
        return len(self.versions) + len(self.prefixes)


class ObjectKeyVersions:
    """Any number of processes ask at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, project: str, prefix: str = "", delimiter: str = "", after: str = "",
        behind: VersionMark | None = None, most: int = 1_000,
    ) -> VersionPage:  # fmt: skip
        """Versions of keys that begin so, after that key, or after that version of it; keys are
        rolled up as by `ObjectKeys.page`."""
        found = VersionPage()
        if most <= 0:
            return found
        last: KeyVersion | str | None = None
        with self._database.reading() as connection:
            if connection is None:
                return found
            asked = _Asked(connection, project, prefix, delimiter, most + 1)
            for one in asked.entries(after, behind):
                if found.length == most:
                    found.last = last
                    break
                if isinstance(one, str):
                    found.prefixes.append(one)
                else:
                    found.versions.append(one)
                last = one
        return found


@dataclass
class _Asked:
    connection: Connection
    project: str
    prefix: str
    delimiter: str
    most: int
    _deleted: list[str] = field(default_factory=list)
    _deleted_of: tuple[int, str, str, bool] = (0, "", "", False)

    def entries(self, after: str, behind: VersionMark | None) -> Iterator[KeyVersion | str]:
        if behind is not None and after.startswith(self.prefix):
            yield from self._rest_of_key(after, behind)
        keys = walk(
            self.connection, self.project, self.prefix, self.delimiter, after, self.most,
            self._named,
        )  # fmt: skip
        # Each key has a version at least: so many of them fill the page.
        some = islice(keys, self.most)
        for container_id, group in groupby(some, _container_of):
            if not container_id:
                yield from (one for one in group if isinstance(one, str))
                continue
            for names in some_at_once(one[1] for one in group if not isinstance(one, str)):
                yield from self._versions(container_id, names)

    def _named(
        self, container_id: int, prefix: str, after: str, most: int
    ) -> list[tuple[str, tuple[int, str]]]:
        """Names that have an object, or had one that can come back."""
        name = OBJECTS.c.live_name
        live = (
            select(name)
            .where(OBJECTS.c.container_id == container_id, name > after, begins_with(name, prefix))
            .order_by(name)
            .limit(most)
        )
        found = {*self.connection.scalars(live)}
        found.update(self._deleted_names(container_id, prefix, after, most))
        return [(one, (container_id, one)) for one in sorted(found)[:most]]

    def _deleted_names(self, container_id: int, prefix: str, after: str, most: int) -> list[str]:
        of_container, of_prefix, begin, are_all = self._deleted_of
        at = bisect_right(self._deleted, after)
        is_known = (of_container, of_prefix) == (container_id, prefix) and begin <= after
        if not is_known or (at + most > len(self._deleted) and not are_all):
            name = self._name()
            limit = max(most, _KNOWN_AT_ONCE)
            query = (
                select(name)
                .where(
                    OBJECTS.c.container_id == container_id, OBJECTS.c.live_name.is_(None),
                    name > after, begins_with(name, prefix),
                )
                .distinct()
                .order_by(name)
                .limit(limit)
            )  # fmt: skip
            self._deleted = list(self.connection.scalars(query))
            self._deleted_of = (container_id, prefix, after, len(self._deleted) < limit)
            at = 0
        return self._deleted[at : at + most]

    def _name(self) -> ColumnElement[str]:
        """Names in the order of their bytes, whatever the language of the database."""
        is_postgres = self.connection.dialect.name == "postgresql"
        return OBJECTS.c.name.collate("C") if is_postgres else OBJECTS.c.name

    def _versions(
        self, container_id: int, names: Sequence[str], which: ColumnElement[bool] | None = None
    ) -> Iterator[KeyVersion]:
        live, deleted_at = OBJECTS.c.live_name, OBJECTS.c.deleted_at_utc
        query = (
            described()
            .where(
                OBJECTS.c.container_id == container_id,
                or_(live.in_(names), and_(live.is_(None), OBJECTS.c.name.in_(names))),
                true() if which is None else which,
            )
            .order_by(
                self._name(), deleted_at.is_not(None), deleted_at.desc(),
                OBJECTS.c.object_id.desc(), OBJECT_VERSIONS.c.version.desc(),
            )
            .limit(self.most)
        )  # fmt: skip
        key, object_id = "", 0
        for row in self.connection.execute(query):
            stored = stored_object(row)
            is_latest = key != (key := key_of(stored))
            is_other = object_id != (object_id := stored.object_id)
            if is_other and stored.deleted_at_utc is not None:
                yield KeyVersion(stored, is_mark=True, is_latest=is_latest)
                is_latest = False
            yield KeyVersion(stored, is_mark=False, is_latest=is_latest)

    def _rest_of_key(self, key: str, behind: VersionMark) -> Iterator[KeyVersion]:
        """What a key has after a version of it; all, if that is not its any more."""
        container, _, name = key.partition("/")
        object_id, deleted_at = OBJECTS.c.object_id, OBJECTS.c.deleted_at_utc
        container_id: int | None = self.connection.scalar(
            select(CONTAINERS.c.container_id).where(in_container(self.project, container))
        )
        if container_id is None:
            return
        of_key = (OBJECTS.c.container_id == container_id) & (OBJECTS.c.name == name)
        query = select(deleted_at).where(of_key, object_id == behind.object_id)
        row = self.connection.execute(query).one_or_none()
        if row is None:
            yield from self._versions(container_id, [name])
            return
        later: Any = deleted_at.is_not(None)
        if row.deleted_at_utc is not None:
            at_once = (deleted_at == row.deleted_at_utc) & (object_id < behind.object_id)
            later = (deleted_at < row.deleted_at_utc) | at_once
        same = object_id == behind.object_id
        if behind.version is not None:
            same &= OBJECT_VERSIONS.c.version < behind.version
        for one in self._versions(container_id, [name], or_(same, later)):
            if not (one.is_mark and one.stored.object_id == behind.object_id):
                yield KeyVersion(one.stored, one.is_mark, is_latest=False)


def _container_of(one: tuple[int, str] | str) -> int:
    return 0 if isinstance(one, str) else one[0]
