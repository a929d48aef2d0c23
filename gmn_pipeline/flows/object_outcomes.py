"""What came of reading objects, between the reading of them and the end of their runs.

What belongs here: what is kept of each object meanwhile, what is known of the tables it goes into,
and what is counted. What does not: the order of things (`object_processing.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmn_pipeline.database.object_runs import ObjectRuns, RunEnd
from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.object_processors import wanted
from gmn_pipeline.processing.processor import Found
from gmn_pipeline.schemas.objects import StoredObject
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.objects.loading import Reading, known_columns


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

    def add(self, end: RunEnd) -> None:
        """Count a run that has ended."""
        if end.failure:
            self.failures[f"{end.stored.name} ({end.wanted.name})"] = end.failure
            return
        self.finished += 1
        self.rows += end.row_count
        self.made += len(end.made)


@dataclass(frozen=True)
class Read:
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
        return self.reading.key

    def end(self, refused: GmnError | None, remark: str) -> RunEnd:
        """How the run over it ends: its rows were kept or refused, and that was remarked."""
        stored, version = self.reading.stored, wanted()[self.reading.processor]
        if refused is not None:
            return RunEnd(stored, version, failure=refused.message)
        remark = " ".join(filter(None, (remark, self.remark)))
        return RunEnd(stored, version, "", remark, self.reading.row_count, self.made)


class ContainerTables:
    """What containers say to processors, and which tables they have; asked for once as long as
    nothing is loaded."""

    def __init__(self, runs: ObjectRuns, lake: WarehouseConnection) -> None:
        self._runs = runs
        self._lake = lake
        self._rules: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._known: dict[tuple[str, str], Mapping[str, Mapping[str, str]]] = {}

    def rules(self, project: str, container: str) -> Mapping[str, Any]:
        """By the names of processors."""
        place = (project, container)
        if place not in self._rules:
            self._rules[place] = self._runs.rules(project, container)
        return self._rules[place]

    def known(self, project: str, container: str) -> Mapping[str, Mapping[str, str]]:
        """Columns and types of tables, by table."""
        place = (project, container)
        if place not in self._known:
            self._known[place] = known_columns(self._lake, project, container)
        return self._known[place]
