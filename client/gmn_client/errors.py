"""What can go wrong, each as a class of its own.

What belongs here: the errors, and which answer of the server is which. What does not: asking again
(`retries.py`).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SHOWN = 300


class GmnError(Exception):
    """All errors of this package."""


class Unreachable(GmnError):
    """The server cannot be reached, or does not answer in time."""


class BrokenTransfer(GmnError):
    """An answer came without its end: what came is not all there is."""


class UnexpectedAnswer(GmnError):
    """An answer that is none of this server's: is the address right?"""


class Truncated(GmnError):
    """A free query has more rows than the server gives at once."""


class NothingRead(GmnError):
    """There is no state to name before something was read."""


class PackageMissing(GmnError):
    """What was asked for needs a package that is not installed."""


class Problem(GmnError):
    """The server's own word that it does not answer (RFC 9457).

    `kind` is for programs (`snapshot-gone`), `detail` for people.
    """

    def __init__(
        self, status: int, kind: str, detail: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{detail} ({status}, {kind})")
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s


class BadRequest(Problem):
    """A parameter or the SQL cannot be used, or the query takes too much: `detail` says which."""


class NotFound(Problem):
    """There is nothing of this name."""


class SnapshotGone(Problem):
    """The state that is asked for is not kept any more: begin anew without it."""


class TryLater(Problem):
    """The server cannot answer just now."""


class TooManyRequests(TryLater):
    """More requests than the server takes from one address in a minute."""


class Unavailable(TryLater):
    """The warehouse cannot be read just now, or too many are waiting."""


_CLASSES: Mapping[int, type[Problem]] = {
    400: BadRequest, 404: NotFound, 410: SnapshotGone, 414: BadRequest, 429: TooManyRequests,
    502: Unavailable, 503: Unavailable, 504: Unavailable,
}  # fmt: skip


def problem_of(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """The error that an answer tells of; a proxy's answer may have another body than ours."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        told = {"detail": body.decode("utf-8", "replace").strip()[:_SHOWN]}
    found = _CLASSES.get(status, Problem)
    kind = str(told.get("type", "")).rpartition(":")[2] or "unknown"
    # The answer to HEAD has no body.
    detail = str(told.get("detail") or told.get("title") or found.__doc__)
    after = retry_after_s(headers.get("retry-after"), datetime.now(UTC))
    return found(status, kind, detail, after)


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds that the header Retry-After asks to wait: it has seconds, or a date."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
