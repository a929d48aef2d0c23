"""What came of objects, and is to go: they are deleted, or read otherwise than before.

What belongs here: objects that processors made, and readings in their own lake. What does not: rows
of the lake of objects, which are replaced there (`warehouse/objects/loading.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
        self._delete(made_id for _, _, made_id in self.runs.made_of(object_ids))

    def forget_readings(self, object_ids: Sequence[int]) -> None:
        """Take readings of objects away that are deleted, or of another kind by now."""
        for object_id in self.readings.having(object_ids):
            others = self.readings.forget(object_id).others
            self.runs.ask_again([(other, JsonReadings.name) for other in others], self.by)

    def let_go(self, made_ids: Mapping[tuple[int, str], Collection[int]]) -> None:
        """Delete what processors made of objects (by object and processor) and do not make now: all
        but these; as any object it can be restored for a time."""
        former = self.runs.made_of({object_id for object_id, _ in made_ids})
        self._delete(
            made_id
            for object_id, processor, made_id in former
            if made_id not in made_ids.get((object_id, processor), (made_id,))
        )

    def _delete(self, made_ids: Iterable[int]) -> None:
        wanted = set(made_ids)
        for made_id in self.runs.live(wanted) if wanted else ():
            with suppress(ObjectConflict, ObjectMissing):  # somebody was at it meanwhile
                made = self.catalogue.by_id(made_id)
                if made.description.application.startswith(MADE_BY):  # and nobody put another one
                    self.catalogue.delete(made, self.by, self.restorable_for)
