"""What is asked, as requests: addresses, parameters, headers.

What belongs here: from the arguments of a method to a request. What does not: sending
(`transport.py`), and what an answer means (`flows.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeAlias
from urllib.parse import quote, urlencode

from gmn_client.conditions import Given, Pair, Where, pair_of, pairs_of, text_of

When: TypeAlias = str | date | datetime
AsOf: TypeAlias = int | str | datetime | None
"""A state of the warehouse by its number, or a time (UTC): as it was then."""
Shower: TypeAlias = str | int
CHANGES = "/gmn/changes"
EVENTS = "/gmn/events"
DOWNLOADS = "/gmn/downloads"
SPORADIC = -1
_TIME = "beginning_utc_time"
_DAY_DIGITS = len("2026-08-13")


@dataclass(frozen=True)
class Request:
    """A request, without the server's address."""

    path: str
    parameters: tuple[Pair, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    quiet_s: float | None = None
    """How long nothing may come, where it is not what the client says for all requests."""

    @property
    def address(self) -> str:
        return self.path + (f"?{urlencode(self.parameters)}" if self.parameters else "")


@dataclass(frozen=True)
class Question:
    """A table or ready question with all that says which rows are meant."""

    path: str
    """Without what comes after the dot."""
    title: str
    parameters: tuple[Pair, ...] = ()
    as_of: AsOf = None
    has_pages: bool = True

    def export(self, suffix: str, state: int | None = None) -> Request:
        """All of it in a format; `state`: of this one, whatever else is asked."""
        return Request(f"{self.path}.{suffix}", self._with_state(state))

    def page(self, size: int, state: int | None = None) -> Request:
        more = (("_size", str(size)), ("_shape", "arrays"))
        return Request(f"{self.path}.json", (*self._with_state(state), *more))

    def _with_state(self, state: int | None) -> tuple[Pair, ...]:
        as_of = self.as_of if state is None else state
        return (*self.parameters, *([] if as_of is None else [("_as_of", text_of(as_of))]))


def table(
    name: str,
    *,
    where: Where = None,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    descending: bool = False,
    as_of: AsOf = None,
) -> Question:
    """A table or view."""
    parameters = [*pairs_of(where), *(("_col", column) for column in columns or ())]
    if sort is not None:
        parameters.append(("_sort_desc" if descending else "_sort", sort))
    return Question(f"/gmn/{quote(name, safe='')}", name, tuple(parameters), as_of)


def trajectories(
    shower: Shower | Iterable[Shower] | None,
    since: When | None,
    until: When | None,
    stations: str | Iterable[str] | None,
) -> tuple[Pair, ...]:
    """The conditions that have arguments of their own."""
    pairs: list[Pair] = []
    if shower is not None:
        pairs.append(_of_shower(shower))
    if since is not None:
        pairs.append(pair_of(f"{_TIME}__gte", since))
    if until is not None:
        pairs.append(pair_of(f"{_TIME}__lt", _end(until)))
    if stations is not None:
        codes = [stations] if isinstance(stations, str) else list(stations)
        pairs.append(("participating_stations__arraycontainsany", text_of(codes)))
    return tuple(pairs)


def _of_shower(shower: Shower | Iterable[Shower]) -> Pair:
    some = [shower] if isinstance(shower, str | int) else list(shower)
    some = [SPORADIC if one == "sporadic" else one for one in some]
    numbers = [one for one in some if isinstance(one, int)]
    codes = [one.upper() for one in some if isinstance(one, str)]
    if numbers and codes:
        raise ValueError("Showers are named by codes or by numbers, not by both at once.")
    if numbers:
        return "iau_shower_number__in", text_of(numbers)
    return "iau_shower_code__in", text_of(codes)


def _end(until: When) -> When:
    """A date counts as a whole, as in the ready questions; a time is the end."""
    if isinstance(until, str) and len(until) == _DAY_DIGITS:
        until = date.fromisoformat(until)
    if isinstance(until, date) and not isinstance(until, datetime):
        return until + timedelta(days=1)
    return until


def ready(name: str, values: Mapping[str, Given], as_of: AsOf) -> Question:
    """A ready question."""
    pairs = tuple((key, text_of(value)) for key, value in values.items() if value is not None)
    return Question(f"/gmn/queries/{quote(name, safe='')}", name, pairs, as_of, has_pages=False)


def sql(text: str, snapshot: int | None) -> Request:
    """A query of one's own."""
    pairs = [("sql", text), ("data_shape", "arrays"), ("data_format", "json")]
    if snapshot is not None:
        pairs.append(("snapshot", str(snapshot)))
    return Request("/gmn_rest_api", tuple(pairs))


def trajectory(identifier: str, as_of: AsOf) -> Request:
    """One trajectory with its past."""
    question = Question(f"/gmn/trajectories/{quote(identifier, safe='')}", identifier, (), as_of)
    return question.export("json")


def changes(since: int | When) -> Request:
    return Request(f"{CHANGES}.arrow", (("since", text_of(since)),))


def state(since: int | When) -> Request:
    """Which state answers just now; nothing is queried for it."""
    return Request(f"{CHANGES}.arrow", (("since", text_of(since)),), method="HEAD")


def events(where: Where, since: int | When | None, last_event_id: str, quiet_s: float) -> Request:
    """`last_event_id` goes before `since`: it is of an event that came later."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    begin = () if since is None else (("_since", text_of(since)),)
    return Request(EVENTS, (*pairs_of(where), *begin), headers, quiet_s=quiet_s)


def download(path: str, begin: int, etag: str | None) -> Request:
    """A file, or the rest of it if it is still the same."""
    # Compressed on its way it would have other bytes.
    headers = {"Accept-Encoding": "identity"}
    if begin and etag:
        headers |= {"Range": f"bytes={begin}-", "If-Range": etag}
    return Request(path, (), headers)
