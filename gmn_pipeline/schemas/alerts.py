"""What an alert is, what is remembered of one, and what is told.

What belongs here: these values, which those who decide, remember and tell share.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class About(NamedTuple):
    """What an alert is about."""

    rule: str
    station_code: str
    sensor_id: str


class NoticeKind(StrEnum):
    RAISED = "raised"
    RECOVERED = "recovered"


@dataclass(frozen=True)
class Alert:
    """What is remembered: since when it holds, and since when it was told."""

    since_utc: datetime
    detail: str
    raised_at_utc: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """Something to tell."""

    about: About
    kind: NoticeKind
    detail: str
    since_utc: datetime
    at_utc: datetime


@dataclass(frozen=True)
class NumberedNotice:
    """A notice, and its number for ever."""

    number: int
    notice: Notice
