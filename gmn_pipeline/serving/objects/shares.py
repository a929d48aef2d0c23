"""Objects that are shared with one account.

What belongs here: sharing, withdrawing, and who has what; what is said of a share by HTTP, be it of
an object or a dashboard. What does not: addresses for whoever has them (`sharing.py`), and that a
share lets somebody read (`visits.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from gmn_pipeline.database.shares import OBJECT
from gmn_pipeline.errors import ObjectMissing
from gmn_pipeline.schemas.accounts import Share
from gmn_pipeline.schemas.object_json import shown
from gmn_pipeline.serving.objects.rights import SignIn
from gmn_pipeline.serving.objects.told import told_object
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.values import utc


async def with_whom(visit: Visit) -> Response:
    """Whom an object is shared with."""
    stored, shares = await visit.stored(), visit.service.shares
    found = await visit.service.run(lambda: shares.with_whom(stored))
    return answered_json({"shares": [told_share(one) for one in found]})


async def share(visit: Visit) -> Response:
    """Share an object with an account."""
    stored, told = await visit.stored(), await visit.json()
    account, until_utc = whom_and_until(told)
    await visit.service.run(
        lambda: visit.service.shares.share(stored, account, visit.by, until_utc)
    )
    return await with_whom(visit)


async def withdraw(visit: Visit) -> Response:
    """Share it no more."""
    stored, account = await visit.stored(), visit.text("with")
    if not account:
        raise bad_request("with says which account.")
    await visit.service.run(lambda: visit.service.shares.withdraw(stored, account, visit.by))
    return await with_whom(visit)


async def with_me(visit: Visit) -> Response:
    """Objects that are shared with who asks."""
    service, caller = visit.service, visit.asker.caller

    def found() -> list[dict[str, Any]]:
        if visit.asker.sign_in is not SignIn.KNOWN:
            return []
        told = []
        for one in service.shares.shared_with(caller.account, OBJECT):
            try:
                stored = service.lake.catalogue.by_id(int(one.item))
            except ObjectMissing:  # it was deleted, and its time to come back is over
                continue
            is_there = stored.deleted_at_utc is None and stored.name.project == one.project
            if is_there and caller.only_project in (None, one.project):
                told.append(told_object(stored) | {"shared": told_share(one)})
        return told

    return answered_json({"objects": await service.run(found)})


def whom_and_until(told: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """The account that something is to be shared with, and when that ends. Raises Problem."""
    account, until = told.get("with"), told.get("until_utc")
    if not isinstance(account, str) or not account or set(told) - {"with", "until_utc"}:
        raise bad_request("What is wanted is with, the name of an account, and until_utc.")
    if until in (None, ""):
        return account, None
    try:
        return account, utc(until)
    except (ValueError, TypeError, AttributeError):
        raise bad_request("until_utc is a time (UTC) such as 2022-03-04T21:00:00Z.") from None


def told_share(one: Share) -> dict[str, Any]:
    """A share in an answer."""
    return {
        "with": one.account, "by": one.shared_by, "at_utc": shown(one.shared_at_utc),
        "until_utc": shown(one.expires_at_utc),
    }  # fmt: skip
