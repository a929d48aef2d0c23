"""Crawls over HTTP: what they look through, what they found, and deciding about it.

What belongs here: what a request says, and what it is answered. What does not: doing it
(`crawler.py`), and crawling itself (`flows/object_crawl.py`).

A crawl reads what the server can reach: only operators say where. Readers of its project are not
told that either, but what it found.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gmn_pipeline.database.crawls import Crawl, CrawlChange, CrawledTable, TableState
from gmn_pipeline.errors import (
    ObjectConflict,
    ObjectMissing,
    ServiceRunning,
    SettingsError,
    SourceUnavailable,
)
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.schemas.object_json import shown
from gmn_pipeline.schemas.objects import checked_place
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.sources.files_of import is_bucket

_CHANGES_TOLD = _LEFT_OUT_TOLD = 100
_HERE = "/objects/_crawls"
_SCHEDULE = "every hour, where Dagster runs with its schedule hourly_crawls on"
_SAID: Mapping[str, tuple[type, object]] = {
    "source": (str, ""), "container": (str, ""), "pattern": (str, "*"), "accept": (str, "proposed"),
    "accept_names": (str, "*"), "delete": (bool, False), "anonymous": (bool, False),
    "endpoint": (str, ""),
}  # fmt: skip
"""What makes a crawl, as the command names it; each with its type, and what it is without."""
CRAWL_SCHEMA: Mapping[str, Any] = {
    "type": "object", "required": ["source", "container"],
    "properties": {
        **{name: {"type": "boolean" if kind is bool else "string", "default": default}
           for name, (kind, default) in _SAID.items()},
        "accept": {"enum": ["proposed", "view", "loaded"], "default": "proposed"},
    },
    "additionalProperties": False,
}  # fmt: skip
DECISION_SCHEMA: Mapping[str, Any] = {
    "type": "object", "required": ["state"],
    "properties": {"state": {"enum": [one.value for one in TableState]},
                   "shown_as": {"type": "string"}},
    "additionalProperties": False,
}  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """The crawls of the project that the address names, as somebody sees them."""

    visit: Visit

    @property
    def project(self) -> str:
        return self.visit.text("project")

    @property
    def crawling(self) -> Crawling:
        return self.visit.service.crawler.crawling(self.visit.by)

    def crawl(self) -> Crawl:
        """The one that the address names. Raises ObjectMissing."""
        return self.crawl_and_state()[0]

    def crawl_and_state(self) -> tuple[Crawl, str]:
        """The same, and how it is with it. Raises ObjectMissing."""
        name = self.visit.text("crawl")
        for one, state in self.all(self.crawling):
            if one.name == name:
                return one, state
        raise ObjectMissing(f"There is no crawl {name[:100]!r} in {self.project}.")

    def all(self, crawling: Crawling) -> list[tuple[Crawl, str]]:
        self.visit.service.lake.catalogue.containers(self.project)  # that there is such a project
        return [(one, state) for one, state in crawling.all() if one.project == self.project]

    @property
    def is_hidden(self) -> bool:
        """Whether they are not told where files are: sources and reasons name folders of the
        server."""
        return not self.visit.asker.caller.may(Right.PROCESS, self.project)

    def rights(self) -> dict[str, bool]:
        caller = self.visit.asker.caller
        return {
            "may_process": caller.may(Right.PROCESS, self.project),
            "may_manage": caller.may(Right.MANAGE, self.project),
            "may_make": caller.may_make_projects(),
        }

    def told(self, crawl: Crawl, state: str, tables: list[CrawledTable]) -> dict[str, Any]:
        is_hidden = self.is_hidden
        outcome = dict(crawl.outcome or {})
        if is_hidden:
            outcome = {name: value for name, value in outcome.items()
                       if name not in ("failures", "reason", "remedy", "by")}  # fmt: skip
        return {
            "crawl": crawl.name, "project": crawl.project, "container": crawl.container,
            "source": None if is_hidden else crawl.url,
            "endpoint": None if is_hidden else crawl.endpoint_url or "",
            "pattern": crawl.pattern, "accept": crawl.accepted_as.value,
            "accept_names": crawl.accepted_names, "delete": crawl.is_deleting,
            "anonymous": crawl.is_anonymous, "schedule": _SCHEDULE, "state": state,
            "began_at_utc": shown(crawl.began_at_utc), "ended_at_utc": shown(crawl.ended_at_utc),
            "outcome": outcome or None,
            "table_count": len(tables),
            "proposed_count": sum(one.state is TableState.PROPOSED for one in tables),
            "address": f"{_HERE}/{crawl.project}/{quote(crawl.name)}",
        }  # fmt: skip


async def listed(visit: Visit) -> Response:
    """The crawls of a project."""
    place = _Place(visit)

    def found() -> list[dict[str, Any]]:
        crawling = place.crawling
        return [
            place.told(one, state, crawling.crawls.tables(one.name))
            for one, state in place.all(crawling)
        ]

    told = await visit.service.run(found)
    return answered_json({"project": place.project, "crawls": told, **place.rights()})


async def one(visit: Visit) -> Response:
    """A crawl, with the tables that it found, how they changed, and files that are in none."""
    place = _Place(visit)
    return answered_json(await visit.service.run(lambda: _whole(place)))


def _whole(place: _Place) -> dict[str, Any]:
    # First: who is told that it has ended does not ask for its tables again.
    crawl, state = place.crawl_and_state()
    crawling = place.crawling
    crawls = crawling.crawls
    tables, counts = crawls.tables(crawl.name), crawls.counts(crawl.name)
    most = 0 if place.is_hidden else _LEFT_OUT_TOLD
    left_out_count, left_out = crawls.left_out(crawl.name, most)
    return {
        **place.told(crawl, state, tables),
        **place.rights(),
        "tables": [
            _told_table(one, crawling.tables.in_lake(crawl, one), *counts.get(one.name, (0, 0)))
            for one in tables
        ],
        "changes": [_told_change(one) for one in crawls.changes(crawl.name, _CHANGES_TOLD)],
        "left_out_count": left_out_count,
        "left_out": [
            {"path": one.path, "table": one.table, "reason": one.reason} for one in left_out
        ],
    }


def _told_table(one: CrawledTable, in_lake: str, files: int, rows: int) -> dict[str, Any]:
    is_there = one.state in (TableState.VIEW, TableState.LOADED)
    return {
        "table": one.name, "state": one.state.value, "shown_as": one.shown_as,
        "in_lake": f"objects.{in_lake}" if is_there else None, "content_type": one.content_type,
        "columns": [{"name": name, "type": kind} for name, kind in one.columns.items()],
        "file_count": files, "row_count": rows, "decided_by": one.decided_by or None,
        "decided_at_utc": shown(one.decided_at_utc),
    }  # fmt: skip


def _told_change(one: CrawlChange) -> dict[str, Any]:
    return {
        "at_utc": shown(one.at_utc), "table": one.table, "kind": one.kind, "column": one.column,
        "type_before": one.type_before, "type_after": one.type_after, "path": one.path,
    }  # fmt: skip


async def save(visit: Visit) -> Response:
    """Make a crawl, or let it be another one: what is not said is as it is without."""
    place, told = _Place(visit), await visit.json()
    given = {name: told.get(name, default) for name, (_, default) in _SAID.items()}
    wrong = [name for name, (kind, _) in _SAID.items() if type(given[name]) is not kind]
    if set(told) - set(_SAID) or wrong or not given["source"] or not given["container"]:
        raise bad_request(
            f"What is brought is source, container and, if wanted, {', '.join(list(_SAID)[2:])}: "
            "texts, and true or false."
        )
    if given["accept"] not in ("proposed", "view", "loaded"):
        raise bad_request("accept is proposed, view or loaded.")
    source = str(given["source"])
    if not is_bucket(source) and not source.startswith("/"):
        raise bad_request("source is a folder of the server, from / on, or s3://BUCKET/PREFIX.")
    wanted = Crawl(
        checked_place(visit.text("crawl"), "crawl"), source, place.project,
        str(given["container"]), str(given["pattern"]) or "*", TableState(str(given["accept"])),
        str(given["accept_names"]) or "*", bool(given["anonymous"]),
        str(given["endpoint"]) or None, bool(given["delete"]),
    )  # fmt: skip

    def saved() -> tuple[dict[str, Any], bool]:
        crawling = place.crawling
        known = {one.name: one for one in crawling.crawls.all()}.get(wanted.name)
        if known is not None and known.project != place.project:
            raise ObjectConflict(f"There is a crawl {wanted.name} already, of another project.")
        try:
            crawling.save(wanted)
        except (SourceUnavailable, SettingsError) as error:
            raise bad_request(str(error)) from error
        return _whole(place), known is None

    made, is_new = await visit.service.run(saved)
    return answered_json(made, 201 if is_new else 200)


async def forget(visit: Visit) -> Response:
    """Forget a crawl: its views go, and objects that were put stay."""
    place, crawler = _Place(visit), visit.service.crawler
    crawl = await visit.service.run(place.crawl)
    with _taking_turns():
        await visit.service.run(lambda: crawler.forget(crawl, visit.by))
    return answered_json({"forgotten": crawl.name})


async def run(visit: Visit) -> Response:
    """Begin to look through its files now."""
    place, crawler = _Place(visit), visit.service.crawler
    crawl = await visit.service.run(place.crawl)
    with _taking_turns():
        await visit.service.run(lambda: crawler.begin(crawl, visit.by))
    return answered_json(await visit.service.run(lambda: _whole(place)), 202)


async def stop(visit: Visit) -> Response:
    """Ask whoever looks through its files to stop; the next run goes on from there."""
    place = _Place(visit)

    def asked() -> dict[str, Any]:
        crawl, state = place.crawl_and_state()
        if state not in ("running", "stopping"):
            raise ObjectConflict(f"{crawl.name} does not run.")
        place.crawling.crawls.ask_to_stop(crawl.name)
        return _whole(place)

    return answered_json(await visit.service.run(asked), 202)


async def decide(visit: Visit) -> Response:
    """Accept a table that was found, as a view or to be loaded, or refuse it."""
    place, told, table = _Place(visit), await visit.json(), visit.text("table")
    states, shown_as = [state.value for state in TableState], told.get("shown_as", "")
    is_right = told.get("state") in states and isinstance(shown_as, str)
    if not is_right or set(told) - {"state", "shown_as"}:
        raise bad_request(
            f"What is brought is state, one of {', '.join(states)}, and, if wanted, shown_as, "
            "another name."
        )
    crawl = await visit.service.run(place.crawl)
    with _taking_turns():
        in_lake, failures = await visit.service.run(
            lambda: visit.service.crawler.decide(
                crawl, table, TableState(told["state"]), shown_as, visit.by
            )
        )
    if failures:
        raise Problem(400, "object-refused", " ".join(failures.values()))
    whole = await visit.service.run(lambda: _whole(place))
    return answered_json({**whole, "in_lake": f"objects.{in_lake}"})


@contextmanager
def _taking_turns() -> Iterator[None]:
    """One crawl at a time: who comes meanwhile is told so. Raises Problem (409)."""
    try:
        yield
    except ServiceRunning as error:
        raise Problem(
            409, "crawl-under-way", "Another crawl is under way, and one at a time can be. Wait "
            "until it has ended, or stop it, and ask again.",
        ) from error  # fmt: skip
