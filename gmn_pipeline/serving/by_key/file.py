"""The SQLite file: its tables, on which state it stands, and writing a new one.

What belongs here: what is where in it. What does not: when it is written (`keeper.py`), what a
change makes of it (`moving.py`), and questions (`reading.py`).

Everything that is answered from it carries a checksum (`rows.py`), and rows name what they are of:
so a file that came to harm is found out where it is read.
"""

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from importlib.metadata import version
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Literal

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.schemas.trajectory_tables import SOURCE_FILES, STATIONS
from gmn_pipeline.serving.by_key.changes import (
    CURRENT,
    FORMER,
    REVISION,
    SOURCE,
    STATION,
    Counts,
    Row,
)
from gmn_pipeline.serving.by_key.rows import Values, packed, packed_texts, stations_of, values_of

_TABLES = """
CREATE TABLE state (
  number INTEGER NOT NULL, mark TEXT NOT NULL,
  trajectories INTEGER NOT NULL, revisions INTEGER NOT NULL, links INTEGER NOT NULL);
CREATE TABLE trajectory (identifier TEXT NOT NULL, line BLOB NOT NULL);
CREATE TABLE revision (identifier TEXT NOT NULL, revision INTEGER NOT NULL, line BLOB NOT NULL);
CREATE TABLE source_file (sha256 TEXT NOT NULL, bin_date TEXT NOT NULL, line BLOB NOT NULL);
CREATE TABLE station (number INTEGER NOT NULL, code TEXT NOT NULL, line BLOB NOT NULL);
CREATE TABLE links (
  code TEXT NOT NULL, part TEXT NOT NULL, identifiers BLOB NOT NULL, PRIMARY KEY (code, part)
) WITHOUT ROWID;
"""
# Once the rows are there: to sort them at once is much faster than to put each into its place.
_INDEXES = """
CREATE UNIQUE INDEX trajectory_by_identifier ON trajectory (identifier);
CREATE UNIQUE INDEX revision_by_identifier ON revision (identifier, revision);
CREATE INDEX source_file_by_key ON source_file (sha256, bin_date);
CREATE UNIQUE INDEX station_by_number ON station (number);
CREATE UNIQUE INDEX station_by_code ON station (code);
"""
_PART = 6
"""Links of a station are kept in parts by so many first characters of the identifiers, which are
year and month."""
PIECE_ROWS = 1_000
"""So many rows are taken apart at a time: memory for more of them is not given back as a whole."""

_VERSION = repr((version("gmn-pipeline"), _TABLES, [(t.name, t.columns) for t in WAREHOUSE_TABLES]))
FORMAT = zlib.crc32(_VERSION.encode()) >> 1
"""Differs once rows are kept otherwise."""


@dataclass(frozen=True)
class Stand:
    """The state on which a file stands."""

    number: int
    mark: str
    counts: Counts


def part_of(identifier: str) -> str:
    return identifier[:_PART]


