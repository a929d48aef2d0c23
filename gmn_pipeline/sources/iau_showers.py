"""The IAU Meteor Data Center's list of meteor showers: fetched, or the copy that comes along.

What belongs here: which addresses are tried, and the copy. What does not: how the list is read
(`readers/iau_showers.py`), and writing it to the warehouse
(`warehouse/showers.py`).

**The copy** knows 972 showers with 2,376 solutions, from two editions; each row names its own:

- *full*: all showers of the list `streamfulldata` of the system of 2007, as of 2023-04-18: number,
  code, name, status, activity, and of each of 1,782 solutions radiant, drift, speed, orbit and
  number of members; no parent bodies, remarks or references. As carried by the Python package
  MeteorTools 2024.1.0.
- *established*: the 113 showers of the list `streamestablisheddata2026` of 2026-10-09 with 594
  solutions: names and activity, radiants, drifts and speeds as they are now; no orbits. As carried
  by the Python package meteor-mcp 0.3.0. It names these showers and says that they are
  established. Solutions of both editions stand side by side: they were renumbered in between.

Of 15 showers that were established in 2023 and are not in the list of 2026 the copy does not know
the status. It knows no shower with a number above 1131, nor several below that were given out
later. Please cite Jenniskens et al. 2020, Planetary and Space Science 182, 104821, and Jopek &
Kanuchova 2017, Planetary and Space Science 143, 3-6.
"""

import re
from collections.abc import Iterator
from datetime import date
from importlib import resources
from pathlib import Path

import polars as pl
import requests

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import GmnError, SourceFileMissing, SourceRefused, SourceUnavailable
from gmn_pipeline.readers.iau_showers import parse
from gmn_pipeline.readers.iau_showers_rows import (
    SHOWER_SCHEMA,
    SOLUTION_SCHEMA,
    ShowerList,
    status_of,
)
from gmn_pipeline.settings import ShowerListSettings

_EDITIONS = {
    "full": ("IAU MDC streamfulldata as of 2023-04-18, bundled", date(2023, 4, 18)),
    "established": ("IAU MDC streamestablisheddata of 2026-10-09, bundled", date(2026, 10, 9)),
}
BUNDLED_EDITION, _BUNDLED_DATE = _EDITIONS["full"]
"""The edition of the copy as a whole: that of the part that has all showers."""

_TIMEOUT_S = 15
_YEARS_BACK = 3
_MOST_BYTES = 64 << 20
_READ_BYTES = 1 << 16


def bundled() -> ShowerList:
    """The list that comes with this package."""
    return ShowerList(
        _bundled_table("iau_showers.csv", SHOWER_SCHEMA),
        _bundled_table("iau_shower_solutions.csv", SOLUTION_SCHEMA),
        BUNDLED_EDITION, _BUNDLED_DATE, is_bundled=True,
    )  # fmt: skip


def _bundled_table(name: str, schema: pl.Schema) -> pl.DataFrame:
    content = resources.files(__package__).joinpath(name).read_bytes()
    found = pl.read_csv(content, schema_overrides=schema)
    status = {flag: status_of(flag) for flag in found["status_flag"].unique()}
    editions = {key: edition for key, (edition, _) in _EDITIONS.items()}
    dates = {key: day for key, (_, day) in _EDITIONS.items()}
    found = found.with_columns(
        pl.col("source").replace_strict(editions),
        pl.col("source").replace_strict(dates, return_dtype=pl.Date).alias("edition_date"),
        pl.col("status_flag").replace_strict(status, return_dtype=pl.String).alias("status"),
    )
    absent = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in found]
    return found.with_columns(absent).select(schema.names())


def current(settings: ShowerListSettings, *, fewest: int = 0) -> ShowerList:
    """The list as it is now; the bundled copy if it cannot be had anywhere.

    The addresses of the settings are tried in turn. One with `{year}` in it is tried for this
    year and the years before. `problems` of the list that is returned say what was wrong with
    each address before. A list of less than `fewest` showers is a part of one and is refused.
    """
    problems: list[str] = []
    for address in _addresses(settings.iau_showers_url):
        missing = []
        for url in _by_year(address, utc_now().year):
            try:
                found = _fetch_and_parse(url, settings.user_agent, fewest)
            except SourceFileMissing:
                missing.append(url)
            except SourceUnavailable as error:
                problems.append(str(error))
                break  # the years before are on the same server
            except GmnError as error:
                problems.append(str(error))
            else:
                return found.with_problems(problems)
        if missing:
            problems.append(f"The IAU shower list is not there: {', '.join(missing)}.")
    return bundled().with_problems(problems)


def _addresses(setting: str) -> list[str]:
    """Addresses between blanks; a file's path (which comes alone or first) may have some in it."""
    return re.split(r"\s+(?=https?://)", setting.strip())


def _by_year(address: str, year: int) -> Iterator[str]:
    if "{year}" not in address:
        yield address
        return
    for back in range(_YEARS_BACK + 1):
        yield address.replace("{year}", str(year - back))


def _fetch_and_parse(url: str, user_agent: str, fewest: int) -> ShowerList:
    if re.match(r"https?://", url):
        content, modified = _fetch(url, user_agent)
    else:
        content, modified = _read_file(Path(url)), None
    found = parse(content, url, modified)
    if len(found.showers) < fewest:
        raise SourceRefused(
            f"{url} has {len(found.showers)} showers where {fewest} are expected at least, so it "
            "is a part of the list.",
            remedy="If the list has really become so short, lower GMN_IAU_SHOWERS_MIN_SHARE.",
        )
    return found


def _read_file(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except FileNotFoundError as error:
        raise SourceFileMissing(f"There is no file {path}.") from error
    except OSError as error:
        raise SourceRefused(f"{path} cannot be read: {error}.") from error


def _fetch(url: str, user_agent: str) -> tuple[bytes, str | None]:
    """The bytes, whole, and when they were last modified."""
    try:
        with requests.get(
            url, timeout=_TIMEOUT_S, headers={"User-Agent": user_agent}, stream=True
        ) as response:
            if response.status_code in (requests.codes.not_found, requests.codes.gone):
                raise SourceFileMissing(f"There is no {url}.")
            if 400 <= response.status_code < 500:
                raise SourceRefused(f"{url} answers {response.status_code}.")
            response.raise_for_status()
            content = b""
            for part in response.iter_content(_READ_BYTES):
                content += part
                if len(content) > _MOST_BYTES:
                    raise SourceRefused(f"{url} is larger than any list of showers.")
            return content, response.headers.get("Last-Modified")
    except requests.RequestException as error:
        raise SourceUnavailable(
            f"The IAU shower list cannot be had from {url}: {error}."
        ) from error
