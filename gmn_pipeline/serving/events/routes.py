"""The address of live events, and where a listener begins.

What belongs here: reading a request. What does not: what a listener is told (`listening.py`).
"""

from contextlib import ExitStack

from starlette.responses import Response

from gmn_pipeline.errors import SnapshotGone
from gmn_pipeline.serving.events import positions, sse
from gmn_pipeline.serving.events.batches import Filter, filter_of
from gmn_pipeline.serving.events.listening import REMEDY, gone, listen
from gmn_pipeline.serving.events.positions import Position
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.serving.tables.addresses import STORE
from gmn_pipeline.serving.tables.as_of import named
from gmn_pipeline.serving.tables.page import filtered, filters_of
from gmn_pipeline.serving.tables.relations import RELATIONS

_TRAJECTORIES = next(one for one in RELATIONS if one.name == "trajectories")
_FILTERS = filters_of(_TRAJECTORIES)
_LAST = Parameter(
    "Last-Event-ID", "id of the last event that you have: what comes after it is told. Browsers "
    "send it by themselves when they connect again", is_in_header=True,
)  # fmt: skip
_SINCE = Parameter(
    "_since", "the same for who cannot set headers; or the number of a state (GMN-Snapshot of any "
    "answer), or a time (UTC). The header goes before. Without either: from now on",
    example="2026-09-01T12:00:00Z",
)  # fmt: skip
SECONDS = Parameter(
    "_seconds", "end after so many seconds; 0: what there is by now", minimum=0, example="0"
)


async def _answer(asked: Asked) -> Response:
    position = await begins(asked)
    chosen = chosen_by(asked)
    if asked.request.method == "HEAD":
        return Response(headers=sse.HEADERS)
    hub = asked.work.hub
    client = asked.request.client
    with ExitStack() as held:
        held.enter_context(hub.listener(client.host if client else "", chosen))
        told = listen(hub, position, chosen, asked.number(SECONDS.name))
        return sse.EventStream(sse.written(told), held.pop_all())
    raise AssertionError("unreachable")


def chosen_by(asked: Asked) -> Filter | None:
    """What the request's filters let through. Raises Problem."""
    return filter_of(filtered(asked, _TRAJECTORIES, _FILTERS))


async def begins(asked: Asked) -> Position:
    """Where a listener goes on, or begins. Raises Problem."""
    text = asked.text(_LAST.name) or asked.text(_SINCE.name)
    if text is None:
        return Position((await asked.work.snapshot(None)).id)
    text = text.strip()
    position = positions.read(text)
    if position is None:
        if asked.text(_LAST.name):
            raise bad_request(f"{_LAST.name} is none that an event had: {text[:100]!r}. {REMEDY}")
        snapshot, _ = await named(asked, text, _SINCE.name)
        return Position(snapshot.id)
    if position.state == 0:
        raise bad_request(f"Everything is not told one by one. {REMEDY}")
    for state in (position.state, position.until):
        if state is not None:
            try:
                await asked.work.snapshot(state)
            except SnapshotGone:
                raise gone(state) from None
    return position


ROUTE = Route(
    "/{store}/events", "events",
    "What changes, as it is committed: server-sent events, or the same over WebSocket for who asks "
    "to upgrade. The data of an event is a change as /gmn/changes has it; its id is where to go on "
    "from. The event bulk: more changed than is told one by one, and where to fetch it; gone: "
    "begin anew. Filters let a change through if the trajectory matched before, or matches now",
    _answer, (Answers(sse.MEDIA_TYPE, "Events, until one has enough"),),
    (STORE, _FILTERS, _SINCE, SECONDS, _LAST), problems=(404, 410, 503), is_endless=True,
)  # fmt: skip
ROUTES = (ROUTE,)
