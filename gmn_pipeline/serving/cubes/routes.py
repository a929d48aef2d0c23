"""The addresses of cubes.

What belongs here: addresses and their parameters. What does not: what is answered (`answer.py`).
"""

from starlette.responses import Response

from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.cubes import answer
from gmn_pipeline.serving.routes import Answers, Asked, Route
from gmn_pipeline.serving.tables import page
from gmn_pipeline.serving.tables.relations import RELATIONS

_VIEWS_SCHEMA = {
    "type": "object",
    "required": ["views"],
    "properties": {"views": {"type": "array", "items": {"type": "object"}}},
}
RELATION = next(one for one in RELATIONS if one.name == TRAJECTORIES.name)
_FILTERS = page.filters_of(RELATION)


async def _cube(asked: Asked) -> Response:
    return await answer.cube(asked, RELATION, _FILTERS)


ROUTES = (
    Route(
        "/gmn/cubes.json", "cube_views", "The views of trajectories that can be counted: their "
        "quantities, domains, units and bins", answer.views,
        (Answers("application/json", "All of them", _VIEWS_SCHEMA),), problems=(),
    ),
    Route(
        "/gmn/cubes.arrow", "cube", "How many trajectories there are in each bin of several views, "
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
    ),
)  # fmt: skip
