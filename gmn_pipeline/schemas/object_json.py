"""Objects and operations as JSON, the same by every way out.

What belongs here: names and forms of values. What does not: what is said of objects read from JSON
(`serving/objects/told.py`).
"""

from datetime import datetime
from typing import Any

from gmn_pipeline.schemas.objects import Description, Operation, StoredObject


def shown(when: datetime | None) -> str | None:
    """A time, or null."""
    return None if when is None else when.isoformat(timespec="microseconds") + "Z"


def said_of(description: Description) -> dict[str, Any]:
    """What is said of an object, without what its bytes are."""
    return {
        "application": description.application, "metadata": description.metadata,
        "tags": sorted(description.tags),
        "links": [{"kind": kind.value, "key": key} for kind, key in sorted(description.links)],
        "observed_from_utc": shown(description.observed_from_utc),
        "observed_until_utc": shown(description.observed_until_utc),
        "latitude_deg": description.latitude_deg, "longitude_deg": description.longitude_deg,
    }  # fmt: skip


def json_of(stored: StoredObject) -> dict[str, Any]:
    """A version of an object."""
    name = stored.name
    return {
        "object_id": stored.object_id, "project": name.project, "container": name.container,
        "name": name.name, "version": stored.version, "is_newest": stored.is_newest,
        "size_bytes": stored.content.size_bytes, "sha256": stored.content.sha256,
        "content_type": stored.description.content_type, **said_of(stored.description),
        "put_at_utc": shown(stored.put_at_utc), "put_by": stored.put_by,
        "deleted_at_utc": shown(stored.deleted_at_utc),
        "restorable_until_utc": shown(stored.restorable_until_utc),
    }  # fmt: skip


def json_of_operation(done: Operation) -> dict[str, Any]:
    """Something that was done to an object, or was tried."""
    return {
        "number": done.number, "kind": done.kind.value, "name": done.name,
        "object_id": done.object_id, "version": done.version, "by": done.by,
        "run_id": done.run_id, "at_utc": shown(done.at_utc), "reason": done.reason,
    }  # fmt: skip
