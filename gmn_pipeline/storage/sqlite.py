"""SQLite files that may lie where nothing can be written.

What belongs here: opening and copying a file whatever the permissions are, and having it open. What
does not: tables.

A file with a write-ahead log is read through two files beside it (`-wal`, `-shm`). Whoever may not
write there can use them if they are there, and otherwise reads the file as it is: where they are
not, nobody has it open, and the log is empty.
"""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

_BUSY_TIMEOUT_S = 60.0
_END_S = 2.0
_HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], uri=True)
held.execute("SELECT count(*) FROM sqlite_master").fetchall()
sys.stdin.read()  # until whoever started this is done, or gone
held.close()
"""


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


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Somebody has the file open meanwhile: a process of its own, without a transaction.

    Who is the last to close a file puts its write-ahead log away, and who is the first to open it
    reads the log anew; others have to wait then. DuckDB opens and closes it for each transaction,
    and its SQLite waits for whole seconds. This process could not have it open itself: SQLite's
    locks are the process's, and go when any part of it closes the file.
    """
    process = _start(path)
    try:
        yield
    finally:
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_END_S)
            process.terminate()  # where a fork of this process has the pipe's end, too
            process.wait()


def _start(path: Path) -> subprocess.Popen[bytes] | None:
    command = [sys.executable, "-I", "-S", "-c", _HOLD, f"file:{quote(str(path))}?mode=rw"]
    try:
        return subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:  # no process is to be had: others wait then, and nothing else is wrong
        return None
