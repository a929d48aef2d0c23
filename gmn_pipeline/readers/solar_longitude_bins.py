"""Bins of one degree of solar longitude, and the file names that carry them.

What belongs here: file name <-> bin, and bin <-> time, of one and of many at once. What does not:
listing or fetching files (`sources/gmn_directory.py`) and their content (`summary_file.py`).

A "day" of the network is a bin of one degree of solar longitude. The date in a file name is the
UTC date on which the bin begins, so a date has none, one or two files. The names are the truth;
`bins_between` computes them for history files, whose rows come without a bin.
"""

import math
import re
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import polars as pl

from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.trajectory_tables import BIN_FIELDS

FIRST_DAY = date(2018, 12, 9)
"""The first data of the network."""


class FileKind(StrEnum):
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    ALL = "all"


@dataclass(frozen=True, order=True)
class Bin:
    """One degree of solar longitude, from `solar_longitude_deg`, beginning on `date` (UTC)."""

    date: date
    solar_longitude_deg: int

    @property
    def file_name(self) -> str:
        begin = self.solar_longitude_deg
        return (
            f"traj_summary_{self.date:%Y%m%d}_solrange_{begin:05.1f}-{(begin + 1) % 360:05.1f}.txt"
        )


_DAILY = re.compile(r"traj_summary_(\d{8})_solrange_(\d{3})\.0-(\d{3})\.0\.txt")
_MONTHLY = re.compile(r"traj_summary_monthly_(\d{4})(\d{2})\.txt")
_YEARLY = re.compile(r"traj_summary_yearly_(\d{4})\.txt")
_ALL = "traj_summary_all.txt"


def bin_of_name(name: str) -> Bin | None:
    """The bin of a daily file; None for the two aliases and whatever else lies there."""
    match = _DAILY.fullmatch(name)
    if match is None:
        return None
    day, begin, end = match.groups()
    if int(begin) > 359 or int(end) != (int(begin) + 1) % 360:
        return None
    try:
        # Not by strptime, which takes ten times as long: a listing has thousands of names.
        return Bin(date(int(day[:4]), int(day[4:6]), int(day[6:])), int(begin))
    except ValueError:
        return None


