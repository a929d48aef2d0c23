"""The addresses of cubes.

What belongs here: addresses and their parameters. What does not: what is answered (`answer.py`).
"""

from collections.abc import Awaitable, Callable

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.conditional import Stamp
from gmn_pipeline.serving.cubes import answer
from gmn_pipeline.serving.cubes.ahead import PATH
from gmn_pipeline.serving.routes import Answers, Asked, Route
from gmn_pipeline.serving.tables import page
from gmn_pipeline.serving.tables.relations import RELATIONS
from gmn_pipeline.serving.work import Work

_VIEWS_SCHEMA = {
    "type": "object",
    "required": ["views"],
    "properties": {"views": {"type": "array", "items": {"type": "object"}}},
}
RELATION = next(one for one in RELATIONS if one.name == TRAJECTORIES.name)
_FILTERS = page.filters_of(RELATION)


async def _cube(asked: Asked) -> Response:
    return await answer.cube(asked, RELATION, _FILTERS)


def counting(work: Work) -> Callable[[Snapshot, str], Awaitable[Response]]:
    """How a query of this address is answered of a state, without anybody who asks for it."""

    async def receive() -> Message:
        if not work.ahead.is_ended:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def count(snapshot: Snapshot, query: str) -> Response:
        scope = {
            "type": "http", "method": "GET", "path": PATH, "query_string": query.encode(),
            "headers": [], "http_version": "1.1",
        }  # fmt: skip
        asked = _CUBE.read(Request(scope, receive), work)
        return await answer.counts(asked, Stamp(snapshot, is_pinned=False), RELATION, _FILTERS)

    return count


_CUBE = Route(
    PATH, "cube", "How many trajectories there are in each bin of several views, "
    "of what is selected in the others, for each pixel of one that is to be brushed",
    _cube,
    (Answers(
        answer.MEDIA_TYPE, "A table of view (0: all rows, then as the views are numbered from "
        "1), pixel of the active view, bin, and n. The bin after the last one holds what lies "
        "outside of the domain, the one after that null; so the bins of a view add up to what "
        f"was counted. The schema's metadata ({answer.METADATA}, JSON) tell views, domains, "
        "labels and how many rows the filters let through",
    ),),
    (_FILTERS, *answer.PARAMETERS), problems=(410, 503),
)  # fmt: skip
ROUTES = (
    Route(
        "/gmn/cubes.json", "cube_views", "The views of trajectories that can be counted: their "
        "quantities, domains, units and bins", answer.views,
        (Answers("application/json", "All of them", _VIEWS_SCHEMA),), problems=(),
    ),
    _CUBE,
)  # fmt: skip
