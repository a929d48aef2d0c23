"""What one listener is told, in order and without a gap, from its position on.

What belongs here: going on from state to state, and what is said where that is not possible. What
does not: how it is sent (`sse.py`, `websocket.py`).
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gmn_pipeline.serving.events.batches import Batch, Filter
from gmn_pipeline.serving.events.hub import Hub
from gmn_pipeline.serving.events.positions import Position
from gmn_pipeline.serving.problems import Problem

_STILL_THERE_S = 15.0
"""So often something is said: what stands between would take silence for the end."""
_AGAIN_S = 1.0
_GONE = 410
REMEDY = (
    "Begin anew: /gmn/changes.ndjson?since=0 has everything, and the number in its header "
    "GMN-Snapshot is where to go on from here."
)


@dataclass(frozen=True)
class Changes:
    """Some changes of a batch, by their numbers."""

    batch: Batch
    chosen: Sequence[int]


@dataclass(frozen=True)
class Bulk:
    """So many changes that they are to be fetched."""

    before: int
    after: int

    def told(self) -> dict[str, object]:
        return {
            "from": self.before, "to": self.after,
            "detail": "There are more changes than are told one by one: fetch them.",
            "fetch": f"/gmn/changes.ndjson?since={self.before}&_as_of={self.after}",
        }  # fmt: skip


@dataclass(frozen=True)
class Still:
    """Nothing new: all up to here was told."""

    position: Position


@dataclass(frozen=True)
class Gone:
    """Nobody knows any more what changed since: the listener has to begin anew."""

    problem: Problem


Told: TypeAlias = Changes | Bulk | Still | Gone


def gone(state: int) -> Problem:
    return Problem(
        _GONE, "snapshot-gone",
        f"The state {state} is not kept any more, so what changed since cannot be told. {REMEDY}",
    )  # fmt: skip


async def listen(
    hub: Hub, position: Position, filter_: Filter | None, seconds: float | None
) -> AsyncIterator[Told]:
    """Until the server ends, or for some seconds; 0: what there is now."""
    now = asyncio.get_running_loop().time
    ends = math.inf if seconds is None else now() + seconds
    yield Still(position)
    while not hub.is_ended:
        try:
            batch = await _next(hub, position, min(_STILL_THERE_S, ends - now()))
            told = None if batch is None else await _told(hub, batch, position, filter_)
        except Problem as problem:
            if problem.status == _GONE:
                yield Gone(gone(position.state))
                return
            # The lake cannot be read just now, or too many ask: nothing is lost by waiting.
            await hub.pause(_AGAIN_S)
            batch = told = None
        if batch is not None:
            position = Position(batch.after)
        if told is not None:
            yield told
        elif batch is None:
            yield Still(position)
            if now() >= ends:
                return
    yield Still(position)


async def _next(hub: Hub, position: Position, within_s: float) -> Batch | None:
    if position.until is not None:
        return await hub.between(position.state, position.until)
    newest = await hub.after(position.state, within_s)
    if newest is None:
        return None
    if newest.id < position.state:
        raise gone(position.state)  # another lake is in its place
    return await hub.step(position.state, newest)


async def _told(
    hub: Hub, batch: Batch, position: Position, filter_: Filter | None
) -> Changes | Bulk | None:
    if batch.is_bulk:
        return Bulk(batch.before, batch.after)
    chosen: Sequence[int] = range(len(batch.lines))
    if filter_ is not None and batch.lines:
        chosen = await hub.chosen(batch, filter_)
    if position.until is not None:
        chosen = [number for number in chosen if number > position.number]
    return Changes(batch, chosen) if chosen else None