def months_of_name(name: str) -> tuple[datetime, datetime] | None:
    """The calendar interval [from, until) that a monthly, yearly or all-file covers, in UTC."""
    try:
        if match := _MONTHLY.fullmatch(name):
            year, month = int(match[1]), int(match[2])
            return datetime(year, month, 1), datetime(year + month // 12, month % 12 + 1, 1)
        if match := _YEARLY.fullmatch(name):
            return datetime(int(match[1]), 1, 1), datetime(int(match[1]) + 1, 1, 1)
    except ValueError:
        return None
    return (datetime(1, 1, 1), datetime(9999, 1, 1)) if name == _ALL else None


# Steyaert, C. (1991): Calculating the solar longitude 2000.0, WGN, the Journal of the
# International Meteor Organization 19(2), 31-34. Amplitude (1e-7 rad), phase (rad) and rate
# (rad per Julian millennium) of each periodic term.
_TERMS = (
    (334166, 4.669257, 6283.07585), (3489, 4.6261, 12566.1517), (350, 2.744, 5753.385),
    (342, 2.829, 3.523), (314, 3.628, 77713.771), (268, 4.418, 7860.419),
    (234, 6.135, 3930.210), (132, 0.742, 11506.77), (127, 2.037, 529.691),
    (120, 1.110, 1577.344), (99, 5.233, 5884.927), (90, 2.045, 26.298),
    (86, 3.508, 398.149), (78, 1.179, 5223.694), (75, 2.533, 5507.553),
    (51, 4.58, 18849.23), (49, 4.21, 775.52), (36, 2.92, 0.07), (32, 5.85, 11790.63),
    (28, 1.90, 796.3), (27, 0.31, 10977.08), (24, 0.34, 5486.78), (21, 4.81, 2544.31),
    (21, 1.87, 5573.14), (20, 2.46, 6069.78), (16, 0.83, 213.3), (13, 3.41, 2942.46),
    (13, 1.08, 20.78),
)  # fmt: skip
_TERMS_T = ((20606, 2.67823, 6283.07585), (430, 2.635, 12566.152), (43, 1.59, 3.52))
_TERMS_T2 = ((872, 1.073, 6283.07585), (29, 0.44, 12566.15))

_J2000 = datetime(2000, 1, 1, 12)
# Upstream inverts the formula numerically and stops short of the root: its bins begin this much
# later. With it the dates of the known double and missing files come out
# (test_solar_longitude_bins.py).
_UPSTREAM_OFFSET_DEG = 0.0025
_MEAN_MOTION_DEG_D = 0.98564736
_MEAN_LONGITUDE_J2000_DEG = 280.46


def _unwrapped_solar_longitude_deg(utc: datetime) -> float:
    """Solar longitude, J2000, growing by 360 deg a year, as upstream's bins see it."""
    millennia = (utc - _J2000) / timedelta(days=365250)

    def periodic(terms: tuple[tuple[float, float, float], ...]) -> float:
        return sum(a * math.cos(phase + rate * millennia) for a, phase, rate in terms)

    radians = 4.8950627 + 6283.07585 * millennia - 0.0000099 * millennia**2
    radians += 1e-7 * (
        periodic(_TERMS) + periodic(_TERMS_T) * millennia + periodic(_TERMS_T2) * millennia**2
    )
    return math.degrees(radians) - _UPSTREAM_OFFSET_DEG


@lru_cache(maxsize=8192)
def _when(unwrapped_deg: int) -> datetime:
    """When the Sun reaches that longitude (Newton's method; the rate varies by 3 % only).

    Always from the same start, so that the same limit is the same to the microsecond.
    """
    when = _J2000 + timedelta(days=(unwrapped_deg - _MEAN_LONGITUDE_J2000_DEG) / _MEAN_MOTION_DEG_D)
    for _ in range(10):
        missing_deg = unwrapped_deg - _unwrapped_solar_longitude_deg(when)
        when += timedelta(days=missing_deg / _MEAN_MOTION_DEG_D)
    return when


@dataclass(frozen=True)
class TimedBin:
    """A bin with the UTC times at which it begins and ends (naive datetimes)."""

    bin: Bin
    begins_at: datetime
    ends_at: datetime


def bins_between(begin: datetime, end: datetime) -> list[TimedBin]:
    """The bins that overlap [begin, end), in order; UTC, naive datetimes.

    Good to some three minutes against upstream's own limits: within that of a limit a row may
    fall to the neighbour until the daily files are loaded.
    """
    # Rounding may put a time on the other side of the limit that it equals.
    degree = math.floor(_unwrapped_solar_longitude_deg(begin)) - 1
    bins = []
    while (begins_at := _when(degree)) < end:
        ends_at = _when(degree + 1)
        if ends_at > begin:
            bins.append(TimedBin(Bin(begins_at.date(), degree % 360), begins_at, ends_at))
        degree += 1
    return bins


# Far around what the network can have seen; a time beyond has no bin.
_EARLIEST, _LATEST = datetime(2000, 1, 1), datetime(2100, 1, 1)


def bins_of_times(times: pl.Series) -> pl.DataFrame:
    """The bin that each time falls into, in the order of the times (`BIN_FIELDS`); null for no
    time, and for one so far off that it cannot be a meteor's."""
    times = times.alias("time")
    days = times.filter(times.is_between(_EARLIEST, _LATEST)).dt.truncate("1d").unique().sort()
    timed = {t.begins_at: t for day in days for t in bins_between(day, day + timedelta(days=1))}
    rows = [(t.begins_at, t.ends_at, *astuple(t.bin)) for t in timed.values()]
    limits = pl.DataFrame(
        rows,
        schema={
            "begins_at": pl.Datetime("us"), "ends_at": pl.Datetime("us"),
            **polars_schema(BIN_FIELDS),
        },
        orient="row",
    ).sort("begins_at")  # fmt: skip
    is_inside = pl.col("time") < pl.col("ends_at")
    return (
        times.to_frame()
        .with_row_index("place")
        .sort("time")
        .join_asof(limits, left_on="time", right_on="begins_at")
        .sort("place")
        .select(pl.when(is_inside).then(f.name).alias(f.name) for f in BIN_FIELDS)
    )
