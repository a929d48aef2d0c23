"""The one clock: naive datetimes in UTC, whatever the machine's time zone."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, UTC, without a zone, to the microsecond."""
    return datetime.now(UTC).replace(tzinfo=None)


def from_timestamp(seconds: float) -> datetime:
    """A POSIX timestamp as naive UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def in_utc(when: datetime) -> datetime:
    """The same instant as naive UTC; a time without a zone is in UTC already."""
    return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
