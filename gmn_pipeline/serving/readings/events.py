"""What comes, told as it is committed: `/readings/events`.

What belongs here: where a listener begins, and what it is told. What does not: what came
(`arrivals.py`), and sending (`serving/events/sse.py`).

The id of an event is up to when all that was taken in has been told, in microseconds since 1970.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta

from starlette.responses import Response

from gmn_pipeline.serving.events import sse
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.serving.readings.arrivals import LONGEST, MOST_SENSORS, Arrivals, Wanted
from gmn_pipeline.serving.readings.latest import QUANTITY_PARAMETER, STATION
from gmn_pipeline.serving.routes import Asked, Parameter

LAST = Parameter(
    "Last-Event-ID", "id of the last event that you have: what came since is told. Browsers send "
    "it by themselves when they connect again", is_in_header=True,
)  # fmt: skip
SINCE = Parameter(
    "_since", "the same for who cannot set headers. Without either: from now on",
    pattern="^([0-9]{1,17})?$", example="1786572000000000",
)  # fmt: skip
SECONDS = Parameter(
    "_seconds", "end after so many seconds; 0: what there is by now", minimum=0, example="0"
)
_EPOCH = datetime(1970, 1, 1)
_STILL_THERE_S = 15.0
_AGAIN_S = 1.0
_MOST_DIGITS = 17
_ANNOTATED: dict[str, object] = {"fetch": "/readings/annotations.json"}
_ANEW = "Begin anew: /readings/latest.json has what each sensor told last."


async def answer(asked: Asked) -> Response:
    arrivals = asked.work.arrivals
    newest = asked.work.readings.snapshot()
    begins = _last(asked)
    if begins is None:
        begins = await arrivals.position(newest)
    wanted = Wanted(
        frozenset(asked.texts(STATION.name)),
        tuple(dict.fromkeys(asked.texts(QUANTITY_PARAMETER.name))),
    )
    if asked.request.method == "HEAD":
        return Response(headers=sse.HEADERS)
    client = asked.request.client
    with ExitStack() as held:
        held.enter_context(arrivals.listeners.one(client.host if client else ""))
        told = listen(arrivals, begins, wanted, asked.number(SECONDS.name))
        return sse.EventStream(told, held.pop_all())
    raise AssertionError("unreachable")


def _last(asked: Asked) -> datetime | None:
    """Where the listener was, if it says so. Raises Problem."""
    text = asked.text(LAST.name) or asked.text(SINCE.name)
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise bad_request(f"This is none that an event had: {text[:100]!r}. {_ANEW}")
    return _EPOCH + timedelta(microseconds=int(text))


def position(when: datetime) -> int:
    """A time as the id of an event."""
    return (when - _EPOCH) // timedelta(microseconds=1)


async def listen(
    arrivals: Arrivals, since: datetime, wanted: Wanted, seconds: float | None
) -> AsyncIterator[Iterable[bytes]]:
    """Until the server ends, or for some seconds; 0: what there is now."""
    now = asyncio.get_running_loop().time
    ends = math.inf if seconds is None else now() + seconds
    known, annotated = "", arrivals.annotated
    yield [sse.still_there(position(since))]
    while not arrivals.is_ended:
        newest = await arrivals.other_than(known, annotated, min(_STILL_THERE_S, ends - now()))
        if annotated != arrivals.annotated:
            annotated = arrivals.annotated
            yield [sse.named("annotations", _ANNOTATED, position(since))]
            continue
        if newest is None:
            yield [sse.still_there(position(since))]
            if now() >= ends:
                return
            continue
        try:
            if abs(newest.committed_at_utc - since) > LONGEST:
                since, known = await arrivals.position(newest), newest.mark
                yield [_anew("You were away for too long, or another lake is in its place.", since)]
                continue
            arrived = await arrivals.between(since, newest)
        except Problem:
            # The lake cannot be read just now, or too many ask: nothing is lost by waiting.
            await asyncio.sleep(_AGAIN_S)
            continue
        since, known = arrived.until, newest.mark
        if len(arrived.rows) > MOST_SENSORS:
            yield [_anew("More sensors told something than are told of at once.", since)]
        elif (said := arrived.told(wanted)) is not None:
            yield [sse.event(position(since), said)]
        else:
            yield [sse.still_there(position(since))]


def _anew(why: str, since: datetime) -> bytes:
    detail: dict[str, object] = {"detail": f"{why} {_ANEW}", "fetch": "/readings/latest.json"}
    return sse.named("anew", detail, position(since))
