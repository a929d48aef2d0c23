"""Read objects by their type, and keep what came of it: the road without Dagster.

What belongs here: the order of things for an object. What does not: reading it (`processing/`),
its rows (`warehouse/objects/`), its runs (`database/object_runs.py`).

A run begins as a row of the operational database; then the object is read in a process of its own,
what is made of it lands, its rows take the place of the former ones in one transaction of the
lake, what was found is said of it, and the run ends. Killed in between, the next one does the same
again: rows and objects are replaced by themselves, so nothing is there twice.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from gmn_pipeline.database.object_runs import MADE_BY, ObjectRuns
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
from gmn_pipeline.flows.object_leftovers import Leftovers
from gmn_pipeline.flows.object_mirror import mirror_changes
from gmn_pipeline.flows.object_processors import (
    described_with,
    not_taking,
    place_of_mark,
    texts_of,
    wanted,
)
from gmn_pipeline.flows.object_readings import ObjectReadings
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.processing.outcomes import RowsFile
from gmn_pipeline.processing.processor import Found, Made, Task
from gmn_pipeline.processing.readings import JsonReadings
from gmn_pipeline.processing.workshop import Workshop, opened
from gmn_pipeline.schemas.objects import (
    By,
    Description,
    ObjectName,
    OperationKind,
    StoredObject,
)
from gmn_pipeline.settings import ObjectProcessingSettings
from gmn_pipeline.storage.contents import HashingWriter
from gmn_pipeline.storage.files import alone, is_locked, working_folder
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline.warehouse.objects.loading import (
    NewRows,
    Reading,
    forget,
    known_columns,
    load,
)
from gmn_pipeline.warehouse.objects.mirror import mark

_LOCK = "objects_process.lock"
_COPY_BYTES = 1 << 20
_MIRRORED = "objects mirrored"
_KEPT_AFTER_S = 3.0
"""What was read for so long is kept before more is read."""

_Waiting: TypeAlias = tuple[StoredObject, list[str]]

_log = logging.getLogger(__name__)


@dataclass
class Processed:
    """What a look at objects came to; each count is of an object and a processor."""

    finished: int = 0
    rows: int = 0
    made: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """By object and processor."""
    mirrored: int = 0
    """Objects whose rows in the mirror of the catalogue are new."""


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
        until = time.monotonic() + _KEPT_AFTER_S
        read: list[_Read] = []
        count = 0
        with working_folder(self.settings.data_dir / "tmp") as folder:
            for count, (stored, names) in enumerate(waiting, 1):
                place = folder / str(count)
                place.mkdir()
                read += self._read_object(workshop, stored, names, place, done)
                # The next file of a table is to know the columns of this one.
                if time.monotonic() > until or any(one.changes_tables for one in read):
                    break
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
        for object_id in dict.fromkeys(one.reading.stored.object_id for one in read):
            self._end(
                [one for one in read if one.reading.stored.object_id == object_id], refused, done
            )
        return list(waiting[count:])

    def _read_object(
        self, workshop: Workshop, stored: StoredObject, names: Sequence[str], folder: Path,
        done: Processed,
    ) -> list["_Read"]:  # fmt: skip
        """Let processors read an object, and make the objects that come of it."""
        read = []
        for name in names:
            self.runs.start(stored, wanted()[name], self.by.run_id)
            try:
                read.append(self._read(workshop, stored, name, folder))
            except RetryableError:
                raise
            except GmnError as error:
                self._fail(stored, name, error, done)
        return read

    def _read(self, workshop: Workshop, stored: StoredObject, name: str, parent: Path) -> "_Read":
        folder = parent / name
        folder.mkdir()
        place = stored.name
        rules = self.runs.rules(place.project, place.container).get(name, [])
        task = Task(
            stored, self._bytes_of(stored, parent / "object"), folder, rules=rules,
            known=known_columns(self.lake, place.project, place.container) if rules else {},
            max_pixels=self.settings.objects_process_megapixels * 1_000_000,
        )  # fmt: skip
        outcome, files = workshop.process(name, task)
        made = [self._made(stored, name, one) for one in outcome.made]
        remark = self._put_readings(stored, files) if name == JsonReadings.name else ""
        rows = [NewRows(one.table, one.path, one.row_count, one.of_container) for one in files]
        version, made_ids = wanted()[name].version, [one.object_id for one in made]
        changes = any(
            one.of_container and not one.has_columns(task.known.get(one.table, {})) for one in files
        )
        reading = Reading(stored, name, version, rows, made_ids)
        return _Read(reading, made, outcome.found, changes, remark)

    def _put_readings(self, stored: StoredObject, files: Sequence[RowsFile]) -> str:
        """Let an object's readings be these in their own lake too; what is to be remarked."""
        done = self._readings.put(stored, files)
        self.runs.ask_again([(other, JsonReadings.name) for other in done.others], self.by)
        return done.remark

    def _fail(self, stored: StoredObject, name: str, error: GmnError, done: Processed) -> None:
        self.runs.end(stored, wanted()[name], self.by, failure=error.message)
        done.failures[f"{stored.name} ({name})"] = error.message

    def _end(
        self, read: Sequence["_Read"], refused: Mapping[tuple[int, str], GmnError],
        done: Processed,
    ) -> None:  # fmt: skip
        """Say of an object what was found, and end its runs."""
        stored = read[0].reading.stored
        kept = [one for one in read if one.key not in refused]
        remark = self._say(stored, kept)
        for one in read:
            reading = one.reading
            if one.key in refused:
                self._fail(stored, reading.processor, refused[one.key], done)
                continue
            self._leftovers.let_go(stored.object_id, [reading.processor], reading.made_ids)
            self.runs.end(
                stored, wanted()[reading.processor], self.by,
                remark=" ".join(filter(None, (remark, one.remark))),
                row_count=reading.row_count, made=one.made,
            )  # fmt: skip
            done.finished += 1
            done.rows += reading.row_count
            done.made += len(one.made)
        self._leftovers.let_go(stored.object_id, not_taking(stored))
        if not self.runs.is_live(stored.object_id):  # deleted while it was read
            self._leftovers.forget_readings([stored.object_id])
            forget(self.lake, [stored.object_id])
            self.runs.forget([stored.object_id])

    def _bytes_of(self, stored: StoredObject, copy: Path) -> Path:
        """Its bytes as a file: where they are, or a copy."""
        contents = self.objects.contents
        local = contents.local_path(stored.content)
        if local is not None and contents.has(stored.content):
            return local
        if not copy.exists():
            unfinished = copy.with_suffix(".part")
            with unfinished.open("wb") as file:
                for piece in contents.read(stored.content):
                    file.write(piece)
            unfinished.replace(copy)
        return copy

    def _made(self, stored: StoredObject, processor: str, made: Made) -> StoredObject:
        """The object that was made of another, which is put unless it is there already."""
        name = ObjectName(stored.name.project, stored.name.container, made.name)
        said = Description(application=MADE_BY + processor, links=stored.description.links)
        there = None
        with suppress(ObjectMissing):
            there = self.objects.catalogue.object(name)
        if there is not None and there.description.application != said.application:
            raise ObjectRefused(f"There is an object {name} that nobody made of another.")
        with self.objects.landing.incoming() as folder:
            writer = HashingWriter(folder / "made")
            with made.path.open("rb") as file:
                while piece := file.read(_COPY_BYTES):
                    writer.write(piece)
            content = writer.finish()
            if there is not None and there.content == content:
                return there
            staged = Staged(folder / "made", content, name, said, there.version if there else 0)
            (new,) = self.objects.landing.land([staged], self.by, OperationKind.PUT)
            return new

    def _say(self, stored: StoredObject, read: Sequence["_Read"]) -> str:
        """Say what was found of the object, unless that is said already; why that cannot be."""
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


@dataclass(frozen=True)
class _Read:
    """What a processor made of an object: what is for the lake, and what is to be said."""

    reading: Reading
    made: Sequence[StoredObject]
    found: Found
    changes_tables: bool
    """Whether a table of its container gets columns by it."""
    remark: str = ""

    @property
    def key(self) -> tuple[int, str]:
        """Object and processor."""
        return self.reading.stored.object_id, self.reading.processor


def is_being_processed(settings: ObjectProcessingSettings) -> bool:
    """Whether a process of this machine reads the objects of the data folder just now."""
    return is_locked(_lock(settings))


def _lock(settings: ObjectProcessingSettings) -> Path:
    return settings.data_dir / _LOCK
