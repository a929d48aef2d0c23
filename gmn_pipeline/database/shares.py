"""What is shared with one account: reading it, for a time or until it is withdrawn.

What belongs here: each change as one transaction, with its entries in the logs. What does not: who
may share (`serving/objects/rights.py`, `serving/dashboards/rights.py`). A share gives reading and
nothing more.

`kind` and `item` say what is shared: an object by its number, whatever it is called, a dashboard by
its identifier. An object's share holds in the project where it was shared: moved into another one,
it has other owners. Dashboards are in no project.
"""

from datetime import datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.accounts import log_event
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import insert_operations
from gmn_pipeline.database.tables import ACCOUNTS
from gmn_pipeline.database.tables_accounts import SHARES
from gmn_pipeline.errors import AccountRefused
from gmn_pipeline.schemas.accounts import Share
from gmn_pipeline.schemas.dashboards import SavedDashboard
from gmn_pipeline.schemas.objects import By, OperationKind, StoredObject

Shareable: TypeAlias = StoredObject | SavedDashboard
OBJECT, DASHBOARD = "object", "dashboard"


class _Item(NamedTuple):
    """What is shared, as rows name it."""

    kind: str
    item: str
    project: str


class ShareStore:
    """Any number of processes use it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def share(
        self, what: Shareable, account: str, by: By, until_utc: datetime | None = None
    ) -> None:
        """Let an account read it, until then or until it is withdrawn; what was said of the two
        before does not hold any more. Raises AccountRefused."""
        if until_utc is not None and until_utc <= utc_now():
            raise AccountRefused(f"{until_utc:%Y-%m-%d %H:%M} UTC is over already.")
        item = _item(what)
        with self._database.writing() as connection:
            query = select(ACCOUNTS.c.account).where(ACCOUNTS.c.account == account)
            if connection.scalar(query.with_for_update()) is None:
                raise AccountRefused(f"There is no account {account!r}.")
            _withdraw(connection, item, account)
            connection.execute(
                SHARES.insert().values(
                    **item._asdict(), account=account, shared_by=by.who, shared_at_utc=utc_now(),
                    expires_at_utc=until_utc,
                )
            )  # fmt: skip
            end = f" until {until_utc:%Y-%m-%d %H:%M}" if until_utc else ""
            log_event(connection, "shared", account, by.who, item.project, f"{_name_of(what)}{end}")
            _log_operation(connection, what, by)

    def withdraw(self, what: Shareable, account: str, by: By) -> None:
        """Take that back. Raises AccountRefused if it is not shared with them."""
        item = _item(what)
        with self._database.writing() as connection:
            if not _withdraw(connection, item, account):
                raise AccountRefused(f"{_name_of(what)} is not shared with {account}.")
            log_event(connection, "unshared", account, by.who, item.project, _name_of(what))
            _log_operation(connection, what, by)

    def is_shared(self, what: Shareable, account: str) -> bool:
        """Whether an account may read it because it is shared with them."""
        query = select(SHARES.c.share_id).where(
            _holds(), _of(_item(what)), SHARES.c.account == account
        )
        with self._database.reading() as connection:
            return connection is not None and connection.scalar(query.limit(1)) is not None

    def with_whom(self, what: Shareable) -> list[Share]:
        """The shares of it that hold, by account."""
        return self._shares(_of(_item(what)))

    def shared_with(self, account: str, kind: str) -> list[Share]:
        """What of a kind is shared with an account."""
        return self._shares(and_(SHARES.c.kind == kind, SHARES.c.account == account))

    def _shares(self, condition: ColumnElement[bool]) -> list[Share]:
        query = (
            select(
                SHARES.c.kind, SHARES.c.item, SHARES.c.project, SHARES.c.account,
                SHARES.c.shared_by, SHARES.c.shared_at_utc, SHARES.c.expires_at_utc,
            )
            .where(_holds(), condition)
            .order_by(SHARES.c.account, SHARES.c.share_id)
        )  # fmt: skip
        with self._database.reading() as connection:
            return [Share(*row) for row in connection.execute(query)] if connection else []


def _item(what: Shareable) -> _Item:
    if isinstance(what, StoredObject):
        return _Item(OBJECT, str(what.object_id), what.name.project)
    return _Item(DASHBOARD, what.dashboard_id, "")


def _name_of(what: Shareable) -> str:
    """As the log and people call it."""
    return str(what.name) if isinstance(what, StoredObject) else f"dashboard {what.dashboard_id}"


def _of(item: _Item) -> ColumnElement[bool]:
    return and_(*(SHARES.c[column] == value for column, value in item._asdict().items()))


def _holds() -> ColumnElement[bool]:
    is_in_time = or_(SHARES.c.expires_at_utc.is_(None), SHARES.c.expires_at_utc > utc_now())
    return and_(SHARES.c.withdrawn_at_utc.is_(None), is_in_time)


def _withdraw(connection: Connection, item: _Item, account: str) -> bool:
    """Also what was shared from another project, where an object was."""
    query = (
        update(SHARES)
        .where(
            _holds(), SHARES.c.kind == item.kind, SHARES.c.item == item.item,
            SHARES.c.account == account,
        )
        .values(withdrawn_at_utc=utc_now())
    )  # fmt: skip
    return bool(connection.execute(query.returning(SHARES.c.share_id)).all())


def _log_operation(connection: Connection, what: Shareable, by: By) -> None:
    """In the history of an object; dashboards have none but their versions."""
    if isinstance(what, StoredObject):
        done = [(what.name, what.object_id, what.version)]
        insert_operations(connection, OperationKind.SHARE, done, by)
