"""Who may do what: accounts, roles in projects, tokens.

What belongs here: what these are, and which role which right needs. What does not: where they are
kept (`database/accounts.py`), and how a request says who it is from (`serving/`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from gmn_pipeline.errors import AccountRefused

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,99}")


class Role(IntEnum):
    """What somebody is in a project; each has the rights of those below it, too."""

    READER = 1
    CONTRIBUTOR = 2
    PROCESSOR = 3
    OWNER = 4

    @classmethod
    def parse(cls, text: str) -> "Role":
        """A role by its name. Raises AccountRefused."""
        try:
            return cls[text.upper()]
        except KeyError as error:
            names = ", ".join(role.name.lower() for role in cls)
            raise AccountRefused(f"{text!r} is no role.", remedy=f"Roles are {names}.") from error


class Right(StrEnum):
    """What somebody wants to do in a project."""

    READ = "read"
    WRITE = "write"
    PROCESS = "process"
    MANAGE = "manage"


_NEEDED = {
    Right.READ: Role.READER,
    Right.WRITE: Role.CONTRIBUTOR,
    Right.PROCESS: Role.PROCESSOR,
    Right.MANAGE: Role.OWNER,
}


def checked_account(name: str) -> str:
    """The name of an account. Raises AccountRefused."""
    if not _NAME.fullmatch(name):
        raise AccountRefused(
            f"{name!r} is no name of an account.",
            remedy="It has 1 to 100 of a-z, 0-9, '.', '_', '@' and '-', and begins with a letter "
            "or digit.",
        )
    return name


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as it is known. A token may be for one project, and for less than its
    account may: `most` is the highest role that it stands for."""

    account: str
    is_operator: bool = False
    roles: Mapping[str, Role] = field(default_factory=dict)
    only_project: str | None = None
    most: Role = Role.OWNER

    def may(self, right: Right, project: str, *, is_public: bool = False) -> bool:
        """Whether it may do that in a project. What is public may be read by everybody."""
        if right is Right.READ and is_public:
            return True
        if self.only_project not in (None, project):
            return False
        has = Role.OWNER if self.is_operator else self.roles.get(project)
        return has is not None and min(has, self.most) >= _NEEDED[right]

    def may_make_projects(self) -> bool:
        """Whether it may make projects, and change accounts: an operator, by an open token."""
        return self.is_operator and self.only_project is None and self.most is Role.OWNER


NOBODY = Caller("")
"""Who does not say who it is."""


@dataclass(frozen=True)
class Account:
    """Somebody, or a program."""

    name: str
    is_operator: bool
    made_at_utc: datetime
    made_by: str
    disabled_at_utc: datetime | None


@dataclass(frozen=True)
class Token:
    """What a program shows to say who it is; its secret is known to nobody but its holder."""

    token_id: int
    account: str
    label: str
    project: str | None
    most: Role
    made_at_utc: datetime
    expires_at_utc: datetime
    revoked_at_utc: datetime | None
    last_used_on_utc: datetime | None


@dataclass(frozen=True)
class Share:
    """Something (`kind`, `item`) that an account may read besides what its roles let it."""

    kind: str
    item: str
    project: str
    account: str
    shared_by: str
    shared_at_utc: datetime
    expires_at_utc: datetime | None


@dataclass(frozen=True)
class AccountEvent:
    """A change of rights, or something that was denied."""

    number: int
    kind: str
    account: str
    project: str
    by: str
    detail: str
    at_utc: datetime
