"""The IAU shower list in the warehouse: replaced when a newer one is had, and compared with the
trajectories.

What belongs here: when a list replaces the one at hand, and which showers it does not know. What
does not: reading the list (`sources/`), and SQL that others need too (`shower_names.py`).

A list replaces the one at hand as a whole, in one transaction, if it differs and is not older.
The bundled copy never replaces a list that was fetched, unless that is older still
(docs/decisions/0017-the-iau-shower-list.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

import duckdb
import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.readers.iau_showers import find_date
from gmn_pipeline.readers.iau_showers_rows import LOADED, ShowerList
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.showers import IAU_SHOWER_SOLUTIONS, IAU_SHOWERS
from gmn_pipeline.settings import ShowerListSettings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.validated.showers import check_list
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy, transaction
from gmn_pipeline.warehouse.shower_names import UNKNOWN_SHOWERS

_STALE_DAYS = 365
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class ShowerChanges:
    """What another list says of showers, in sentences; empty where it says the same."""

    added: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refresh:
    """The list in use after a refresh, and how it came to be that one."""

    edition: str
    edition_date: date | None
    showers: int
    solutions: int
    replaced: bool
    changes: ShowerChanges
    warnings: tuple[str, ...]

    @property
    def age_days(self) -> int | None:
        return None if self.edition_date is None else (utc_now().date() - self.edition_date).days

    def metadata(self) -> dict[str, Any]:
        """What a run says of it."""
        age = {} if self.age_days is None else {"edition_age_days": self.age_days}
        return {
            "dagster/row_count": self.showers,
            "solutions": self.solutions,
            "edition": self.edition,
            "edition_date": str(self.edition_date or "unknown"),
            **age,
            "changed": self.replaced,
            "showers_added": list(self.changes.added),
            "showers_renamed": list(self.changes.renamed),
            "showers_removed": list(self.changes.removed),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class UnknownShower:
    """A shower of trajectories that the list does not have, or has under another code."""

    number: int
    code: str
    code_in_list: str | None
    trajectories: int

    def __str__(self) -> str:
        other = f" (the list has {self.code_in_list} there)" if self.code_in_list else ""
        return f"{self.number} {self.code}{other}: {self.trajectories:,} trajectories"


def refresh_showers(settings: ShowerListSettings, warehouse: WarehouseConnection) -> Refresh:
    """Fetch the list as it is now, and load it if it may replace the one at hand."""
    with warehouse.writing() as connection:
        ddl.create(connection)
        at_hand = _rows(connection, IAU_SHOWERS)
    known = len(at_hand) or len(iau_showers.bundled().showers)
    found = iau_showers.current(settings, fewest=ceil(known * settings.iau_showers_min_share))
    return load_showers(warehouse, found)


def load_showers(warehouse: WarehouseConnection, found: ShowerList) -> Refresh:
    """Replace the list at hand by this one in one transaction, if it differs and is not older."""
    found = check_list(found)
    with warehouse.writing() as connection:
        ddl.create(connection)
        showers = _rows(connection, IAU_SHOWERS)
        solutions = _rows(connection, IAU_SHOWER_SOLUTIONS)
        kept = _reason_to_keep(showers, found)
        differs = not (showers.equals(found.showers) and solutions.equals(_sorted(found.solutions)))
        changes = ShowerChanges()
        if differs and not kept:
            changes = compare(showers, found.showers)
            now = utc_now()
            with transaction(connection):
                _replace(connection, IAU_SHOWERS, found.showers, now)
                _replace(connection, IAU_SHOWER_SOLUTIONS, _sorted(found.solutions), now)
            showers, solutions = found.showers, found.solutions
    edition, edition_date = _edition(showers)
    warnings = (*_shown(found.problems), *_doubts(found, edition, edition_date, kept))
    return Refresh(edition, edition_date, len(showers), len(solutions),
                   differs and not kept, changes, warnings)  # fmt: skip


def edition_in_use(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Which edition the list at hand is, and how old if more than a year; None without a list."""
    showers = _rows(connection, IAU_SHOWERS)
    if showers.is_empty():
        return None
    edition, edition_date = _edition(showers)
    old = _too_old(edition_date)
    return f"{edition}, {old}: newer showers have no name" if old else edition


