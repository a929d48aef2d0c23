"""The server: every address there is, and what is put around all of them.

What belongs here: wiring. What does not: what is at an address (its own module), and starting a
process (`cli/serve.py` calls `run`). A new family of addresses is a module with `ROUTES`, and its
line here.
"""

import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from gmn_pipeline.serving import dashboards, downloads, health, openapi
from gmn_pipeline.serving.accounts import routes as accounts
from gmn_pipeline.serving.compression import Compression
from gmn_pipeline.serving.connections import protocol
from gmn_pipeline.serving.cubes import routes as cubes
from gmn_pipeline.serving.events import routes as events
from gmn_pipeline.serving.events import websocket
from gmn_pipeline.serving.feeds import routes as feeds
from gmn_pipeline.serving.headers import Headers
from gmn_pipeline.serving.limits import RequestsPerMinute
from gmn_pipeline.serving.objects import routes as objects
from gmn_pipeline.serving.objects.rights import is_loopback
from gmn_pipeline.serving.portal import routes as portal
from gmn_pipeline.serving.problems import answer_problem
from gmn_pipeline.serving.readings import routes as readings
from gmn_pipeline.serving.readings.annotations import AnnotationNews
from gmn_pipeline.serving.rest_api import routes as rest_api
from gmn_pipeline.serving.routes import Route, public
from gmn_pipeline.serving.tables import routes as tables
from gmn_pipeline.serving.tap import routes as tap
from gmn_pipeline.serving.work import Work
from gmn_pipeline.settings import Settings

_REQUEST_BYTES = 128_000
"""Most bytes of a request's head."""
_MESSAGE_BYTES = 4_096
"""Most bytes of a message over WebSocket."""
_DID_NOT_START = 3
_IDLE_S = 15
_ENDS_WITHIN_S = 10

ROUTES: tuple[Route, ...] = (
    *public(
        *readings.ROUTES,  # before those of any store
        *rest_api.ROUTES,
        *tables.ROUTES,
        *cubes.ROUTES,
        *downloads.ROUTES,
        *feeds.ROUTES,
        *events.ROUTES,
        *tap.ROUTES,
    ),
    *dashboards.ROUTES,
    *accounts.ROUTES,
    *objects.ROUTES,
    *public(*health.ROUTES, *portal.ROUTES),
)
"""What the OpenAPI document tells of; its own addresses stand beside."""


def build_app(settings: Settings, *, is_on_loopback: bool = False) -> Starlette:
    """The application. Its lake is opened when it starts, and looked for if there is none.

    `is_on_loopback`: only this machine reaches it (`objects/rights.py`).
    """
    work = Work(settings, is_on_loopback=is_on_loopback)
    annotation_news = AnnotationNews(work.annotations, work.arrivals)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work.hub.open()
        work.arrivals.open()
        annotation_news.open()
        await anyio.to_thread.run_sync(work.start)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work.ahead.run, cubes.counting(work))
            yield
            work.ahead.end()
        annotation_news.close()
        work.hub.close()
        work.arrivals.close()
        await anyio.to_thread.run_sync(work.stop)

    documents = openapi.routes(ROUTES)
    wired = (*portal.FOR_BROWSERS, *ROUTES, *documents)
    app = Starlette(
        routes=[*(route.route(work) for route in wired), websocket.route(work)],
        lifespan=lifespan,
        middleware=[
            Middleware(Headers),
            Middleware(RequestsPerMinute, limit=settings.serve_requests_per_minute),
            Middleware(Compression),
        ],
        exception_handlers={HTTPException: answer_problem},  # no such address, no such method
    )
    app.state.work = work
    app.router.redirect_slashes = False  # it would lead to whatever host the request names
    return app


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until the process is told to end (Ctrl-C, SIGTERM).

    Raises ServiceRunning if another server has the folder of jobs.
    """
    _let_many_connect()
    app = build_app(settings, is_on_loopback=is_loopback(host))
    app.state.work.tap.jobs.reserve()
    config = uvicorn.Config(
        app, host=host, port=port,
        # h11 limits what it takes of a request before it is whole; httptools does not.
        http=protocol(settings.serve_head_timeout_s), h11_max_incomplete_event_size=_REQUEST_BYTES,
        timeout_keep_alive=_IDLE_S, timeout_graceful_shutdown=_ENDS_WITHIN_S,
        server_header=False, access_log=False, log_level="warning",
        # Messages are made once for all who listen, and what they say is not read.
        ws="websockets-sansio", ws_per_message_deflate=False, ws_max_size=_MESSAGE_BYTES,
    )  # fmt: skip
    server = _Server(config, app.state.work)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(_DID_NOT_START)


class _Server(uvicorn.Server):
    """Listeners are told of the end first: their answers have none of their own."""

    def __init__(self, config: uvicorn.Config, work: Work) -> None:
        super().__init__(config)
        self._work = work

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._work.hub.end()
        self._work.arrivals.end()
        await super().shutdown(sockets)


def _let_many_connect() -> None:
    """A connection is a file: as many as the system gives this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
