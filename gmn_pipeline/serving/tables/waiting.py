"""Dates of which something was landed that is not in the warehouse.

What belongs here: `/<store>/waiting.json`. What does not: which dates those are
(`flows/waiting_dates.py`).
"""

import anyio.to_thread
from starlette.responses import JSONResponse, Response

from gmn_pipeline.flows.waiting_dates import landing_of, waiting_dates
from gmn_pipeline.schemas.trajectory_tables import SOURCE_FILES
from gmn_pipeline.serving.routes import Answers, Asked, Route, object_schema
from gmn_pipeline.serving.tables.addresses import PROBLEMS, STORE
from gmn_pipeline.serving.tables.shapes import json_value

_KNOWN = (
    f"SELECT DISTINCT source_file_sha256 AS one FROM {SOURCE_FILES.name} "
    "WHERE list_contains(?, source_file_sha256)"
)


async def _waiting(asked: Asked) -> Response:
    landing = await anyio.to_thread.run_sync(landing_of, asked.work.ledger)
    snapshot = await asked.work.snapshot(None)
    found = await asked.work.fetch(asked.request, snapshot, _KNOWN, [list(landing.daily_files)])
    dates = waiting_dates(landing, set(found.column("one").to_pylist()))
    told = [
        {
            "bin_date": one.bin_date.isoformat(), "state": one.state, "stage": one.stage,
            "since_utc": json_value(one.since_utc),
        }
        for one in dates
    ]  # fmt: skip
    body = {"dates": told, "snapshot": snapshot.id}
    # The ledger changes without a commit that would tell.
    return JSONResponse(body, headers={"Cache-Control": "public, max-age=5"})


ROUTES = (
    Route(
        "/{store}/waiting.json", "waiting", "Dates of which the newest file was landed and is not "
        "in the warehouse: landed (it waits for its load) or failed (with the stage at which)",
        _waiting,
        (Answers("application/json", "All of them, by date", object_schema(
            dates="array", snapshot="integer")),),
        (STORE,), problems=PROBLEMS,
    ),
)  # fmt: skip
