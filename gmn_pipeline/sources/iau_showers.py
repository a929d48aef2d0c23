"""The IAU Meteor Data Center's list of meteor showers: number, code and name.

What belongs here: reading the list, from the source or from the copy that comes along. What does
not: writing it to the warehouse (`warehouse/showers.py`).

The copy, `iau_showers.csv`, holds the number, code and first name of every shower of the IAU
MDC's `streamfulldata` list (https://www.ta3.sk/IAUC22DB/MDC2007/, as of April 2023); please cite
Jenniskens et al. 2020, Planetary and Space Science 182, 104821, and Jopek & Kanuchova 2017,
Planetary and Space Science 143, 3-6.
"""

import csv
import re
from dataclasses import dataclass
from importlib import resources

import requests

from gmn_pipeline.errors import SourceRefused, SourceUnavailable

BUNDLED_EDITION = "IAU MDC streamfulldata, as of April 2023, bundled"
_UPDATED = re.compile(r"Last update:\s*(.+?)\s{2,}")
_TIMEOUT_S = 15


@dataclass(frozen=True)
class IauShower:
    number: int
    code: str
    name: str


@dataclass(frozen=True)
class ShowerList:
    """Showers by rising number, and the edition they were read from."""

    showers: list[IauShower]
    edition: str


def bundled() -> ShowerList:
    """The list that comes with this package."""
    text = resources.files(__package__).joinpath("iau_showers.csv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:])
    return ShowerList([IauShower(int(n), code, name) for n, code, name in rows], BUNDLED_EDITION)


def download(url: str, user_agent: str) -> ShowerList:
    """The list as it is now. Raises SourceUnavailable or SourceRefused."""
    try:
        response = requests.get(url, timeout=_TIMEOUT_S, headers={"User-Agent": user_agent})
        response.raise_for_status()
    except requests.RequestException as error:
        raise SourceUnavailable(
            f"The IAU shower list cannot be had from {url}: {error}.",
            remedy="The list at hand stays in use.",
        ) from error
    return parse(response.content.decode("utf-8", "replace"), url)


def parse(text: str, origin: str) -> ShowerList:
    """Read `streamfulldata.txt`: quoted fields between `|`, comments begin with `:` or `+`.

    A shower has a row for each published solution; the first one names it.
    """
    showers: dict[int, IauShower] = {}
    for line in text.splitlines():
        if not line.startswith('"'):
            continue
        fields = [part.strip('" ') for part in line.split("|")]
        if len(fields) < 5 or not fields[1].isdigit():
            raise SourceRefused(
                f"{origin}: not a line of the IAU shower list: {line[:60]!r}.",
                remedy="Its format has changed: adapt gmn_pipeline/sources/iau_showers.py.",
            )
        number = int(fields[1])
        showers.setdefault(number, IauShower(number, fields[3], fields[4]))
    if not showers:
        raise SourceRefused(f"{origin} has no shower in it.", remedy="Look at it in a browser.")
    updated = _UPDATED.search(text)
    edition = f"IAU MDC streamfulldata, {updated[1] if updated else 'undated'}, {origin}"
    return ShowerList([showers[number] for number in sorted(showers)], edition)
