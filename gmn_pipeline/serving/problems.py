"""One body for all errors: problem details (RFC 9457), with the old platform's keys on its routes,
and as a VOTable on those of TAP, whose clients look for it there.

What belongs here: which error of ours is which status, and what a client may know of it. What does
not: the errors themselves (`errors.py`). No answer names a file or a setting's value.
"""

import logging
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from gmn_pipeline.errors import (
    GmnError,
    ObjectConflict,
    ObjectMissing,
    ObjectRefused,
    PermanentError,
    QueryFailed,
    QueryLimit,
    QueryRefused,
    RetryableError,
    SnapshotGone,
)
from gmn_pipeline.serving.formats.votable import failure

PROBLEM_TYPE = "application/problem+json"
VOTABLE_TYPE = "application/x-votable+xml; charset=utf-8"
LEGACY_PREFIX = "/gmn_rest_api"
TAP_PREFIX = "/tap"
OBJECTS_PREFIX = "/objects"
DASHBOARDS_PREFIX = "/dashboards"
CHECKSUM_MISMATCH = 460
"""As the protocol of resumable uploads (tus) has it; HTTP itself knows no such status."""
_RETRY_AFTER_S = 2

_log = logging.getLogger(__name__)


@dataclass
class Problem(Exception):
    """An answer that is an error. `kind` names it for programs, `detail` says it to people."""

    status: int
    kind: str
    detail: str
    retry_after_s: float | None = None
    more: dict[str, object] = field(default_factory=dict)
    allow: str | None = None
    """The methods by which the address may be asked."""

    def body(self) -> dict[str, object]:
        return {
            "type": f"urn:gmn:problem:{self.kind}",
            "title": _phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }


def _phrase(status: int) -> str:
    return "Checksum Mismatch" if status == CHECKSUM_MISMATCH else HTTPStatus(status).phrase


def bad_request(detail: str, **more: object) -> Problem:
    return Problem(400, "bad-request", detail, more=more)


def unavailable(detail: str) -> Problem:
    return Problem(503, "unavailable", detail, _RETRY_AFTER_S)


def problem_of(error: BaseException, *, of_client: bool = True) -> Problem:
    """An error as a client is told of it; `of_client`: the query was one of the client's own."""
    match error:
        case Problem():
            return error
        case SnapshotGone():
            return Problem(410, "snapshot-gone", error.message + " Begin anew without it.")
        case QueryRefused() if of_client:
            return Problem(400, "query-refused", str(error))
        case QueryLimit() if of_client:
            return Problem(400, "query-limit", _without_settings(error))
        case QueryFailed() if of_client:
            return Problem(400, "query-failed", str(error))
        case QueryLimit():
            return unavailable("The query takes too long just now.")
        case HTTPException():
            return _of_framework(error)
        case ObjectRefused():
            return Problem(400, "object-refused", error.message)
        case ObjectMissing():
            return Problem(404, "not-found", error.message)
        case ObjectConflict():
            return Problem(409, "object-conflict", error.message)
        case RetryableError():
            return unavailable("The warehouse cannot be read just now.")
        case PermanentError() if not isinstance(error, QueryFailed):
            _log.error("%s", error)
            return unavailable("The warehouse cannot be read.")
        case _:
            _log.error("Unexpected error", exc_info=error)
            return Problem(500, "unexpected", "Something went wrong here; it was put down.")


def _without_settings(error: GmnError) -> str:
    """The remedy names a variable that only the operator can set."""
    return f"{error.message} Ask for less."


def _of_framework(error: HTTPException) -> Problem:
    match error.status_code:
        case 404:
            return Problem(404, "not-found", "There is nothing at this address.")
        case 405:
            return Problem(
                405, "method-not-allowed", "This address is not asked in this way; the header "
                "Allow says in which.",
            )  # fmt: skip
        case status:
            return Problem(status, "refused", str(error.detail))


def response_of(problem: Problem, path: str) -> Response:
    """The answer, in the form that the route's clients know."""
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    if problem.allow:
        headers["Allow"] = problem.allow
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if is_below(path, TAP_PREFIX):
        body_of_tap = failure(problem.detail, {"type": f"urn:gmn:problem:{problem.kind}"})
        return Response(body_of_tap, problem.status, headers, media_type=VOTABLE_TYPE)
    body = problem.body()
    if is_legacy(path):
        body = {"ok": False, "error": problem.detail, **body}
        return JSONResponse(body, problem.status, headers)
    return JSONResponse(body, problem.status, headers, media_type=PROBLEM_TYPE)


def is_legacy(path: str) -> bool:
    """Whether a path is one of the old platform's API."""
    return is_below(path, LEGACY_PREFIX)


def is_below(path: str, prefix: str) -> bool:
    """Whether a path is this one, or lies below it."""
    return path == prefix or path.startswith(f"{prefix}/")


async def answer_problem(request: Request, error: Exception) -> Response:
    """What the framework calls with an error of its own."""
    problem = problem_of(error)
    if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
        problem.allow = ", ".join(sorted({*_methods(request), "OPTIONS"}))
    return response_of(problem, request.url.path)


def _methods(request: Request) -> set[str]:
    """Those by which an address may be asked, whichever routes it has."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
