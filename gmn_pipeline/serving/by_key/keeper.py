"""A thread that lets the file follow the lake.

What belongs here: when it is written anew, moved on or given up, and whose it is. What does not:
what is written (`file.py`, `moving.py`).

- One server of a data folder writes it, by a lock that goes with its process; others read it.
- It is moved on if the lake has the state on which it stands, by its mark and not only its number;
  else, or where too much came, it is written anew beside it and takes its place at once.
- Nobody waits for it: it works in one thread, half of the time, rests after each move for longer
  than that took, and asks the lake as exports do, so maintenance ends its query. The thread is no
  nicer than others: on a busy machine it would hold Python's lock while it has to wait.
"""

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

from gmn_pipeline.errors import GmnError
from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.by_key.changes import (
    COUNTS,
    STILL_THERE,
    Counts,
    Row,
    everything,
    number_since,
    rows_of,
    since,
)
from gmn_pipeline.serving.by_key.file import Stand, open_file, stand_of, write_file
from gmn_pipeline.serving.by_key.moving import Changes, NotAsCounted, move
from gmn_pipeline.serving.by_key.reading import HARM, Reading
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.storage.files import exclusive, working_folder

_log = logging.getLogger(__name__)
FOLDER, NAME = "served", "by_key.sqlite"
_MOST_MOVED = 30_000
"""Rows that are changed one by one; to write all anew is no slower for more."""
_RESTS = 4
"""So many times as long as it took to move on."""
_BEGINS_S = 2.0
"""After the server: the first who ask have the machine to themselves."""
_LOOKS_S = 5.0
_AGAIN_S = 60.0
"""After something went wrong."""
_ROW_BYTES = 1_000
_SPARE_BYTES = 500 << 20
_WITHIN_S = 3_600.0
_BUSY_S = 5.0


class _TooLarge(Exception):
    """There is no place for it, or it is not to have so much."""


