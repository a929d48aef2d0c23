"""A small source on disk: daily, monthly, yearly and all-files around a turn of the year.

What belongs here: which trajectories there are, when, and the bytes of files that have them. What
does not: what a warehouse makes of them (`world.py`).

The bins around 2019-01-01 have it all: a date with two bins, the end of a month and of a year two
minutes from the limit of a bin, and trajectories within three minutes of limits, which a daily
file may name to either side.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from gmn_pipeline.readers.solar_longitude_bins import Bin, TimedBin, bins_between, months_of_name
from gmn_pipeline_tests.model.said import DAILY, HISTORY, Row, Speaker
from gmn_pipeline_tests.support.sample import Summary, sample, when_fields

TIMES: dict[str, datetime] = {
    "a": datetime(2018, 12, 31, 12, 0, 0),
    "b": datetime(2018, 12, 31, 23, 59, 30),
    "c": datetime(2019, 1, 1, 0, 1, 30),
    "d": datetime(2019, 1, 1, 0, 4, 10),
    "e": datetime(2019, 1, 1, 12, 0, 0),
    "f": datetime(2019, 1, 1, 23, 34, 0),
    "g": datetime(2019, 1, 1, 23, 36, 30),
    "h": datetime(2019, 1, 2, 12, 0, 0),
    "i": datetime(2019, 1, 2, 23, 9, 0),
    "j": datetime(2019, 1, 6, 12, 0, 0),
}
"""When each trajectory of the little sky began: some in the middle of a bin, some near a limit."""

_LIMITS = bins_between(datetime(2018, 12, 31, 12), datetime(2019, 1, 7, 12))
TIMED: dict[int, TimedBin] = {timed.bin.solar_longitude_deg: timed for timed in _LIMITS}
DEGREES = [279, 280, 281, 282, 285]
"""Bins that may have files: 279 to 282 follow each other, 280 and 281 begin on one date."""

DAYS = sorted({TIMED[degree].bin.date for degree in DEGREES})
HISTORY_PATHS = {
    "2018-12": "monthly/traj_summary_monthly_201812.txt",
    "2019-01": "monthly/traj_summary_monthly_201901.txt",
    "2018": "traj_summary_yearly_2018.txt",
    "2019": "traj_summary_yearly_2019.txt",
    "all": "traj_summary_all.txt",
}
"""The files that are not daily, by what they cover."""

_STATIONS = ("UK000H,UK003C", "UK000H,UK003C,UK003E", "BE0001,UK003E")
_NEAR_DEG = 0.01
_EPOCH = datetime(2019, 2, 1)
# A solution's number says all: its tens, by how much the beginning is off the identifier's time.
_SHIFTS = (timedelta(milliseconds=200), timedelta(milliseconds=900), timedelta(minutes=10))


def generated_at(generation: int) -> datetime:
    """Generations are counted in hours."""
    return _EPOCH + timedelta(hours=generation)


def identifier(name: str) -> str:
    return f"{TIMES[name]:%Y%m%d%H%M%S}_{name * 5}"


def timed_bin_of(when: datetime) -> TimedBin:
    return next(b for b in bins_between(when, when + timedelta(seconds=1)) if b.begins_at <= when)


@cache
def row(name: str, solution: int) -> Row:
    """A solution of a trajectory: two numbers are two contents."""
    beginning = TIMES[name] + _SHIFTS[solution // 10]
    # As upstream's own limits, those of bins are of whole identifiers: 2 s decide nothing.
    time = beginning if solution >= 20 else TIMES[name]
    timed = timed_bin_of(time)
    share = (beginning - timed.begins_at) / (timed.ends_at - timed.begins_at)
    return Row(
        identifier(name), f"{name}{solution}", time, timed.bin,
        timed.bin.solar_longitude_deg + share, tuple(_STATIONS[solution % 3].split(",")),
        _other_bin(timed, share),
    )  # fmt: skip


def _other_bin(timed: TimedBin, share: float) -> Bin | None:
    """The bin beyond the limit, if it is near."""
    if share < _NEAR_DEG:
        return timed_bin_of(timed.begins_at - timedelta(hours=1)).bin
    if share > 1 - _NEAR_DEG:
        return timed_bin_of(timed.ends_at + timedelta(hours=1)).bin
    return None


@cache
def fields(name: str, solution: int) -> tuple[str, ...]:
    """The fields of its line: a line of the sample, moved."""
    its, stations = row(name, solution), _STATIONS[solution % 3]
    texts = when_fields(TIMES[name] + _SHIFTS[solution // 10]) | {
        "trajectory_identifier": its.trajectory,
        "solar_longitude_deg": f" {its.solar_longitude_deg:.6f}",
        "duration_s": f"     {solution}.25",
        "station_count": f"    {stations.count(',') + 1}",
        "participating_stations": f" {stations}",
    }
    return sample().first(1).with_fields(0, **texts).rows[0]


@dataclass(frozen=True)
class File:
    """A file of the source: a generation, and the solution of each trajectory that it has."""

    generation: int
    solutions: Mapping[str, int]

    def content(self) -> bytes:
        """Its bytes, the rows in the order of time."""
        lines = tuple(
            fields(name, solution)
            for name, solution in sorted(self.solutions.items(), key=lambda s: TIMES[s[0]])
        )
        stamp = f"# Summary generated on {generated_at(self.generation):%Y-%m-%d %H:%M:%S.%f} UTC"
        return Summary(stamp, sample().head, lines).to_bytes()


class Source:
    """A folder laid out like the network's directory, and what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, File] = {}
        for name in ("daily", "monthly"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def put(self, path: str, file: File) -> None:
        self.files[path] = file
        (self.folder / path).write_bytes(file.content())

    def remove(self, path: str) -> None:
        if self.files.pop(path, None):
            (self.folder / path).unlink()

    def speakers(self, history: str, days: list[date]) -> list[Speaker]:
        """What a load of days is told: the slices of the files that carry any of them."""
        told = []
        for path, file in sorted(self.files.items()):
            if history == "daily":
                bins = [b.bin for b in TIMED.values() if daily_path(b.bin) == path]
                told += [_daily(file, bin_) for bin_ in bins if bin_.date in days]
            elif _kind_of_path(path) == history:
                told += _slices(path, file, days)
        return told


def daily_path(bin_: Bin) -> str:
    return f"daily/{bin_.file_name}"


def _kind_of_path(path: str) -> str:
    return next((kind for kind in ("monthly", "yearly", "all") if f"_{kind}" in path), "daily")


def sha256(file: File) -> str:
    return hashlib.sha256(file.content()).hexdigest()


def _rows(file: File) -> dict[str, Row]:
    return {identifier(name): row(name, number) for name, number in file.solutions.items()}


def _daily(file: File, bin_: Bin) -> Speaker:
    return Speaker(DAILY, sha256(file), generated_at(file.generation), _rows(file), bin_)


def _slices(path: str, file: File, days: list[date]) -> list[Speaker]:
    """One slice for each bin of the days, as far as it lies in the file's interval."""
    interval = months_of_name(path.rsplit("/", 1)[-1])
    assert interval is not None
    told = []
    for timed in TIMED.values():
        begin, end = max(timed.begins_at, interval[0]), min(timed.ends_at, interval[1])
        if timed.bin.date in days and begin < end:
            rows = {x: r for x, r in _rows(file).items() if begin <= r.time < end}
            told.append(
                Speaker(HISTORY, sha256(file), generated_at(file.generation), rows, timed.bin,
                        begin, end)
            )  # fmt: skip
    return [replace(s, beside=frozenset(x for other in told for x in other.rows)) for s in told]
