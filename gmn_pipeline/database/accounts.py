"""Accounts, their roles and tokens, and what was changed or denied.

What belongs here: each change as one transaction, with its entry in the log. What does not: which
right needs which role (`schemas/accounts.py`).

A token is `gmn_` and 43 letters: 32 random bytes. Only its SHA-256 is kept, which needs no salt,
since nobody can guess so much. It is looked up by that, so the time that takes tells nothing of it.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select, update
from sqlalchemy.exc import IntegrityError

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables import ACCOUNT_EVENTS, ACCOUNTS, PROJECT_ROLES, TOKENS
from gmn_pipeline.errors import AccountRefused
from gmn_pipeline.schemas.accounts import (
    NOBODY,
    Account,
    AccountEvent,
    Caller,
    Role,
    Token,
    checked_account,
)

_PREFIX = "gmn_"
_SECRET_BYTES = 32
_USE_NOTED_EVERY = timedelta(hours=1)
"""A use is noted so often only: reading with a token is not to write each time."""


class AccountStore:
    """Any number of processes use it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # accounts and roles

    def has_accounts(self) -> bool:
        """Whether there are any: with the first one, who asks has to say who it is."""
        with self._database.reading() as connection:
            found = connection.execute(select(ACCOUNTS.c.account).limit(1)) if connection else None
            return found is not None and found.first() is not None

    def accounts(self) -> list[Account]:
        """All of them, by name."""
        with self._database.reading() as connection:
            query = select(ACCOUNTS).order_by(ACCOUNTS.c.account)
            return [Account(*row) for row in connection.execute(query)] if connection else []

    def make(self, account: str, by: str, *, is_operator: bool = False) -> None:
        """Make an account. Raises AccountRefused if there is one of that name."""
        checked_account(account)
        row = {
            "account": account, "is_operator": is_operator,
            "made_at_utc": utc_now(), "made_by": by,
        }  # fmt: skip
        with self._database.writing() as connection:
            try:
                connection.execute(ACCOUNTS.insert().values(row))
            except IntegrityError as error:
                raise AccountRefused(f"There is an account {account} already.") from error
            log_event(connection, "made", account, by, detail="operator" if is_operator else "")

    def disable(self, account: str, by: str) -> None:
        """Let an account do nothing any more, by none of its tokens."""
        with self._changing(account) as connection:
            connection.execute(
                update(ACCOUNTS)
                .where(ACCOUNTS.c.account == account)
                .values(disabled_at_utc=utc_now())
            )
            log_event(connection, "disabled", account, by)

    def enable(self, account: str, by: str) -> None:
        """Take that back."""
        with self._changing(account) as connection:
            connection.execute(
                update(ACCOUNTS).where(ACCOUNTS.c.account == account).values(disabled_at_utc=None)
            )
            log_event(connection, "enabled", account, by)

    def set_operator(self, account: str, by: str, *, is_operator: bool) -> None:
        """Let an account do everything, or not any more."""
        with self._changing(account) as connection:
            connection.execute(
                update(ACCOUNTS)
                .where(ACCOUNTS.c.account == account)
                .values(is_operator=is_operator)
            )
            kind = "operator" if is_operator else "no operator"
            log_event(connection, kind, account, by)

    def set_role(self, account: str, project: str, role: Role | None, by: str) -> None:
        """Give an account a role in a project instead of the one that it had; None takes it."""
        with self._changing(account) as connection:
            roles = PROJECT_ROLES.c
            connection.execute(
                PROJECT_ROLES.delete().where(roles.account == account, roles.project == project)
            )
            if role is not None:
                connection.execute(
                    PROJECT_ROLES.insert().values(project=project, account=account, role=int(role))
                )
            detail = role.name.lower() if role is not None else "none"
            log_event(connection, "role", account, by, project, detail)

    def roles(self, project: str) -> dict[str, Role]:
        """Who is what in a project."""
        query = (
            select(PROJECT_ROLES.c.account, PROJECT_ROLES.c.role)
            .where(PROJECT_ROLES.c.project == project)
            .order_by(PROJECT_ROLES.c.account)
        )
        with self._database.reading() as connection:
            return {n: Role(r) for n, r in connection.execute(query)} if connection else {}

    # tokens

    def make_token(
        self, account: str, by: str, valid_for: timedelta, *, label: str = "",
        project: str | None = None, most: Role = Role.OWNER,
    ) -> str:  # fmt: skip
        """Make a token; it is shown this once. It stands for the account, in one project only if
        that is named, as at most that role."""
        secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        now = utc_now()
        with self._changing(account) as connection:
            token_id = connection.execute(
                TOKENS.insert()
                .values(
                    account=account, label=label, secret_sha256=secret_hash(secret),
                    project=project, most_role=int(most), made_at_utc=now,
                    expires_at_utc=now + valid_for,
                )
                .returning(TOKENS.c.token_id)
            ).scalar_one()  # fmt: skip
            log_event(
                connection, "token", account, by, project or "", f"{token_id} {label}".strip()
            )
        return secret

    def tokens(self, account: str | None = None) -> list[Token]:
        """Tokens, without what makes them work, the newest last."""
        query = select(TOKENS).order_by(TOKENS.c.token_id)
        if account is not None:
            query = query.where(TOKENS.c.account == account)
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [
            Token(
                row.token_id, row.account, row.label, row.project, Role(row.most_role),
                row.made_at_utc, row.expires_at_utc, row.revoked_at_utc, row.last_used_on_utc,
            )
            for row in rows
        ]  # fmt: skip

    def revoke_token(self, token_id: int, by: str) -> None:
        """Let a token be of no use any more. Raises AccountRefused if there is none."""
        with self._database.writing() as connection:
            account = connection.scalar(
                update(TOKENS)
                .where(TOKENS.c.token_id == token_id)
                .values(revoked_at_utc=utc_now())
                .returning(TOKENS.c.account)
            )
            if account is None:
                raise AccountRefused(
                    f"There is no token {token_id}.", remedy="'gmn accounts tokens' lists them."
                )
            log_event(connection, "token revoked", account, by, detail=str(token_id))

    def caller(self, secret: str) -> Caller:
        """Who shows this token, with the rights of now; NOBODY if it is none, or none any more."""
        return self._holder(TOKENS.c.secret_sha256 == secret_hash(secret), notes_use=True)[0]

    def of_token(self, token_id: int, *, notes_use: bool) -> tuple[Caller, str]:
        """The same of a token by its number, and the hash that is kept of it: for who has another
        proof that they hold it, or (`notes_use`) had it."""
        return self._holder(TOKENS.c.token_id == token_id, notes_use=notes_use)

    def _note_use(self, token_id: int, last_utc: datetime | None, now_utc: datetime) -> None:
        if last_utc is not None and now_utc - last_utc <= _USE_NOTED_EVERY:
            return
        with self._database.writing() as connection:
            connection.execute(
                update(TOKENS).where(TOKENS.c.token_id == token_id).values(last_used_on_utc=now_utc)
            )

    def _holder(self, which: ColumnElement[bool], *, notes_use: bool) -> tuple[Caller, str]:
        now = utc_now()
        query = (
            select(TOKENS, ACCOUNTS.c.is_operator)
            .join(ACCOUNTS, ACCOUNTS.c.account == TOKENS.c.account)
            .where(
                which, TOKENS.c.revoked_at_utc.is_(None),
                TOKENS.c.expires_at_utc > now, ACCOUNTS.c.disabled_at_utc.is_(None),
            )
        )  # fmt: skip
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none() if connection else None
            if row is None or connection is None:
                return NOBODY, ""
            roles = roles_of(connection, row.account)
        if notes_use:
            self._note_use(row.token_id, row.last_used_on_utc, now)
        caller = Caller(row.account, row.is_operator, roles, row.project, Role(row.most_role))
        return caller, row.secret_sha256

    def of(self, account: str) -> Caller:
        """An account with its rights of now, for what is done in its name; NOBODY if there is
        none, or none any more."""
        query = select(ACCOUNTS).where(
            ACCOUNTS.c.account == account, ACCOUNTS.c.disabled_at_utc.is_(None)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none() if connection else None
            if row is None or connection is None:
                return NOBODY
            return Caller(row.account, row.is_operator, roles_of(connection, row.account))

    # the log

    def log_denial(self, caller: Caller, project: str, detail: str) -> None:
        """Log that somebody may not do what it wanted to."""
        with self._database.writing() as connection:
            log_event(connection, "denied", caller.account, caller.account, project, detail)

    def events(self, most: int = 100) -> list[AccountEvent]:
        """What was changed or denied, the newest first."""
        query = select(ACCOUNT_EVENTS).order_by(ACCOUNT_EVENTS.c.number.desc()).limit(most)
        with self._database.reading() as connection:
            return [AccountEvent(*row) for row in connection.execute(query)] if connection else []

    @contextmanager
    def _changing(self, account: str) -> Iterator[Connection]:
        """A transaction about an account that there is. Raises AccountRefused."""
        with self._database.writing() as connection:
            query = select(ACCOUNTS.c.account).where(ACCOUNTS.c.account == account)
            if connection.scalar(query.with_for_update()) is None:
                raise AccountRefused(
                    f"There is no account {account!r}.", remedy="'gmn accounts ls' lists them."
                )
            yield connection


def roles_of(connection: Connection, account: str) -> dict[str, Role]:
    """What an account is in each project."""
    query = select(PROJECT_ROLES.c.project, PROJECT_ROLES.c.role).where(
        PROJECT_ROLES.c.account == account
    )
    return {project: Role(role) for project, role in connection.execute(query)}


def log_event(
    connection: Connection, kind: str, account: str, by: str, project: str = "", detail: str = ""
) -> None:
    """Put down a change of rights, or a denial, in the transaction that it belongs to."""
    connection.execute(
        ACCOUNT_EVENTS.insert().values(
            kind=kind, account=account, project=project, by=by, detail=detail[:1000],
            at_utc=utc_now(),
        )
    )  # fmt: skip


def secret_hash(secret: str) -> str:
    """What is kept of a secret of 32 random bytes."""
    return hashlib.sha256(secret.encode()).hexdigest()
