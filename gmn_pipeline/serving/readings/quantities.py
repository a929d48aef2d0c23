"""Which quantities there are: those with a column, and what else sensors have told.

What belongs here: `/readings/quantities.json`. What does not: the quantities themselves
(`schemas/quantities.py`).
"""

import json

from starlette.responses import Response

from gmn_pipeline.schemas.quantities import QUANTITIES, QUANTITY
from gmn_pipeline.schemas.station_readings import SENSORS
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import answered
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tables.as_of import state
from gmn_pipeline.warehouse.lakes import READINGS

_SQL = (
    f"SELECT quantity, count(*) AS sensors FROM (SELECT unnest(quantities) AS quantity "
    f"FROM {SENSORS.name}) GROUP BY quantity ORDER BY quantity"
)


def about(name: str) -> dict[str, object]:
    """What is known of a quantity; of one that has no column, its name."""
    known = QUANTITY.get(name)
    if known is None:
        return {"name": name, "label": name, "meaning": None, "unit": None,
                "minimum": None, "maximum": None}  # fmt: skip
    return {"name": name, "label": known.label, "meaning": known.meaning, "unit": known.unit,
            "minimum": known.minimum, "maximum": known.maximum}  # fmt: skip


async def answer(asked: Asked) -> Response:
    stamp = await state(asked, READINGS.name)

    async def ask() -> Kept:
        rows = await asked.work.fetch(asked.request, stamp.snapshot, _SQL)
        sensors = {row["quantity"]: row["sensors"] for row in rows.to_pylist()}
        names = [q.name for q in QUANTITIES] + [name for name in sensors if name not in QUANTITY]
        told = [{**about(name), "sensors": sensors.get(name, 0)} for name in names]
        body = {"quantities": told, "snapshot": stamp.snapshot.id}
        return Kept(json.dumps(body, ensure_ascii=False).encode(), "application/json", {})

    return await answered(asked, stamp, ask)
