"""Texts of a request as values of a column, to be bound.

What belongs here: which texts are a value of which kind of column. What does not: what is compared
with them (`filters.py`).
"""

import math
import re
from datetime import date, datetime, time
from typing import TypeAlias

from gmn_pipeline.clock import in_utc
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.problems import bad_request

Bound: TypeAlias = str | int | float | bool | date | datetime | None

_TRUTHS = {"1": True, "true": True, "0": False, "false": False}
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_SHOWN = 100


def value_of(field: Field, text: str) -> Bound:
    """The value that a text is for this column. Raises Problem if it is none."""
    try:
        return _read(field.kind, text.strip() if field.kind is not Kind.TEXT else text)
    except (ValueError, KeyError, OverflowError):
        what = {
            Kind.TIMESTAMP: "times (UTC) such as 2026-08-13T22:00:00",
            Kind.DATE: "dates such as 2026-08-13",
            Kind.BOOLEAN: "1 and 0, or true and false",
        }.get(field.kind, "numbers")
        raise bad_request(f"{field.name} has {what}, not {text[:_SHOWN]!r}.") from None


def _read(kind: Kind, text: str) -> Bound:
    match kind:
        case Kind.INTEGER | Kind.LONG | Kind.NUMBER:
            return int(text) if _WHOLE.fullmatch(text) else _number(text)
        case Kind.BOOLEAN:
            return _TRUTHS[text.lower()]
        case Kind.TIMESTAMP:
            return utc(text)
        case Kind.DATE:
            return date.fromisoformat(text)
        case _:
            return text


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or not text.isascii() or "_" in text:
        raise ValueError(text)
    return number


def utc(text: str) -> datetime:
    """A time in UTC; one without a zone is in UTC already, a date is its midnight.

    Raises ValueError.
    """
    # A plus in an address is a space, unless it is written %2B.
    with_plus = re.sub(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$", r"\1+\2", text)
    return in_utc(datetime.fromisoformat(with_plus))


def day(field: Field, text: str) -> date:
    """Raises Problem."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise bad_request(
            f"{field.name}__date is a date such as 2026-08-13, not {text[:_SHOWN]!r}."
        ) from None


def midnight(of: date) -> datetime:
    return datetime.combine(of, time())
