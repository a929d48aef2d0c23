"""Is the server there, and can it answer: for whoever watches over it.

What belongs here: `/healthz`, `/readyz`. What does not: the health of pipeline and data.
"""

from starlette.responses import JSONResponse, Response

from gmn_pipeline.serving.routes import Answers, Asked, Route, object_schema

_PROBE = "SELECT trajectory_identifier FROM trajectories LIMIT 1"
_NO_STORE = {"Cache-Control": "no-store"}


async def healthz(asked: Asked) -> Response:
    """The process is alive; nothing is asked."""
    del asked
    return JSONResponse({"ok": True}, headers=_NO_STORE)


async def readyz(asked: Asked) -> Response:
    """The newest state can be read. Raises Problem (503) if not."""
    newest = asked.work.lake.snapshot()
    await asked.work.fetch(asked.request, newest, _PROBE)
    told = {
        "ok": True,
        "snapshot": newest.id,
        "committed_at_utc": newest.committed_at_utc.isoformat(timespec="microseconds"),
    }
    return JSONResponse(told, headers=_NO_STORE)


ROUTES = (
    Route(
        "/healthz", "healthz", "The server runs", healthz,
        (Answers("application/json", "It does", object_schema(ok="boolean")),),
        problems=(),
    ),
    Route(
        "/readyz", "readyz", "The newest state of the warehouse can be read", readyz,
        (Answers(
            "application/json", "It can, and this is it",
            object_schema(ok="boolean", snapshot="integer", committed_at_utc="string"),
        ),),
    ),
)  # fmt: skip
