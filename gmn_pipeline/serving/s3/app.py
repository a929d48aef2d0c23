"""The server of S3: which request is for what.

What belongs here: the table of requests, and what is put around all of them. What does not: what is
done.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gmn_pipeline.errors import GmnError
from gmn_pipeline.serving.connections import protocol
from gmn_pipeline.serving.objects.rights import is_loopback
from gmn_pipeline.serving.objects.service import ObjectService
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.s3 import buckets, multipart, objects, versions
from gmn_pipeline.serving.s3.errors import (
    S3Error,
    answered_error,
    not_implemented,
    request_id,
    s3_error_of,
)
from gmn_pipeline.serving.s3.patience import Patient
from gmn_pipeline.serving.s3.requests import S3Request, S3Service, read
from gmn_pipeline.settings import ObjectServingSettings
from gmn_pipeline.storage.problems import explaining

_log = logging.getLogger(__name__)
_HEAD_BYTES = 64_000
_IDLE_S = 60
_ENDS_WITHIN_S = 10
_DID_NOT_START = 3
Handler = Callable[[S3Request], Awaitable[Response]]

# By method, then by the first of these names that stands in the query; "" for none of them.
_OF_BUCKETS: Mapping[str, Mapping[str, Handler]] = {
    "GET": {
        "location": buckets.location, "versioning": versions.versioning,
        "versions": versions.list_versions, "uploads": multipart.list_uploads,
        "": buckets.list_objects,
    },
    "HEAD": {"": buckets.head},
    "PUT": {"versioning": versions.set_versioning, "": buckets.make},
    "DELETE": {"": buckets.delete},
    "POST": {"delete": objects.delete_many},
}  # fmt: skip
_OF_OBJECTS: Mapping[str, Mapping[str, Handler]] = {
    "GET": {"uploadId": multipart.list_parts, "": objects.get},
    "HEAD": {"": objects.get},
    "PUT": {"partNumber": multipart.put_part, "": objects.put},
    "DELETE": {"uploadId": multipart.abort, "": objects.delete},
    "POST": {"uploads": multipart.create, "uploadId": multipart.complete},
}
# What S3 has elsewhere or besides, and would be taken for something else if it were passed over.
_OTHERS = frozenset(
    """
    accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold
    lifecycle location logging metrics notification object-lock ownershipControls policy
    policyStatus publicAccessBlock replication requestPayment restore retention select tagging
    torrent uploads versioning versions website
    """.split()  # noqa: SIM905 - names are many
)


def handler_of(asked: S3Request) -> Handler:
    """What a request is for. Raises S3Error."""
    if not asked.bucket:
        if asked.request.method == "GET":
            return buckets.list_buckets
        raise S3Error(405, "MethodNotAllowed", "The whole is listed, and nothing else.")
    found = (_OF_OBJECTS if asked.key else _OF_BUCKETS).get(asked.request.method, {})
    other = _OTHERS.intersection(asked.query) - found.keys()
    if other:
        raise not_implemented(f"{asked.request.method} with ?{min(other)}")
    named = next((name for name in found if name in asked.query), "")
    if named not in found:
        raise S3Error(405, "MethodNotAllowed", "This is not asked in this way.")
    if "x-amz-copy-source" in asked.headers and asked.request.method == "PUT" and asked.key:
        return multipart.copy_part if named else objects.copy
    return found[named]


def build_app(service: S3Service) -> ASGIApp:
    """The application."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        known_as = request_id()
        response: Response
        if request.method == "POST" and "uploadId" in request.query_params:
            response = Patient(lambda: _answer(request, service, known_as))
        else:
            response = await _answer(request, service, known_as)
        response.headers["x-amz-request-id"] = known_as
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers["Server"] = "gmn"
        await response(scope, receive, send)

    return app


async def _answer(request: Request, service: S3Service, known_as: str) -> Response:
    try:
        asked = await read(request, service, known_as)
        with explaining(service.objects.settings.data_dir):
            return await handler_of(asked)(asked)
    except ClientDisconnect:
        error = S3Error(400, "RequestTimeout", "The rest of the request did not come.")
    except (S3Error, Problem, GmnError) as found:
        error = s3_error_of(found)
        if error.code == "ConditionalRequestConflict" and _is_conditional(request):
            error = S3Error(412, "PreconditionFailed", error.message)
    except Exception as found:
        _log.exception("Request %s cannot be answered.", known_as)
        error = s3_error_of(found)
    response = answered_error(error, request.url.path, known_as, has_body=request.method != "HEAD")
    if request.method in ("PUT", "POST"):
        # What is left of the body is not read: a client that goes on sending would wait for ever.
        response.headers["Connection"] = "close"
    return response


def _is_conditional(request: Request) -> bool:
    return "if-match" in request.headers or "if-none-match" in request.headers


def run(settings: ObjectServingSettings, host: str, port: int) -> None:
    """Serve until the process is told to end (Ctrl-C, SIGTERM)."""
    service = S3Service(ObjectService(settings, is_on_loopback=is_loopback(host)))
    config = uvicorn.Config(
        build_app(service), host=host, port=port,
        http=protocol(settings.serve_head_timeout_s), h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_keep_alive=_IDLE_S, timeout_graceful_shutdown=_ENDS_WITHIN_S, lifespan="off",
        server_header=False, access_log=False, log_level="warning", ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    service.objects.open()
    with suppress(KeyboardInterrupt):
        server.run()
    service.objects.close()
    if not server.started:
        raise SystemExit(_DID_NOT_START)
