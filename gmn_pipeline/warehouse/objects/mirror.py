"""The catalogue of objects in their lake: each object that is not deleted, in its newest version.

What belongs here: rows of objects in, those of deleted ones out, in one transaction with the mark
up to which operation that goes. What does not: which objects changed (`flows/object_mirror.py`).
"""

import json
from collections.abc import Sequence

import polars as pl

from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.object_tables import CATALOGUE, MIRROR_MARK
from gmn_pipeline.schemas.objects import LinkKind, StoredObject
from gmn_pipeline.warehouse import statistics
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction

_LINKS = {
    LinkKind.STATION: "stations", LinkKind.NIGHT: "nights", LinkKind.TRAJECTORY: "trajectories",
}  # fmt: skip


def mark(lake: WarehouseConnection) -> int:
    """The number of the last operation that is mirrored; 0 where nothing is."""
    if not lake.exists:
        return 0
    with lake.open(read_only=True) as connection:
        row = connection.execute(f"SELECT max(operation) FROM {MIRROR_MARK.name}").fetchone()
    return int(row[0] or 0) if row else 0


def mirror(
    lake: WarehouseConnection, changed: Sequence[int], now: Sequence[StoredObject], operation: int
) -> None:
    """Let these objects be what they are now; those of `changed` that are not among them are gone.

    `operation` is the mark from now on.
    """
    rows = pl.DataFrame([_row(one) for one in now], schema=polars_schema(CATALOGUE.fields))
    columns = ", ".join(CATALOGUE.columns)
    with lake.writing() as connection:
        connection.register("new_rows", rows.to_arrow())
        with transaction(connection):
            statistics.leave_open_in_transaction(connection, [CATALOGUE])
            connection.execute(
                f"DELETE FROM {CATALOGUE.name} WHERE object_id IN (SELECT unnest(?::BIGINT[]))",
                [list(changed)],
            )
            connection.execute(
                f"INSERT INTO {CATALOGUE.name} ({columns}) SELECT {columns} FROM new_rows"
            )
            connection.execute(f"DELETE FROM {MIRROR_MARK.name}")
            connection.execute(f"INSERT INTO {MIRROR_MARK.name} VALUES (?)", [operation])


def _row(stored: StoredObject) -> dict[str, object]:
    said, name = stored.description, stored.name
    return {
        "object_id": stored.object_id, "version": stored.version, "project": name.project,
        "container": name.container, "name": name.name, "size_bytes": stored.content.size_bytes,
        "content_type": said.content_type, "sha256": stored.content.sha256,
        "tags": sorted(said.tags),
        **{
            column: sorted(link.key for link in said.links if link.kind is kind)
            for kind, column in _LINKS.items()
        },
        "observed_from_utc": said.observed_from_utc, "observed_until_utc": said.observed_until_utc,
        "latitude_deg": said.latitude_deg, "longitude_deg": said.longitude_deg,
        "metadata": json.dumps(said.metadata, ensure_ascii=False),
        "put_at_utc": stored.put_at_utc, "put_by": stored.put_by,
    }  # fmt: skip
