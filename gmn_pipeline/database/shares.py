"""What is shared with one account: reading it, for a time or until it is withdrawn.

What belongs here: each change as one transaction, with its entries in the logs. What does not: who
may share (`serving/objects/rights.py`). A share gives reading and nothing more.

`kind` and `item` say what is shared: an object by its number, whatever it is called. It holds in
the project where it was shared: moved into another one, it has other owners.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.accounts import log_event
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.object_rows import insert_operations
from gmn_pipeline.database.tables import ACCOUNTS
from gmn_pipeline.database.tables_accounts import SHARES
from gmn_pipeline.errors import AccountRefused
from gmn_pipeline.schemas.accounts import Share
from gmn_pipeline.schemas.objects import By, OperationKind, StoredObject

OBJECT = "object"


class ShareStore:
    """Any number of processes use it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def share_object(
        self, stored: StoredObject, account: str, by: By, until_utc: datetime | None = None
    ) -> None:
        """Let an account read an object, until then or until it is withdrawn; what was said of the
        two before does not hold any more. Raises AccountRefused."""
        if until_utc is not None and until_utc <= utc_now():
            raise AccountRefused(f"{until_utc:%Y-%m-%d %H:%M} UTC is over already.")
        project = stored.name.project
        with self._database.writing() as connection:
            query = select(ACCOUNTS.c.account).where(ACCOUNTS.c.account == account)
            if connection.scalar(query.with_for_update()) is None:
                raise AccountRefused(f"There is no account {account!r}.")
            _withdraw(connection, OBJECT, str(stored.object_id), account)
            connection.execute(
                SHARES.insert().values(
                    kind=OBJECT, item=str(stored.object_id), project=project, account=account,
                    shared_by=by.who, shared_at_utc=utc_now(), expires_at_utc=until_utc,
                )
            )  # fmt: skip
            end = f" until {until_utc:%Y-%m-%d %H:%M}" if until_utc else ""
            log_event(connection, "shared", account, by.who, project, f"{stored.name}{end}")
            _log_operation(connection, stored, by)

    def withdraw_object(self, stored: StoredObject, account: str, by: By) -> None:
        """Take that back. Raises AccountRefused if it is not shared with them."""
        with self._database.writing() as connection:
            if not _withdraw(connection, OBJECT, str(stored.object_id), account):
                raise AccountRefused(f"{stored.name} is not shared with {account}.")
            project = stored.name.project
            log_event(connection, "unshared", account, by.who, project, str(stored.name))
            _log_operation(connection, stored, by)

    def is_shared(self, stored: StoredObject, account: str) -> bool:
        """Whether an account may read an object because it is shared with them."""
        query = select(SHARES.c.share_id).where(
            _holds(), SHARES.c.kind == OBJECT, SHARES.c.item == str(stored.object_id),
            SHARES.c.project == stored.name.project, SHARES.c.account == account,
        )  # fmt: skip
        with self._database.reading() as connection:
            return connection is not None and connection.scalar(query.limit(1)) is not None

    def with_whom(self, stored: StoredObject) -> list[Share]:
        """The shares of an object that hold, by account."""
        return self._shares(
            and_(
                SHARES.c.kind == OBJECT, SHARES.c.item == str(stored.object_id),
                SHARES.c.project == stored.name.project,
            )
        )  # fmt: skip

    def shared_with(self, account: str, kind: str = OBJECT) -> list[Share]:
        """What is shared with an account."""
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


def _holds() -> ColumnElement[bool]:
    is_in_time = or_(SHARES.c.expires_at_utc.is_(None), SHARES.c.expires_at_utc > utc_now())
    return and_(SHARES.c.withdrawn_at_utc.is_(None), is_in_time)


def _withdraw(connection: Connection, kind: str, item: str, account: str) -> bool:
    query = (
        update(SHARES)
        .where(_holds(), SHARES.c.kind == kind, SHARES.c.item == item, SHARES.c.account == account)
        .values(withdrawn_at_utc=utc_now())
    )
    return bool(connection.execute(query.returning(SHARES.c.share_id)).all())


def _log_operation(connection: Connection, stored: StoredObject, by: By) -> None:
    done = [(stored.name, stored.object_id, stored.version)]
    insert_operations(connection, OperationKind.SHARE, done, by)
