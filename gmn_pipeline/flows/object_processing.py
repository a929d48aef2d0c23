"""Read objects by their type, and keep what came of it: the road without Dagster.

What belongs here: the order of things for an object. What does not: reading it (`processing/`),
its rows (`warehouse/objects/`), its runs (`database/object_runs.py`).

A run begins as a row of the operational database; then the object is read in another process,
what is made of it lands, its rows take the place of the former ones in one transaction of the
lake, what was found is said of it, and the run ends. Killed in between, the next one does the same
again: rows and objects are replaced by themselves, so nothing is there twice.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from gmn_pipeline.database.object_runs import ObjectRuns, RunEnd
from gmn_pipeline.database.object_texts import ObjectTexts
from gmn_pipeline.database.source_marks import SourceMarks
from gmn_pipeline.errors import (
    GmnError,
    ObjectConflict,
    ObjectMissing,
    ObjectRefused,
    RetryableError,
    ServiceRunning,
)
from gmn_pipeline.flows.object_files import file_of, put_made
from gmn_pipeline.flows.object_leftovers import Leftovers
from gmn_pipeline.flows.object_mirror import mirror_changes
from gmn_pipeline.flows.object_outcomes import ContainerTables, Processed, Read
from gmn_pipeline.flows.object_processors import (
    described_with,
    not_taking,
    place_of_mark,
    texts_of,
    wanted,
)
from gmn_pipeline.flows.object_readings import ObjectReadings
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.processing.outcomes import RowsFile
from gmn_pipeline.processing.processor import Outcome, Task
from gmn_pipeline.processing.readings import JsonReadings
from gmn_pipeline.processing.workshop import Workshop, opened
from gmn_pipeline.schemas.objects import (
    By,
    StoredObject,
)
from gmn_pipeline.settings import ObjectProcessingSettings
from gmn_pipeline.storage.files import alone, is_locked, working_folder
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline.warehouse.objects.loading import (
    NewRows,
    Reading,
    forget,
    load,
)
from gmn_pipeline.warehouse.objects.mirror import mark

_LOCK = "objects_process.lock"
_MIRRORED = "objects mirrored"
_KEPT_AFTER_S = 3.0
"""What was read for so long is kept before more is read."""

_READ_FOR_KEEPING = 3
"""And so many times as long as the last keeping took."""
_TOGETHER, _SMALL_BYTES = 16, 1 << 20
"""Objects up to this size are read in one process, so many: to begin one takes longer than to read
a small file. Who puts one of them may put each: they are of one container."""

_Outcome: TypeAlias = tuple[Outcome, list[RowsFile]] | ObjectRefused
_Waiting: TypeAlias = tuple[StoredObject, list[str]]

_log = logging.getLogger(__name__)


class ObjectProcessing:
    """The parts that it takes, opened."""

    def __init__(self, settings: ObjectProcessingSettings, by: By) -> None:
        self.settings = settings
        self.by = by
        self.objects: OpenedObjects = opened_objects(settings)
        self.runs = ObjectRuns(self.objects.database)
        self._texts = ObjectTexts(self.objects.database)
        self.lake = WarehouseConnection(settings, OBJECTS)
        self._readings = ObjectReadings(settings, self.lake)
        self._leftovers = Leftovers(
            self.objects.catalogue, self.runs, self._readings, by,
            timedelta(days=settings.objects_restore_days),
        )  # fmt: skip
        self._marks = SourceMarks(self.objects.database)
        self._is_current = False
        self._keeping_s = 0.0
        self._mirrored = 0  # up to which operation, as far as is known here

    def waiting(self, most: int) -> list[tuple[StoredObject, list[str]]]:
        """See ObjectRuns, for the processors that there are."""
        place = place_of_mark(wanted())
        since = self._marks.reached(place) or 0
        assert isinstance(since, int)
        changed, _ = self.runs.mark()
        tries = self.settings.objects_process_tries
        found = self.runs.waiting(list(wanted().values()), tries, most, since)
        if not found and changed > since:
            self._marks.move(place, changed)
        return found

    def is_mirrored(self) -> bool:
        """Whether the lake has the catalogue as it is: asked of the operational database, and of
        the lake only where that does not know."""
        changed, _ = self.runs.mark()
        known = self._marks.reached(_MIRRORED) or 0
        assert isinstance(known, int)
        return changed <= known or changed <= mark(self.lake)

    @contextmanager
    def working(self) -> Iterator[Workshop]:
        """The turn to work. Raises ServiceRunning if another process has it."""
        running = ServiceRunning(
            "Another process reads the objects of this data folder already.",
            remedy="Let it work ('gmn objects process', or a run of Dagster's), or stop it.",
        )
        with alone(_lock(self.settings), running), opened(self.settings) as workshop:
            yield workshop

    def process_waiting(self, workshop: Workshop) -> Processed:
        """Read a batch of what waits; mirror the catalogue.

        Raises RetryableError if a lake or database is away: that is no object's fault.
        """
        done = Processed()
        if not self._is_current:  # an earlier version made the lake with fewer tables
            ddl.bring_up_to_date(self.lake)
            self._is_current = True
        waiting = self.waiting(self.settings.objects_process_batch)
        changed, _ = self.runs.mark()
        if waiting or changed > self._mirrored:
            with self.lake.session():  # opened once for all
                while waiting:
                    waiting = self._process_some(workshop, waiting, done)
                done.mirrored, self._mirrored = mirror_changes(
                    self.runs, self.lake, self._leftovers.of_deleted
                )
            self._marks.move(_MIRRORED, self._mirrored)
        return done

    def process_all(
        self,
        workshop: Workshop,
        on_done: Callable[[Processed], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Processed:
        """Read all that waits, batch by batch, until it is stopped between two of them."""
        total = Processed()
        while not stopped():
            done = self.process_waiting(workshop)
            on_done(done)
            for name in ("finished", "rows", "made", "mirrored"):
                setattr(total, name, getattr(total, name) + getattr(done, name))
            total.failures |= done.failures
            if not done.finished and not done.failures:
                break
        return total

    def follow(
        self, workshop: Workshop, stopped: threading.Event, on_done: Callable[[Processed], None]
    ) -> None:
        """Read what comes, as it comes, until it is stopped. A lake or database that is away is
        waited for."""
        seen: object = None
        while not stopped.is_set():
            try:
                mark = self.runs.mark()
                if mark != seen:  # to look for what waits takes longer, the more objects there are
                    done = self.process_all(workshop, stopped=stopped.is_set)
                    seen = mark
                    if done.finished or done.failures:
                        on_done(done)
            except RetryableError as error:
                _log.warning("%s", error)
            stopped.wait(self.settings.objects_process_every_s)

    def _process_some(
        self, workshop: Workshop, waiting: Sequence[_Waiting], done: Processed
    ) -> list[_Waiting]:
        """Read the first of what waits, for some seconds, and keep what comes in one transaction;
        the rest of what waits."""
        try:
            return self._process_first(workshop, waiting, done)
        except RetryableError as error:  # no fault of theirs, and no try
            for stored, names in waiting:
                self.runs.postpone(stored, [wanted()[name] for name in names], str(error))
            raise

    def _process_first(
        self, workshop: Workshop, waiting: Sequence[_Waiting], done: Processed
    ) -> list[_Waiting]:
        until = time.monotonic() + max(_KEPT_AFTER_S, _READ_FOR_KEEPING * self._keeping_s)
        read: list[Read] = []
        tables = ContainerTables(self.runs, self.lake)
        count = 0
        with working_folder(self.settings.data_dir / "tmp") as folder:
            while count < len(waiting):
                together = self._together(waiting[count:], tables)
                some, number = self._read_together(workshop, together, folder, tables, done)
                read += some
                count += number
                # The next file of a table is to know the columns of this one.
                if time.monotonic() > until or any(one.changes_tables for one in some):
                    break
            keeping_since = time.monotonic()
            passed_over = [
                Reading(stored, name, 0)
                for stored, _ in waiting[:count]
                for name in not_taking(stored)
            ]
            self._leftovers.forget_readings(
                [one.stored.object_id for one in passed_over if one.processor == JsonReadings.name]
            )
            refused = load(self.lake, [one.reading for one in read] + passed_over)
            kept = [one.reading for one in read if one.key not in refused] + passed_over
            self._texts.replace(
                {(one.stored.object_id, one.processor): texts_of(one) for one in kept}
            )
        self._end(read, passed_over, refused, done)
        self._keeping_s = time.monotonic() - keeping_since
        return list(waiting[count:])

    def _together(self, waiting: Sequence[_Waiting], tables: ContainerTables) -> list[_Waiting]:
        """The first of what waits, and what is read in one process with it: small objects of the
        same container. One that was left or failed before is read by itself."""
        first = waiting[0][0].name
        place = first.project, first.container
        if tables.rules(*place) and not tables.known(*place):
            return [waiting[0]]  # makes the first table, whose columns the others are to know
        some = list(
            takewhile(
                lambda one: (
                    (one[0].name.project, one[0].name.container) == place
                    and one[0].content.size_bytes <= _SMALL_BYTES
                ),
                waiting[:_TOGETHER],
            )
        )
        tried = self.runs.tried([stored.object_id for stored, _ in some])
        return list(takewhile(lambda one: one[0].object_id not in tried, some)) or [waiting[0]]

    def _read_together(
        self, workshop: Workshop, together: Sequence[_Waiting], folder: Path,
        tables: ContainerTables, done: Processed,
    ) -> tuple[list[Read], int]:  # fmt: skip
        """Let processors read objects, and make the objects that come of it; how many were read:
        what would not know the columns that one of them brings is for the next time."""
        versions = [(stored, [wanted()[name] for name in names]) for stored, names in together]
        self.runs.start(versions, self.by.run_id)
        outcomes: dict[tuple[int, str], tuple[Task, _Outcome]] = {}
        for name in dict.fromkeys(name for _, names in together for name in names):
            tasks = []
            for stored in (stored for stored, names in together if name in names):
                task = self._task(stored, name, folder, tables)
                if isinstance(task, GmnError):
                    self._fail(stored, name, task, done)
                else:
                    tasks.append(task)
            found = workshop.process_many(name, tasks) if tasks else ()
            for task, outcome in zip(tasks, found, strict=True):
                outcomes[task.stored.object_id, name] = task, outcome
        read: list[Read] = []
        for number, (stored, names) in enumerate(together, 1):
            for name in names:
                if (stored.object_id, name) in outcomes:
                    task, outcome = outcomes[stored.object_id, name]
                    try:
                        read.append(self._read(name, task, outcome))
                    except RetryableError:
                        raise
                    except GmnError as error:
                        self._fail(stored, name, error, done)
            if any(one.changes_tables for one in read):
                for postponed, of_it in versions[number:]:
                    self.runs.postpone(postponed, of_it, "Its table gets columns first.")
                return read, number
        return read, len(together)

    def _task(
        self, stored: StoredObject, name: str, parent: Path, tables: ContainerTables
    ) -> Task | GmnError:
        folder = parent / f"{stored.object_id}-{name}"
        folder.mkdir()
        place = stored.name.project, stored.name.container
        rules = tables.rules(*place).get(name, [])
        try:
            path = file_of(self.objects, stored, parent / f"{stored.object_id}")
        except RetryableError:
            raise
        except GmnError as error:
            return error
        return Task(
            stored, path, folder, rules=rules, known=tables.known(*place) if rules else {},
            max_pixels=self.settings.objects_process_megapixels * 1_000_000,
        )  # fmt: skip

    def _read(self, name: str, task: Task, outcome: _Outcome) -> Read:
        if isinstance(outcome, ObjectRefused):
            raise outcome
        stored, (said, files) = task.stored, outcome
        made = [put_made(self.objects, stored, name, one, self.by) for one in said.made]
        remark = self._put_readings(stored, files) if name == JsonReadings.name else ""
        rows = [NewRows(one.table, one.path, one.row_count, one.of_container) for one in files]
        version, made_ids = wanted()[name].version, [one.object_id for one in made]
        changes = any(
            one.of_container and not one.has_columns(task.known.get(one.table, {})) for one in files
        )
        reading = Reading(stored, name, version, rows, made_ids)
        return Read(reading, made, said.found, changes, remark)

    def _put_readings(self, stored: StoredObject, files: Sequence[RowsFile]) -> str:
        """Let an object's readings be these in their own lake too; what is to be remarked."""
        done = self._readings.put(stored, files)
        self.runs.ask_again([(other, JsonReadings.name) for other in done.others], self.by)
        return done.remark

    def _fail(self, stored: StoredObject, name: str, error: GmnError, done: Processed) -> None:
        end = RunEnd(stored, wanted()[name], failure=error.message)
        self.runs.end([end], self.by)
        done.add(end)

    def _end(
        self, read: Sequence[Read], passed_over: Sequence[Reading],
        refused: Mapping[tuple[int, str], GmnError], done: Processed,
    ) -> None:  # fmt: skip
        """Say of objects what was found, and end their runs."""
        of_object: dict[int, list[Read]] = {}
        for one in read:
            of_object.setdefault(one.reading.stored.object_id, []).append(one)
        ends = []
        for some in of_object.values():
            remark = self._say([one for one in some if one.key not in refused])
            ends += [one.end(refused.get(one.key), remark) for one in some]
        kept = [one.reading for one in read if one.key not in refused] + list(passed_over)
        self._leftovers.let_go({one.key: one.made_ids for one in kept})
        self.runs.end(ends, self.by)
        for end in ends:
            done.add(end)
        deleted = of_object.keys() - self.runs.live(of_object)  # while they were read
        if deleted:
            self._leftovers.forget_readings(sorted(deleted))
            forget(self.lake, sorted(deleted))
            self.runs.forget(sorted(deleted))

    def _say(self, read: Sequence[Read]) -> str:
        """Say what was found of an object, unless that is said already; why that cannot be."""
        if not read:
            return ""
        stored = read[0].reading.stored
        described = stored.description
        try:
            for one in read:
                described = described_with(described, one.reading.processor, one.found)
            if described == stored.description:
                return ""
            self.objects.landing.describe(stored, described, self.by)
        except (ObjectConflict, ObjectMissing):  # somebody changed it: the newer one is read next
            return ""
        except ObjectRefused as error:  # by the schema of its container, or as too long
            return f"What was found is not said of it: {error.message}"
        return ""


def is_being_processed(settings: ObjectProcessingSettings) -> bool:
    """Whether a process of this machine reads the objects of the data folder just now."""
    return is_locked(_lock(settings))


def _lock(settings: ObjectProcessingSettings) -> Path:
    return settings.data_dir / _LOCK
