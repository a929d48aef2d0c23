"""Keep the mirror of the catalogue of objects in their lake up to date.

What belongs here: which objects changed since, by the log of operations. What does not: both sides
(`database/object_runs.py`, `warehouse/objects/mirror.py`).
"""

from collections.abc import Callable, Sequence

from gmn_pipeline.database.object_runs import LATE, ObjectRuns
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.objects.loading import forget
from gmn_pipeline.warehouse.objects.mirror import mark, mirror

_AT_ONCE = 5_000


def mirror_changes(
    runs: ObjectRuns, lake: WarehouseConnection, on_deleted: Callable[[Sequence[int]], None]
) -> tuple[int, int]:
    """Mirror all that changed; how many objects were looked at, and up to which operation.

    What was read out of deleted ones goes with them, and so do their runs: one that is restored is
    read again. Calls `on_deleted` with the id of each."""
    mirrored = 0
    reached = mark(lake)
    while True:
        changed, last = runs.changed_since(max(reached - LATE, 0), _AT_ONCE + LATE)
        if last <= reached:
            return mirrored, reached
        now = runs.now(changed)
        deleted = sorted(set(changed) - {one.object_id for one in now})
        on_deleted(deleted)  # while it is known what was read out of them
        forget(lake, deleted)
        runs.forget(deleted)
        mirror(lake, changed, now, last)
        mirrored += len(changed)
        reached = last