class Keeper:
    """`start` it once the lake is looked at, `stop` it before. `reading` answers from the file."""

    def __init__(self, data_dir: Path, lake: Lake, most_mb: int) -> None:
        self._folder = data_dir / FOLDER
        self._path = self._folder / NAME
        self._lake = lake
        self._most_bytes = most_mb << 20
        self._news = threading.Event()
        self._is_ended = False
        self._cancellation = Cancellation()
        self._held = ExitStack()
        self._is_ours = False
        self._said = ""
        self._thread = threading.Thread(target=self._keep, name="by key", daemon=True)
        self.reading = Reading(self._path if most_mb else None)

    def start(self) -> None:
        if self._most_bytes:
            self._lake.tell(self._news.set)
            self._news.set()
            self._thread.start()

    def stop(self) -> None:
        self._is_ended = True
        self._cancellation.cancel()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()
        self._held.close()
        self.reading.close()

    def _keep(self) -> None:
        self._rest(_BEGINS_S)
        while not self._is_ended:
            self._news.wait(_LOOKS_S)
            self._news.clear()
            begun = time.monotonic()
            try:
                is_moved = self.follow()
                rests_s = (time.monotonic() - begun) * _RESTS if is_moved else 0.0
            except Exception as error:
                rests_s = _AGAIN_S if self._is_said(error) else _LOOKS_S
            self._rest(rests_s)

    def _is_said(self, error: Exception) -> bool:
        """Whether it is to be told; the lake tells of itself what becomes of it."""
        if self._is_ended or isinstance(error, Problem | GmnError):
            return False
        if str(error) != self._said:
            _log.warning("Rows by key cannot be kept beside the lake: %s", error)
        self._said = str(error)
        return True

    def _rest(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not self._is_ended and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def follow(self) -> bool:
        """Let the file stand on the newest state; whether anything was to be done."""
        if not self._take():
            return False
        newest = self._lake.snapshot()
        if self.reading.is_damaged:
            self._remove()
        stand = self._stand()
        if stand is not None and stand.mark == newest.mark:
            return False
        if stand is None or not self._move(stand, newest):
            self._write(newest)
        return True

    def _take(self) -> bool:
        """Whether the file is ours to write: while no other server has it."""
        if not self._is_ours:
            with suppress(OSError):  # TimeoutError: another one has it. Or nobody may write here
                lock = exclusive(self._folder / f"{NAME}.lock", timeout_s=0)
                self._held.enter_context(lock)
                self._is_ours = True
        return self._is_ours

    def _stand(self) -> Stand | None:
        """On which state it stands; what cannot be read is removed."""
        if not self._path.is_file():
            return None
        try:
            with closing(open_file(self._path, "ro", _BUSY_S)) as db:
                stand = stand_of(db)
        except HARM:
            stand = None
        if stand is None:
            self._remove()
        return stand

    def _remove(self) -> None:
        for path in (self._path, *(Path(f"{self._path}-{end}") for end in ("wal", "shm"))):
            path.unlink(missing_ok=True)
        self.reading.renew()

    # Moving it on ------------------------------------------------------------------------------

    def _move(self, stand: Stand, newest: Snapshot) -> bool:
        """Whether it could be."""
        try:
            if self._lake.snapshot(stand.number).mark != stand.mark:
                return False
        except GmnError:  # a state of another lake, or not kept any more
            return False
        if stand.number > newest.id:
            return False
        number = self._lake.fetch(newest, number_since(stand.number, _MOST_MOVED))
        if number[0][0].as_py() > _MOST_MOVED:
            return False
        changes = Changes.of(self._rows(newest, [since(stand.number)]))
        withdrawn = changes.withdrawn()
        gone = set(withdrawn)
        if withdrawn:
            gone -= set(self._lake.fetch(newest, STILL_THERE, [withdrawn])[0].to_pylist())
        counts = self._counts(newest)
        self._check_place(0)
        try:
            with closing(open_file(self._path, "rw", _BUSY_S)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                move(db, newest, changes, gone, counts, stand.counts)
        except (NotAsCounted, *HARM) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            _log.warning("The file of rows by key is written anew: %s", error)
            return False
        return True

    # Writing it anew ---------------------------------------------------------------------------

    def _write(self, newest: Snapshot) -> None:
        counts = self._counts(newest)
        self._check_place(counts.trajectories + counts.revisions)
        with working_folder(self._folder / ".building") as folder:
            new = folder / NAME
            written = write_file(new, newest, self._rows(newest, everything()))
            if written != counts:
                raise NotAsCounted(f"{written} instead of {counts}")
            self._lake.verify(newest)
            self._remove()
            new.replace(self._path)
        self._check_place(0)

    def _check_place(self, rows: int) -> None:
        """Raises _TooLarge; then the file goes, rather than grow."""
        there = self._path.stat().st_size if self._path.is_file() else 0
        wanted = rows * _ROW_BYTES
        free = shutil.disk_usage(self._folder).free
        if max(there, wanted) > self._most_bytes or wanted + _SPARE_BYTES > free:
            self._remove()
            raise _TooLarge(
                f"{max(there, wanted) >> 20:,} MB are needed, {self._most_bytes >> 20:,} MB may be "
                f"used, and {free >> 20:,} MB are free"
            )

    # Asking the lake ---------------------------------------------------------------------------

    def _counts(self, snapshot: Snapshot) -> Counts:
        (row,) = self._lake.fetch(snapshot, COUNTS).to_pylist()
        return Counts(**row)

    def _rows(self, snapshot: Snapshot, queries: Iterable[str]) -> Iterator[Row]:
        limits = replace(self._lake.limits, seconds=_WITHIN_S)
        for sql in queries:
            with self._lake.run_long(
                snapshot, sql, (), limits=limits, cancellation=self._cancellation
            ) as answer:
                begun = time.monotonic()
                for batch in answer:
                    yield from rows_of(batch)
                    self._rest(time.monotonic() - begun)
                    begun = time.monotonic()
