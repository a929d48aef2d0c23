"""The addresses of feeds, what each is of, and the answer.

What belongs here: from a request to a feed. What does not: which entries there are (`entries.py`,
`change_log.py`), and how they are written (`atom.py`).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import pyarrow as pa
from starlette.responses import Response

from gmn_pipeline.queries.canned.catalogue import canned_query
from gmn_pipeline.queries.session import Parameters
from gmn_pipeline.schemas.fields import STATION_CODE_PATTERN, TRAJECTORY_FIELD
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered
from gmn_pipeline.serving.feeds import atom, change_log, entries
from gmn_pipeline.serving.feeds.atom import TAG, Feed
from gmn_pipeline.serving.feeds.entries import Page
from gmn_pipeline.serving.links import FORWARDED, base_of
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.serving.tables.addresses import PROBLEMS, STORE
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.filters import OPERATORS, Condition
from gmn_pipeline.serving.tables.page import filtered, filters_of
from gmn_pipeline.serving.tables.relations import RELATIONS

OLD_ADDRESS = "/gmn_data_store/meteor_summary_feed.atom"

_TRAJECTORIES = next(one for one in RELATIONS if one.name == "trajectories")
_FILTERS = filters_of(_TRAJECTORIES)
_DEFAULT_SIZE = 100
_SIZE = Parameter(
    "_size", f"entries of a page, {_DEFAULT_SIZE} without it; max for as many as there may be",
    pattern="^([0-9]{1,6}|max)?$",
)  # fmt: skip
_NEXT = Parameter("_next", "entry after which the page begins: the link to the next one has it")
_MAGNITUDE = Parameter(
    "magnitude", "absolute peak magnitude, from which on a meteor counts as a fireball",
    canned_query("fireballs").parameters[0].default,
)  # fmt: skip
_SHOWER = Parameter(
    "shower", "IAU code of the shower", is_required=True, is_in_path=True, example="PER",
    pattern="^[0-9A-Za-z]{3,5}$",
)  # fmt: skip
_STATION = Parameter(
    "station", "code of a station that took part", is_required=True, is_in_path=True,
    example="UK0051", pattern=STATION_CODE_PATTERN,
)  # fmt: skip
_ANSWERS = (Answers(atom.MEDIA_TYPE, "Atom 1.0; the link with rel=next leads to the next page"),)


@dataclass(frozen=True)
class Subject:
    """What a feed is of: its id and title, and what rows have to be beside the filters."""

    name: str
    title: str
    conditions: Sequence[Condition] = ()
    is_log: bool = False


def _newest(asked: Asked) -> Subject:
    del asked
    return Subject("trajectories", "Newest meteors")


def _of_shower(asked: Asked) -> Subject:
    code = _matching(asked, _SHOWER)
    condition = OPERATORS["exact"].condition(TRAJECTORY_FIELD["iau_shower_code"], code)
    return Subject(f"showers/{code}", f"Newest meteors of the shower {code}", [condition])


def _of_station(asked: Asked) -> Subject:
    code = _matching(asked, _STATION)
    field = TRAJECTORY_FIELD["participating_stations"]
    condition = OPERATORS["arraycontains"].condition(field, code)
    return Subject(f"stations/{code}", f"Newest meteors of the station {code}", [condition])


def _fireballs(asked: Asked) -> Subject:
    text = (asked.text(_MAGNITUDE.name) or "").strip()
    field = TRAJECTORY_FIELD["peak_absolute_magnitude"]
    condition = OPERATORS["lte"].condition(field, text)
    name = f"fireballs?{urlencode({_MAGNITUDE.name: text})}"
    return Subject(name, f"Newest fireballs, of magnitude {text} or brighter", [condition])


def _changes(asked: Asked) -> Subject:
    del asked
    return Subject("changes", "What changed", is_log=True)


def _matching(asked: Asked, parameter: Parameter) -> str:
    """A code in capitals. Raises Problem (404) for a text that can be no such code."""
    text = (asked.text(parameter.name) or "").upper()
    if not re.fullmatch(parameter.pattern or "", text):
        raise Problem(404, "not-found", f"{text[:100]!r} is no {parameter.meaning}.")
    return text


# The answer ---------------------------------------------------------------------------------------


async def _answer(asked: Asked, subject: Subject, store: str) -> Response:
    is_believed = asked.work.settings.serve_trust_forwarded
    base = base_of(asked.request, is_proxy_believed=is_believed)
    conditions = [*subject.conditions, *filtered(asked, _TRAJECTORIES, _FILTERS)]
    stamp = replace(await state(asked), variant=base)

    async def ask() -> Kept:
        page = await _page(asked, subject, stamp, conditions, f"{base}/{store}")
        feed = _feed(asked, subject, stamp, page, base)
        headers = {"Vary": FORWARDED} if is_believed else {}
        return Kept(atom.written(feed), atom.MEDIA_TYPE, headers)

    return await answered(asked, stamp, ask)


async def _page(
    asked: Asked,
    subject: Subject,
    stamp: Stamp,
    conditions: Sequence[Condition],
    base: str,
) -> Page:
    size = _size(asked)

    async def ask(sql: str, values: Parameters) -> pa.Table:
        return await asked.work.fetch(asked.request, stamp.snapshot, sql, values)

    following = asked.text(_NEXT.name)
    if subject.is_log:
        return await change_log.page(ask, conditions, following, size, base)
    return await entries.page(ask, conditions, following, size, base)


def _size(asked: Asked) -> int:
    """Raises Problem."""
    most = asked.work.settings.serve_page_rows
    text = asked.values.get(_SIZE.name)
    if text is None:
        return min(_DEFAULT_SIZE, most)
    if text == "max":
        return most
    if not (re.fullmatch(r"[0-9]{1,6}", str(text)) and 1 <= int(str(text)) <= most):
        raise bad_request(f"{_SIZE.name} is 1 to {most:,}, or max, not {str(text)[:100]!r}.")
    return int(str(text))


def _feed(asked: Asked, subject: Subject, stamp: Stamp, page: Page, base: str) -> Feed:
    url = asked.request.url
    given = asked.request.query_params.multi_items()
    kept = [pair for pair in given if pair[0] not in (_NEXT.name, AS_OF.name)]
    path = f"{base}{url.path}"
    # All pages of a sequence stand on one state; who comes again is led to the newest.
    pinned = [*kept, (AS_OF.name, stamp.snapshot.name)]
    links = {"self": f"{path}?{url.query}" if url.query else path}
    if page.following is not None or asked.text(_NEXT.name) is not None:
        links["first"] = f"{path}?{urlencode(pinned)}"
    if page.following is not None:
        links["next"] = f"{path}?{urlencode([*pinned, (_NEXT.name, page.following)])}"
    filters = urlencode(asked.conditions)
    sign = "&" if "?" in subject.name else "?"
    return Feed(
        id=f"{TAG}feed/{subject.name}{sign + filters if filters else ''}",
        title=f"Global Meteor Network: {subject.title}",
        subtitle=_subtitle(asked, stamp),
        updated=max(
            (entry.updated for entry in page.entries), default=stamp.snapshot.committed_at_utc
        ),
        links=links,
        entries=page.entries,
    )


def _subtitle(asked: Asked, stamp: Stamp) -> str:
    said = f"State {stamp.snapshot.id} of the warehouse."
    if asked.conditions:
        filters = ", ".join(f"{name}={text}" for name, text in asked.conditions)
        said = f"Only {filters}. {said}"
    return said


# The addresses ------------------------------------------------------------------------------------

_OF_FEED = (_FILTERS, _SIZE, _NEXT, AS_OF)


def _route(
    path: str,
    name: str,
    summary: str,
    subject_of: Callable[[Asked], Subject],
    *parameters: Parameter,
) -> Route:
    async def answer(asked: Asked) -> Response:
        return await _answer(asked, subject_of(asked), asked.text(STORE.name) or "")

    return Route(
        f"/{{store}}/feeds/{path}.atom", f"feed_{name}", summary, answer, _ANSWERS,
        (STORE, *parameters, *_OF_FEED), problems=PROBLEMS,
    )  # fmt: skip


def _routes() -> Iterator[Route]:
    yield _route(
        "trajectories", "trajectories", "Atom: the meteors that happened last; one that was "
        "withdrawn says so", _newest,
    )  # fmt: skip
    yield _route(
        "fireballs", "fireballs", "Atom: the fireballs that happened last", _fireballs, _MAGNITUDE
    )
    yield _route(
        "showers/{shower}", "shower", "Atom: the newest meteors of a shower", _of_shower, _SHOWER
    )
    yield _route(
        "stations/{station}", "station", "Atom: the newest meteors that a station took part in",
        _of_station, _STATION,
    )  # fmt: skip
    yield _route(
        "changes", "changes", "Atom: every change by itself, the newest first: trajectories that "
        "came, were solved anew, or were withdrawn", _changes,
    )  # fmt: skip
    yield Route(
        OLD_ADDRESS, "feed_of_old", "Atom: the meteors that happened last, at the old platform's "
        "address", _of_old, _ANSWERS, (_NEXT, AS_OF),
        more_parameters_are_passed_over=True, problems=(410, 503),
    )  # fmt: skip


async def _of_old(asked: Asked) -> Response:
    """It was a query without parameters: what else stands in its address did nothing there."""
    return await _answer(asked, _newest(asked), "gmn_data_store")


ROUTES = tuple(_routes())
