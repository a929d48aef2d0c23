"""Names of the network's files: which kind a file is by its name and folder, and what a file that
only looks like one of them should be called.

What belongs here: names and folders. What does not: what a bin is
(`readers/solar_longitude_bins.py`), and listing files (`gmn_directory.py`).
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from gmn_pipeline.readers.solar_longitude_bins import (
    FIRST_DAY,
    Bin,
    FileKind,
    bin_of_name,
    bins_between,
    months_of_name,
)

FOLDERS = {
    FileKind.DAILY: "daily",
    FileKind.MONTHLY: "monthly",
    FileKind.YEARLY: "",
    FileKind.ALL: "",
}
"""Where the files of a kind lie, below the base of the directory."""

ALL_FILE = "traj_summary_all.txt"
ALIASES = frozenset({"traj_summary_latest_daily.txt", "traj_summary_yesterday.txt"})
"""Copies of the two newest daily files under other names: there is no need to read them."""

_LOOKS = re.compile(r"traj\w*[ _.-]*summar|solrange|(?<!\d)\d{1,3}\.\d-\d{1,3}", re.IGNORECASE)
_PACKED = re.compile(r"\.(gz|bz2|xz|zst|zip|7z)$", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(20\d{2})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")
_RANGE = re.compile(r"(?<![\d.])(\d{1,3})(?:\.\d+)?-\d{1,3}(?!\d)")
_MONTH = re.compile(r"(?<!\d)(20\d{2})[-_.]?(\d{2})(?!\d)")
_YEAR = re.compile(r"(?<!\d)(20\d{2})(?!\d)")
_FORM = "traj_summary_YYYYMMDD_solrange_SSS.0-SSS.0.txt"


def kind_of_name(name: str) -> FileKind | None:
    """The kind of file that has this name; None for an alias and for any other name."""
    if bin_of_name(name) is not None:
        return FileKind.DAILY
    if name == ALL_FILE:
        return FileKind.ALL
    if months_of_name(name) is None:
        return None
    return FileKind.MONTHLY if "_monthly_" in name else FileKind.YEARLY


def looks_like_summary(name: str) -> bool:
    """Whether a person might take a file of this name for one of the network's."""
    return _LOOKS.search(name) is not None and not name.startswith(".")


def expected_instead(name: str, folder: str) -> str | None:
    """What is expected of a file in `folder` that looks like a summary and is not read because of
    its name or place; None if it is read, if it is an alias, or if it looks like something else."""
    kind = kind_of_name(name)
    if kind is not None:
        where = FOLDERS[kind]
        if where == folder:
            return None
        return f"{where}/{name}" if where else f"{name} in the directory itself"
    if name in ALIASES or not looks_like_summary(name):
        return None
    names = " or ".join(_names_meant(name, folder)) or f"a name like {_FORM}"
    return f"{names}, unpacked" if _PACKED.search(name) else names


def _names_meant(name: str, folder: str) -> Iterator[str]:
    """Names that this one may be a slip of."""
    if "month" in name.lower() or folder == FOLDERS[FileKind.MONTHLY]:
        match = _MONTH.search(name)
        meant = f"traj_summary_monthly_{match[1]}{match[2]}.txt" if match else ""
        yield meant if months_of_name(meant) else "traj_summary_monthly_YYYYMM.txt"
    elif match := _DATE.search(name):
        yield from (bin_.file_name for bin_ in _bins_meant(match, _RANGE.search(name)))
    elif folder == "":
        match = _YEAR.search(name)
        yield f"traj_summary_yearly_{match[1]}.txt" if match else ALL_FILE


def _bins_meant(date_match: re.Match[str], range_match: re.Match[str] | None) -> list[Bin]:
    """The bins that begin on a date; of two, the one that begins where the name says."""
    try:
        day = datetime(*map(int, date_match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return []
    if day.date() < FIRST_DAY:
        return []
    bins = [
        timed.bin
        for timed in bins_between(day, day + timedelta(days=1))
        if timed.bin.date == day.date()
    ]
    named = [b for b in bins if range_match and b.solar_longitude_deg == int(range_match[1])]
    return named or bins
