"""What an answer says of the state it stands on, and "you have it already" (304).

What belongs here: GMN-Snapshot, ETag, Last-Modified, Cache-Control, conditional requests, and
answering what was asked before of the same state. What does not: how the state is found
(`lake.py`), and what is kept (`cache.py`).

An ETag names the state, the address with its parameters, and the version of this program: it is
known before any query is asked. It is a weak one, since the same answer may come compressed.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.cache import Kept, Key
from gmn_pipeline.serving.problems import is_legacy
from gmn_pipeline.serving.routes import Asked

SNAPSHOT_HEADER = "GMN-Snapshot"
STATE_HEADER = "GMN-State"
_VERSION = version("gmn-pipeline")
_EPOCH = datetime(1970, 1, 1)
_NEWEST = "public, no-cache"
"""May be kept, and is asked for again each time: that costs next to nothing."""
_PINNED = "public, max-age=86400"


@dataclass(frozen=True)
class Stamp:
    """An answer's state; `is_pinned`: the address names it, so the answer never changes.

    `variant`: what else the answer depends on, such as the host that its links lead to.
    """

    snapshot: Snapshot
    is_pinned: bool
    variant: str = ""

    def headers(self, request: Request) -> dict[str, str]:
        when = self.snapshot.committed_at_utc
        return {
            SNAPSHOT_HEADER: str(self.snapshot.id),
            STATE_HEADER: self.snapshot.name,
            "ETag": self._etag(request),
            "Last-Modified": _nanoseconds(when)
            if is_legacy(request.url.path)
            else format_datetime(when.replace(tzinfo=UTC), usegmt=True),
            "Cache-Control": _PINNED if self.is_pinned else _NEWEST,
        }

    def not_modified(self, request: Request) -> Response | None:
        """The answer to a request whose client has this one already."""
        headers = self.headers(request)
        if "if-none-match" in request.headers:
            is_known = has_already(request, headers["ETag"])
        else:
            # An HTTP date tells seconds, in which there may be several commits: only the old
            # platform's way, which tells more, is taken for an answer.
            since = request.headers.get("if-modified-since")
            is_known = is_legacy(request.url.path) and since == headers["Last-Modified"]
        return Response(status_code=304, headers=headers) if is_known else None

    def _etag(self, request: Request) -> str:
        said = (_VERSION, self.snapshot.mark, request.url.path, request.url.query, self.variant)
        digest = hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
        return f'W/"{self.snapshot.id}-{digest}"'


def has_already(request: Request, etag: str) -> bool:
    """Whether who asks says (If-None-Match) that they have what is tagged so."""
    known = request.headers.get("if-none-match")
    tags = [tag.strip().removeprefix("W/") for tag in (known or "").split(",")]
    return known is not None and ("*" in tags or etag.removeprefix("W/") in tags)


def key_of(stamp: Stamp, path: str, query: str) -> Key:
    """Under which an answer is kept; `path`: with what links in it begin with, if it is not kept
    with the state."""
    return stamp.snapshot.mark, path, f"{query}\n{stamp.variant}"


class OwnStamp(Stamp):
    """Of an answer that depends on who asks: nobody keeps it, and nothing of it is known before."""

    def headers(self, request: Request) -> dict[str, str]:
        del request
        return {
            SNAPSHOT_HEADER: str(self.snapshot.id), STATE_HEADER: self.snapshot.name,
            "Cache-Control": "no-store",
        }  # fmt: skip

    def not_modified(self, request: Request) -> Response | None:
        del request
        return None


async def answered(
    asked: Asked, stamp: Stamp, ask: Callable[[], Awaitable[Kept]], base: str = ""
) -> Response:
    """Nothing new, what was asked before of the same state, or what is asked now; `base`: what
    links in it begin with."""
    request = asked.request
    if (known := stamp.not_modified(request)) is not None:
        return known
    key = key_of(stamp, f"{base}{request.url.path}", request.url.query)
    kept = asked.work.cache.get(key) or await asked.work.once.answer(key, ask)
    headers = {**stamp.headers(request), **kept.headers}
    return Response(kept.body, headers=headers, media_type=kept.media_type)


def _nanoseconds(when: datetime) -> str:
    """As the old platform tells when its store changed: no HTTP date, but whole nanoseconds."""
    since = when - _EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return str(microseconds * 1_000)
