"""Times as summary files print them.

What belongs here: from a text to a time, and what is to be told of the way. What does not: which
times can be real (`schemas/fields.py`).
"""

import polars as pl

_FORM = "%Y-%m-%d %H:%M:%S%.f"


def utc_time(text: pl.Expr) -> pl.Expr:
    """A stripped text as a time, to the microsecond; null where it is none (see `in_calendar`).

    Second 60 is the first of the next minute, whether it is a leap second or was rounded up: time
    here knows no leap seconds. Decimals beyond the sixth are cut off, as the identifier cuts off
    all of them. Both are marked (`time_marks`).
    """
    return text.str.to_datetime(_FORM, time_unit="us", strict=False)


def in_calendar(when: pl.Expr) -> pl.Expr:
    """A time, or null if its year is before 1 or after 9999: Python has no words for such."""
    return pl.when(when.dt.year().is_between(1, 9999)).then(when)


def time_marks(text: pl.Expr) -> list[pl.Expr]:
    """For a stripped text: whether its seconds are 60, whether decimals of it were cut off."""
    return [
        text.str.contains(":60", literal=True).alias("second_sixty"),
        text.str.contains(r"\.\d{7}").alias("time_cut_to_microseconds"),
    ]
