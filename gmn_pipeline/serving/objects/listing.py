"""What there is: projects, containers, folders, versions, and what a search finds.

What belongs here: lists, a page at a time. What does not: how they are found
(`database/object_search.py`).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from gmn_pipeline.database.object_search import Folder, Interval, Search
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.schemas.object_json import json_of_operation
from gmn_pipeline.schemas.objects import Link, ObjectName, StoredObject
from gmn_pipeline.serving.objects.told import told_object
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Parameter
from gmn_pipeline.serving.tables.values import utc

_MOST_OPERATIONS = 100
_MOST_COUNTED = 10_000
_CONDITION = re.compile(r"([^<>=]+)(<=|>=|=)(.*)", re.DOTALL)
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)
_BOX_CORNERS = 4

SIZE = Parameter("size", "entries of a page, 100 without it, 1,000 at most", 100, minimum=1)
AFTER = Parameter("after", "the name that the page begins after; next_url has it")
FOLDER = Parameter("folder", "which folder, as in 2022/03", example="2022/03")
_SEARCHED = {
    "project": "the project", "container": "the container",
    "folder": "a folder, with all that are in it", "text": "a part of the name, in any case",
    "words": "words in the text of documents: each of them; in quotes, one after the other",
    "content_type": "the type that the bytes have, as image/png, or a family, as image/*",
    "sha256": "the SHA-256 of the bytes, in hex",
}  # fmt: skip
CRITERIA = (
    *(Parameter(name, meaning) for name, meaning in _SEARCHED.items()),
    Parameter("least_bytes", "the least size", minimum=0),
    Parameter("most_bytes", "the greatest size", minimum=0),
    Parameter("tag", "a tag; several times for all of several", is_repeated=True),
    Parameter("link", "station:US0001, night:2022-03-04, or trajectory and its identifier; "
              "several times for all of several", is_repeated=True),
    Parameter("metadata", "a value by its path: camera.lens=f/0.95, gain>=4, gain<=5; several "
              "times for all of several; a text that looks like a number is in quotes",
              is_repeated=True),
    Parameter("observed_from", "observed at this time (UTC) or later"),
    Parameter("observed_until", "observed at this time (UTC) or before"),
    Parameter("box", "observed within west,south,east,north, in degrees", example="5,45,15,55"),
    Parameter("put_since", "put at this time (UTC) or later"),
)  # fmt: skip
DELETED = Parameter(
    "deleted", "yes: those that were deleted, and can come back", "no", choices=("yes", "no")
)
COUNT = Parameter(
    "count", "exact: the totals of the first page however many there are; without it, up to 10,000",
    "most", choices=("most", "exact"),
)  # fmt: skip
NEXT = Parameter("after_id", "the object that the page begins after; next_url has it", 0, minimum=0)


async def projects(visit: Visit) -> Response:
    """Those that one may see."""

    def found() -> list[dict[str, Any]]:
        return [
            {"project": name, "is_public": is_public, "may_write": visit.may_write(name)}
            for name, is_public in visit.visible().items()
        ]

    return answered_json({
        "projects": await visit.service.run(found), "account": visit.asker.by.who,
        "may_make": visit.asker.caller.may_make_projects(),
        "is_to_sign_in": visit.asker.is_to_sign_in,
    })  # fmt: skip


async def containers(visit: Visit) -> Response:
    """Of a project, each with the schema of its metadata."""
    project, lake = visit.text("project"), visit.service.lake
    found = await visit.service.run(lambda: lake.catalogue.containers(project))
    told = [{"container": name, "metadata_schema": schema} for name, schema in found.items()]
    return answered_json({
        "project": project, "containers": told, "may_write": visit.may_write(project),
        "may_process": visit.asker.caller.may(Right.PROCESS, project),
        "may_make": visit.asker.caller.may(Right.MANAGE, project),
    })  # fmt: skip


async def level(visit: Visit) -> Response:
    """What lies directly in a folder of a container."""
    project, container = visit.text("project"), visit.text("container")
    folder = visit.text("folder").strip("/")
    if folder:
        ObjectName(project, container, folder)
    inside, most = f"{folder}/" if folder else "", _size(visit)
    lake = visit.service.lake

    def found() -> list[Folder | StoredObject]:
        lake.catalogue.metadata_schema(project, container)  # that there is such a container
        return lake.search.level(project, container, inside, most + 1, visit.text("after"))

    entries = await visit.service.run(found)
    shown_ones = entries[:most]
    told: dict[str, Any] = {
        "project": project, "container": container, "folder": inside,
        "folders": [
            {"name": one.name, "objects": one.objects}
            for one in shown_ones if isinstance(one, Folder)
        ],
        "objects": [told_object(one) for one in shown_ones if isinstance(one, StoredObject)],
        "next_url": None, "may_write": visit.may_write(project),
    }  # fmt: skip
    if len(entries) > most:
        last = shown_ones[-1]
        name = f"{last.name}/" if isinstance(last, Folder) else last.name.name[len(inside) :]
        query = urlencode({"folder": folder, "size": most, "after": name})
        told["next_url"] = f"/objects/{quote(project)}/{quote(container)}?{query}"
    return answered_json(told)


async def search(visit: Visit) -> Response:
    """Objects by what they are called, are, and what is said of them."""
    wanted, most = await wanted_of(visit), _size(visit)
    after, lake = visit.asked.number("after_id") or 0, visit.service.lake
    found = await visit.service.run(lambda: lake.search.find(wanted, most + 1, after))
    told: dict[str, Any] = {"objects": [told_object(one) for one in found[:most]], "next_url": None}
    if not after:
        told |= await visit.service.run(lambda: _totals(visit, wanted, found, most))
    if len(found) > most:
        kept = [
            pair for pair in visit.asked.request.query_params.multi_items() if pair[0] != "after_id"
        ]
        query = urlencode([*kept, ("after_id", found[most - 1].object_id)])
        told["next_url"] = f"/objects.json?{query}"
    return answered_json(told)


def _totals(
    visit: Visit, wanted: Search, found: Sequence[StoredObject], most: int
) -> dict[str, Any]:
    """How much there is in all: exactly where one page shows it, where it is not much, or where
    that is asked for. Of a million objects it takes longer than to find the first hundred."""
    if len(found) <= most:
        count, size_bytes = len(found), sum(one.content.size_bytes for one in found)
        return {"object_count": count, "size_bytes": size_bytes, "is_count_exact": True}
    is_asked = visit.asked.values.get("count") == "exact"
    search = visit.service.lake.search
    count, size_bytes = search.count(wanted, None if is_asked else _MOST_COUNTED)
    if not is_asked and count > _MOST_COUNTED:
        return {"object_count": _MOST_COUNTED, "size_bytes": None, "is_count_exact": False}
    return {"object_count": count, "size_bytes": size_bytes, "is_count_exact": True}


async def wanted_of(visit: Visit) -> Search:
    """What a request looks for, among what its sender may see. Raises Problem."""
    asked = visit.asked
    visible = frozenset(await visit.service.run(visit.visible))
    wanted = Search(
        projects=visible,
        folder=visit.text("folder"), text=visit.text("text"), words=visit.text("words"),
        size_bytes=Interval(asked.number("least_bytes"), asked.number("most_bytes")),
        tags=frozenset(asked.texts("tag")), links=frozenset(map(_link, asked.texts("link"))),
        metadata=_metadata(asked.texts("metadata")),
        box_deg=_box(visit.text("box")), is_deleted=asked.values.get("deleted") == "yes",
    )  # fmt: skip
    texts = {name: asked.text(name) for name in ("project", "container", "content_type", "sha256")}
    times = {
        "observed_from_utc": _time(visit, "observed_from"),
        "observed_until_utc": _time(visit, "observed_until"),
        "put_since_utc": _time(visit, "put_since"),
    }
    return replace(wanted, **texts, **times)  # type: ignore[arg-type]


def _size(visit: Visit) -> int:
    return min(visit.asked.number("size") or 1, 1_000)


def _link(text: str) -> Link:
    try:
        return Link.parse(text)
    except ObjectRefused as error:
        raise bad_request(str(error)) from error


def _metadata(conditions: tuple[str, ...]) -> Mapping[str, str | float | Interval]:
    found: dict[str, str | float | Interval] = {}
    for condition in conditions:
        parts = _CONDITION.fullmatch(condition)
        if parts is None:
            raise bad_request(f"metadata is path=value, path>=value or path<=value: {condition!r}.")
        path, operator, text = parts.groups()
        if operator == "=":
            found[path] = _value(text)
            continue
        before = found.get(path, Interval())
        if not isinstance(before, Interval):
            raise bad_request(f"metadata asks {path[:100]!r} for a value and for an interval.")
        side = "low" if operator == ">=" else "high"
        found[path] = replace(before, **{side: _number(text)})
    return found


def _value(text: str) -> str | float:
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return str(quoted[1])
    return text if (value := _float(text)) is None else value


def _number(text: str) -> float:
    value = _float(text)
    if value is None:
        raise bad_request(f"{text[:100]!r} is no number.")
    return value


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and text.isascii() and "_" not in text else None


def _box(text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    corners = [_number(part) for part in text.split(",")]
    if len(corners) != _BOX_CORNERS:
        raise bad_request("box is west,south,east,north, in degrees.")
    west, south, east, north = corners
    return west, south, east, north


def _time(visit: Visit, name: str) -> datetime | None:
    text = visit.text(name)
    try:
        return utc(text) if text else None
    except ValueError:
        raise bad_request(f"{name} is a time (UTC) such as 2022-03-04T21:00:00Z.") from None


async def about(visit: Visit) -> Response:
    """What an object is, and what is said of it."""
    stored = await visit.stored(visit.asked.number("version"))
    return answered_json(told_object(stored), ETag=version_tag(stored))


def version_tag(stored: StoredObject) -> str:
    """Of an object with all that is said of it: each change makes a version."""
    return f'"{stored.object_id}-{stored.version}"'


async def versions(visit: Visit) -> Response:
    """All versions of an object, the newest first."""
    stored, lake = await visit.stored(), visit.service.lake
    found = await visit.service.run(lambda: lake.catalogue.versions(stored.object_id))
    return answered_json({"versions": [told_object(one) for one in found]})


async def operations(visit: Visit) -> Response:
    """What was done to an object, the newest first."""
    stored, lake = await visit.stored(), visit.service.lake
    before = visit.asked.number("before")
    found = await visit.service.run(
        lambda: lake.search.operations(
            object_id=stored.object_id, most=_MOST_OPERATIONS, before=before
        )
    )
    return answered_json({"operations": [json_of_operation(one) for one in found]})
