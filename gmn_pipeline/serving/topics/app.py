"""The application: addresses of REST Proxy v2, behind a token.

What belongs here: requests and answers. What does not: what a record is (`records.py`), and
instances of consumers (`consumers.py`).
"""

import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gmn_pipeline.errors import GmnError, RetryableError
from gmn_pipeline.kafka.groups import GroupReader, Place
from gmn_pipeline.kafka.schema_registry import open_registry
from gmn_pipeline.kafka.sending import Acknowledged
from gmn_pipeline.kafka.topics import topic_state
from gmn_pipeline.schemas.topics import Topic, readings_topic, trajectories_topic
from gmn_pipeline.serving.connections import protocol
from gmn_pipeline.serving.topics.consumers import Instance, Instances
from gmn_pipeline.serving.topics.errors import (
    MEDIA_TYPE,
    NO_TOPIC,
    NOT_JSON,
    NOT_READABLE,
    NOT_SUBSCRIBED,
    NOT_THIS_FORMAT,
    RETRIABLE,
    ProxyError,
)
from gmn_pipeline.serving.topics.line_protocol import LineProtocol
from gmn_pipeline.serving.topics.records import FORMATS, Readable, Records, Refused
from gmn_pipeline.serving.topics.sending import Sending
from gmn_pipeline.settings import TopicsSettings

_KIND = re.compile(r"application/vnd\.kafka(?:\.(binary|json|avro))?(?:\.v2)?\+json")
_MOST_BYTES = 8 << 20
_MOST_RECORDS = 10_000
_MOST_WAIT_S = 30.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_TRANSPORT_ERROR = 50003

Answer = Callable[[Request], Awaitable[Response]]


