"""What a person is told when the machine refuses: a sentence with a remedy, never a traceback.

What belongs here: telling a full disk, missing permissions and damaged files apart in what the
operating system, SQLite and DuckDB say, and where details of anything else are put down. What does
not: errors that this project raises itself, which come with their sentence (`errors.py`).
"""

import os
import re
import shutil
import sqlite3
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import (
    DatabaseUnavailable,
    DataDamaged,
    DiskFull,
    GmnError,
    NotPermitted,
    StorageUnavailable,
    WarehouseBusy,
)

# As the C library, SQLite and DuckDB put it; DuckDB and SQLAlchemy pass on nothing but the text.
_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|database or disk is full|"
    r"Could not write all bytes to file|offload data block"
)
_FAILING = re.compile(r"disk I/O error|Input/output error")
_FORBIDDEN = re.compile(
    r"Permission denied|Operation not permitted|Read-only file system|readonly database|"
    r"read-only database|unable to open database file|Not a directory|File exists"
)
_DAMAGED = re.compile(
    r"file is not a database|database disk image is malformed|file is encrypted|"
    r"Failed to load DuckLake table data|Failed to probe DuckLake metadata|no such table: ducklake|"
    r"Existing DuckLake at metadata catalog .* does not exist|unable to open database .*catalog|"
    r"No magic bytes found|too small to be a Parquet file|for file '[^']*\.parquet'|"
    r"Table with name ducklake_\w+ does not exist|malformed database schema|"
    r'(?:Cannot open file|read from file) "[^"]*\.parquet"'
)
_NO_DATABASE = re.compile(
    r"Unable to connect to Postgres|server closed the connection|terminating connection|"
    r"could not (?:send|receive) data (?:to|from) (?:server|client)|SSL connection has been closed"
)
_NO_STORAGE = re.compile(
    r"(?:Could not establish connection|HTTP (?:0|403|404|5\d\d)|[Cc]onnection error for HTTP|"
    r"HTTPException|HTTP Error|NoSuchBucket)"
)
# Maintenance flushed rows that a session open since before still looks up in the catalogue
# (duckdb/ducklake#1305): one that is opened now finds them.
_OUT_OF_DATE = re.compile(r"Table with name ducklake_inlined_data_\w+ does not exist")
_INTERRUPTED = re.compile(
    r"KeyboardInterrupt|InterruptException|DagsterExecutionInterruptedError|Query interrupted"
)
_PATH = re.compile(r"""["'](/[^"']+)["']""")
_LONGEST = 300
_NEXT_TO_NOTHING_BYTES = 1_000_000


