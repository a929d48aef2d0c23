"""Errors in the proxy's shape: {"error_code": ..., "message": ...}.

What belongs here: codes as REST Proxy v2 has them.
"""

from dataclasses import dataclass

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/vnd.kafka.v2+json"


@dataclass
class ProxyError(Exception):
    """An answer that is an error; the first three digits of `code` are the HTTP status, if it has
    five."""

    code: int
    message: str

    def __str__(self) -> str:
        return self.message

    @property
    def status(self) -> int:
        return self.code if self.code < 1000 else self.code // 100

    def response(self) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return JSONResponse(
            {"error_code": self.code, "message": self.message},
            self.status, headers=headers, media_type=MEDIA_TYPE,
        )  # fmt: skip


NO_TOPIC, NO_INSTANCE, NO_PARTITION = 40401, 40403, 40402
EXISTS, NOT_SUBSCRIBED = 40902, 40903
NOT_JSON, NOT_READABLE, NOT_THIS_FORMAT = 42205, 42203, 41501
RETRIABLE = 50302