def open_file(path: Path, how: Literal["ro", "rw", "rwc"], busy_s: float) -> sqlite3.Connection:
    """To read, to write, or to make. Transactions are begun and ended by name; any thread may use
    it when no other does. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={how}", uri=True, timeout=busy_s, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip


def stand_of(db: sqlite3.Connection) -> Stand | None:
    """None if rows are kept otherwise there. Raises sqlite3.Error."""
    if db.execute("PRAGMA user_version").fetchone() != (FORMAT,):
        return None
    row = db.execute("SELECT number, mark, trajectories, revisions, links FROM state").fetchone()
    return row and Stand(row[0], row[1], Counts(*row[2:]))


def set_stand(db: sqlite3.Connection, snapshot: Snapshot, counts: Counts) -> None:
    db.execute("DELETE FROM state")
    db.execute(
        "INSERT INTO state VALUES (?, ?, ?, ?, ?)",
        (snapshot.id, snapshot.mark, *astuple(counts)),
    )


def write_file(path: Path, snapshot: Snapshot, rows: Iterable[Row]) -> Counts:
    """A new file of all rows of a state; its counts. Raises sqlite3.Error."""
    aside = path.with_name("links.sqlite")
    with closing(open_file(path, "rwc", 0)) as db:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16000"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("ATTACH ? AS aside", (str(aside),))
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):
            db.execute(f"PRAGMA aside.{pragma}")
        db.executescript(f"{_TABLES} CREATE TABLE aside.link (code TEXT, identifier TEXT);")
        _fill(db, rows)
        links = _write_links(db)
        counts = Counts(_count(db, "trajectory"), _count(db, "revision"), links)
        for index in _INDEXES.split(";\n"):
            db.execute(index)
        db.execute("BEGIN")
        set_stand(db, snapshot, counts)
        db.execute(f"PRAGMA user_version = {FORMAT:d}")
        db.execute("COMMIT")
        db.execute("DETACH aside")
    aside.unlink()
    with path.open("rb") as written:
        os.fsync(written.fileno())
    return counts


def _fill(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    db.execute("BEGIN")
    for kind, lines in _in_pieces(rows):
        values = [values_of(line) for line in lines]
        put(db, kind, lines, values)
        if kind == CURRENT:
            links = ((code, identifier_of(one)) for one in values for code in stations_of(one))
            db.executemany("INSERT INTO aside.link VALUES (?, ?)", links)
    db.execute("COMMIT")


def _in_pieces(rows: Iterable[Row]) -> Iterator[tuple[str, list[str]]]:
    """Some rows of one kind at a time."""
    for kind, some in groupby(rows, key=attrgetter("kind")):
        while piece := [row.values for row in islice(some, PIECE_ROWS)]:
            yield kind, piece


def _write_links(db: sqlite3.Connection) -> int:
    """The identifiers of each station in order; how many there are."""
    links = 0
    with closing(db.cursor()) as sorted_links:
        sorted_links.execute("SELECT code, identifier FROM aside.link ORDER BY code, identifier")
        db.execute("BEGIN")
        for (code, part), some in groupby(sorted_links, key=lambda row: (row[0], part_of(row[1]))):
            identifiers = [identifier for _, identifier in some]
            links += len(identifiers)
            put_links(db, code, part, identifiers)
        db.execute("COMMIT")
    return links


_NUMBER = STATIONS.columns.index("station_number")
_CODE = STATIONS.columns.index("station_code")
_PUT = {
    CURRENT: "INSERT OR REPLACE INTO trajectory VALUES (?, ?)",
    FORMER: "INSERT OR REPLACE INTO revision VALUES (?, ?, ?)",
    SOURCE: "INSERT INTO source_file VALUES (?, ?, ?)",
    STATION: "INSERT OR REPLACE INTO station VALUES (?, ?, ?)",
}
_KEYS: Mapping[str, Callable[[Values], tuple[str | int, ...]]] = {
    CURRENT: lambda values: (identifier_of(values),),
    FORMER: lambda values: (identifier_of(values), int(values[REVISION])),
    SOURCE: lambda values: source_of(values, SOURCE_FILES),
    STATION: lambda values: (int(values[_NUMBER]), str(json.loads(values[_CODE]))),
}


def put(db: sqlite3.Connection, kind: str, lines: Sequence[str], values: Sequence[Values]) -> None:
    """Rows of a kind, in place of those with the same key."""
    key = _KEYS[kind]
    rows = ((*key(one), packed(line)) for line, one in zip(lines, values, strict=True))
    db.executemany(_PUT[kind], rows)


def put_links(db: sqlite3.Connection, code: str, part: str, identifiers: Sequence[str]) -> None:
    """The links of a station in a part; none at all if there are none."""
    if identifiers:
        kept = packed_texts((code, *identifiers))
        db.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", (code, part, kept))
    else:
        db.execute("DELETE FROM links WHERE code = ? AND part = ?", (code, part))


def identifier_of(values: Values) -> str:
    return str(json.loads(values[0]))


def source_of(values: Values, table: Table) -> tuple[str, str]:
    """The file that a row is of, or came from: its checksum and its bin's date."""
    sha256, date = (table.columns.index(n) for n in ("source_file_sha256", "bin_date"))
    return str(json.loads(values[sha256])), str(json.loads(values[date]))


def _count(db: sqlite3.Connection, table: str) -> int:
    (number,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)
