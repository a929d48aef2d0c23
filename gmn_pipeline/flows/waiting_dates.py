"""Dates of which something was landed that is not in the warehouse: it waits, or it failed.

What belongs here: telling so from the ledger and what the warehouse has. What does not: dates of
which nothing came, and what became of the others, which the warehouse knows by itself
(`queries/canned/calendar.sql`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from gmn_pipeline.database.ledger import Ledger
from gmn_pipeline.readers.solar_longitude_bins import bin_of_name

FAILED, LANDED = "failed", "landed"


@dataclass(frozen=True)
class WaitingDate:
    """`failed`: it did not get through when it was last tried; `landed`: its newest file is here,
    and was not loaded yet."""

    bin_date: date
    state: str
    since_utc: datetime
    stage: str | None = None
    """At which stage it failed. Why is for the operator: it may name places."""


@dataclass(frozen=True)
class Landing:
    """What the ledger knows."""

    daily_files: Mapping[str, tuple[date, datetime]]
    """The newest version of each: SHA-256 -> date of its bin, and when it was fetched."""
    failures: Collection[WaitingDate]


def landing_of(ledger: Ledger) -> Landing:
    """One look into the ledger."""
    daily = {}
    for path, version in ledger.newest_landed().items():
        its = bin_of_name(path.rpartition("/")[2])
        if its is not None:
            daily[version.sha256] = (its.date, version.fetched_at_utc)
    failures = [
        WaitingDate(one.day, FAILED, one.failed_at_utc, one.stage) for one in ledger.failures()
    ]
    return Landing(daily, failures)


def waiting_dates(landing: Landing, in_warehouse: Collection[str]) -> list[WaitingDate]:
    """In their order. `in_warehouse`: those of the daily files, by SHA-256, that it has weighed."""
    found = {
        day: WaitingDate(day, LANDED, fetched_at_utc)
        for sha256, (day, fetched_at_utc) in landing.daily_files.items()
        if sha256 not in in_warehouse
    }
    found |= {one.bin_date: one for one in landing.failures}
    return [found[day] for day in sorted(found)]
