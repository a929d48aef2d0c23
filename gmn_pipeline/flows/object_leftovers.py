"""What came of objects, and is to go: they are deleted, or read otherwise than before.

What belongs here: objects that processors made, and readings in their own lake. What does not: rows
of the lake of objects, which are replaced there (`warehouse/objects/loading.py`).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from gmn_pipeline.database.object_runs import MADE_BY, ObjectRuns
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.errors import ObjectConflict, ObjectMissing
from gmn_pipeline.flows.object_readings import ObjectReadings
from gmn_pipeline.processing.readings import JsonReadings
from gmn_pipeline.schemas.objects import By


@dataclass(frozen=True)
class Leftovers:
    """The parts that it takes."""

    catalogue: ObjectCatalogue
    runs: ObjectRuns
    readings: ObjectReadings
    by: By
    restorable_for: timedelta

    def of_deleted(self, object_ids: Sequence[int]) -> None:
        """Take away what came of objects, while it is known."""
        self.forget_readings(object_ids)
        for object_id in object_ids:
            self.let_go(object_id)

    def forget_readings(self, object_ids: Sequence[int]) -> None:
        """Take readings of objects away that are deleted, or of another kind by now."""
        for object_id in self.readings.having(object_ids):
            others = self.readings.forget(object_id).others
            self.runs.ask_again([(other, JsonReadings.name) for other in others], self.by)

    def let_go(
        self, object_id: int, made_by: Sequence[str] | None = None, kept_ids: Sequence[int] = ()
    ) -> None:
        """Delete what these processors (or all) made of an object and do not make now; as any
        object it can be restored for a time."""
        for made_id in self.runs.made_of(object_id, made_by):
            with suppress(ObjectConflict, ObjectMissing):  # somebody was at it meanwhile
                if made_id in kept_ids or not self.runs.is_live(made_id):
                    continue
                made = self.catalogue.by_id(made_id)
                if made.description.application.startswith(MADE_BY):  # and nobody put another one
                    self.catalogue.delete(made, self.by, self.restorable_for)
