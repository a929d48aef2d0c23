"""Dashboards: every version that was saved, with who saved it and when.

What belongs here: these tables, each change as one transaction. What does not: what a document may
say (`schemas/dashboards.py`), and who may save it (`serving/dashboards/`).

A save names the version that it stands on, so of two who save at once the second is told. Nothing
is removed: a deletion is a mark, and a former version comes back as a new one.
"""

import re
import secrets
import string
import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, false, func, select, update

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.accounts import log_event
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables_dashboards import (
    DASHBOARD_ACCESS,
    DASHBOARD_VERSIONS,
    DASHBOARDS,
)
from gmn_pipeline.errors import DashboardConflict, DashboardMissing
from gmn_pipeline.schemas.dashboards import Document, SavedDashboard

_SIGNS = string.ascii_lowercase + string.digits
_DRAWN = 8
"""Signs drawn by lot at the end of an identifier: two of one title are two."""
_LONGEST_TITLE = 40
_D, _V, _A = DASHBOARDS.c, DASHBOARD_VERSIONS.c, DASHBOARD_ACCESS.c


class DashboardStore:
    """Threads and processes can share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, document: Document, by: str, *, is_private: bool = False) -> SavedDashboard:
        """Keep the first version; the dashboard is given an identifier with its title in it."""
        drawn = "".join(secrets.choice(_SIGNS) for _ in range(_DRAWN))
        identifier = f"{_slug(document['title'])}-{drawn}"
        with self._database.writing() as connection:
            connection.execute(
                DASHBOARDS.insert().values(dashboard_id=identifier, newest_version=1, made_by=by)
            )
            if is_private:
                _set_private(connection, identifier, by, is_private=True)
            return _saved(connection, identifier, 1, document, by)

    def save(self, identifier: str, document: Document, after: int, by: str) -> SavedDashboard:
        """Keep the next version, if `after` is the newest one. What changes nothing is no version.

        Raises DashboardMissing, DashboardConflict.
        """
        with self._database.writing() as connection:
            newest = _found(connection, identifier, None)
            if newest.version == after and newest.document == document:
                return newest
            change = (
                update(DASHBOARDS)
                .where(_D.dashboard_id == identifier, _D.newest_version == after)
                .where(_D.deleted_at_utc.is_(None))
                .values(newest_version=after + 1)
            )
            if connection.execute(change).rowcount == 0:
                raise _conflict(_found(connection, identifier, None))
            return _saved(connection, identifier, after + 1, document, by)

    def delete(self, identifier: str, after: int, by: str) -> SavedDashboard:
        """Mark it as deleted, if `after` is its newest version. Raises as `save` does."""
        with self._database.writing() as connection:
            change = (
                update(DASHBOARDS)
                .where(_D.dashboard_id == identifier, _D.newest_version == after)
                .where(_D.deleted_at_utc.is_(None))
                .values(deleted_at_utc=utc_now(), deleted_by=by)
            )
            is_done = connection.execute(change).rowcount > 0
            found = _found(connection, identifier, None, is_deleted=is_done)
        if not is_done:
            raise _conflict(found)
        return found

    def restore(self, identifier: str) -> SavedDashboard:
        """Take a deletion back. Raises DashboardMissing where there is none."""
        with self._database.writing() as connection:
            change = (
                update(DASHBOARDS)
                .where(_D.dashboard_id == identifier, _D.deleted_at_utc.is_not(None))
                .values(deleted_at_utc=None, deleted_by=None)
            )
            if connection.execute(change).rowcount == 0:
                raise missing(identifier)
            return _found(connection, identifier, None)

    def set_private(self, identifier: str, by: str, *, is_private: bool) -> SavedDashboard:
        """Let nobody read it but its maker, operators and those whom it is shared with; or
        everybody. Raises DashboardMissing."""
        with self._database.writing() as connection:
            if _locked(connection, identifier).is_private is not is_private:
                _set_private(connection, identifier, by, is_private=is_private)
            return _found(connection, identifier, None)

    def end_links(self, identifier: str, by: str) -> SavedDashboard:
        """Let no link that was made to it so far hold any more. Raises DashboardMissing."""
        with self._database.writing() as connection:
            found = _locked(connection, identifier)
            _set_access(connection, identifier, links_ended=found.links_ended + 1)
            log_event(connection, "links ended", by, by, detail=f"dashboard {identifier}")
            return _found(connection, identifier, None)

    def log_link(self, identifier: str, by: str, until_utc: datetime) -> None:
        """Put down that a link was made."""
        said = f"dashboard {identifier} until {until_utc:%Y-%m-%d %H:%M}"
        with self._database.writing() as connection:
            log_event(connection, "link", by, by, detail=said)

    def find(
        self, identifier: str, version: int | None = None, *, is_deleted: bool = False
    ) -> SavedDashboard:
        """One version, the newest without a number. Raises DashboardMissing."""
        with self._database.reading() as connection:
            if connection is None:
                raise missing(identifier, version)
            return _found(connection, identifier, version, is_deleted=is_deleted)

    def versions(self, identifier: str) -> list[SavedDashboard]:
        """All of one, the newest first. Raises DashboardMissing."""
        query = _query().where(_D.dashboard_id == identifier, _D.deleted_at_utc.is_(None))
        with self._database.reading() as connection:
            query = query.order_by(_V.version.desc())
            rows = connection.execute(query).all() if connection else []
        found = [SavedDashboard(*row) for row in rows]
        if not found:
            raise missing(identifier)
        return found

    def all(self, *, are_deleted: bool = False) -> list[SavedDashboard]:
        """The newest version of each, the one that was saved last first."""
        mark = _D.deleted_at_utc.is_not(None) if are_deleted else _D.deleted_at_utc.is_(None)
        query = _query().where(_V.version == _D.newest_version, mark)
        query = query.order_by(_V.saved_at_utc.desc(), _D.dashboard_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [SavedDashboard(*row) for row in rows]


def _query() -> Select[Any]:
    return select(
        _D.dashboard_id, _V.version, _D.newest_version, _V.document, _V.saved_at_utc, _V.saved_by,
        _D.made_by, _D.deleted_at_utc, func.coalesce(_A.is_private, false()),
        func.coalesce(_A.links_ended, 0),
    ).select_from(DASHBOARDS.join(DASHBOARD_VERSIONS).outerjoin(
        DASHBOARD_ACCESS, _A.dashboard_id == _D.dashboard_id
    ))  # fmt: skip


def _found(
    connection: Connection, identifier: str, version: int | None, *, is_deleted: bool = False
) -> SavedDashboard:
    wanted = _D.newest_version if version is None else version
    query = _query().where(_D.dashboard_id == identifier, _V.version == wanted)
    row = connection.execute(query).one_or_none()
    if row is None or (row.deleted_at_utc is not None) is not is_deleted:
        raise missing(identifier, version)
    return SavedDashboard(*row)


def _saved(
    connection: Connection, identifier: str, version: int, document: Document, by: str
) -> SavedDashboard:
    connection.execute(
        DASHBOARD_VERSIONS.insert().values(
            dashboard_id=identifier, version=version, document=document, saved_at_utc=utc_now(),
            saved_by=by,
        )
    )  # fmt: skip
    return _found(connection, identifier, version)


def _locked(connection: Connection, identifier: str) -> SavedDashboard:
    """The newest version; of two who change who reads it the second waits for the first."""
    row = select(_D.dashboard_id).where(_D.dashboard_id == identifier)
    connection.execute(row.with_for_update())
    return _found(connection, identifier, None)


def _set_private(connection: Connection, identifier: str, by: str, *, is_private: bool) -> None:
    _set_access(connection, identifier, is_private=is_private)
    kind = "private" if is_private else "open"
    log_event(connection, kind, by, by, detail=f"dashboard {identifier}")


def _set_access(connection: Connection, identifier: str, **values: object) -> None:
    change = update(DASHBOARD_ACCESS).where(_A.dashboard_id == identifier).values(values)
    if connection.execute(change).rowcount == 0:
        row = {"dashboard_id": identifier, "is_private": False, "links_ended": 0, **values}
        connection.execute(DASHBOARD_ACCESS.insert().values(row))


def _conflict(newest: SavedDashboard) -> DashboardConflict:
    return DashboardConflict(
        f"Version {newest.version} was saved meanwhile, by {newest.saved_by} at "
        f"{newest.saved_at_utc:%Y-%m-%d %H:%M} UTC.",
        remedy="Look at it, and save yours over it or as another dashboard.",
    )


def missing(identifier: str, version: int | None = None) -> DashboardMissing:
    """What is said of one that is not there, or not to be known of."""
    which = "" if version is None else f" version {version} of"
    return DashboardMissing(f"There is no{which} dashboard {identifier[:100]!r}.")


def _slug(title: str) -> str:
    """A title as a part of an address: Perseids 2026 is perseids-2026."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain)[:_LONGEST_TITLE].strip("-") or "dashboard"
