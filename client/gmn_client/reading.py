"""One question to one server, and the state that its answers stand on.

What belongs here: what is remembered between the answers. The first one decides the state; each
later one is of the same, so that a table, its pages and its count belong together.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from gmn_client.citation import Citation, cite
from gmn_client.effects import Head
from gmn_client.errors import NothingRead, UnexpectedAnswer
from gmn_client.progress import Tell, silent
from gmn_client.requests import Question, Request
from gmn_client.retries import Patience

SNAPSHOT_HEADER = "gmn-snapshot"


def snapshot_of(headers: Mapping[str, str]) -> int:
    """The number of the state that an answer names. Raises UnexpectedAnswer."""
    text = headers.get(SNAPSHOT_HEADER, "")
    if not text.isdigit():
        raise UnexpectedAnswer(
            "The answer names no state of the warehouse. Is this the address of gmn serve?"
        )
    return int(text)


class Reading:
    """A question, asked of one state."""

    def __init__(
        self, url: str, question: Question, patience: Patience, tell: Tell = silent
    ) -> None:
        self.question = question
        self.patience = patience
        self.tell = tell
        self.snapshot: int | None = None
        self._url = url
        self._committed: str | None = None
        self._rows: int | None = None
        self._read_at: datetime | None = None

    def export(self, suffix: str) -> Request:
        return self.question.export(suffix, self.snapshot)

    def page(self, size: int) -> Request:
        return self.question.page(size, self.snapshot)

    def note(self, head: Head) -> None:
        """The state of an answer that has begun."""
        self.snapshot = snapshot_of(head.headers)
        self._committed = head.headers.get("last-modified")
        self._read_at = datetime.now(UTC)

    def note_rows(self, rows: int) -> None:
        """How many there were in all."""
        self._rows = rows

    def cite(self) -> Citation:
        """Raises NothingRead."""
        if self.snapshot is None or self._read_at is None:
            raise NothingRead("Read first (arrow, pages, save ...): then the state is known.")
        url = self._url + self.export("parquet").address
        return cite(
            self.question.title, self.snapshot, self._committed, self._rows, url, self._read_at
        )
