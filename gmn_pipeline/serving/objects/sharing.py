"""Addresses that give an object to whoever has them, for a time.

What belongs here: making them, and answering at those of ours. What does not: the key
(`sharing_key.py`), and how a bucket signs (`storage/contents.py`).
"""

from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from gmn_pipeline.clock import utc_now
from gmn_pipeline.schemas.objects import OperationKind
from gmn_pipeline.serving.objects.reading import bytes_of
from gmn_pipeline.serving.objects.told import shown
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import Problem, bad_request

_HOUR_S = 3_600


async def make(visit: Visit) -> Response:
    """An address of the object, of the bucket or of this server."""
    stored = await visit.stored(visit.asked.number("version"))
    seconds = visit.asked.number("seconds") or _HOUR_S
    most = visit.service.settings.objects_link_hours
    if not 0 < seconds <= most * _HOUR_S:
        raise bad_request(f"An address holds for 1 to {most * _HOUR_S:,.0f} seconds.")
    lake, key = visit.service.lake, visit.service.key
    until = int(datetime.now(UTC).timestamp()) + seconds

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

    address = await visit.service.run(signed)
    return answered_json(
        {"address": address, "valid_until_utc": shown(utc_now() + timedelta(seconds=seconds))}
    )


async def answer(visit: Visit) -> Response:
    """The bytes that a signed address is of. Raises Problem (403, 410)."""
    object_id, version = visit.asked.number("object_id"), visit.asked.number("version")
    until = visit.asked.number("until") or 0
    key, catalogue = visit.service.key, visit.service.lake.catalogue
    said = (object_id, version, until)
    if not await visit.service.run(lambda: key.is_signature(visit.text("signature"), *said)):
        raise Problem(403, "not-signed", "This address was not made here.")
    if until < datetime.now(UTC).timestamp():
        raise Problem(410, "link-over", "This address does not hold any more.")
    stored = await visit.service.run(lambda: catalogue.by_id(int(object_id or 0), version))
    if stored.deleted_at_utc is not None:
        raise Problem(410, "deleted", "The object was deleted.")
    return await bytes_of(visit, stored, is_pinned=False)
