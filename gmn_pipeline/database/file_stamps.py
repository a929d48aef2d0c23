"""What files at other places were when they were read last: a stamp, and the bytes' SHA-256.

What belongs here: remembering it, so that a file whose stamp is the same need not be read again.
What does not: whether that is what the lake has (`flows/object_puts.py`).

It lies in the table of marks, by the files' addresses: no other place has the same.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import insert_or
from gmn_pipeline.database.tables import SOURCE_MARKS

_ADDRESSES_AT_ONCE = 500  # asked for by one statement


class Seen(NamedTuple):
    """A file as it was read."""

    stamp: str
    sha256: str


class FileStamps:
    """Threads and processes can share it. What it forgot only costs reading again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self, addresses: Collection[str]) -> dict[str, Seen]:
        """What is known of these files."""
        asked = sorted(addresses)
        found: dict[str, Seen] = {}
        with self._database.reading() as connection:
            for first in range(0, len(asked) if connection else 0, _ADDRESSES_AT_ONCE):
                some = asked[first : first + _ADDRESSES_AT_ONCE]
                query = select(SOURCE_MARKS.c.place, SOURCE_MARKS.c.reached).where(
                    SOURCE_MARKS.c.place.in_(some)
                )
                for place, reached in connection.execute(query) if connection else ():
                    stamp, _, sha256 = reached.rpartition(" ")
                    found[place] = Seen(stamp, sha256)
        return found

    def note(self, files: Mapping[str, Seen]) -> None:
        """Remember files by their addresses."""
        if not files:
            return
        now = utc_now()
        rows = [
            {"place": place, "reached": f"{seen.stamp} {seen.sha256}", "reached_at_utc": now}
            for place, seen in sorted(files.items())
        ]
        with self._database.writing() as connection:
            insert = insert_or(connection, SOURCE_MARKS)
            again = {name: insert.excluded[name] for name in ("reached", "reached_at_utc")}
            connection.execute(
                insert.on_conflict_do_update(index_elements=[SOURCE_MARKS.c.place], set_=again),
                rows,
            )
