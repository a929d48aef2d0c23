"""What a listener is told over WebSocket: at the same address, for who asks to upgrade.

What belongs here: messages and how they end. What does not: what is told (`listening.py`).

A message is a list in JSON, of one event or more: `id` as in server-sent events, `event` (`change`,
`bulk`, `gone`, or `position`: nothing new up to here), `data`. So a commit is a write or two for
each listener, not one for each change. What the client says is not read.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, suppress

import anyio
from starlette.requests import Request
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gmn_pipeline.serving.events.batches import encoded, joined
from gmn_pipeline.serving.events.listening import Bulk, Changes, Gone, Still, Told, listen
from gmn_pipeline.serving.events.routes import ROUTE, SECONDS, begins, chosen_by
from gmn_pipeline.serving.events.sse import PIECE_BYTES, TAKEN_WITHIN_S
from gmn_pipeline.serving.problems import problem_of, response_of
from gmn_pipeline.serving.work import Work

_NAME = "websocket"
_AND = b",\n"
_ENDED = 1000
_RESTARTS = 1012
_FAILED = 1011
_GONE = 4410
"""Of those that applications may give a meaning: as 410."""

_log = logging.getLogger(__name__)


def route(work: Work) -> WebSocketRoute:
    async def endpoint(websocket: WebSocket) -> None:
        # A handshake is a GET.
        request = Request({**websocket.scope, "type": "http", "method": "GET"})
        with ExitStack() as held:
            try:
                asked = ROUTE.read(request, work)
                position, chosen = await begins(asked), chosen_by(asked)
                client = websocket.client
                held.enter_context(work.hub.listener(client.host if client else "", chosen))
            except Exception as error:
                refusal = response_of(problem_of(error), websocket.url.path)
                await websocket.send_denial_response(refusal)
                return
            await websocket.accept()
            told = listen(work.hub, position, chosen, asked.number(SECONDS.name))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, websocket, tasks.cancel_scope)
                await _send_all(websocket, told, is_ended=lambda: work.hub.is_ended)
                tasks.cancel_scope.cancel()

    return WebSocketRoute(ROUTE.path, endpoint, name=f"{ROUTE.name}_{_NAME}")


async def _until_gone(websocket: WebSocket, listening: anyio.CancelScope) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    listening.cancel()


async def _send_all(
    websocket: WebSocket, told: AsyncIterator[Told], *, is_ended: Callable[[], bool]
) -> None:
    code = _ENDED
    try:
        async for one in told:
            if isinstance(one, Gone):
                code = _GONE
            for message in _messages(one):
                with anyio.fail_after(TAKEN_WITHIN_S):
                    await websocket.send_text(message.decode())
        if is_ended():
            code = _RESTARTS
    except WebSocketDisconnect:
        return
    except TimeoutError:
        _log.info("A listener took nothing for %d s.", TAKEN_WITHIN_S)
        return
    except Exception:
        _log.exception("Events were broken off")
        code = _FAILED
    with suppress(WebSocketDisconnect):  # at its end the server closes what it can
        await websocket.close(code)


def _messages(told: Told) -> Iterable[bytes]:
    match told:
        case Changes():
            events = encoded(told.batch, told.chosen, _NAME, _change)
        case Bulk():
            events = iter([_named("bulk", told.told(), str(told.after))])
        case Gone():
            events = iter([_named("gone", told.problem.body())])
        case Still():
            events = iter([_named("position", None, str(told.position))])
    for piece in joined(events, PIECE_BYTES):
        yield b"[" + piece.removesuffix(_AND) + b"]"


def _change(position: str, line: str) -> bytes:
    return f'{{"id":"{position}","event":"change","data":{line}}}'.encode() + _AND


def _named(name: str, data: dict[str, object] | None, position: str | None = None) -> bytes:
    return json.dumps({"id": position, "event": name, "data": data}).encode() + _AND
