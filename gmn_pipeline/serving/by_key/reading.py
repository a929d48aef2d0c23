"""Questions that are answered from the file, for the state on which it stands and no other.

What belongs here: asking, and rows as they are answered. What does not: what is said around them
(`tables/`).

None is "ask the lake": another state is asked for, the file is not there or came to harm, or it has
no such row.
"""

import logging
import sqlite3
import threading
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.trajectory_tables import (
    SOURCE_FILES,
    STATIONS,
    TRAJECTORIES,
    TRAJECTORY_REVISIONS,
)
from gmn_pipeline.serving.by_key.file import identifier_of, open_file, source_of, stand_of
from gmn_pipeline.serving.by_key.rows import ROWS, Values, read, stations_of, unpacked

T = TypeVar("T")

_log = logging.getLogger(__name__)
_BUSY_S = 0.05
_CACHE_KB = 4_096


class Damaged(Exception):
    """What is read there is not what was written."""


HARM = (sqlite3.DatabaseError, zlib.error, Damaged, ValueError)


@dataclass(frozen=True)
class History:
    """A trajectory with its past; each row by its names, those of the states as
    `trajectory_history` has them."""

    states: list[dict[str, Any]]
    source_files: list[dict[str, Any]]
    stations: list[dict[str, Any]]


@dataclass(frozen=True)
class Links:
    """Some links of a station in order, and how many there are in all; `place`: of the first."""

    since: str
    """JSON of when the station first came."""
    identifiers: list[str]
    place: int
    number: int


