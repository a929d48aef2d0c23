"""SQLite files that may lie where nothing can be written.

What belongs here: opening and copying a file whatever the permissions are. What does not: tables.

A file with a write-ahead log is read through two files beside it (`-wal`, `-shm`). Whoever may not
write there can use them if they are there, and otherwise reads the file as it is: where they are
not, nobody has it open, and the log is empty.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

_BUSY_TIMEOUT_S = 60.0


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads; needs permission to read, and no more."""
    with closing(open_to_read(path)) as connection:
        yield connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """The same, for who closes it."""
    connection = _open(path, "mode=ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if Path(f"{path}-wal").exists():
            raise  # read without its log it would be an old state, or half of a new one
        connection = _open(path, "immutable=1")
    return connection


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=_BUSY_TIMEOUT_S)


def copy(source: Path, target: Path) -> None:
    """One state of a file, whoever writes to it meanwhile."""
    with reading(source) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)