def unknown_showers(connection: duckdb.DuckDBPyConnection) -> list[UnknownShower]:
    """Showers of trajectories whose number and code the list does not have as a pair.

    The commonest first. Sporadic trajectories (-1 and `...`) are of no shower.
    """
    rows = retry_while_busy(lambda: connection.execute(UNKNOWN_SHOWERS).fetchall())
    return [UnknownShower(n, code, listed, count) for n, code, listed, _, count in rows]


def compare(before: pl.DataFrame, after: pl.DataFrame) -> ShowerChanges:
    """What was added, what has another code or name, and what is gone; in the order of numbers."""
    old, new = _by_number(before), _by_number(after)
    if not old:
        return ShowerChanges()
    return ShowerChanges(
        tuple(f"{n} {' '.join(new[n])}" for n in new if n not in old),
        tuple(f"{n} {' '.join(old[n])}: now {' '.join(new[n])}" for n in new
              if n in old and new[n] != old[n]),
        tuple(f"{n} {' '.join(old[n])}" for n in old if n not in new),
    )  # fmt: skip


def _by_number(showers: pl.DataFrame) -> Mapping[int, tuple[str, str]]:
    columns = ("iau_shower_number", "iau_shower_code", "iau_shower_name")
    return {number: (code, name) for number, code, name in showers.select(columns).iter_rows()}


def _rows(connection: duckdb.DuckDBPyConnection, table: Table) -> pl.DataFrame:
    """The table as it is, without the time of loading."""
    columns = ", ".join(name for name in table.columns if name != LOADED)
    found = connection.execute(f"SELECT {columns} FROM {table.name}").pl()
    return found.sort("iau_shower_number") if table is IAU_SHOWERS else _sorted(found)


def _sorted(solutions: pl.DataFrame) -> pl.DataFrame:
    return solutions.sort(pl.all(), nulls_last=True)


def _replace(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: pl.DataFrame, now: Any
) -> None:
    connection.register("incoming", rows)
    connection.execute(f"DELETE FROM {table.name}")
    connection.execute(
        f"INSERT INTO {table.name} BY NAME SELECT *, ?::TIMESTAMP AS {LOADED} FROM incoming", [now]
    )
    connection.unregister("incoming")


def _reason_to_keep(at_hand: pl.DataFrame, found: ShowerList) -> str | None:
    """Why the list found must not replace the one at hand; None if it may."""
    if at_hand.is_empty():
        return None
    edition, edition_date = _edition(at_hand)
    if edition_date and found.edition_date and found.edition_date < edition_date:
        return f"The list found ({found.edition}) is older than the one at hand."
    if found.is_bundled and edition_date is None and not edition.endswith("bundled"):
        return "The list at hand was fetched, the copy that comes along does not replace it."
    return None


def _edition(showers: pl.DataFrame) -> tuple[str, date | None]:
    """Edition and date of a list: of its oldest part, which is what the whole list goes back to.

    Rows that a former version wrote have no date; their edition may name one.
    """
    editions = showers.select("source", "edition_date").unique().iter_rows()
    dated = [(day or find_date(source), source) for source, day in editions]
    oldest, edition = min(dated, key=lambda one: (one[0] or date.min, one[1]))
    return edition, oldest


def _too_old(edition_date: date | None) -> str | None:
    """How old a list is, if more than a year."""
    age_days = (utc_now().date() - edition_date).days if edition_date else 0
    return f"{age_days / 365.25:.1f} years old" if age_days > _STALE_DAYS else None


def _doubts(
    found: ShowerList, edition: str, edition_date: date | None, kept: str | None
) -> Iterable[str]:
    """What a person should know of the list in use."""
    if found.is_bundled and found.problems:
        yield f"No IAU shower list could be had: {edition} is in use."
    elif kept:
        yield f"{kept} {edition} stays in use."
    if edition_date is None:
        yield f"How old the IAU shower list in use is cannot be told: {edition}."
    elif old := _too_old(edition_date):
        yield (
            f"The IAU shower list in use is {old} ({edition}): newer "
            "showers have no name. GMN_IAU_SHOWERS_URL sets where it is fetched, or a file."
        )


def _shown(problems: tuple[str, ...]) -> tuple[str, ...]:
    more = len(problems) - _SHOWN_PROBLEMS
    return problems if more <= 0 else (*problems[:_SHOWN_PROBLEMS], f"... and {more} more.")
