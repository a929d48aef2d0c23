"""Crawls: where many files are that are tables, which tables these are, and how that changed.

What belongs here: keeping it. What does not: looking at files (`flows/object_crawl.py`), and
telling which of them are of one table (`processing/table_groups.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, select, update

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import insert_or, some_at_once
from gmn_pipeline.database.tables_crawls import (
    CRAWL_CHANGES,
    CRAWLED_FILES,
    CRAWLED_SCHEMAS,
    CRAWLED_TABLES,
    CRAWLS,
)
from gmn_pipeline.errors import ObjectMissing
from gmn_pipeline.schemas.objects import By


class TableState(StrEnum):
    """What is done about a table that was found."""

    PROPOSED = "proposed"
    VIEW = "view"
    LOADED = "loaded"
    REFUSED = "refused"


@dataclass(frozen=True)
class Crawl:
    """A folder or bucket that is looked through again and again. Tables that are found and whose
    names are by the pattern `accepted_names` become what `accepted_as` says without being asked
    about; with PROPOSED none do."""

    name: str
    url: str
    project: str
    container: str
    pattern: str = "*"
    accepted_as: TableState = TableState.PROPOSED
    accepted_names: str = "*"
    is_anonymous: bool = False
    endpoint_url: str | None = None
    is_deleting: bool = False
    began_at_utc: datetime | None = None
    ended_at_utc: datetime | None = None
    outcome: Mapping[str, Any] | None = None
    """What its last run came to (`Crawled.told`); None before its end."""
    stop_asked_at_utc: datetime | None = None


@dataclass(frozen=True)
class CrawledFile:
    """A file as it was read. `table` is empty where it is none; `reason` says why its rows are in
    none, or why it could not be read."""

    path: str
    stamp: str
    size_bytes: int
    table: str = ""
    schema_sha256: str = ""
    row_count: int = 0
    reason: str = ""


@dataclass(frozen=True)
class CrawledTable:
    """A table that was found. `shown_as` is its name without the container's, in the lake."""

    name: str
    content_type: str
    state: TableState
    shown_as: str
    columns: Mapping[str, str]
    decided_by: str = ""
    decided_at_utc: datetime | None = None


@dataclass(frozen=True)
class CrawlChange:
    """What happened to a table's schema, and by which file."""

    table: str
    kind: str
    column: str
    type_before: str
    type_after: str
    path: str
    at_utc: datetime


