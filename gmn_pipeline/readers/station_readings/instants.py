"""When something was measured, as senders write it: microseconds since 1970, UTC.

What belongs here: ISO 8601 and epochs. What does not: whether a clock is right (a check's matter).
"""

from datetime import datetime, timedelta

from gmn_pipeline.readers.station_readings.received import NotAReading

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min - _EPOCH) // _MICROSECOND
_LAST_US = (datetime.max - _EPOCH) // _MICROSECOND
# An epoch tells its unit by its size: seconds until the year 5138, and so on by thousands.
_SECONDS_BELOW, _MS_BELOW, _US_BELOW = 10**11, 10**14, 10**17


def measured_at_us(value: object) -> int:
    """A time as a sender writes it; without a zone it is UTC. Raises NotAReading."""
    if type(value) is str:
        return _of_text(value)
    if type(value) is int:
        return within_calendar(_of_integer(value), value)
    if type(value) is float:
        return within_calendar(_of_float(value), value)
    raise NotAReading(f"its time is {_short(value)}, neither a text nor a number")


def _of_text(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotAReading(f"its time {_short(text)} is not ISO 8601") from None
    if found.tzinfo is None:
        return (found - _EPOCH) // _MICROSECOND
    offset = found.utcoffset() or timedelta(0)
    us = (found.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND
    return within_calendar(us, text)


def _of_integer(value: int) -> int:
    size = abs(value)
    if size < _SECONDS_BELOW:
        return value * 1_000_000
    if size < _MS_BELOW:
        return value * 1_000
    return value if size < _US_BELOW else value // 1_000


def _of_float(value: float) -> int:
    size = abs(value)
    if not size < 1e300:
        raise NotAReading(f"its time is {value}")
    if size < _SECONDS_BELOW:
        return round(value * 1e6)
    if size < _MS_BELOW:
        return round(value * 1e3)
    return round(value) if size < _US_BELOW else round(value / 1e3)


def within_calendar(us: int, value: object) -> int:
    """The time, if there is a date for it. Raises NotAReading."""
    if not _FIRST_US <= us <= _LAST_US:
        raise NotAReading(f"its time {_short(value)} is in no year from 1 to 9999")
    return us


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
