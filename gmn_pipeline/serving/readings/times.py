"""Times of readings: in answers, and in SQL.

What belongs here: how they are written. What does not: spans (`spans.py`).
"""

from datetime import datetime


def shown(when: datetime) -> str:
    """A time as answers have it."""
    return when.isoformat(timespec="milliseconds") + "Z"


def precisely(when: datetime) -> str:
    """The same to the microsecond."""
    return when.isoformat(timespec="microseconds") + "Z"


def in_sql(when: datetime) -> str:
    """A time written out, so that files are left out by what the catalogue says of them."""
    return f"TIMESTAMP '{when.isoformat(' ')}'"
