"""Moving the file on: what came, changed and went since the state on which it stands.

What belongs here: applying changes, in one transaction. What does not: asking the lake for them
(`changes.py`, `keeper.py`).
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.by_key.changes import (
    CHANGE,
    CURRENT,
    FORMER,
    SOURCE,
    STATION,
    WITHDRAWN,
    Counts,
    Row,
)
from gmn_pipeline.serving.by_key.file import (
    PIECE_ROWS,
    identifier_of,
    part_of,
    put,
    put_links,
    set_stand,
)
from gmn_pipeline.serving.by_key.rows import Values, stations_of, unpacked, values_of


class NotAsCounted(Exception):
    """The file would have another number of rows than the lake: it has to be written anew."""


@dataclass
class Changes:
    """Rows that came since, by their kind."""

    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Changes":
        changes = cls()
        for row in rows:
            changes.lines[row.kind].append(row.values)
        return changes

    def withdrawn(self) -> list[str]:
        """Trajectories that were withdrawn, and may have come again."""
        rows = map(values_of, self.lines[FORMER])
        ended = {identifier_of(one) for one in rows if one[CHANGE] == WITHDRAWN}
        return sorted(ended - {identifier_of(values_of(line)) for line in self.lines[CURRENT]})


def move(
    db: sqlite3.Connection,
    snapshot: Snapshot,
    changes: Changes,
    gone: Collection[str],
    counts: Counts,
    former: Counts,
) -> None:
    """Let the file stand on a state; `gone`: trajectories that it has no more, `counts` and
    `former`: rows that it is to have, and had.

    All or nothing, also if the process is killed. Raises NotAsCounted, sqlite3.Error.
    """
    with _transaction(db):
        revisions = former.revisions + _put_revisions(db, changes.lines[FORMER])
        for kind, table in ((SOURCE, "source_file"), (STATION, "station")):
            if lines := changes.lines[kind]:
                db.execute(f"DELETE FROM {table}")
                put(db, kind, lines, [values_of(line) for line in lines])
        links = _Links()
        came = _put_trajectories(db, changes.lines[CURRENT], links)
        went = _remove_trajectories(db, gone, links)
        now = Counts(former.trajectories + came - went, revisions, former.links + links.apply(db))
        if now != counts:
            raise NotAsCounted(f"{now} instead of {counts}")
        set_stand(db, snapshot, counts)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _put_revisions(db: sqlite3.Connection, lines: list[str]) -> int:
    """How many there are more."""
    more = 0
    for some, rows in _in_pieces(lines):
        identifiers = {identifier_of(one) for one in rows}
        before = _number_of(db, "revision", identifiers)
        put(db, FORMER, some, rows)
        more += _number_of(db, "revision", identifiers) - before
    return more


def _put_trajectories(db: sqlite3.Connection, lines: list[str], links: "_Links") -> int:
    """How many there are more."""
    more = 0
    for some, rows in _in_pieces(lines):
        known = _stations(db, map(identifier_of, rows))
        for values in rows:
            identifier = identifier_of(values)
            links.change(identifier, known.get(identifier, ()), stations_of(values))
        put(db, CURRENT, some, rows)
        more += len(rows) - len(known)
    return more


def _in_pieces(lines: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Values]]]:
    """Some lines with their values at a time: a row's are ninety texts."""
    for begin in range(0, len(lines), PIECE_ROWS):
        some = lines[begin : begin + PIECE_ROWS]
        yield some, [values_of(line) for line in some]


def _remove_trajectories(db: sqlite3.Connection, gone: Collection[str], links: "_Links") -> int:
    """How many there were of them."""
    known = _stations(db, gone)
    for identifier, codes in known.items():
        links.change(identifier, codes, ())
        db.execute("DELETE FROM trajectory WHERE identifier = ?", (identifier,))
    return len(known)


def _stations(db: sqlite3.Connection, identifiers: Iterable[str]) -> dict[str, list[str]]:
    """The stations of trajectories, as far as these are there."""
    found = {}
    for identifier in identifiers:
        row = db.execute("SELECT line FROM trajectory WHERE identifier = ?", (identifier,))
        for (line,) in row:
            found[identifier] = stations_of(unpacked(line))
    return found


def _number_of(db: sqlite3.Connection, table: str, identifiers: Collection[str]) -> int:
    sql = f"SELECT count(*) FROM {table} WHERE identifier IN (SELECT value FROM json_each(?))"
    (number,) = db.execute(sql, (json.dumps(sorted(identifiers)),)).fetchone()
    return int(number)


class _Links:
    """Links that come and go, by their station and part."""

    def __init__(self) -> None:
        self._came: Mapping[tuple[str, str], set[str]] = defaultdict(set)
        self._went: Mapping[tuple[str, str], set[str]] = defaultdict(set)

    def change(self, identifier: str, former: Iterable[str], now: Iterable[str]) -> None:
        before, after = set(former), set(now)
        for code in after - before:
            self._came[code, part_of(identifier)].add(identifier)
        for code in before - after:
            self._went[code, part_of(identifier)].add(identifier)

    def apply(self, db: sqlite3.Connection) -> int:
        """How many there are more."""
        more = 0
        for code, part in self._came.keys() | self._went.keys():
            former = _identifiers(db, code, part)
            now = (former - self._went.get((code, part), set())) | self._came.get(
                (code, part), set()
            )
            put_links(db, code, part, sorted(now))
            more += len(now) - len(former)
        return more


def _identifiers(db: sqlite3.Connection, code: str, part: str) -> set[str]:
    found = db.execute("SELECT identifiers FROM links WHERE code = ? AND part = ?", (code, part))
    return {one for (kept,) in found for one in unpacked(kept)[1:]}
