"""The catalogue of objects: projects, containers, names, versions, and what was done to them.

What belongs here: each change as one transaction, together with the log of it. What does not: the
bytes (`storage/contents.py`), the order of bytes and names (`landing/objects.py`), and searching
(`object_search.py`).

Bytes are claimed before they are placed and named after it. The sweep takes neither what is named
nor what was claimed lately, and it removes bytes before it commits: whoever claims the same bytes
meanwhile waits for it, and then sees that they are gone.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Insert, and_, exists, func, not_, select, update

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_folders import count_in_folders
from gmn_pipeline.database.object_naming import (
    change_live,
    container_id_of,
    contents_of,
    named,
    no_container,
    not_there_already,
)
from gmn_pipeline.database.object_rows import (
    NEWEST,
    Beside,
    described,
    in_container,
    insert_operations,
    insert_or,
    nothing_beside,
    stored_object,
)
from gmn_pipeline.database.tables import (
    CONTAINERS,
    CONTENTS,
    OBJECT_TERMS,
    OBJECT_VERSIONS,
    OBJECTS,
    PROJECTS,
)
from gmn_pipeline.database.tables_search import OBJECT_TEXTS
from gmn_pipeline.errors import GmnError, ObjectMissing
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Json,
    NewVersion,
    ObjectName,
    OperationKind,
    StoredObject,
    checked_place,
)

_LONG_AGO = datetime(1970, 1, 1)
_SWEPT_AT_ONCE = 50  # whoever else writes to the database waits until they are removed


class ObjectCatalogue:
    """Any number of processes change it at once; those that name in one container take turns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # projects and containers

    def make_project(self, project: str, by: By, *, is_public: bool = False) -> None:
        """Make a project. Raises ObjectConflict if there is one of that name."""
        checked_place(project, "project")
        with self._database.writing() as connection, not_there_already(f"project {project}"):
            connection.execute(
                PROJECTS.insert().values(
                    project=project, is_public=is_public, made_at_utc=utc_now(), made_by=by.who
                )
            )

    def projects(self) -> dict[str, bool]:
        """All projects by name; whether each is public."""
        with self._database.reading() as connection:
            query = select(PROJECTS.c.project, PROJECTS.c.is_public).order_by(PROJECTS.c.project)
            return (
                {row.project: row.is_public for row in connection.execute(query)}
                if connection
                else {}
            )

    def make_container(
        self, project: str, container: str, by: By, *, metadata_schema: Json = None
    ) -> None:
        """Make a container. `metadata_schema`: a JSON schema that metadata is checked by.

        Raises ObjectConflict if there is one of that name, ObjectMissing if there is no project.
        """
        checked_place(container, "container")
        with self._database.writing() as connection:
            if not connection.scalar(select(exists().where(PROJECTS.c.project == project))):
                raise _no_project(project)
            with not_there_already(f"container {project}/{container}"):
                connection.execute(
                    CONTAINERS.insert().values(
                        project=project, container=container, metadata_schema=metadata_schema,
                        made_at_utc=utc_now(), made_by=by.who,
                    )
                )  # fmt: skip

    def containers(self, project: str) -> dict[str, Json]:
        """All containers of a project by name, with their schemas of metadata.

        Raises ObjectMissing if there is no such project.
        """
        if project not in self.projects():
            raise _no_project(project)
        query = (
            select(CONTAINERS.c.container, CONTAINERS.c.metadata_schema)
            .where(CONTAINERS.c.project == project)
            .order_by(CONTAINERS.c.container)
        )
        with self._database.reading() as connection:
            return dict(map(tuple, connection.execute(query))) if connection else {}

    def metadata_schema(self, project: str, container: str) -> Json:
        """What metadata in a container is checked by; None if by nothing.

        Raises ObjectMissing if there is no such container.
        """
        query = select(CONTAINERS.c.metadata_schema).where(
            CONTAINERS.c.project == project, CONTAINERS.c.container == container
        )
        with self._database.reading() as connection:
            found = connection.execute(query).first() if connection else None
        if found is None:
            self.containers(project)  # or there is no such project
            raise no_container(project, container)
        schema: Json = found.metadata_schema
        return schema

    # bytes

    def claim(self, contents: Collection[Content]) -> set[str]:
        """Say that these bytes are about to be placed and named: the sweep leaves them.

        Gives those (SHA-256) whose bytes in the store were found wrong.
        """
        with self._database.writing() as connection:
            insert = insert_or(connection, CONTENTS)
            again = {"claimed_at_utc": insert.excluded.claimed_at_utc}
            statement = insert.on_conflict_do_update(index_elements=[CONTENTS.c.sha256], set_=again)
            _execute_for(connection, statement, contents, utc_now())
            claimed = {one.sha256 for one in contents}
            return set(contents_of(connection, claimed, CONTENTS.c.fault.is_not(None)))

    def adopt(self, contents: Collection[Content]) -> None:
        """Take down bytes that are there, if they are not known: the next sweep removes them."""
        with self._database.writing() as connection:
            statement = insert_or(connection, CONTENTS).on_conflict_do_nothing()
            _execute_for(connection, statement, contents, _LONG_AGO)

    def sweep(self, claimed_before_utc: datetime, remove: Callable[[str], None]) -> int:
        """Forget objects that can be restored no more, and have `remove` called with the bytes
        that nothing names and nobody claimed lately; how many those were."""
        with self._database.writing() as connection:
            _forget(connection)
        named = exists().where(OBJECT_VERSIONS.c.sha256 == CONTENTS.c.sha256)
        unnamed = and_(not_(named), CONTENTS.c.claimed_at_utc < claimed_before_utc)
        with self._database.reading() as connection:
            query = select(CONTENTS.c.sha256).where(unnamed)
            found = list(connection.scalars(query)) if connection else []
        removed = 0
        for first in range(0, len(found), _SWEPT_AT_ONCE):
            some = CONTENTS.c.sha256.in_(found[first : first + _SWEPT_AT_ONCE])
            with self._database.writing() as connection:
                gone = connection.scalars(
                    CONTENTS.delete().where(some, unnamed).returning(CONTENTS.c.sha256)
                ).all()
                for sha256 in gone:
                    remove(sha256)
            removed += len(gone)
        return removed

    def to_check(self, checked_before_utc: datetime, most: int) -> list[Content]:
        """Named bytes that were not looked at since then, those never looked at first."""
        named = exists().where(OBJECT_VERSIONS.c.sha256 == CONTENTS.c.sha256)
        checked = CONTENTS.c.checked_at_utc
        query = (
            select(CONTENTS.c.sha256, CONTENTS.c.size_bytes)
            .where(named, checked.is_(None) | (checked < checked_before_utc))
            .order_by(func.coalesce(checked, datetime.min), CONTENTS.c.sha256)
            .limit(most)
        )
        with self._database.reading() as connection:
            return [Content(*row) for row in connection.execute(query)] if connection else []

    def record_checked(self, faults: Mapping[str, str | None]) -> None:
        """Note that bytes were read and compared with their hash: what was wrong, or None."""
        with self._database.writing() as connection:
            for sha256, fault in faults.items():
                connection.execute(
                    CONTENTS.update()
                    .where(CONTENTS.c.sha256 == sha256)
                    .values(checked_at_utc=utc_now(), fault=fault)
                )

    def damaged(self) -> list[tuple[StoredObject, str]]:
        """Objects, in each version, whose bytes were found wrong, and what was."""
        query = (
            described(CONTENTS.c.fault)
            .join(CONTENTS, CONTENTS.c.sha256 == OBJECT_VERSIONS.c.sha256)
            .where(CONTENTS.c.fault.is_not(None))
            .order_by(OBJECTS.c.object_id, OBJECT_VERSIONS.c.version)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [(stored_object(row), row.fault) for row in rows]

    # objects

    def name(
        self, news: Sequence[NewVersion], by: By, kind: OperationKind = OperationKind.PUT,
        beside: Beside = nothing_beside,
    ) -> list[StoredObject]:  # fmt: skip
        """Give placed and claimed bytes their names, all of them or none: each becomes the newest
        version of its object, which is made if there is none.

        Raises ObjectMissing if there is no such container, ObjectConflict if an object is not at
        the version that it must have. Both are logged.
        """
        try:
            with self._database.writing() as connection:
                stored = named(connection, news, by, kind)
                beside(connection)
                return stored
        except GmnError as error:
            self.log_failures([new.name for new in news], kind, by, error)
            raise

    def log_failures(
        self, names: Iterable[ObjectName], kind: OperationKind, by: By, error: Exception
    ) -> None:
        """Log that something could not be done."""
        with self._database.writing() as connection:
            insert_operations(
                connection, kind, [(name, None, None) for name in names], by, str(error)
            )

    def log(self, kind: OperationKind, stored: StoredObject, by: By, reason: str = "") -> None:
        """Log something that changes nothing: a reading, a run over it; `reason` if it failed."""
        self.log_all(kind, [(stored, reason)], by)

    def log_all(
        self, kind: OperationKind, done: Iterable[tuple[StoredObject, str]], by: By
    ) -> None:
        """Log the same of many, each with the reason if it failed."""
        by_reason: dict[str, list[tuple[ObjectName, int | None, int | None]]] = {}
        for stored, reason in done:
            entry = (stored.name, stored.object_id, stored.version)
            by_reason.setdefault(reason, []).append(entry)
        with self._database.writing() as connection:
            for reason, entries in by_reason.items():
                insert_operations(connection, kind, entries, by, reason)

    def object(self, name: ObjectName, version: int | None = None) -> StoredObject:
        """A version of an object that is not deleted, the newest by default.

        Raises ObjectMissing.
        """
        return self._one(
            in_container(name.project, name.container) & (OBJECTS.c.live_name == name.name),
            version,
            str(name),
        )

    def by_id(self, object_id: int, version: int | None = None) -> StoredObject:
        """The same by its id, deleted or not."""
        return self._one(OBJECTS.c.object_id == object_id, version, f"{object_id}")

    def _one(self, which: Any, version: int | None, said: str) -> StoredObject:
        query = described().where(
            which, NEWEST if version is None else OBJECT_VERSIONS.c.version == version
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none() if connection else None
        if row is None:
            of = "" if version is None else f" version {version} of"
            raise ObjectMissing(
                f"There is no{of} object {said}.",
                remedy="'gmn objects ls' lists those that there are; it may be deleted.",
            )
        return stored_object(row)

    def versions(self, object_id: int) -> list[StoredObject]:
        """All versions of an object, the newest first."""
        query = described().where(OBJECTS.c.object_id == object_id)
        with self._database.reading() as connection:
            rows = (
                connection.execute(query.order_by(OBJECT_VERSIONS.c.version.desc())).all()
                if connection
                else []
            )
        return [stored_object(row) for row in rows]

    def move(self, stored: StoredObject, to: ObjectName, by: By) -> StoredObject:
        """Give an object another name, container or project; its id and versions stay.

        Raises ObjectConflict if the name is taken or the object was deleted meanwhile.
        """
        with self._changing(stored, OperationKind.MOVE, by) as connection:
            container_id = container_id_of(connection, to.project, to.container)
            before = _container_of(connection, stored)
            with not_there_already(f"object {to}"):
                change_live(
                    connection, stored,
                    container_id=container_id, name=to.name, live_name=to.name,
                )  # fmt: skip
            insert_operations(
                connection, OperationKind.MOVE, [(to, stored.object_id, stored.version)], by
            )
            count_in_folders(
                connection,
                come=[(container_id, to.name)], gone=[(before, stored.name.name)],
            )  # fmt: skip
        return self.by_id(stored.object_id)

    def delete(self, stored: StoredObject, by: By, restorable_for: timedelta) -> StoredObject:
        """Mark an object as deleted; it can be restored for so long."""
        now = utc_now()
        with self._changing(stored, OperationKind.DELETE, by) as connection:
            change_live(
                connection, stored,
                live_name=None, deleted_at_utc=now, restorable_until_utc=now + restorable_for,
            )  # fmt: skip
            gone = [(_container_of(connection, stored), stored.name.name)]
            count_in_folders(connection, gone=gone)
        return self.by_id(stored.object_id)

    def restore(self, object_id: int, by: By) -> StoredObject:
        """Take a deletion back. Raises ObjectConflict if its name was taken meanwhile."""
        stored = self.by_id(object_id)
        with (
            self._changing(stored, OperationKind.RESTORE, by) as connection,
            not_there_already(f"object {stored.name}"),
        ):
            restored = connection.execute(
                update(OBJECTS)
                .where(OBJECTS.c.object_id == object_id, OBJECTS.c.live_name.is_(None))
                .values(live_name=OBJECTS.c.name, deleted_at_utc=None, restorable_until_utc=None)
                .returning(OBJECTS.c.container_id, OBJECTS.c.name)
            ).all()
            count_in_folders(connection, come=[(row.container_id, row.name) for row in restored])
        return self.by_id(object_id)

    @contextmanager
    def _changing(self, stored: StoredObject, kind: OperationKind, by: By) -> Iterator[Connection]:
        """A transaction whose success is logged with it, and whose failure is by itself."""
        try:
            with self._database.writing() as connection:
                yield connection
                insert_operations(
                    connection, kind, [(stored.name, stored.object_id, stored.version)], by
                )
        except GmnError as error:
            self.log(kind, stored, by, str(error))
            raise


def _execute_for(
    connection: Connection, statement: Insert, contents: Collection[Content], at_utc: datetime
) -> None:
    # In order, so that two who claim the same ones wait for each other, not both.
    rows = [one._asdict() | {"claimed_at_utc": at_utc} for one in sorted(set(contents))]
    if rows:
        connection.execute(statement, rows)


def _forget(connection: Connection) -> None:
    """Forget deleted objects whose time has come."""
    over = OBJECTS.c.restorable_until_utc < utc_now()
    ids = select(OBJECTS.c.object_id).where(over).scalar_subquery()
    for table in (OBJECT_TERMS, OBJECT_TEXTS, OBJECT_VERSIONS):
        connection.execute(table.delete().where(table.c.object_id.in_(ids)))
    connection.execute(OBJECTS.delete().where(over))


def _container_of(connection: Connection, stored: StoredObject) -> int:
    query = select(OBJECTS.c.container_id).where(OBJECTS.c.object_id == stored.object_id)
    return int(connection.scalar(query) or 0)


def _no_project(project: str) -> ObjectMissing:
    return ObjectMissing(
        f"There is no project {project}.", remedy=f"Make it: 'gmn objects make {project}'."
    )
