"""Errors as S3 tells them.

What belongs here: codes that its clients know, and our errors as one of them. What does not: when
one is raised.
"""

from collections.abc import Mapping
from uuid import uuid4

from starlette.responses import Response

from gmn_pipeline.errors import (
    DataDamaged,
    DiskFull,
    GmnError,
    ObjectConflict,
    ObjectMissing,
    ObjectRefused,
)
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.s3.xml import element, xml

MEDIA_TYPE = "application/xml"


class S3Error(Exception):
    """What a client is told: a code of S3's, the status, and a sentence."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def invalid(message: str) -> S3Error:
    """The request says something that cannot be."""
    return S3Error(400, "InvalidArgument", message)


def denied(message: str) -> S3Error:
    """Who asks may not."""
    return S3Error(403, "AccessDenied", message)


def not_implemented(what: str) -> S3Error:
    """S3 has it, and this has not."""
    return S3Error(501, "NotImplemented", f"{what} is not to be had here.")


def no_key(key: str) -> S3Error:
    return S3Error(404, "NoSuchKey", f"There is no object {key}.")


def precondition_failed() -> S3Error:
    return S3Error(412, "PreconditionFailed", "It is not, or not any more, as the request wants.")


_OF_PROBLEMS = {
    408: S3Error(400, "RequestTimeout", "No more of the request came for too long."),
    413: S3Error(400, "EntityTooLarge", "An object may not be so large here."),
    416: S3Error(416, "InvalidRange", "There are no such bytes."),
    507: S3Error(507, "InsufficientStorage", "There is no space left here for this."),
}


def s3_error_of(error: Exception) -> S3Error:
    """An error of ours as S3's clients know it; what may pass is 503, which they try again."""
    match error:
        case S3Error():
            return error
        case Problem() if error.status in _OF_PROBLEMS:
            return _OF_PROBLEMS[error.status]
        case Problem():
            code = {401: "AccessDenied", 403: "AccessDenied"}.get(error.status, "InvalidRequest")
            return S3Error(error.status, code, str(error))
        case ObjectMissing():
            return S3Error(404, "NoSuchKey", error.message)
        case ObjectRefused():
            return S3Error(400, "InvalidArgument", error.message)
        case ObjectConflict():
            return S3Error(409, "ConditionalRequestConflict", error.message)
        case DiskFull():
            return _OF_PROBLEMS[507]
        case DataDamaged():
            return S3Error(503, "ServiceUnavailable", "Bytes of this are damaged here.")
        case GmnError():
            return S3Error(503, "ServiceUnavailable", error.message)
    return S3Error(500, "InternalError", "This cannot be done here: see the server's log.")


def request_id() -> str:
    """What a request is called in answers and in the log."""
    return uuid4().hex[:16].upper()


def answered_error(error: S3Error, resource: str, known_as: str, *, has_body: bool) -> Response:
    """The answer of an error."""
    told = element(
        "Error", Code=error.code, Message=error.message, Resource=resource, RequestId=known_as
    )
    body = xml(told) if has_body else b""
    return Response(body, error.status, error.headers, media_type=MEDIA_TYPE)
