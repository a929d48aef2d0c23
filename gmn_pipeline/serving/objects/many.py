"""The same for many objects of a container in one request, each told by itself.

What belongs here: which objects are meant, and what became of each. What does not: what is done to
one (`landing/objects.py`, `database/objects.py`), each in a transaction of its own: what is refused
of one undoes nothing of the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response

from gmn_pipeline.database.object_runs import ObjectRuns
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import AccountRefused, GmnError, ObjectMissing, ObjectRefused
from gmn_pipeline.flows.object_rules import reprocess_objects
from gmn_pipeline.schemas.object_json import said_of
from gmn_pipeline.schemas.objects import Description, Link, ObjectName, StoredObject
from gmn_pipeline.serving.objects.archive import zip_of
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.objects.shares import whom_and_until
from gmn_pipeline.serving.objects.told import description_of, merged
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import Problem, bad_request, problem_of

MOST_OBJECTS = 1_000
FORM = "application/x-www-form-urlencoded"
_OBJECTS = {
    "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_OBJECTS,
    "description": "names in the container; one that ends in / is all that lies in that folder",
}  # fmt: skip
_TEXTS = {"type": "array", "items": {"type": "string"}}
OUTCOMES_SCHEMA: Mapping[str, Any] = {
    "type": "object", "required": ["done", "unchanged", "failed", "outcomes"],
    "properties": {
        "done": {"type": "integer"}, "unchanged": {"type": "integer"},
        "failed": {"type": "integer"},
        "outcomes": {"type": "array", "items": {
            "type": "object", "required": ["object", "outcome", "reason"],
            "properties": {
                "object": {"type": "string"}, "reason": {"type": "string"},
                "outcome": {"enum": ["done", "unchanged", "failed"]},
            },
        }},
    },
}  # fmt: skip


def body_schema(*required: str, **more: Mapping[str, Any]) -> Mapping[str, Any]:
    """As JSON Schema: which objects, and what else is said."""
    return {
        "type": "object", "required": ["objects", *required],
        "properties": {"objects": _OBJECTS, **more}, "additionalProperties": False,
    }  # fmt: skip


DESCRIBE_SCHEMA = body_schema(
    patch={"type": "object", "description": "a merge patch (RFC 7396), as of one object"},
    add_tags=_TEXTS, remove_tags=_TEXTS, add_links=_TEXTS, remove_links=_TEXTS,
)  # fmt: skip
_TEXT = {"type": "string"}
MOVE_SCHEMA = body_schema("to", to=_TEXT, within=_TEXT)
SHARE_SCHEMA = body_schema("with", **{"with": _TEXT, "until_utc": _TEXT})
REPROCESS_SCHEMA = body_schema(processor=_TEXT)
RESTORE_SCHEMA: Mapping[str, Any] = {
    "type": "object", "required": ["object_ids"], "additionalProperties": False,
    "properties": {"object_ids": {"type": "array", "items": {"type": "integer"},
                                  "minItems": 1, "maxItems": MOST_OBJECTS}},
}  # fmt: skip


async def describe(visit: Visit) -> Response:
    """Say something else of objects: tags and links are added and taken away, all else is patched.
    What is said already makes no version."""
    told = await _told(visit, "objects", "patch", "add_tags", "remove_tags", "add_links",
                       "remove_links")  # fmt: skip
    patch = told.get("patch", {})
    if not isinstance(patch, dict):
        raise bad_request("patch is an object of JSON.")
    description_of(merged({}, patch))  # what can be said of none is refused at once
    tags = [frozenset(_texts(told, name)) for name in ("add_tags", "remove_tags")]
    links = [frozenset(map(_link, _texts(told, name))) for name in ("add_links", "remove_links")]
    landing = visit.service.lake.landing

    def said(stored: StoredObject) -> bool:
        now = description_of(merged(said_of(stored.description), patch))
        wanted: Description = replace(
            now, content_type=stored.description.content_type,
            tags=(now.tags | tags[0]) - tags[1], links=(now.links | links[0]) - links[1],
        )  # fmt: skip
        if wanted == stored.description:
            return False
        landing.describe(stored, wanted, visit.by)
        return True

    return await _each(visit, told, said)


async def move(visit: Visit) -> Response:
    """Give objects other folders: what is in their names after `within` stays."""
    told = await _told(visit, "objects", "to", "within")
    to, within = told.get("to"), told.get("within", "")
    if not isinstance(to, str) or not isinstance(within, str):
        raise bad_request('to is "PROJECT/CONTAINER" or "PROJECT/CONTAINER/FOLDER", within a text.')
    place = ObjectName.parse(f"{to.strip('/')}/x")
    folder = place.name.rpartition("/")[0]
    await visit.must_be_allowed(Need.WRITE, place.project)
    catalogue = visit.service.lake.catalogue

    def moved(stored: StoredObject) -> bool:
        kept = stored.name.name.removeprefix(within)
        name = ObjectName(place.project, place.container, f"{folder}/{kept}" if folder else kept)
        if name == stored.name:
            return False
        catalogue.move(stored, name, visit.by)
        return True

    return await _each(visit, told, moved)


async def delete(visit: Visit) -> Response:
    """Mark objects as deleted; they can come back for a time."""
    told = await _told(visit, "objects")
    days = timedelta(days=visit.service.settings.objects_restore_days)
    catalogue = visit.service.lake.catalogue
    return await _each(visit, told, lambda stored: bool(catalogue.delete(stored, visit.by, days)))


async def restore(visit: Visit) -> Response:
    """Take deletions back."""
    told, catalogue = await _told(visit, "object_ids"), visit.service.lake.catalogue
    ids = told.get("object_ids")
    if not isinstance(ids, list) or not all(type(one) is int and one > 0 for one in ids):
        raise bad_request("object_ids are the numbers of objects.")
    _check_count(len(ids))
    place = (visit.text("project"), visit.text("container"))

    def work() -> list[dict[str, str]]:
        outcomes = []
        for number in dict.fromkeys(ids):
            name = str(number)
            try:
                stored = catalogue.by_id(number)
                if (stored.name.project, stored.name.container) != place:
                    raise ObjectRefused(f"It is no object of {'/'.join(place)}.")
                name, is_there = stored.name.name, stored.deleted_at_utc is None
                if not is_there:
                    catalogue.restore(number, visit.by)
                outcomes.append(_outcome(name, "unchanged" if is_there else "done"))
            except GmnError as error:
                outcomes.append(_outcome(name, "failed", _reason(error)))
        return outcomes

    return _answered(await visit.service.run(work))


async def share(visit: Visit) -> Response:
    """Let one account read objects, until some time or until it is withdrawn."""
    told = await _told(visit, "objects", "with", "until_utc")
    account, until_utc = whom_and_until({n: told[n] for n in told if n != "objects"})
    shares = visit.service.shares

    def shared(stored: StoredObject) -> bool:
        shares.share(stored, account, visit.by, until_utc)
        return True

    return await _each(visit, told, shared)


async def reprocess(visit: Visit) -> Response:
    """Have objects read again, by one processor or by all that take their types."""
    told, runs = await _told(visit, "objects", "processor"), ObjectRuns(visit.service.lake.database)
    processor = told.get("processor", "")
    if not isinstance(processor, str):
        raise bad_request("processor is a text.")

    def asked(stored: StoredObject) -> bool:
        if not reprocess_objects(runs, [stored], visit.by, processor):
            kind = stored.description.content_type
            raise ObjectRefused(f"No such processor reads {kind}.")
        return True

    return await _each(visit, told, asked)


async def as_zip(visit: Visit) -> Response:
    """Objects as one file, asked for by JSON, or by a form of a page, whose answer a browser saves
    as it comes. One that is not there any more is told instead of left out."""
    kind = visit.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == FORM:
        fields = parse_qs((await visit.body()).decode(errors="replace"))
        told: dict[str, Any] = {"objects": fields.get("objects", [])}
    else:
        told = await _told(visit, "objects")
    names = _named(told)
    found = await visit.service.run(lambda: _found(visit, names))
    gone = [name for name, stored in found.items() if stored is None]
    if gone:
        raise ObjectMissing(f"There is no object {gone[0]} (any more).")
    return zip_of(visit, [stored for stored in found.values() if stored is not None])


async def _told(visit: Visit, *names: str) -> dict[str, Any]:
    told = await visit.json()
    if unknown := set(told) - set(names):
        raise bad_request(f"What is brought is {', '.join(names)}, not {min(unknown)[:100]!r}.")
    return told


def _texts(told: Mapping[str, Any], name: str) -> list[str]:
    found = told.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise bad_request(f"{name} is a list of texts.")
    return found


def _link(text: str) -> Link:
    try:
        return Link.parse(text)
    except ObjectRefused as error:
        raise bad_request(str(error)) from error


async def _each(
    visit: Visit, told: Mapping[str, Any], do: Callable[[StoredObject], bool]
) -> Response:
    """Do it to each, whatever becomes of the others; `do` says whether that changed anything."""
    names = _named(told)

    def work() -> list[dict[str, str]]:
        outcomes = []
        for name, stored in _found(visit, names).items():
            try:
                if stored is None:
                    raise ObjectRefused("There is no such object (any more).")
                outcomes.append(_outcome(name, "done" if do(stored) else "unchanged"))
            except GmnError as error:
                outcomes.append(_outcome(name, "failed", _reason(error)))
        return outcomes

    return _answered(await visit.service.run(work))


def _named(told: Mapping[str, Any]) -> dict[str, None]:
    names = dict.fromkeys(_texts(told, "objects"))
    if not names:
        raise bad_request("objects names those that are meant.")
    return names


def _found(visit: Visit, names: Mapping[str, None]) -> dict[str, StoredObject | None]:
    """Objects by their names, with those that lie in folders. Raises Problem (413)."""
    project, container, lake = visit.text("project"), visit.text("container"), visit.service.lake
    lake.catalogue.metadata_schema(project, container)  # that there is such a container
    given = [name for name in names if not name.endswith("/")]
    _check_count(len(given))
    there = lake.search.named(project, container, given)
    found: dict[str, StoredObject | None] = {name: there.get(name) for name in given}
    for name in names:
        if name.endswith("/"):
            search = Search(project=project, container=container, folder=name)
            inside = lake.search.find(search, MOST_OBJECTS + 1)
            found |= {one.name.name: one for one in inside}
            if not inside:
                found[name] = None
    _check_count(len(found))
    return found


def _check_count(count: int) -> None:
    if count > MOST_OBJECTS:
        raise Problem(
            413, "too-many", f"A request is about {MOST_OBJECTS:,} objects at most: select fewer, "
            "and do it again with the others.",
        )  # fmt: skip


def _reason(error: GmnError) -> str:
    """As who asks for one alone is told."""
    return error.message if isinstance(error, AccountRefused) else problem_of(error).detail


def _outcome(name: str, outcome: str, reason: str = "") -> dict[str, str]:
    return {"object": name, "outcome": outcome, "reason": reason}


def _answered(outcomes: list[dict[str, str]]) -> Response:
    counts = {
        kind: sum(one["outcome"] == kind for one in outcomes)
        for kind in ("done", "unchanged", "failed")
    }
    return answered_json({**counts, "outcomes": outcomes})
