"""Who signed in, and as which account.

What belongs here: identities at a provider, the accounts that they stand for, and sessions. What
does not: how somebody proves who it is (`serving/accounts/provider.py`).

A session's secret is kept as tokens are: 32 random bytes by their SHA-256 (`accounts.py`).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.accounts import log_event, roles_of, secret_hash
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables import ACCOUNTS, PROJECT_ROLES
from gmn_pipeline.database.tables_accounts import IDENTITIES, SESSIONS
from gmn_pipeline.errors import AccountRefused, Denied
from gmn_pipeline.schemas.accounts import Caller, Role, checked_account

_SECRET_BYTES = 32


@dataclass(frozen=True)
class Identity:
    """Somebody as a provider knows them: by `subject`, whatever the name."""

    issuer: str
    subject: str
    name: str


@dataclass(frozen=True)
class FirstSignIn:
    """What becomes of somebody who has no account yet."""

    makes_accounts: bool = True
    operator: str | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in, with the rights of now."""

    caller: Caller
    expires_at_utc: datetime


class SignInStore:
    """Any number of processes use it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sign_in(self, who: Identity, first: FirstSignIn, valid_for: timedelta) -> str:
        """Begin a session; its secret. Somebody new gets an account.

        Raises Denied if they may not have one, or not any more.
        """
        try:
            return self._sign_in(who, first, valid_for)
        except IntegrityError:  # signed in twice at once: by now there is the account
            return self._sign_in(who, first, valid_for)

    def _sign_in(self, who: Identity, first: FirstSignIn, valid_for: timedelta) -> str:
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), utc_now()
        with self._database.writing() as connection:
            account = _account_of(connection, who) or _new_account(connection, who, first)
            query = select(ACCOUNTS.c.disabled_at_utc).where(ACCOUNTS.c.account == account)
            if connection.scalar(query) is not None:
                raise Denied(f"The account {account} is disabled.", remedy="Ask an operator.")
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at_utc <= now))
            connection.execute(
                insert(SESSIONS).values(
                    secret_sha256=secret_hash(secret), account=account, made_at_utc=now,
                    expires_at_utc=now + valid_for,
                )
            )  # fmt: skip
            log_event(connection, "signed in", account, account)
        return secret

    def session(self, secret: str) -> Session | None:
        """Whose it is; None if it is none, or none any more."""
        query = (
            select(SESSIONS, ACCOUNTS.c.is_operator)
            .join(ACCOUNTS, ACCOUNTS.c.account == SESSIONS.c.account)
            .where(
                SESSIONS.c.secret_sha256 == secret_hash(secret),
                SESSIONS.c.expires_at_utc > utc_now(), ACCOUNTS.c.disabled_at_utc.is_(None),
            )
        )  # fmt: skip
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none() if connection else None
            if row is None or connection is None:
                return None
            roles = roles_of(connection, row.account)
        return Session(Caller(row.account, row.is_operator, roles), row.expires_at_utc)

    def end(self, secret: str) -> None:
        """End a session, if it is one."""
        with self._database.writing() as connection:
            query = (
                delete(SESSIONS)
                .where(SESSIONS.c.secret_sha256 == secret_hash(secret))
                .returning(SESSIONS.c.account)
            )
            account = connection.scalar(query)
            if account is not None:
                log_event(connection, "signed out", account, account)

    def end_all(self, account: str, by: str) -> int:
        """End all sessions of an account; how many."""
        with self._database.writing() as connection:
            query = delete(SESSIONS).where(SESSIONS.c.account == account)
            ended = connection.execute(query.returning(SESSIONS.c.account)).all()
            log_event(connection, "sessions ended", account, by, detail=str(len(ended)))
        return len(ended)

    def link(self, account: str, issuer: str, subject: str, by: str) -> None:
        """Let somebody at a provider be an account from their next sign-in on.

        Raises AccountRefused if there is no such account, or they are another one.
        """
        who = Identity(issuer, subject, account)
        with self._database.writing() as connection:
            query = select(ACCOUNTS.c.account).where(ACCOUNTS.c.account == account)
            if connection.scalar(query.with_for_update()) is None:
                raise AccountRefused(
                    f"There is no account {account!r}.", remedy="'gmn accounts ls' lists them."
                )
            known = _account_of(connection, who)
            if known is not None:
                raise AccountRefused(f"Who signs in as {subject} is the account {known} already.")
            _link(connection, who, account, by)

    def log_refusal(self, account: str, detail: str) -> None:
        """Log that somebody could not sign in."""
        with self._database.writing() as connection:
            log_event(connection, "sign-in refused", account, account, detail=detail)


def _account_of(connection: Connection, who: Identity) -> str | None:
    account: str | None = connection.scalar(
        select(IDENTITIES.c.account).where(
            IDENTITIES.c.issuer == who.issuer, IDENTITIES.c.subject == who.subject
        )
    )
    return account


def _new_account(connection: Connection, who: Identity, first: FirstSignIn) -> str:
    """Raises Denied."""
    if not first.makes_accounts:
        raise Denied(
            f"{who.name} has no account here.", remedy="An operator makes accounts and links them: "
            f"gmn accounts link NAME {who.subject}",
        )  # fmt: skip
    try:
        account = checked_account(who.name)
    except AccountRefused as error:
        raise Denied(
            error.message,
            remedy="The name comes from the sign-in service, by GMN_SIGN_IN_NAME_CLAIM.",
        ) from error
    if connection.scalar(select(ACCOUNTS.c.account).where(ACCOUNTS.c.account == account)):
        known = _account_of(connection, who)  # made since it was looked for: PostgreSQL sees that
        if known is not None:
            return known
        # Whoever can choose a name at the provider would be that account otherwise.
        raise Denied(
            f"There is an account {account} already, and it is not known to be yours.",
            remedy=f"An operator can link it: gmn accounts link {account} {who.subject}",
        )
    query = select(ACCOUNTS.c.account).where(ACCOUNTS.c.is_operator).limit(1)
    is_operator = account == first.operator and connection.scalar(query) is None
    connection.execute(
        insert(ACCOUNTS).values(
            account=account, is_operator=is_operator, made_at_utc=utc_now(), made_by="sign-in"
        )
    )
    log_event(connection, "made", account, "sign-in", detail="operator" if is_operator else "")
    _link(connection, who, account, "sign-in")
    for project, role in first.roles.items():
        connection.execute(
            insert(PROJECT_ROLES).values(project=project, account=account, role=int(role))
        )
        log_event(connection, "role", account, "sign-in", project, role.name.lower())
    return account


def _link(connection: Connection, who: Identity, account: str, by: str) -> None:
    connection.execute(
        insert(IDENTITIES).values(
            issuer=who.issuer, subject=who.subject, account=account, linked_at_utc=utc_now(),
            linked_by=by,
        )
    )  # fmt: skip
    log_event(connection, "linked", account, by, detail=f"{who.subject} of {who.issuer}")
