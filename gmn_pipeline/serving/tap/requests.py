"""Requests as DALI wants them read: parameters by address or form, in upper or lower case.

What belongs here: reading. What does not: what parameters mean (`questions.py`, `jobs/`). Other
parameters than a route knows are passed over, as DALI says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.serving.routes import Asked, Route

_LARGEST_FORM_BYTES = 1_000_000
_MOST_FIELDS = 200
_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


@dataclass(frozen=True)
class TapRoute(Route):
    """A route of TAP's. Errors of it are VOTables (`problems.py`)."""

    more_parameters_are_passed_over: bool = True

    async def given(self, request: Request) -> ImmutableMultiDict[str, str]:
        pairs = list(request.query_params.multi_items())
        if request.method == "POST":
            pairs += await _form(request)
        return ImmutableMultiDict([(name.upper(), text) for name, text in pairs])


async def _form(request: Request) -> list[tuple[str, str]]:
    """The fields of a form. Raises Problem."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_FORM_BYTES:
            raise Problem(413, "too-large", "The form is too large.")
    kind = request.headers.get("content-type", "").lower()
    try:
        if kind.startswith("multipart/form-data"):
            return _parts(request.headers["content-type"], bytes(body))
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except (ValueError, LookupError) as error:  # bytes that are no text, too many fields
        raise bad_request("The form cannot be read.") from error


def _parts(content_type: str, body: bytes) -> list[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = message_from_bytes(head + body)
    payload = message.get_payload()
    if not isinstance(payload, list) or len(payload) > _MOST_FIELDS:
        raise ValueError("no parts")
    return [pair for part in payload if isinstance(part, Message) and (pair := _part(part))]


def _part(part: Message) -> tuple[str, str] | None:
    name = part.get_param("name", header="content-disposition")
    content = part.get_payload(decode=True)
    if not isinstance(name, str) or not isinstance(content, bytes):
        return None
    return name, content.decode()


def base_url(asked: Asked) -> str:
    """The address of TAP as clients know it, for documents that have to name it whole."""
    own = asked.work.settings.serve_url
    if own is not None:
        return f"{own.rstrip('/')}/tap"
    url = asked.request.url
    if not _HOST.fullmatch(url.netloc):
        raise bad_request("The header Host names no host.")
    return f"{url.scheme}://{url.netloc}/tap"


def all_texts(asked: Asked, names: Sequence[str]) -> dict[str, str]:
    """Of these parameters those that were given."""
    return {name: text for name in names if (text := asked.text(name)) is not None}
