"""What was taken in of each day: a mark that changes with every load that may bear on it.

What belongs here: whether a merge could find something else than it found before. What does not:
who remembers the marks (`flows/held_files.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import duckdb

from gmn_pipeline.schemas.trajectory_tables import (
    TRAJECTORIES,
    TRAJECTORY_CLAIMS,
    TRAJECTORY_REVISIONS,
)
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy

_LEAST_DAYS, _MOST_DAYS = -1, 3
"""From the date of a bin to that of a trajectory in it: a bin may run on over two midnights, where
a date begins none, and near a limit a file may name its neighbour."""
_REACH_DAYS = range(-3, 4)
"""How many dates from a bin's the bins lie that trajectories of its time may be in."""
_STRAY = (
    "date_diff('day', bin_date, beginning_utc_time::DATE) "
    f"NOT BETWEEN {_LEAST_DAYS} AND {_MOST_DAYS}"
)


@dataclass(frozen=True)
class TakenIn:
    """Slices of files that were loaded, by the date of their bin: how many, and when the last; and
    how many messages of others. `strays` tells whether a trajectory is or was in a bin that is not
    near its time: then each load may bear on every day."""

    loads: Mapping[date, tuple[int, datetime]]
    messages: int
    strays: bool

    def mark(self, day: date) -> str:
        """Changes with each load and message that may bear on a bin of this date."""
        slices, last = self._of(day, everywhere=self.strays)
        return f"{slices} until {last}, {self.messages}{' of all' if self.strays else ''}"

    def differs_only_by(self, slices: Mapping[date, int], before: "TakenIn", day: date) -> bool:
        """Whether nothing that may bear on a day came since `before` but these slices."""
        dates = slices if self.strays else _reach(day)
        of_these = sum(slices.get(at, 0) for at in dates)
        now, _ = self._of(day, everywhere=self.strays)
        then, _ = before._of(day, everywhere=self.strays)
        return self.messages == before.messages and now == then + of_these

    def _of(self, day: date, *, everywhere: bool) -> tuple[int, datetime | None]:
        """How many slices bear on a day, and when the last of them came."""
        if everywhere:
            return self._in_all
        return _together(self.loads[at] for at in _reach(day) if at in self.loads)

    @cached_property
    def _in_all(self) -> tuple[int, datetime | None]:
        return _together(self.loads.values())


def _reach(day: date) -> list[date]:
    return [day + timedelta(days=days) for days in _REACH_DAYS]


def _together(loads: Iterable[tuple[int, datetime]]) -> tuple[int, datetime | None]:
    some = list(loads)
    return sum(n for n, _ in some), max((at for _, at in some), default=None)


def taken_in(warehouse: WarehouseConnection) -> TakenIn:
    """What a warehouse has taken in until now; nothing, if it lacks tables of this version."""
    if not warehouse.exists:
        return _NOTHING
    with warehouse.open(read_only=True) as connection:
        if not ddl.has_all_tables(connection):
            return _NOTHING
        return retry_while_busy(lambda: _asked(connection))


_NOTHING = TakenIn({}, 0, strays=False)
_MERGED = (TRAJECTORIES, TRAJECTORY_CLAIMS, TRAJECTORY_REVISIONS)


def _asked(connection: duckdb.DuckDBPyConnection) -> TakenIn:
    loads = connection.execute(
        "SELECT bin_date, count(*), max(loaded_at_utc) FROM source_files GROUP BY 1"
    ).fetchall()
    strays = " OR ".join(f"EXISTS (FROM {table.name} WHERE {_STRAY})" for table in _MERGED)
    [(messages, are_strays)] = connection.execute(
        f"SELECT (SELECT count(*) FROM publications WHERE origin = 'consumed'), {strays}"
    ).fetchall()
    return TakenIn({day: (n, last) for day, n, last in loads}, messages, are_strays)
