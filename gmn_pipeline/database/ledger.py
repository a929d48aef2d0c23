"""The ledger: which version of which file was landed, what was validated from it, what failed.

One small SQLite file under the data folder; every write is one transaction. What belongs here:
state of the work. What does not: the data itself (landing objects, validated Parquet, warehouse).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from gmn_pipeline.clock import utc_now
from gmn_pipeline.storage import sqlite
from gmn_pipeline.storage.files import exclusive, is_writable, working_folder
from gmn_pipeline.storage.problems import explaining

_BUSY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class LandedVersion:
    """One version of a file of the source, as it was landed."""

    path: str
    kind: str
    url: str
    etag: str | None
    last_modified: str | None
    listed_state: str
    generated_at_utc: str
    size_bytes: int
    sha256: str
    fetched_at_utc: str


@dataclass(frozen=True)
class ValidatedSlice:
    """The rows of one bin out of one landed file, and the Parquet files that hold them."""

    source_file_sha256: str
    bin_date: str
    bin_solar_longitude_deg: int
    definition: str
    accepted_path: str
    rejected_path: str
    rows_read: int
    rows_accepted: int
    rows_rejected: int
    covers_from_utc: str | None
    covers_until_utc: str | None


@dataclass(frozen=True)
class DayFailure:
    """Why a day did not get through, and what to do about it."""

    day: str
    stage: str
    message: str
    failed_at_utc: str


@dataclass(frozen=True)
class UnreadFile:
    """A file of the source that looks like a summary and is not read, for its name or place."""

    folder: str
    path: str
    expected: str
    seen_at_utc: str

    @property
    def in_words(self) -> str:
        return (
            f"{self.path} looks like a summary file and is not read: expected is {self.expected}."
        )


def _columns(row_class: type) -> list[str]:
    return [column.name for column in fields(row_class)]


_TABLES = {
    "landed_versions": (LandedVersion, "version INTEGER PRIMARY KEY, {columns}"),
    "validated_slices": (
        ValidatedSlice,
        "{columns}, PRIMARY KEY (source_file_sha256, bin_date, bin_solar_longitude_deg)",
    ),
    "day_failures": (DayFailure, "{columns}, PRIMARY KEY (day)"),
    "unread_files": (UnreadFile, "{columns}, PRIMARY KEY (path)"),
}


class Ledger:
    """Opens a connection for each transaction, so that threads and processes can share it."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "ledger.sqlite"
        self._is_made = False

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with explaining(self._path.parent):
            self._make()
            with _connected(self._path) as db:
                yield db

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """The answer to a query, which needs no permission to write; none if there is no file."""
        with explaining(self._path.parent):
            if not self._path.is_file():
                return []
            if is_writable(self._path) and is_writable(self._path.parent):
                with self._transaction() as db:
                    return db.execute(query, values).fetchall()
            with sqlite.reading(self._path) as db:
                return db.execute(query, values).fetchall()

    def _make(self) -> None:
        """Make what is not there yet, by one process; a new file has all its tables at once."""
        if self._is_made:
            return
        folder = self._path.parent
        with exclusive(folder / "ledger.lock"):
            if self._path.is_file():
                _create_tables(self._path)
            else:
                with working_folder(folder / "tmp") as unfinished:
                    _create_tables(unfinished / self._path.name)
                    (unfinished / self._path.name).replace(self._path)
        self._is_made = True

    def record_landed(self, versions: Iterable[LandedVersion]) -> None:
        """Record new versions. The newest of a path is the one recorded last."""
        with self._transaction() as db:
            _insert(db, "landed_versions", LandedVersion, versions)

    def record_seen(self, versions: Iterable[LandedVersion]) -> None:
        """Record how the source now labels files whose bytes have not changed."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE landed_versions SET listed_state = ?, etag = ?, last_modified = ? WHERE "
                "version = (SELECT max(version) FROM landed_versions WHERE path = ?)",
                [(v.listed_state, v.etag, v.last_modified, v.path) for v in versions],
            )

    def newest_landed(self) -> dict[str, LandedVersion]:
        """The newest version of every path."""
        names = ", ".join(_columns(LandedVersion))
        rows = self._rows(
            f"SELECT {names} FROM landed_versions WHERE version IN "
            "(SELECT max(version) FROM landed_versions GROUP BY path)"
        )
        return {row[0]: LandedVersion(*row) for row in rows}

    def landed_versions(self, path: str) -> list[LandedVersion]:
        """Every version of a path, oldest first."""
        names = ", ".join(_columns(LandedVersion))
        rows = self._rows(
            f"SELECT {names} FROM landed_versions WHERE path = ? ORDER BY version", [path]
        )
        return [LandedVersion(*row) for row in rows]

    def record_validated(self, slices: Sequence[ValidatedSlice]) -> None:
        with self._transaction() as db:
            _insert(db, "validated_slices", ValidatedSlice, slices, or_replace=True)

    def validated(self, days: Iterable[date]) -> list[ValidatedSlice]:
        """What is validated of the given days."""
        names = ", ".join(_columns(ValidatedSlice))
        wanted = {day.isoformat() for day in days}
        if not wanted:
            return []
        rows = self._rows(
            f"SELECT {names} FROM validated_slices WHERE bin_date BETWEEN ? AND ?",
            [min(wanted), max(wanted)],
        )
        return [s for row in rows if (s := ValidatedSlice(*row)).bin_date in wanted]

    def validated_paths(self) -> set[str]:
        """Every validated Parquet file that is named, of accepted or of rejected rows."""
        rows = self._rows(
            "SELECT accepted_path FROM validated_slices "
            "UNION SELECT rejected_path FROM validated_slices"
        )
        return {path for (path,) in rows}

    def record_days(self, failed: dict[date, tuple[str, str]], good: Iterable[date]) -> None:
        """Record (stage, message) of failed days, and forget former failures of good ones."""
        now = utc_now().isoformat()
        with self._transaction() as db:
            db.executemany(
                "DELETE FROM day_failures WHERE day = ?", [(day.isoformat(),) for day in good]
            )
            rows = [DayFailure(day.isoformat(), *why, now) for day, why in failed.items()]
            _insert(db, "day_failures", DayFailure, rows, or_replace=True)

    def record_unread(self, folder: str, files: Iterable[UnreadFile]) -> None:
        """Record which files of a folder were not read when it was last listed."""
        with self._transaction() as db:
            db.execute("DELETE FROM unread_files WHERE folder = ?", [folder])
            _insert(db, "unread_files", UnreadFile, files, or_replace=True)

    def unread(self) -> list[UnreadFile]:
        """Files that look like summaries and were not read when last listed, by path."""
        rows = self._rows(
            f"SELECT {', '.join(_columns(UnreadFile))} FROM unread_files ORDER BY path"
        )
        return [UnreadFile(*row) for row in rows]

    def failures(self) -> list[DayFailure]:
        """Days that did not get through when last tried, newest first."""
        rows = self._rows(
            f"SELECT {', '.join(_columns(DayFailure))} FROM day_failures ORDER BY day DESC"
        )
        return [DayFailure(*row) for row in rows]


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection with one transaction."""
    with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)) as db:
        db.execute("PRAGMA synchronous = NORMAL")
        with db:
            yield db


def _create_tables(path: Path) -> None:
    """Tables and index that are not there yet."""
    with _connected(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        for name, (row_class, definition) in _TABLES.items():
            columns = ", ".join(_columns(row_class))
            db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({definition.format(columns=columns)})")
        db.execute("CREATE INDEX IF NOT EXISTS landed_by_path ON landed_versions (path)")


def _insert(
    db: sqlite3.Connection,
    table: str,
    row_class: type,
    rows: Iterable[LandedVersion | ValidatedSlice | DayFailure | UnreadFile],
    *,
    or_replace: bool = False,
) -> None:
    columns = _columns(row_class)
    marks = ", ".join("?" * len(columns))
    db.executemany(
        f"INSERT {'OR REPLACE ' if or_replace else ''}INTO {table} ({', '.join(columns)}) "
        f"VALUES ({marks})",
        [astuple(row) for row in rows],
    )


def utc_text(when: datetime | None) -> str | None:
    """How the ledger writes a time: ISO 8601 that sorts as text."""
    return when.isoformat() if when else None
