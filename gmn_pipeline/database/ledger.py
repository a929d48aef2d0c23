"""The ledger: which version of which file was landed, what was validated from it, what was loaded
whole, what failed.

What belongs here: state of the work, in tables of the operational database; every write is one
transaction. What does not: the data itself (landing objects, validated Parquet, warehouse).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy import Connection, Executable, Select, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database, open_database
from gmn_pipeline.database.tables import (
    DAY_FAILURES,
    HISTORY_LOADS,
    LANDED_VERSIONS,
    UNREAD_FILES,
    VALIDATED_SLICES,
)
from gmn_pipeline.settings import DatabaseSettings


@dataclass(frozen=True)
class LandedVersion:
    """One version of a file of the source, as it was landed."""

    path: str
    kind: str
    url: str
    etag: str | None
    last_modified: str | None
    listed_state: str
    generated_at_utc: datetime
    size_bytes: int
    sha256: str
    fetched_at_utc: datetime


@dataclass(frozen=True)
class ValidatedSlice:
    """The rows of one bin out of one landed file, and the Parquet files that hold them."""

    source_file_sha256: str
    bin_date: date
    bin_solar_longitude_deg: int
    definition: str
    accepted_path: str
    rejected_path: str
    rows_read: int
    rows_accepted: int
    rows_rejected: int
    covers_from_utc: datetime | None
    covers_until_utc: datetime | None


@dataclass(frozen=True)
class HistoryLoad:
    """Of one day, the bytes of a monthly, yearly or all-file that were loaded whole under a
    definition, and the mark of all that the warehouse had taken in by then."""

    path: str
    day: date
    sha256: str
    definition: str
    taken_in: str


@dataclass(frozen=True)
class DayFailure:
    """Why a day did not get through, and what to do about it."""

    day: date
    stage: str
    message: str
    failed_at_utc: datetime


@dataclass(frozen=True)
class UnreadFile:
    """A file of the source that looks like a summary and is not read, for its name or place."""

    folder: str
    path: str
    expected: str
    seen_at_utc: datetime

    @property
    def in_words(self) -> str:
        return (
            f"{self.path} looks like a summary file and is not read: expected is {self.expected}."
        )


_Row = TypeVar("_Row", LandedVersion, ValidatedSlice, HistoryLoad, DayFailure, UnreadFile)


def open_ledger(settings: DatabaseSettings) -> "Ledger":
    """The ledger in the operational database that the settings name."""
    return Ledger(open_database(settings))


class Ledger:
    """What the stages note and ask. Threads and processes can share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_landed(self, versions: Iterable[LandedVersion]) -> None:
        """Record new versions. The newest of a path is the one recorded last."""
        with self._database.writing() as connection:
            _insert(connection, LANDED_VERSIONS, versions)

    def record_seen(self, versions: Iterable[LandedVersion]) -> None:
        """Record how the source now labels files whose bytes have not changed."""
        table = LANDED_VERSIONS
        newest = select(func.max(table.c.version)).where(table.c.path == bindparam("of_path"))
        labels = ("listed_state", "etag", "last_modified")
        update = (
            table.update()
            .where(table.c.version == newest.scalar_subquery())
            .values({name: bindparam(f"new_{name}") for name in labels})
        )
        values = [
            {"of_path": v.path} | {f"new_{name}": getattr(v, name) for name in labels}
            for v in versions
        ]
        with self._database.writing() as connection:
            _for_each(connection, update, values)

    def newest_landed(self) -> dict[str, LandedVersion]:
        """The newest version of every path."""
        newest = select(func.max(LANDED_VERSIONS.c.version)).group_by(LANDED_VERSIONS.c.path)
        query = _all(LandedVersion, LANDED_VERSIONS).where(LANDED_VERSIONS.c.version.in_(newest))
        return {version.path: version for version in self._read(LandedVersion, query)}

    def landed_versions(self, path: str) -> list[LandedVersion]:
        """Every version of a path, oldest first."""
        query = _all(LandedVersion, LANDED_VERSIONS).where(LANDED_VERSIONS.c.path == path)
        return self._read(LandedVersion, query.order_by(LANDED_VERSIONS.c.version))

    def record_validated(self, slices: Sequence[ValidatedSlice]) -> None:
        """Record slices; one of the same bin of the same file takes the place of the former."""
        with self._database.writing() as connection:
            _insert(connection, VALIDATED_SLICES, slices, or_replace=True)

    def validated(self, days: Iterable[date]) -> list[ValidatedSlice]:
        """What is validated of the given days."""
        wanted = set(days)
        if not wanted:
            return []
        query = _all(ValidatedSlice, VALIDATED_SLICES).where(
            VALIDATED_SLICES.c.bin_date.between(min(wanted), max(wanted))
        )
        return [s for s in self._read(ValidatedSlice, query) if s.bin_date in wanted]

    def validated_paths(self) -> set[str]:
        """Every validated Parquet file that is named, of accepted or of rejected rows."""
        slices = VALIDATED_SLICES.c
        query = select(slices.accepted_path).union(select(slices.rejected_path))
        with self._database.reading() as connection:
            return set(connection.scalars(query)) if connection else set()

    def record_history_loads(self, loads: Iterable[HistoryLoad]) -> None:
        """Record days of files; one of the same day of the same path takes the former's place."""
        with self._database.writing() as connection:
            _insert(connection, HISTORY_LOADS, loads, or_replace=True)

    def history_loads(self, days: Iterable[date]) -> set[HistoryLoad]:
        """What was last loaded whole of the given days."""
        wanted = set(days)
        if not wanted:
            return set()
        query = _all(HistoryLoad, HISTORY_LOADS).where(
            HISTORY_LOADS.c.day.between(min(wanted), max(wanted))
        )
        return {load for load in self._read(HistoryLoad, query) if load.day in wanted}

    def record_days(self, failed: dict[date, tuple[str, str]], good: Iterable[date]) -> None:
        """Record (stage, message) of failed days, and forget former failures of good ones."""
        now = utc_now()
        forget = DAY_FAILURES.delete().where(DAY_FAILURES.c.day == bindparam("good_day"))
        rows = [DayFailure(day, *why, now) for day, why in failed.items()]
        with self._database.writing() as connection:
            _for_each(connection, forget, [{"good_day": day} for day in good])
            _insert(connection, DAY_FAILURES, rows, or_replace=True)

    def record_unread(self, folder: str, files: Iterable[UnreadFile]) -> None:
        """Record which files of a folder were not read when it was last listed."""
        with self._database.writing() as connection:
            connection.execute(UNREAD_FILES.delete().where(UNREAD_FILES.c.folder == folder))
            _insert(connection, UNREAD_FILES, files, or_replace=True)

    def unread(self) -> list[UnreadFile]:
        """Files that look like summaries and were not read when last listed, by path."""
        query = _all(UnreadFile, UNREAD_FILES)
        return sorted(self._read(UnreadFile, query), key=lambda file: file.path)

    def failures(self) -> list[DayFailure]:
        """Days that did not get through when last tried, newest first."""
        query = _all(DayFailure, DAY_FAILURES).order_by(DAY_FAILURES.c.day.desc())
        return self._read(DayFailure, query)

    def _read(
        self, row_class: Callable[..., _Row], query: Select[tuple[object, ...]]
    ) -> list[_Row]:
        """Rows of a query; none if there is no database."""
        with self._database.reading() as connection:
            return [row_class(*row) for row in connection.execute(query)] if connection else []


def _all(row_class: type[_Row], table: Table) -> Select[tuple[object, ...]]:
    return select(*(table.c[column.name] for column in fields(row_class)))


def _insert(
    connection: Connection, table: Table, rows: Iterable[_Row], *, or_replace: bool = False
) -> None:
    """Insert rows, one statement for all; with `or_replace` in place of those of the same key."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    if or_replace:
        rest = [column for column in table.c if not column.primary_key]
        statement = statement.on_conflict_do_update(
            index_elements=table.primary_key,
            set_={column.name: statement.excluded[column.name] for column in rest},
        )
    _for_each(connection, statement, [vars(row) for row in rows])


def _for_each(
    connection: Connection, statement: Executable, values: Sequence[Mapping[str, object]]
) -> None:
    """Run a statement for each set of values, in bulk."""
    if values:  # without any it would be run once, with none
        connection.execute(statement, values)
