"""Addresses that give an object to whoever has them, for a time.

What belongs here: making them, and answering at those of ours. What does not: the key
(`sharing_key.py`), and how a bucket signs (`storage/contents.py`).
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.schemas.object_json import shown
from gmn_pipeline.schemas.objects import ObjectName, OperationKind
from gmn_pipeline.serving.objects.archive import found_for_zip, zip_of
from gmn_pipeline.serving.objects.reading import bytes_of
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.settings import ObjectServingSettings

_HOUR_S = 3_600


async def make(visit: Visit) -> Response:
    """An address of the object, of the bucket or of this server."""
    stored = await visit.stored(visit.asked.number("version"))
    seconds, until = held(visit.service.settings, visit.asked.number("seconds"))
    lake, key = visit.service.lake, visit.service.key

    def signed() -> str:
        address = None
        if visit.text("through") == "store":
            address = lake.contents.link(stored.content, timedelta(seconds=seconds))
        if address is None:
            said = (stored.object_id, stored.version, until)
            address = (
                f"/objects/_shared/{stored.object_id}/{stored.version}?until={until}"
                f"&signature={key.signature(*said)}"
            )
        lake.catalogue.log(OperationKind.SHARE, stored, visit.by)
        return address

    return answered_address(await visit.service.run(signed), seconds)


async def make_of_folder(visit: Visit) -> Response:
    """An address of this server's that gives all of a folder as one zip, as it is then. Each
    object in it is logged as shared."""
    wanted = _folder(visit)
    seconds, until = held(visit.service.settings, visit.asked.number("seconds"))
    lake, key = visit.service.lake, visit.service.key
    await visit.service.run(lambda: lake.catalogue.metadata_schema(*_place(wanted)))
    found = await found_for_zip(visit, wanted)

    def signed() -> str:
        signature = key.signature(*_said_of(wanted, until))
        lake.catalogue.log_all(OperationKind.SHARE, ((one, "") for one in found), visit.by)
        query = urlencode({"folder": wanted.folder, "until": until, "signature": signature})
        return f"/objects/_shared_folder/{wanted.project}/{wanted.container}?{query}"

    return answered_address(await visit.service.run(signed), seconds)


async def answer_folder(visit: Visit) -> Response:
    """The zip that such an address is of. Raises Problem (403, 410)."""
    wanted = _folder(visit)
    await _check(visit, *_said_of(wanted, visit.asked.number("until") or 0))
    return zip_of(visit, await found_for_zip(visit, wanted))


def _folder(visit: Visit) -> Search:
    project, container = visit.text("project"), visit.text("container")
    folder = visit.text("folder").strip("/")
    if folder:
        folder = ObjectName(project, container, folder).name
    return Search(project=project, container=container, folder=folder)


def _place(wanted: Search) -> tuple[str, str]:
    return wanted.project or "", wanted.container or ""


def _said_of(wanted: Search, until: int) -> tuple[object, ...]:
    return ("folder", *_place(wanted), wanted.folder, until)


def held(settings: ObjectServingSettings, wanted_s: int | None) -> tuple[int, int]:
    """For how many seconds an address is to hold, and until when. Raises Problem."""
    seconds = wanted_s or _HOUR_S
    most = settings.objects_link_hours
    if not 0 < seconds <= most * _HOUR_S:
        raise bad_request(f"An address holds for 1 to {most * _HOUR_S:,.0f} seconds.")
    return seconds, int(datetime.now(UTC).timestamp()) + seconds


def answered_address(address: str, seconds: int) -> Response:
    """The address, and until when it holds."""
    return answered_json(
        {"address": address, "valid_until_utc": shown(utc_now() + timedelta(seconds=seconds))}
    )


async def _check(visit: Visit, *said: object) -> None:
    """That an address was made here, and still holds; `said` ends with until when."""
    key, until = visit.service.key, said[-1]
    if not await visit.service.run(lambda: key.is_signature(visit.text("signature"), *said)):
        raise Problem(403, "not-signed", "This address was not made here.")
    check_end(until)


def check_end(until: object) -> None:
    """That an address holds until later than now (Unix time). Raises Problem (410)."""
    if not isinstance(until, int) or until < datetime.now(UTC).timestamp():
        raise Problem(410, "link-over", "This address does not hold any more.")


async def answer(visit: Visit) -> Response:
    """The bytes that a signed address is of. Raises Problem (403, 410)."""
    object_id, version = visit.asked.number("object_id"), visit.asked.number("version")
    await _check(visit, object_id, version, visit.asked.number("until") or 0)
    catalogue = visit.service.lake.catalogue
    stored = await visit.service.run(lambda: catalogue.by_id(int(object_id or 0), version))
    if stored.deleted_at_utc is not None:
        raise Problem(410, "deleted", "The object was deleted.")
    return await bytes_of(visit, stored, is_pinned=False)