def explained(error: BaseException, data_dir: Path) -> GmnError | None:
    """The error in this project's terms; None if it is of no known kind."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, GmnError):
            return one
    return explained_text("\n".join(f"{type(one).__name__}: {one}" for one in chain), data_dir)


def explained_text(said: str, data_dir: Path) -> GmnError | None:
    """The same for an error of which there is only its text, as Dagster hands it on."""
    path = next(iter(_PATH.findall(said)), None)
    if _NO_DATABASE.search(said):
        return DatabaseUnavailable(
            f"The warehouse's catalogue does not answer: {_first_line(said, _NO_DATABASE)}.",
            remedy="Is PostgreSQL running, and are GMN_WAREHOUSE_CATALOG_URL and its password "
            "right? Nothing is lost: the same command goes on from what is done.",
        )
    if "s3://" in said and _NO_STORAGE.search(said):
        return StorageUnavailable(
            f"The warehouse's data, or what lies beside it, cannot be had: "
            f"{_first_line(said, _NO_STORAGE)}.",
            remedy="Is the object storage running, and are GMN_WAREHOUSE_STORAGE_URL and the "
            "AWS_... settings right? Of a file that a view reads in a bucket: 'gmn objects crawl "
            "NAME' brings the view up to date. The same command goes on from what is done.",
        )
    if _FULL.search(said):
        return _full(Path(path) if path else data_dir)
    if _FAILING.search(said):
        return _full(Path(path) if path else data_dir, is_sure=False)
    if _FORBIDDEN.search(said):
        return NotPermitted(
            f"{path or data_dir} may not be used as needed: {_first_line(said, _FORBIDDEN)}.",
            remedy=f"This needs permission to write in {data_dir}. Reading needs none: 'gmn sql' "
            "and 'gmn status', or any DuckDB on a copy of snapshot/gmn.duckdb.",
        )
    if _OUT_OF_DATE.search(said):
        return WarehouseBusy(
            "The warehouse was put in order while it was open here.",
            remedy="Nothing is lost. The same command goes on from what is done.",
        )
    if _DAMAGED.search(said):
        return DataDamaged(
            f"The warehouse in {data_dir} cannot be read: {_first_line(said, _DAMAGED)}.",
            remedy="Restore the data folder from a copy. Without one, move its folder warehouse "
            "away and run all days again ('gmn run --from ... --to ...'): what was landed is kept. "
            "snapshot/gmn.duckdb has the rows as they were.",
        )
    return None


def is_interruption(error: BaseException) -> bool:
    """Ctrl-C, also where DuckDB or Dagster made something of their own of it."""
    if isinstance(error, GmnError):
        return False
    return any(
        _INTERRUPTED.search(f"{kind.__name__} {one}") is not None
        for one in _chain(error)
        for kind in type(one).__mro__
    )


def is_interruption_text(said: str) -> bool:
    """The same for an error of which there is only its text."""
    return _INTERRUPTED.search(said) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _first_line(said: str, kind: re.Pattern[str]) -> str:
    lines = [line.strip() for line in said.splitlines() if kind.search(line)]
    return (lines or [said.strip()])[0][:_LONGEST].rstrip(".")


def _full(path: Path, *, is_sure: bool = True) -> DiskFull:
    """No space left, or something that may be its doing: SQLite calls either an I/O error."""
    while not path.exists() and path != path.parent:
        path = path.parent
    place = path if path.is_dir() else path.parent
    free = ""
    with suppress(OSError):
        usage = shutil.disk_usage(place)
        free = f" ({usage.free / 1e6:,.1f} MB of {usage.total / 1e6:,.1f} MB are free)"
        is_sure = is_sure or usage.free < _NEXT_TO_NOTHING_BYTES
    what = "There is no space left to write" if is_sure else "The disk failed to read or write"
    return DiskFull(
        f"{what} in {place}{free}.",
        remedy="Nothing that was there before is lost. Free some space there, and run the same "
        "command again: it goes on from what is done.",
    )


@contextmanager
def explaining(data_dir: Path) -> Iterator[None]:
    """Raise what the machine refuses in this project's terms."""
    try:
        yield
    except Exception as error:
        known = explained(error, data_dir) if _is_the_machines(error) else None
        if known is None:
            raise
        raise known from error


def _is_the_machines(error: Exception) -> bool:
    """Whether it comes from the operating system, SQLite or DuckDB (which is not imported here, as
    SQLAlchemy is not, whose errors have SQLite's within)."""
    modules = {kind.__module__.strip("_").split(".")[0] for kind in type(error).__mro__}
    return isinstance(error, (OSError, sqlite3.Error)) or bool(modules & {"duckdb", "sqlalchemy"})


def sentence(error: BaseException, data_dir: Path) -> str:
    """What a person is told of an error. Details of an unknown one are put into a file."""
    known = explained(error, data_dir)
    if known is not None:
        return str(known)
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[0][:_LONGEST]}" if said else type(error).__name__
    details = "".join(traceback.format_exception(error))
    return unknown(what, details, data_dir)


def unknown(what: str, details: str, data_dir: Path) -> str:
    """The sentence for an error of no known kind, with its details put into a file."""
    file = _put_down(details, data_dir)
    where = f"Details are in {file}." if file else "Its details could not be written to any file."
    return f"Unexpected error: {what}. {where} Please report it with them."


def _put_down(details: str, data_dir: Path) -> Path | None:
    """Write details where there is a place for them: the data folder's if that can be written."""
    name = f"{utc_now():%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    for folder in (data_dir / "errors", Path(tempfile.gettempdir()) / f"gmn-{os.getuid()}-errors"):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(details, "utf-8", errors="backslashreplace")
            return folder / name
    return None
