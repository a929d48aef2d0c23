"""MD5s of bytes, as far as they are known: clients of S3 compare them.

What belongs here: noting and finding them. What does not: what bytes are called by (their SHA-256).
"""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, select

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import insert_or, some_at_once
from gmn_pipeline.database.tables import CONTENT_MD5S


class ContentMd5s:
    """Any number of processes use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, sha256s: Iterable[str]) -> dict[str, str]:
        """MD5s (hex) by SHA-256, of those that are known."""
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            if connection is None:
                return found
            for some in some_at_once(sha256s):
                query = select(CONTENT_MD5S).where(CONTENT_MD5S.c.sha256.in_(some))
                found |= {row.sha256: row.md5 for row in connection.execute(query)}
        return found


def noting(sha256: str, md5: str) -> Callable[[Connection], None]:
    """What notes it in the transaction that names the bytes."""

    def write(connection: Connection) -> None:
        statement = insert_or(connection, CONTENT_MD5S).on_conflict_do_nothing()
        connection.execute(statement, {"sha256": sha256, "md5": md5})

    return write
