"""What happens while one follows: changes of the rows, and events.

What belongs here: going on without a gap and without giving anything twice. What does not: the
format of events (`event_stream.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from gmn_client import requests, spooled
from gmn_client.conditions import Where
from gmn_client.effects import Flow, Give, Sleep, Stream, read
from gmn_client.errors import BrokenTransfer, UnexpectedAnswer, problem_of
from gmn_client.event_stream import Event, EventDecoder
from gmn_client.flows import mapped_table
from gmn_client.reading import Reading, snapshot_of
from gmn_client.requests import CHANGES, AsOf, Question, When
from gmn_client.retries import Patience, opened, unbroken

_OF_THE_CHANGE = ("change", "changed_at_utc", "former_revision")
_NO_CONTENT = 204
_WAIT_S, _LEAST_WAIT_S = 3.0, 0.1
_GONE, _GONE_STATUS = "gone", 410
"""The event that says what 410 says at the beginning."""


@dataclass(frozen=True)
class Change:
    """`kind`: inserted, revised, relabelled or withdrawn. `row`: as it is now."""

    kind: str
    trajectory_identifier: str
    former_revision: int | None
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """All that changed from one state to another: each trajectory once.

    Apply it whole, and keep `snapshot` with what you have: it is what to go on from. However
    much it is, little of it is in memory: iterate, or take the batches of its table.
    """

    since: int | When
    snapshot: int
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Change]:
        for batch in self.table.to_batches():
            for row in batch.to_pylist():
                kind, _, former = (row.pop(name) for name in _OF_THE_CHANGE)
                yield Change(kind, row["trajectory_identifier"], former, row)


def changes(reading: Reading, since: int | When) -> Flow[Changes]:
    """What has changed since, in one answer."""
    found = yield from mapped_table(reading, spooled.MOST_BYTES)
    assert reading.snapshot is not None
    return Changes(since, reading.snapshot, found)


def question(since: int | When, as_of: AsOf = None) -> Question:
    pairs = requests.changes(since).parameters
    return Question(CHANGES, f"changes since state {since}", pairs, as_of, has_pages=False)


def follow(
    url: str, since: int | When | None, poll_s: float, patience: Patience
) -> Stream[Changes]:
    """The changes of each new state, for ever; without `since` from now on."""
    here = (yield from _state(0, patience)) if since is None else since
    while True:
        # A head costs the server nothing; the changes are queried only if there is a new state.
        newest = yield from _state(here, patience)
        if newest != here:
            reading = Reading(url, question(here), patience)
            found = yield from unbroken(partial(changes, reading, here), patience)
            here = found.snapshot
            yield Give(found)
        else:
            yield Sleep(poll_s)


def _state(since: int | When, patience: Patience) -> Flow[int]:
    head = yield from opened(requests.state(since), patience)
    return snapshot_of(head.headers)


def events(
    where: Where, since: int | When | None, last_event_id: str | None, quiet_s: float,
    patience: Patience,
) -> Stream[Event]:  # fmt: skip
    """Events as they come, for ever; connected anew wherever the server or a proxy ends it."""
    decoder = EventDecoder(last_event_id or "")
    wait_s = _WAIT_S
    if since is None and not last_event_id:
        # "From now on" would be another now each time that it is connected.
        since = yield from _state(0, patience)
    while True:
        request = requests.events(where, since, decoder.last_event_id, quiet_s)
        head = yield from opened(request, patience, (200, _NO_CONTENT))
        if head.status == _NO_CONTENT:  # the standard's way to say: do not come back
            return
        kind = head.headers.get("content-type", "").split(";")[0].strip()
        if kind != "text/event-stream":
            raise UnexpectedAnswer(f"There are no events here, but {kind or 'something else'}.")
        try:
            while (piece := (yield from read())) is not None:
                for event in decoder.feed(piece):
                    if event.type == _GONE:
                        raise problem_of(_GONE_STATUS, {}, event.data.encode())
                    yield Give(event)
        except BrokenTransfer:
            pass  # a connection that is quiet or lost; what was not whole comes again
        wait_s = wait_s if decoder.retry_s is None else decoder.retry_s
        decoder = EventDecoder(decoder.last_event_id)
        yield Sleep(max(wait_s, _LEAST_WAIT_S))
