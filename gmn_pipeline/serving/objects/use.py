"""How the lake of objects is used, of the projects that one may see.

What belongs here: the answer, in the form that ready questions have. What does not: the counts
(`database/object_use.py`).
"""

from typing import Any

from starlette.responses import Response

from gmn_pipeline.database.object_use import DAYS, QUERIES, ObjectUse
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.routes import Parameter

BY = Parameter(
    "by", "objects by their project, content_type or size; or operations by day, of "
    f"{DAYS} days", "project", choices=tuple(QUERIES),
)  # fmt: skip
_COLUMNS: dict[str, tuple[str | None, str]] = {
    "project": (None, "the project"),
    "content_type": (None, "the type that the bytes have"),
    "size": (None, "how large an object is"),
    "objects": (None, "how many there are, without those that were deleted"),
    "size_bytes": ("byte", "their size, in their newest versions"),
    "date": (None, "the day (UTC)"),
    "kind": (None, "what was done"),
    "operations": (None, "how often"),
    "failed": (None, "how many of them failed"),
}
_OF_DAY = ("date", "kind", "operations", "failed")


async def answer(visit: Visit) -> Response:
    """Rows and columns."""
    by, lake = visit.text(BY.name), visit.service.lake
    use = ObjectUse(lake.database)
    rows = await visit.service.run(lambda: use.told(by, visit.visible()))
    names = _OF_DAY if by == "day" else (by, "objects", "size_bytes")
    return answered_json({"rows": rows, "columns": [_column(name) for name in names]})


def _column(name: str) -> dict[str, Any]:
    unit, meaning = _COLUMNS[name]
    return {"name": name, "unit": unit, "description": meaning}
