"""One object or place at a time: put, describe, copy, move, delete, restore, make.

What belongs here: what a request says, and what it is answered. What does not: the order of bytes
and names (`landing/objects.py`).
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from starlette.responses import Response

from gmn_pipeline.errors import ObjectMissing
from gmn_pipeline.landing.objects import Staged, check_hash
from gmn_pipeline.schemas.objects import ObjectName, StoredObject
from gmn_pipeline.serving.objects.incoming import check_place, description_in, pour, sha256_of
from gmn_pipeline.serving.objects.listing import version_tag
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.objects.service import MB
from gmn_pipeline.serving.objects.told import description_of, merged, said_of, told_object
from gmn_pipeline.serving.objects.visits import (
    Visit,
    address_of,
    answered_json,
    etag_of,
    failed_precondition,
)
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.storage.contents import HashingWriter

_JSON_PATCH = ("application/json", "application/merge-patch+json")


async def put(visit: Visit) -> Response:
    """The body becomes the object, or its next version."""
    name, service = visit.name, visit.service
    landing = service.lake.landing
    description, expected = description_in(visit.headers), sha256_of(visit.headers)
    after = await _version_that_must_be(visit, name)
    await service.run(lambda: check_place(service.lake.catalogue, name, description))
    async with service.within(landing.incoming()) as folder:
        writer = await service.run(lambda: HashingWriter(folder / "new"))
        try:
            await pour(visit, writer.write, service.settings.objects_http_mb * MB)
            content = await service.run(writer.finish)
        finally:
            writer.close()
        check_hash(content, expected, name)
        staged = Staged(folder / "new", content, name, description, after)
        (made,) = await service.run(lambda: landing.land([staged], visit.by))
    return answered_object(made, etag_of(made))


def answered_object(made: StoredObject, etag: str) -> Response:
    """A version that has just been made."""
    status = 201 if made.version == 1 else 200
    return answered_json(told_object(made), status, ETag=etag, Location=address_of(made.name))


async def _version_that_must_be(visit: Visit, name: ObjectName) -> int | None:
    """As If-Match and If-None-Match want it; None for any. Raises Problem (412)."""
    none_match = visit.headers.get("if-none-match")
    if none_match is not None and none_match.strip() != "*":
        raise bad_request("If-None-Match is * where something is put.")
    if "if-match" not in visit.headers and none_match is None:
        return None
    catalogue = visit.service.lake.catalogue
    stored: StoredObject | None = None
    with suppress(ObjectMissing):
        stored = await visit.service.run(lambda: catalogue.object(name))
    await visit.check_etag(stored, etag_of(stored) if stored else None)
    if stored is not None and none_match is not None:
        raise failed_precondition("There is an object of this name.")
    return stored.version if stored else 0


async def describe(visit: Visit) -> Response:
    """Say something else of an object, by a merge patch (RFC 7396)."""
    kind = visit.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _JSON_PATCH:
        raise Problem(415, "not-this-kind", f"Content-Type is one of {', '.join(_JSON_PATCH)}.")
    patch, stored = await visit.json(), await visit.stored()
    await visit.check_etag(stored, version_tag(stored))
    description = description_of(merged(said_of(stored.description), patch))
    landing = visit.service.lake.landing
    made = await visit.service.run(lambda: landing.describe(stored, description, visit.by))
    return answered_object(made, version_tag(made))


async def copy(visit: Visit) -> Response:
    """Another object of the same bytes and description."""
    landing = visit.service.lake.landing
    return await _to(visit, lambda stored, to: landing.copy(stored, to, visit.by))


async def move(visit: Visit) -> Response:
    """Another name for the same object."""
    catalogue = visit.service.lake.catalogue
    return await _to(visit, lambda stored, to: catalogue.move(stored, to, visit.by))


async def _to(visit: Visit, do: Callable[[StoredObject, ObjectName], StoredObject]) -> Response:
    wanted = (await visit.json()).get("to")
    if not isinstance(wanted, str):
        raise bad_request('What is brought is {"to": "PROJECT/CONTAINER/NAME"}.')
    to = ObjectName.parse(wanted)
    await visit.must_be_allowed(Need.WRITE, to.project)
    stored = await visit.stored()
    await visit.check_etag(stored, etag_of(stored))
    made = await visit.service.run(lambda: do(stored, to))
    return answered_object(made, etag_of(made))


async def delete(visit: Visit) -> Response:
    """Mark an object as deleted."""
    stored = await visit.stored()
    await visit.check_etag(stored, etag_of(stored))
    days = timedelta(days=visit.service.settings.objects_restore_days)
    catalogue = visit.service.lake.catalogue
    gone = await visit.service.run(lambda: catalogue.delete(stored, visit.by, days))
    return answered_json(told_object(gone))


async def restore(visit: Visit) -> Response:
    """Take a deletion back."""
    number, catalogue = visit.asked.number("object_id") or 0, visit.service.lake.catalogue
    stored = await visit.service.run(lambda: catalogue.by_id(number))
    await visit.must_be_allowed(Need.WRITE, stored.name.project)
    back = await visit.service.run(lambda: catalogue.restore(number, visit.by))
    return answered_json(told_object(back))


async def make_project(visit: Visit) -> Response:
    """Make a project."""
    project, told = visit.text("project"), await visit.json()
    is_public = told.get("is_public", False)
    if not isinstance(is_public, bool) or set(told) - {"is_public"}:
        raise bad_request('What is brought is {} or {"is_public": true}.')
    catalogue = visit.service.lake.catalogue
    await visit.service.run(lambda: catalogue.make_project(project, visit.by, is_public=is_public))
    return answered_json({"project": project, "is_public": is_public}, 201)


async def make_container(visit: Visit) -> Response:
    """Make a container in a project."""
    project, container, told = visit.text("project"), visit.text("container"), await visit.json()
    schema = told.get("metadata_schema")
    if set(told) - {"metadata_schema"}:
        raise bad_request('What is brought is {} or {"metadata_schema": a JSON schema}.')
    landing = visit.service.lake.landing
    await visit.service.run(
        lambda: landing.make_container(project, container, visit.by, metadata_schema=schema)
    )
    return answered_json({"container": container, "metadata_schema": schema}, 201)
