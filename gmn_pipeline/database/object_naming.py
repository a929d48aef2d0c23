"""Give versions their names, in a transaction of the catalogue.

What belongs here: what one transaction does to objects and containers. What does not: which
transactions there are (`objects.py`), and rows (`object_rows.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, bindparam, select, true, update
from sqlalchemy.exc import IntegrityError

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.object_folders import count_in_folders
from gmn_pipeline.database.object_rows import (
    in_container,
    insert_operations,
    replace_terms,
    some_at_once,
    version_row,
)
from gmn_pipeline.database.tables import CONTAINERS, CONTENTS, OBJECT_VERSIONS, OBJECTS
from gmn_pipeline.errors import ObjectConflict, ObjectMissing
from gmn_pipeline.schemas.objects import By, NewVersion, OperationKind, StoredObject


def named(
    connection: Connection, news: Sequence[NewVersion], by: By, kind: OperationKind
) -> list[StoredObject]:
    places = {(new.name.project, new.name.container) for new in news}
    # In order, so that two who name in the same containers wait for each other, not both.
    containers = {place: container_id_of(connection, *place) for place in sorted(places)}
    _check_claims(connection, news)
    now = utc_now()
    keys = [(containers[new.name.project, new.name.container], new.name.name) for new in news]
    known = _live(connection, containers, news)
    come = [key for key in dict.fromkeys(keys) if key not in known]
    stored = []
    known |= _new_objects(connection, come)
    for key, new in zip(keys, news, strict=True):
        object_id, before = known[key]
        if new.after is not None and new.after != before:
            raise ObjectConflict(
                f"{new.name} is at version {before}, not {new.after}.",
                remedy="Somebody else put it meanwhile: look at it, and put it again.",
            )
        known[key] = (object_id, before + 1)
        stored.append(
            StoredObject(object_id, new.name, before + 1, new.content, new.description, now, by.who)
        )
    connection.execute(OBJECT_VERSIONS.insert(), [version_row(one) for one in stored])
    newest = {one.object_id: one for one in stored}
    changed = [{"of": one.object_id, "to": one.version} for one in newest.values()
               if one.version > 1]  # fmt: skip
    if changed:
        connection.execute(
            update(OBJECTS)
            .where(OBJECTS.c.object_id == bindparam("of"))
            .values(newest_version=bindparam("to")),
            changed,
        )
    replace_terms(connection, list(newest.values()))
    insert_operations(
        connection, kind, [(one.name, one.object_id, one.version) for one in stored], by
    )
    count_in_folders(connection, come=come)
    return stored


def _new_objects(
    connection: Connection, names: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], tuple[int, int]]:
    """Objects of containers and names, without a version: their ids. By few statements: one for
    each takes longer than all else."""
    if not names:
        return {}
    columns = OBJECTS.c
    rows = connection.execute(
        OBJECTS.insert().returning(columns.container_id, columns.live_name, columns.object_id),
        [
            {"container_id": container_id, "name": name, "live_name": name, "newest_version": 1}
            for container_id, name in names
        ],
    )
    return {(row.container_id, row.live_name): (row.object_id, 0) for row in rows}


def _check_claims(connection: Connection, news: Sequence[NewVersion]) -> None:
    """That no sweep took bytes which came so slowly that their claim was over."""
    wanted = {new.content.sha256 for new in news}
    gone = wanted - set(contents_of(connection, wanted, true()))
    if gone:
        raise ObjectConflict(
            f"The bytes {min(gone)} were not named before their claim was over.",
            remedy="Put them again; GMN_OBJECTS_CLAIM_HOURS is how long a claim holds.",
        )


def contents_of(
    connection: Connection, sha256s: Iterable[str], which: ColumnElement[bool]
) -> Iterator[str]:
    """Those of these bytes that the catalogue knows, and for which that holds."""
    for some in some_at_once(sha256s):
        query = select(CONTENTS.c.sha256).where(CONTENTS.c.sha256.in_(some), which)
        yield from connection.scalars(query)


def _live(
    connection: Connection,
    containers: Mapping[tuple[str, str], int],
    news: Sequence[NewVersion],
) -> dict[tuple[int, str], tuple[int, int]]:
    """Objects that have one of the names now: their ids and newest versions."""
    query = select(
        OBJECTS.c.container_id, OBJECTS.c.live_name, OBJECTS.c.object_id, OBJECTS.c.newest_version
    )
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for some in some_at_once(new.name.name for new in news):
        rows = connection.execute(
            query.where(
                OBJECTS.c.container_id.in_(containers.values()), OBJECTS.c.live_name.in_(some)
            )
        )
        found |= {(row[0], row[1]): (row[2], row[3]) for row in rows}
    return found


def container_id_of(connection: Connection, project: str, container: str) -> int:
    """The id of a container, which nobody else names in until the transaction ends."""
    query = select(CONTAINERS.c.container_id).where(in_container(project, container))
    found = connection.scalar(query.with_for_update())
    if found is None:
        raise no_container(project, container)
    return int(found)


def no_container(project: str, container: str) -> ObjectMissing:
    """What to say where there is none of that name."""
    return ObjectMissing(
        f"There is no container {project}/{container}.",
        remedy=f"'gmn objects ls {project}' lists those that there are, and 'gmn objects make "
        f"{project}/{container}' makes it.",
    )


def change_live(connection: Connection, stored: StoredObject, **values: object) -> None:
    """Change an object, if it still is what it was when it was looked at."""
    changed = connection.execute(
        update(OBJECTS)
        .where(
            OBJECTS.c.object_id == stored.object_id,
            OBJECTS.c.live_name == stored.name.name,
            OBJECTS.c.newest_version == stored.version,
        )
        .values(values)
    )
    if changed.rowcount != 1:
        raise ObjectConflict(
            f"{stored.name} is not what it was when it was looked at.",
            remedy="Somebody else changed it meanwhile: look at it, and try again.",
        )


@contextmanager
def not_there_already(what: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ObjectConflict(
            f"There is a {what} already.", remedy="Choose another name."
        ) from error