class Reading:
    """Any number of threads may ask. Without a path nothing is answered."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._inode: int | None = None
        self.is_damaged = False
        """Found by somebody who asked; the file is to be written anew."""

    async def history(self, snapshot: Snapshot, identifier: str) -> History | None:
        return await self._ask(snapshot, lambda db: history_of(db, identifier))

    async def row(
        self, snapshot: Snapshot, relation: str, identifier: str
    ) -> Mapping[str, str] | None:
        """A row of one of `rows.ROWS`, each value as JSON."""
        return await self._ask(snapshot, lambda db: row_of(db, relation, identifier))

    async def stands_on(self, snapshot: Snapshot) -> bool:
        """Whether it answers for this state just now."""
        return await self._ask(snapshot, lambda _: True) or False

    async def lines(
        self,
        snapshot: Snapshot,
        relation: str,
        identifiers: Sequence[str],
        line: Callable[[Mapping[str, str]], str],
    ) -> list[str] | None:
        """Rows of one of `rows.ROWS`, each as it is to be written; None if one is not there."""

        def find(db: sqlite3.Connection) -> list[str] | None:
            found = [row_of(db, relation, identifier) for identifier in identifiers]
            lines = [line(row) for row in found if row is not None]
            return lines if len(lines) == len(identifiers) else None

        return await self._ask(snapshot, find)

    async def links(
        self, snapshot: Snapshot, station_number: int, after: str | None, most: int
    ) -> Links | None:
        """Those that come after one, so many at most."""
        return await self._ask(snapshot, lambda db: links_of(db, station_number, after, most))

    async def _ask(
        self, snapshot: Snapshot, question: Callable[[sqlite3.Connection], T | None]
    ) -> T | None:
        return await anyio.to_thread.run_sync(self.ask, snapshot, question)

    def ask(
        self, snapshot: Snapshot, question: Callable[[sqlite3.Connection], T | None]
    ) -> T | None:
        with self._lock:
            try:
                db = self._opened()
                return None if db is None else self._answer(db, snapshot, question)
            except (*HARM, OSError) as error:
                self._close()
                if not isinstance(error, sqlite3.OperationalError | OSError):
                    _log.warning("The file of rows by key came to harm: %s", error)
                    self.is_damaged = True
                return None

    @staticmethod
    def _answer(
        db: sqlite3.Connection,
        snapshot: Snapshot,
        question: Callable[[sqlite3.Connection], T | None],
    ) -> T | None:
        db.execute("BEGIN")  # what is moved on meanwhile is not seen
        try:
            stand = stand_of(db)
            if stand is None or stand.mark != snapshot.mark:
                return None
            return question(db)
        finally:
            db.execute("ROLLBACK")

    def _opened(self) -> sqlite3.Connection | None:
        """The file that has the name now: it may have been written anew, or removed."""
        if self._path is None or self.is_damaged:
            return None
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            self._close()
            return None
        if self._db is None or inode != self._inode:
            self._close()
            self._db, self._inode = open_file(self._path, "ro", _BUSY_S), inode
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KB:d}")
        return self._db

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def renew(self) -> None:
        """Let a file be read that was written anew."""
        with self._lock:
            self._close()
            self.is_damaged = False

    def close(self) -> None:
        with self._lock:
            self._close()


def _rows(db: sqlite3.Connection, sql: str, *values: object) -> Iterator[list[str]]:
    for (kept,) in db.execute(sql, values):
        yield unpacked(kept)


def row_of(db: sqlite3.Connection, relation: str, identifier: str) -> Mapping[str, str] | None:
    values = _current(db, identifier)
    return None if values is None else ROWS[relation](values)


def _current(db: sqlite3.Connection, identifier: str) -> list[str] | None:
    sql = "SELECT line FROM trajectory WHERE identifier = ?"
    for values in _rows(db, sql, identifier):
        return _of(identifier, values)
    return None


def _of(identifier: str, values: list[str]) -> list[str]:
    if identifier_of(values) != identifier:
        raise Damaged(f"a row of {identifier} is another one's")
    return values


_HISTORY = (*TRAJECTORY_REVISIONS.columns[: len(TRAJECTORIES.columns) + 2], "is_current")


def history_of(db: sqlite3.Connection, identifier: str) -> History | None:
    current = _current(db, identifier)
    if current is None:
        return None
    sql = "SELECT line FROM revision WHERE identifier = ? ORDER BY revision"
    former = [_of(identifier, values) for values in _rows(db, sql, identifier)]
    states = [
        *([*values[: len(_HISTORY) - 1], "false"] for values in former),
        [*current, "null", "null", "true"],
    ]
    return History(
        [read(_HISTORY, values) for values in states],
        [read(SOURCE_FILES.columns, values) for values in _sources(db, states)],
        [read(STATIONS.columns, values) for values in _stations(db, current)],
    )


def _sources(db: sqlite3.Connection, states: list[list[str]]) -> Iterator[list[str]]:
    sql = "SELECT line FROM source_file WHERE sha256 = ? AND bin_date = ?"
    for source in dict.fromkeys(source_of(values, TRAJECTORIES) for values in states):
        yield from _rows(db, sql, *source)


def _stations(db: sqlite3.Connection, current: Values) -> Iterator[list[str]]:
    for code in stations_of(current):
        yield from _rows(db, "SELECT line FROM station WHERE code = ?", code)


_CODE, _SINCE = (STATIONS.columns.index(n) for n in ("station_code", "first_loaded_at_utc"))


def links_of(
    db: sqlite3.Connection, station_number: int, after: str | None, most: int
) -> Links | None:
    for code, kept in db.execute(
        "SELECT code, line FROM station WHERE number = ?", (station_number,)
    ):
        station = unpacked(kept)
        if station[0] != str(station_number) or station[_CODE] != f'"{code}"':
            raise Damaged(f"a row of station {station_number} is another one's")
        found: list[str] = []
        sql = "SELECT identifiers FROM links WHERE code = ? ORDER BY part"
        for of, *identifiers in _rows(db, sql, code):
            if of != code:
                raise Damaged(f"links of {code} are those of {of}")
            found += identifiers
        begin = 0 if after is None else bisect_right(found, after)
        return Links(station[_SINCE], found[begin : begin + most], begin, len(found))
    return None