class Crawls:
    """Any number of processes may ask; one at a time crawls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Crawl]:
        """All of them, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(CRAWLS).order_by(CRAWLS.c.crawl)).all() \
                if connection else []  # fmt: skip
        return [
            Crawl(
                row.crawl, row.url, row.project, row.container, row.pattern,
                TableState(row.accepted_as), row.accepted_names, row.is_anonymous,
                row.endpoint_url, row.is_deleting, row.began_at_utc, row.ended_at_utc,
                row.outcome, row.stop_asked_at_utc,
            )
            for row in rows
        ]  # fmt: skip

    def named(self, name: str) -> Crawl:
        """The crawl of a name. Raises ObjectMissing."""
        known = {one.name: one for one in self.all()}
        if name not in known:
            raise ObjectMissing(
                f"There is no crawl {name}.",
                remedy=f"There are {', '.join(known)}."
                if known
                else "'gmn objects crawl NAME SOURCE PROJECT/CONTAINER' makes one.",
            )
        return known[name]

    def save(self, crawl: Crawl, by: By) -> None:
        """Make a crawl, or let it be another one; of another source, it begins anew."""
        said = {
            "url": crawl.url, "project": crawl.project, "container": crawl.container,
            "pattern": crawl.pattern, "accepted_as": crawl.accepted_as.value,
            "accepted_names": crawl.accepted_names, "is_anonymous": crawl.is_anonymous,
            "endpoint_url": crawl.endpoint_url, "is_deleting": crawl.is_deleting,
        }  # fmt: skip
        with self._database.writing() as connection:
            of_it = CRAWLS.c.crawl == crawl.name
            there = connection.execute(select(CRAWLS).where(of_it)).one_or_none()
            if there is None:
                connection.execute(
                    CRAWLS.insert().values(
                        crawl=crawl.name, made_at_utc=utc_now(), made_by=by.who, **said
                    )
                )
                return
            connection.execute(update(CRAWLS).where(of_it).values(**said))
            if there.url != crawl.url:
                connection.execute(delete(CRAWLED_FILES).where(_of(CRAWLED_FILES, crawl.name)))

    def forget(self, name: str) -> None:
        """Remove a crawl with all that is known of its files."""
        with self._database.writing() as connection:
            for table in (CRAWLS, CRAWLED_FILES, CRAWLED_SCHEMAS, CRAWLED_TABLES, CRAWL_CHANGES):
                connection.execute(delete(table).where(_of(table, name)))

    def begin(self, name: str) -> None:
        """Note that it is under way."""
        self._note(
            name, began_at_utc=utc_now(), ended_at_utc=None, outcome=None, stop_asked_at_utc=None
        )

    def end(self, name: str, outcome: Mapping[str, Any], *, is_whole: bool = True) -> None:
        """Note what it came to, and whether all of it was looked at."""
        ended = {"ended_at_utc": utc_now()} if is_whole else {}
        self._note(name, outcome=dict(outcome), **ended)

    def ask_to_stop(self, name: str) -> None:
        """Ask whoever does it to stop after the files that it is at."""
        self._note(name, stop_asked_at_utc=utc_now())

    def is_to_stop(self, name: str) -> bool:
        """Whether somebody asked for that since it began."""
        query = select(CRAWLS.c.stop_asked_at_utc).where(CRAWLS.c.crawl == name)
        with self._database.reading() as connection:
            return connection is not None and connection.scalar(query) is not None

    def _note(self, name: str, **values: object) -> None:
        with self._database.writing() as connection:
            connection.execute(update(CRAWLS).where(CRAWLS.c.crawl == name).values(**values))

    def files(self, name: str) -> dict[str, CrawledFile]:
        """The files as they were read, by path."""
        query = select(CRAWLED_FILES).where(_of(CRAWLED_FILES, name))
        query = query.order_by(CRAWLED_FILES.c.path)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return {row.path: _file(row) for row in rows}

    def counts(self, name: str) -> dict[str, tuple[int, int]]:
        """By table: how many files are of it and fit it, and the rows in them."""
        query = (
            select(CRAWLED_FILES.c.table_name, func.count(), func.sum(CRAWLED_FILES.c.row_count))
            .where(_of(CRAWLED_FILES, name), CRAWLED_FILES.c.reason == "")
            .group_by(CRAWLED_FILES.c.table_name)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return {table: (files, int(row_count)) for table, files, row_count in rows}

    def left_out(self, name: str, most: int) -> tuple[int, list[CrawledFile]]:
        """How many files are in no table, and some of them: those of a table that they do not fit
        first."""
        which = and_(_of(CRAWLED_FILES, name), CRAWLED_FILES.c.reason != "")
        query = select(CRAWLED_FILES).where(which)
        query = query.order_by(CRAWLED_FILES.c.table_name == "", CRAWLED_FILES.c.path).limit(most)
        with self._database.reading() as connection:
            if connection is None:
                return 0, []
            count = connection.scalar(select(func.count()).select_from(CRAWLED_FILES).where(which))
            return int(count or 0), list(map(_file, connection.execute(query)))

    def schemas(self, name: str) -> dict[str, tuple[str, dict[str, str]]]:
        """Media type and columns of each schema that files have, by its hash."""
        query = select(CRAWLED_SCHEMAS).where(_of(CRAWLED_SCHEMAS, name))
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return {row.schema_sha256: (row.content_type, dict(row.columns)) for row in rows}

    def tables(self, name: str) -> list[CrawledTable]:
        """The tables that were found, by name."""
        query = select(CRAWLED_TABLES).where(_of(CRAWLED_TABLES, name))
        query = query.order_by(CRAWLED_TABLES.c.table_name)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [
            CrawledTable(
                row.table_name, row.content_type, TableState(row.state), row.shown_as,
                dict(row.columns), row.decided_by, row.decided_at_utc,
            )
            for row in rows
        ]  # fmt: skip

    def note(
        self, name: str, files: Sequence[CrawledFile], tables: Sequence[CrawledTable],
        schemas: Mapping[str, tuple[str, Mapping[str, str]]], changes: Sequence[CrawlChange],
    ) -> None:  # fmt: skip
        """Keep what was read of files, in one transaction: whoever goes on goes on from here."""
        now = utc_now()
        with self._database.writing() as connection:
            _put(connection, CRAWLED_FILES, [
                {"crawl": name, "path": one.path, "stamp": one.stamp,
                 "size_bytes": one.size_bytes, "table_name": one.table,
                 "schema_sha256": one.schema_sha256, "row_count": one.row_count,
                 "reason": one.reason, "read_at_utc": now}
                for one in files
            ])  # fmt: skip
            _put(connection, CRAWLED_SCHEMAS, [
                {"crawl": name, "schema_sha256": sha256, "content_type": kind, "columns": columns}
                for sha256, (kind, columns) in schemas.items()
            ])  # fmt: skip
            # What a person decided meanwhile stays: only columns are moved on.
            _put(connection, CRAWLED_TABLES, [
                {"crawl": name, "table_name": one.name, "content_type": one.content_type,
                 "state": one.state.value, "shown_as": one.shown_as,
                 "columns": dict(one.columns), "decided_by": ""}
                for one in tables
            ], ("columns",))  # fmt: skip
            if changes:
                connection.execute(CRAWL_CHANGES.insert(), [
                    {"crawl": name, "table_name": one.table, "kind": one.kind,
                     "column_name": one.column, "type_before": one.type_before,
                     "type_after": one.type_after, "path": one.path, "at_utc": one.at_utc}
                    for one in changes
                ])  # fmt: skip

    def note_gone(self, name: str, paths: Collection[str]) -> None:
        """Forget files that are not there any more."""
        with self._database.writing() as connection:
            for some in some_at_once(paths):
                which = and_(_of(CRAWLED_FILES, name), CRAWLED_FILES.c.path.in_(some))
                connection.execute(delete(CRAWLED_FILES).where(which))

    def decide(self, name: str, table: str, state: TableState, shown_as: str, by: By) -> None:
        """Let a table that was found be this. Raises ObjectMissing if there is none."""
        which = and_(_of(CRAWLED_TABLES, name), CRAWLED_TABLES.c.table_name == table)
        values = {
            "state": state.value, "shown_as": shown_as, "decided_by": by.who,
            "decided_at_utc": utc_now(),
        }  # fmt: skip
        with self._database.writing() as connection:
            if not connection.execute(
                update(CRAWLED_TABLES).where(which).values(**values)
            ).rowcount:
                raise ObjectMissing(
                    f"The crawl {name} found no table {table}.",
                    remedy=f"'gmn objects crawls {name}' shows those that it found.",
                )

    def changes(self, name: str, most: int) -> list[CrawlChange]:
        """What happened to schemas, the newest first."""
        query = select(CRAWL_CHANGES).where(_of(CRAWL_CHANGES, name))
        query = query.order_by(CRAWL_CHANGES.c.number.desc()).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [
            CrawlChange(
                row.table_name, row.kind, row.column_name, row.type_before, row.type_after,
                row.path, row.at_utc,
            )
            for row in rows
        ]  # fmt: skip


def _of(table: Table, name: str) -> Any:
    return table.c.crawl == name


def _file(row: Any) -> CrawledFile:
    return CrawledFile(
        row.path, row.stamp, row.size_bytes, row.table_name, row.schema_sha256, row.row_count,
        row.reason,
    )  # fmt: skip


def _put(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]],
    again: Collection[str] = (),
) -> None:  # fmt: skip
    """Insert rows; of those that are there, let these columns (or all) be what they are now."""
    if not rows:
        return
    insert = insert_or(connection, table)
    keys = list(table.primary_key.columns)
    moved = again or [c.name for c in table.columns if not c.primary_key]
    values = {name: insert.excluded[name] for name in moved}
    connection.execute(
        insert.on_conflict_do_update(index_elements=keys, set_=values), [dict(row) for row in rows]
    )