class Proxy:
    """What the addresses work with."""

    def __init__(self, settings: TopicsSettings, token: str) -> None:
        self._settings = settings
        self._token = token
        readings, trajectories = readings_topic(settings), trajectories_topic(settings)
        # Trajectories come from files and are told of by this pipeline; they are to be read only.
        self._writable = {readings.name: Sending(settings, readings)}
        self._topics: dict[str, Topic] = {readings.name: readings, trajectories.name: trajectories}
        self._records = {
            name: Records(topic, is_of_readings=topic is readings)
            for name, topic in self._topics.items()
        }
        self.instances = Instances(settings.topics_idle_s)
        self._lines = LineProtocol(settings)

    def app(self) -> Starlette:
        """All addresses."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await anyio.to_thread.run_sync(self.instances.close)
            await anyio.to_thread.run_sync(self._lines.close)
            for sending in self._writable.values():
                await anyio.to_thread.run_sync(sending.close)

        instance = "/consumers/{group}/instances/{instance}"
        routes = [
            self._route("/topics", "GET", self._list),
            self._route("/topics/{topic}", "GET", self._describe),
            self._route("/topics/{topic}", "POST", self._produce),
            self._route("/consumers/{group}", "POST", self._create),
            self._route(instance, "DELETE", self._delete),
            self._route(f"{instance}/subscription", "POST", self._subscribe),
            self._route(f"{instance}/subscription", "GET", self._subscription),
            self._route(f"{instance}/records", "GET", self._consume),
            self._route(f"{instance}/offsets", "POST", self._commit),
            self._route(f"{instance}/offsets", "GET", self._committed),
            self._route("/api/v2/write", "POST", self._lines.write),
            self._route("/write", "POST", self._lines.write),
        ]
        return Starlette(routes=routes, lifespan=lifespan)

    def _route(self, path: str, method: str, answer: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                self._check_token(request)
                return await answer(request)
            except ProxyError as error:
                return error.response()
            except RetryableError as error:
                return ProxyError(RETRIABLE, error.message).response()
            except GmnError as error:
                return ProxyError(_TRANSPORT_ERROR, error.message).response()

        return Route(path, endpoint, methods=[method])

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_known = hmac.compare_digest(token.strip().encode(), self._token.encode())
        # InfluxDB's clients call it Token.
        if scheme.lower() not in ("bearer", "token") or not is_known:
            raise ProxyError(401, "Authorization is 'Bearer' and the token of this proxy.")

    # --- topics --------------------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        del request
        return _json(sorted(self._topics))

    def _topic(self, request: Request) -> Topic:
        name = request.path_params["topic"]
        if name not in self._topics:
            raise ProxyError(NO_TOPIC, "Topic not found.")
        return self._topics[name]

    async def _describe(self, request: Request) -> Response:
        topic = self._topic(request)
        state = await anyio.to_thread.run_sync(topic_state, self._settings, topic)
        if state is None:
            raise ProxyError(NO_TOPIC, "Topic not found.")
        partitions = [{"partition": p} for p in sorted(state.end)]
        return _json({"name": topic.name, "configs": dict(topic.config), "partitions": partitions})

    async def _produce(self, request: Request) -> Response:
        topic = self._topic(request)
        sending = self._writable.get(topic.name)
        if sending is None:
            raise ProxyError(403, f"{topic.name} may be read only.")
        form = _format_of(request.headers.get("content-type", ""))
        sender = request.client.host if request.client else "http"
        body = await _body(request)
        read = self._records[topic.name].read(body, form, sender)
        if len(read) > _MOST_RECORDS:
            raise ProxyError(413, f"A request has {_MOST_RECORDS} records at most.")
        sent = await anyio.to_thread.run_sync(_send, sending, read)
        offsets = [_told(record, at) for record, at in zip(read, sent, strict=True)]
        return _json({"offsets": offsets, "key_schema_id": None, "value_schema_id": None})

    # --- consumers -----------------------------------------------------------------------------

    async def _create(self, request: Request) -> Response:
        body = await _body(request)
        group, name = request.path_params["group"], body.get("name")
        form = body.get("format", "binary")
        reset = body.get("auto.offset.reset", "latest")
        if form not in FORMATS or reset not in ("earliest", "latest"):
            raise ProxyError(NOT_READABLE, f"format is one of {', '.join(FORMATS)}, and "
                             "auto.offset.reset earliest or latest.")  # fmt: skip
        if not _NAME.fullmatch(group) or not (name is None or _is_name(name)):
            raise ProxyError(NOT_READABLE, "A name has letters, digits, and . _ -")
        by_itself = str(body.get("auto.commit.enable", "true")).lower() != "false"

        def make() -> GroupReader:
            return GroupReader(
                self._settings, group, from_earliest=reset == "earliest",
                commits_by_itself=by_itself,
            )  # fmt: skip

        made = await anyio.to_thread.run_sync(self.instances.add, group, name, form, make)
        base = str(request.url.replace(query="")).rstrip("/")
        return _json({"instance_id": made.name, "base_uri": f"{base}/instances/{made.name}"})

    async def _with_instance(self, request: Request, work: Callable[[Instance], Any]) -> Any:
        group, name = request.path_params["group"], request.path_params["instance"]

        def run() -> Any:
            with self.instances.using(group, name) as instance:
                return work(instance)

        return await anyio.to_thread.run_sync(run)

    async def _delete(self, request: Request) -> Response:
        group, name = request.path_params["group"], request.path_params["instance"]
        await anyio.to_thread.run_sync(self.instances.delete, group, name)
        return Response(status_code=204)

    async def _subscribe(self, request: Request) -> Response:
        topics = (await _body(request)).get("topics")
        if not isinstance(topics, list) or not topics:
            raise ProxyError(NOT_READABLE, "topics is a list of names")
        if not set(topics) <= set(self._topics):
            raise ProxyError(NO_TOPIC, "Topic not found.")
        await self._with_instance(request, lambda one: one.reader.subscribe(topics))
        return Response(status_code=204)

    async def _subscription(self, request: Request) -> Response:
        return _json({"topics": await self._with_instance(request, lambda one: one.reader.topics)})

    async def _consume(self, request: Request) -> Response:
        wait_s = min(_number(request, "timeout", 1_000) / 1_000, _MOST_WAIT_S)
        most = max(1, min(_number(request, "max_records", _MOST_RECORDS), _MOST_RECORDS))

        def read(instance: Instance) -> list[dict[str, object]]:
            if not instance.reader.topics:
                raise ProxyError(NOT_SUBSCRIBED, "This instance is not subscribed to a topic.")
            records = instance.reader.poll(wait_s, most)
            registry = open_registry(self._settings)
            return [
                told
                for name in self._topics
                if (of_topic := [r for r in records if r.topic == name])
                for told in self._records[name].written(of_topic, instance.format, registry)
            ]

        return _json(await self._with_instance(request, read))

    async def _commit(self, request: Request) -> Response:
        body = await _body(request, may_be_empty=True)
        offsets = body.get("offsets")
        places = _places(offsets) if offsets is not None else None
        await self._with_instance(request, lambda one: one.reader.commit(places))
        return Response(status_code=200, content=b"")

    async def _committed(self, request: Request) -> Response:
        asked = _partitions((await _body(request)).get("partitions"))
        found = await self._with_instance(request, lambda one: one.reader.committed(asked))
        offsets = [
            {"topic": topic, "partition": partition, "offset": offset, "metadata": ""}
            for (topic, partition), offset in found.items()
            if offset is not None
        ]
        return _json({"offsets": offsets})


def _send(sending: Sending, read: Sequence[Readable | Refused]) -> list[Acknowledged | str | None]:
    """What became of each record: where it is, why it is not there, or None if it was refused
    before."""
    at = [number for number, one in enumerate(read) if isinstance(one, Readable)]
    became: list[Acknowledged | str | None] = [None] * len(read)
    if not at:
        return became
    sent = sending.send([one.message for one in read if isinstance(one, Readable)])
    for number in at:
        became[number] = sent.failure.message if sent.failure else ""
    for one in sent.acknowledged:
        became[at[one.at]] = one
    return became


def _told(record: Readable | Refused, at: Acknowledged | str | None) -> dict[str, object]:
    if isinstance(record, Refused):
        return _failed(NOT_READABLE, record.why)
    if isinstance(at, Acknowledged):
        return {"partition": at.partition, "offset": at.offset, "error_code": None, "error": None}
    return _failed(RETRIABLE, at or "Kafka did not acknowledge it.")


def _failed(code: int, why: str) -> dict[str, object]:
    return {"partition": None, "offset": None, "error_code": code, "error": why}


def _format_of(content_type: str) -> str:
    found = _KIND.fullmatch(content_type.split(";")[0].strip().lower())
    if found is None or found[1] is None:
        raise ProxyError(
            NOT_THIS_FORMAT,
            "Content-Type is application/vnd.kafka.json.v2+json, .avro. or .binary.",
        )
    return found[1]


async def _body(request: Request, *, may_be_empty: bool = False) -> Mapping[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise ProxyError(413, f"A request has {_MOST_BYTES >> 20} MB at most.")
    if not body and may_be_empty:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProxyError(NOT_JSON, "The body is not an object of JSON.")
    return found


def _places(offsets: object) -> list[Place]:
    partitions = _partitions(offsets)
    assert isinstance(offsets, list)
    numbers = [one.get("offset") for one in offsets]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ProxyError(NOT_READABLE, "offset is a number")
    # REST Proxy is told the last record that was read, Kafka the next one.
    return [Place(*at, number + 1) for at, number in zip(partitions, numbers, strict=True)]


def _partitions(said: object) -> list[tuple[str, int]]:
    if not isinstance(said, list) or not all(
        isinstance(one, dict)
        and isinstance(one.get("topic"), str)
        and type(one.get("partition")) is int
        for one in said
    ):
        raise ProxyError(NOT_READABLE, "topic and partition are wanted of each")
    return [(one["topic"], one["partition"]) for one in said]


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ProxyError(NOT_READABLE, f"{name} is a number")
    return int(text)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _json(what: object) -> Response:
    return JSONResponse(what, media_type=MEDIA_TYPE)


def run(settings: TopicsSettings, token: str, host: str, port: int) -> None:
    """Serve until the process is told to end (Ctrl-C, SIGTERM)."""
    config = uvicorn.Config(
        Proxy(settings, token).app(), host=host, port=port, server_header=False,
        access_log=False, log_level="warning", http=protocol(30.0),
    )  # fmt: skip
    uvicorn.Server(config).run()
