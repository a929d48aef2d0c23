"""How many objects the folders of containers have, so that a listing need not count them.

What belongs here: counting with each change, in its transaction, and what lies in a folder. What
does not: the changes (`objects.py`, `object_naming.py`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, bindparam, select

from gmn_pipeline.database.object_rows import insert_or
from gmn_pipeline.database.tables_search import OBJECT_FOLDERS


def folders_of(name: str) -> Iterator[str]:
    """The folders that a name lies in, the outermost first: `2022/`, `2022/03/`."""
    end = name.find("/")
    while end >= 0:
        yield name[: end + 1]
        end = name.find("/", end + 1)


def count_in_folders(
    connection: Connection,
    *,
    come: Iterable[tuple[int, str]] = (),
    gone: Iterable[tuple[int, str]] = (),
) -> None:
    """Note that objects (container and name) have come into their folders, or are there no more.

    The last that a transaction does: who waits for the count of a folder holds no object then that
    another one waits for.
    """
    changes = Counter[tuple[int, str]]()
    for container_id, name in come:
        changes.update((container_id, folder) for folder in folders_of(name))
    for container_id, name in gone:
        changes.subtract((container_id, folder) for folder in folders_of(name))
    # In order, so that two who change the same ones wait for each other, not both.
    rows = [
        {
            "container_id": container_id, "folder": folder, "objects": change,
            "parent": folder[: folder.rfind("/", 0, -1) + 1],
        }
        for (container_id, folder), change in sorted(changes.items())
        if change
    ]  # fmt: skip
    if not rows:
        return
    folders = OBJECT_FOLDERS.c
    insert = insert_or(connection, OBJECT_FOLDERS)
    key = [folders.container_id, folders.folder]
    added = {"objects": folders.objects + insert.excluded.objects}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=added), rows)
    fewer = sorted(key for key, change in changes.items() if change < 0)
    if fewer:
        connection.execute(
            OBJECT_FOLDERS.delete().where(
                folders.container_id == bindparam("of"),
                folders.folder == bindparam("called"),
                folders.objects == 0,
            ),
            [{"of": container_id, "called": folder} for container_id, folder in fewer],
        )


def folders_within(
    connection: Connection, container_id: int, folder: str, after: str, most: int
) -> list[tuple[str, int]]:
    """Folders directly in one, in order, after that name, with how many objects each has."""
    folders = OBJECT_FOLDERS.c
    query = (
        select(folders.folder, folders.objects)
        .where(
            folders.container_id == container_id, folders.parent == folder, folders.folder > after
        )
        .order_by(folders.folder)
        .limit(most)
    )
    return [(row.folder, int(row.objects)) for row in connection.execute(query)]
