"""Maintenance of all that is kept: the lake, and the validated files it was loaded from.

What belongs here: what is maintained, and in which order. What does not: how (the stages' own
`maintenance.py` and `cleanup.py`), and who asks for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.ledger import Ledger
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.validated.cleanup import remove_forgotten
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline.warehouse.maintenance import LakeMaintenance, maintain_lake


@dataclass(frozen=True)
class Maintenance:
    """What was done. Files are data files and files of deletions, as the catalogue names them."""

    files_before: int
    files_after: int
    rows_flushed: int
    snapshots_expired: int
    files_removed: int
    orphans_removed: int
    validated_files_removed: int
    bytes_freed: int


def maintain(
    settings: WarehouseSettings, ledger: Ledger, now: datetime | None = None
) -> Maintenance:
    """All of it. Writers wait meanwhile, readers for a part of it.

    Raises WarehouseBusy if a writer or a reader keeps the warehouse for too long.
    """
    now = now or utc_now()
    keep = timedelta(days=settings.snapshot_keep_days)
    lake = maintain_lake(WarehouseConnection(settings), keep, now)
    sizes = remove_forgotten(settings.validated_dir, ledger.validated_paths(), now - keep)
    return Maintenance(
        lake.files_before,
        lake.files_after,
        lake.rows_flushed,
        lake.snapshots_expired,
        lake.files_removed,
        lake.orphans_removed,
        len(sizes),
        lake.bytes_freed + sum(sizes),
    )


def maintain_objects(
    settings: WarehouseSettings, now: datetime | None = None
) -> LakeMaintenance | None:
    """The lake of objects' tables; None where there is none. Raises WarehouseBusy as above."""
    lake = WarehouseConnection(settings, OBJECTS)
    if not lake.exists:
        return None
    return maintain_lake(lake, timedelta(days=settings.snapshot_keep_days), now or utc_now())
