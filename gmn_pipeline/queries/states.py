"""States of the lake, several at once, each kept open under a name of its own.

What belongs here: one DuckDB with the states that are asked for, opening and closing them. What
does not: which state a client is to see, and what it is told when one is gone (`serving/lake.py`).

Only our own queries are to be run here, as in `session.py`. A state is a snapshot of DuckLake, so
pages that are asked for one after the other stand on the same rows, whatever is loaded meanwhile.
A presence of a reader is held while a query runs and not longer: maintenance would wait for ever.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

import pyarrow as pa

from gmn_pipeline.errors import SnapshotGone, WarehouseBusy
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import Parameters, ReadSession, confined, finding, gone
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.storage.problems import explaining
from gmn_pipeline.warehouse.connection import (
    METADATA,
    Standing,
    WarehouseConnection,
    retry_while_busy,
)
from gmn_pipeline.warehouse.lakes import WAREHOUSE, Lake

_TRIES = 3
_WORN_AFTER, _WORN_AFTER_S = 8, 60.0
"""States that were opened, and how long ago the first: a lake of two commits a second is not to be
opened anew every few seconds."""
_WORN_ANYHOW = 256
"""However quickly these came: they hold some 100 to 400 MB."""
_MARK_DIGITS = 16
MARK_SHOWN = 8
"""So many digits of a mark tell states of one number apart where nobody means harm."""


@dataclass(frozen=True)
class Snapshot:
    """A state of the lake: its number, and when it was committed (UTC).

    `mark` tells it from the state that has the same number in another lake, or in this one once it
    was restored from a backup and went on otherwise. `lake` is that lake's name.
    """

    id: int
    committed_at_utc: datetime
    mark: str
    lake: str = WAREHOUSE.name

    @property
    def name(self) -> str:
        """As links have it: the number, and enough of the mark to tell."""
        return f"{self.id}-{self.mark[:MARK_SHOWN]}"

    def must_have(self, mark: str) -> None:
        """Raises SnapshotGone if a link was made for another state of this number, such as one that
        the lake had before it was restored from a backup."""
        if not self.mark.startswith(mark):
            raise SnapshotGone(f"State {self.id} is not the one that was meant, which is gone.")


@dataclass
class _Attached:
    """A snapshot under its name in DuckDB."""

    name: str
    snapshot: int
    when_newest_was: int
    """What DuckLake keeps of an attached lake is out of date once maintenance has put rows and
    files together (duckdb/ducklake#1305): then it is attached anew."""
    users: int = 0
    is_retired: bool = False


@contextmanager
def states_of(
    settings: WarehouseSettings, limits: Limits, kept: int, lake: Lake = WAREHOUSE
) -> Iterator["States"]:
    """Open a lake to serve states of it; `kept`: so many stay open that nobody uses just now.

    Raises what says that it cannot be read: DataDamaged, DatabaseUnavailable, NotPermitted ...
    """
    warehouse = WarehouseConnection(settings, lake)
    with warehouse.backend.catalog.held_open(), warehouse.standing() as standing:
        with standing.reading():
            standing.attach()
            session = confined(standing, limits, data_dir=settings.data_dir, is_for_states=True)
        yield States(settings, standing, session, limits, kept, lake)


class States:
    """Use it by `states_of`. Any number of threads may ask."""

    def __init__(
        self,
        settings: WarehouseSettings,
        standing: Standing,
        session: ReadSession,
        limits: Limits,
        kept: int,
        lake: Lake,
    ) -> None:
        self._data_dir = settings.data_dir
        self._standing = standing
        self._session = session
        self._limits = limits
        self._kept = kept
        self._lock = threading.Lock()
        self._attached: dict[int, _Attached] = {}
        self._attached_in_all = 0
        self._opened_s = time.monotonic()
        self._retired_users = 0
        self._numbers = count()
        self._looking = threading.Lock()
        self._identity = standing.backend.catalog.identity()
        self._name = lake.name
        self._first, self._lake = self._with_tables(lake)
        found = self._snapshots("ORDER BY snapshot_id DESC LIMIT 1")
        if not found:
            raise WarehouseBusy("The warehouse has no state.")
        self.newest, _ = found[0]
        self._put_in_order = self.newest.id

    def look(self) -> Snapshot:
        """The newest snapshot, as the catalogue says now.

        Raises WarehouseBusy if another catalogue is in its place: then open it anew.
        """
        if self._standing.backend.catalog.identity() != self._identity:
            raise _replaced()
        with self._looking:
            found = self._snapshots(f"WHERE snapshot_id >= {self.newest.id:d} ORDER BY snapshot_id")
            if not found or found[0][0] != self.newest:
                raise _replaced()
            for snapshot, changes in found[1:]:
                if not _is_ordinary(changes):
                    self._put_in_order = snapshot.id
            self.newest, _ = found[-1]
            return self.newest

    @property
    def is_worn(self) -> bool:
        """Whether it is time to open the lake anew: DuckDB and DuckLake keep some of what they knew
        of a state after it is given up, 0.5 to 16 MB, and some kB of each query, until they end."""
        if time.monotonic() - self._opened_s < _WORN_AFTER_S:
            return self._attached_in_all >= _WORN_ANYHOW
        return self._attached_in_all >= _WORN_AFTER

    @property
    def is_used(self) -> bool:
        """Whether a query is under way."""
        with self._lock:
            return any(one.users for one in self._attached.values()) or self._retired_users > 0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody, such as maintenance, waits for all queries to be over."""
        return self._standing.backend.catalog.is_awaited

    def snapshot(self, number: int) -> Snapshot:
        """A snapshot by its number. Raises SnapshotGone if there is none."""
        if number == self.newest.id:
            return self.newest
        found = self._snapshots(f"WHERE snapshot_id = {number:d}")
        if not found or number < self._first:
            raise gone(number)
        return found[0][0]

    def verify(self, snapshot: Snapshot) -> None:
        """Raises SnapshotGone if the lake does not have this state any more, WarehouseBusy if
        another one has its number: then the lake was replaced."""
        if self.snapshot(snapshot.id) != snapshot:
            raise _replaced()

    def snapshot_at(self, when: datetime) -> Snapshot:
        """The one that was the newest at a time (UTC). Raises SnapshotGone if it is not kept."""
        found = self._snapshots(
            f"WHERE snapshot_time::TIMESTAMPTZ <= '{when.isoformat()}+00'::TIMESTAMPTZ "
            "ORDER BY snapshot_id DESC LIMIT 1"
        )
        if not found or found[0][0].id < self._first:
            raise SnapshotGone(
                f"The state of the warehouse at {when.isoformat()} is not kept any more, or there "
                "was no warehouse yet."
            )
        return found[0][0]

    def kept(self, most: int) -> list[Snapshot]:
        """Those that can be asked, the newest first."""
        found = self._snapshots(
            f"WHERE snapshot_id >= {self._first:d} ORDER BY snapshot_id DESC LIMIT {most:d}"
        )
        return [snapshot for snapshot, _ in found]

    def _with_tables(self, lake: Lake) -> tuple[int, str]:
        """The first state that has what is asked for, since a new lake is made in several commits;
        and what no other lake has, but its copies."""
        sql = (
            "SELECT coalesce(min(begin_snapshot), 0), min(table_uuid)::VARCHAR "
            f"FROM {METADATA}.ducklake_table WHERE table_name = '{lake.main_table}'"
        )
        with explaining(self._data_dir), self._standing.connection.cursor() as cursor:
            row = retry_while_busy(lambda: cursor.execute(sql).fetchone())
        assert row is not None
        return int(row[0]), str(row[1])

    def _snapshots(self, which: str) -> list[tuple[Snapshot, str]]:
        """Snapshots, each with what DuckLake says that it changed."""
        sql = (
            "SELECT snapshot_id, epoch_us(snapshot_time::TIMESTAMPTZ), changes_made, "
            "next_catalog_id, next_file_id "
            f"FROM {METADATA}.ducklake_snapshot LEFT JOIN "
            f"{METADATA}.ducklake_snapshot_changes USING (snapshot_id) {which}"
        )
        with explaining(self._data_dir), self._standing.connection.cursor() as cursor:
            rows = retry_while_busy(lambda: cursor.execute(sql).fetchall())
        return [
            (self._snapshot(number, us, *of_commit), changes or "")
            for number, us, changes, *of_commit in rows
        ]

    def _snapshot(self, number: int, us: int, *of_commit: int) -> Snapshot:
        return Snapshot(number, _time(us), self._mark(number, us, *of_commit), self._name)

    def _mark(self, *of_commit: int) -> str:
        """Of what the catalogue says of a commit, and of the lake. Maintenance changes neither."""
        text = ",".join((self._lake, *map(str, of_commit)))
        return hashlib.sha256(text.encode()).hexdigest()[:_MARK_DIGITS]

    def run(
        self,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters = (),
        *,
        limits: Limits | None = None,
        cancellation: Cancellation | None = None,
    ) -> Answer:
        """Ask a state. See `ReadSession.run`; close the answer, or read it to its end.

        Raises SnapshotGone, also at the end of the reading: then what was read is not to be
        trusted, since its rows were being removed.
        """
        for attempt in range(_TRIES):
            try:
                answer = self._run(snapshot, sql, parameters, limits, cancellation)
            except WarehouseBusy:  # put in order since it was attached
                if attempt == _TRIES - 1:
                    raise
                self._retire(snapshot.id)
            else:
                return answer
        raise AssertionError("unreachable")

    def _run(
        self,
        snapshot: Snapshot,
        sql: str,
        parameters: Parameters,
        limits: Limits | None,
        cancellation: Cancellation | None,
    ) -> Answer:
        with ExitStack() as held, finding(snapshot.id), explaining(self._data_dir):
            held.enter_context(self._standing.reading())
            self.look()  # what was put in order until now; nothing is from here on
            attached = self._take(snapshot)
            held.callback(self._give_back, attached)
            answer = self._session.run(
                sql, parameters, limits=limits, cancellation=cancellation,
                catalog=attached.name, afterwards=_once(held.pop_all()),
            )  # fmt: skip
        return Answer(
            answer.schema, self._checked(answer, snapshot), truncated=lambda: answer.truncated,
            close=answer.close,
        )  # fmt: skip

    def _checked(self, answer: Answer, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        try:
            yield from answer
        except WarehouseBusy:
            self._retire(snapshot.id)
            raise
        self.verify(snapshot)

    def _take(self, snapshot: Snapshot) -> _Attached:
        """A snapshot under a name, for a query: attached before, or now."""
        with self._lock:
            found = self._attached.pop(snapshot.id, None)
            if found and found.when_newest_was < self._put_in_order:
                self._drop(found)
                found = None
            if found is None:
                found = self._attach(snapshot, self.newest.id)
            found.users += 1
            self._attached[snapshot.id] = found  # the last one used stands last
            for number in [n for n, a in self._attached.items() if not a.users]:
                if len(self._attached) <= self._kept:
                    break
                self._drop(self._attached.pop(number))
            return found

    def _attach(self, snapshot: Snapshot, newest: int) -> _Attached:
        name = f"state_{next(self._numbers)}"
        self._attached_in_all += 1
        self._standing.attach(name, snapshot.id)
        return _Attached(name, snapshot.id, newest)

    def _give_back(self, attached: _Attached) -> None:
        with self._lock:
            attached.users -= 1
            if attached.is_retired:
                self._retired_users -= 1
                self._drop(attached)

    def _retire(self, number: int) -> None:
        with self._lock:
            found = self._attached.pop(number, None)
            if found is not None:
                self._drop(found)

    def _drop(self, attached: _Attached) -> None:
        """Close it, once its last query is over."""
        if not attached.is_retired:
            attached.is_retired = True
            self._retired_users += attached.users
        if not attached.users:
            with self._standing.connection.cursor() as cursor:
                cursor.execute(f"DETACH {attached.name}")


def _replaced() -> WarehouseBusy:
    return WarehouseBusy("The warehouse was replaced.")


_ORDINARY = {"inserted_into_table", "deleted_from_table", "inlined_insert", "inlined_delete"}


def _is_ordinary(changes: str) -> bool:
    """Whether a commit only added and ended rows, as DuckLake lists its changes."""
    return {change.partition(":")[0] for change in changes.split(",")} <= _ORDINARY


def _time(microseconds: int) -> datetime:
    when = datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(tzinfo=None)
    return when.replace(microsecond=microseconds % 1_000_000)


class _once:  # noqa: N801 - called like a function
    """Leave what is held, the first time that it is called."""

    def __init__(self, held: ExitStack) -> None:
        self._held: ExitStack | None = held
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            held.close()
