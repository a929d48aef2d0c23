"""What the addresses of dashboards answer.

What belongs here: reading and changing them by HTTP. What does not: how they are kept
(`database/dashboards.py`), who may (`callers.py`, `rights.py`), who reads them (`access.py`), and
what panels ask, which pages do for themselves at the addresses of tables, questions, SQL and
objects.
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from gmn_pipeline.schemas.dashboards import SCHEMA, Document, SavedDashboard
from gmn_pipeline.serving.dashboards.access import is_by_link
from gmn_pipeline.serving.dashboards.callers import Body, Caller
from gmn_pipeline.serving.dashboards.canned.catalogue import canned
from gmn_pipeline.serving.dashboards.rights import Wish
from gmn_pipeline.serving.objects.rights import SignIn
from gmn_pipeline.serving.objects.shares import told_share
from gmn_pipeline.serving.objects.visits import answered_json
from gmn_pipeline.serving.readings.times import shown
from gmn_pipeline.serving.routes import Asked, Parameter

NUMBER = Parameter("version", "which version of it, the newest without it", minimum=1)
DELETED = Parameter("deleted", "on: those that were deleted, and can come back", choices=("on",))
PRIVATE = Parameter("private", "on: nobody else is to read it", choices=("on",))


def listed(caller: Caller, _: Body) -> Response:
    """All that they may read, those that come along first. Of deleted ones those that they may
    restore."""
    are_deleted = caller.asked.text(DELETED.name) is not None
    saved_ones = [
        one
        for one in caller.store.all(are_deleted=are_deleted)
        if caller.may_read(one) and (not are_deleted or caller.may(Wish.CHANGE, one.made_by))
    ]
    own = [
        {**_about(name, document), "comes_along": True}
        for name, document in canned().items()
        if not are_deleted
    ]
    return answered_json({
        "dashboards": [*own, *(_summary(caller, one) for one in saved_ones)],
        "may_make": caller.may(Wish.MAKE), "account": caller.who,
        "is_to_sign_in": caller.asker.is_to_sign_in,
    })  # fmt: skip


def found(caller: Caller, _: Body) -> Response:
    """One, in its newest version or another one."""
    document = canned().get(caller.identifier)
    if document is not None:
        return answered_json({
            **_about(caller.identifier, document), "comes_along": True, "document": document,
            "may_change": False, "may_share": False, "may_make": caller.may(Wish.MAKE),
        })  # fmt: skip
    number = caller.asked.number(NUMBER.name)
    one = caller.store.find(caller.identifier, number)
    if not is_by_link(caller, one):
        caller.must_be_readable(one, number)
    return _whole(caller, one)


def versions(caller: Caller, _: Body) -> Response:
    """Which versions of one there are."""
    if caller.identifier in canned():
        return answered_json({"versions": []})
    found = caller.store.versions(caller.identifier)
    caller.must_be_readable(found[0])
    return answered_json({"versions": [_summary(caller, one) for one in found]})


def made(caller: Caller, document: Body) -> Response:
    """A new one."""
    is_private = caller.asked.text(PRIVATE.name) is not None
    if is_private:
        caller.must_be_allowed(Wish.SHARE, caller.who)
    return _whole(caller, caller.store.make(document, caller.who, is_private=is_private), 201)


def saved(caller: Caller, document: Body) -> Response:
    """The next version."""
    caller.must_be_changeable()
    return _whole(
        caller, caller.store.save(caller.identifier, document, caller.after(), caller.who)
    )


def deleted(caller: Caller, _: Body) -> Response:
    """Marked as deleted."""
    caller.must_be_changeable()
    gone = caller.store.delete(caller.identifier, caller.after(), caller.who)
    return answered_json(_summary(caller, gone))


def restored(caller: Caller, _: Body) -> Response:
    """Taken back."""
    gone = caller.store.find(caller.identifier, is_deleted=True)
    caller.must_be_readable(gone)
    caller.must_be_allowed(Wish.CHANGE, gone.made_by)
    return _whole(caller, caller.store.restore(caller.identifier))


async def schema(asked: Asked) -> Response:
    """What a document may say."""
    del asked
    return JSONResponse(dict(SCHEMA), headers={"Cache-Control": "public, max-age=300"})


def _about(identifier: str, document: Document) -> dict[str, Any]:
    return {
        "id": identifier, "title": document["title"],
        "description": document.get("description", ""), "panels": len(document["panels"]),
        "address": f"/dashboards/{identifier}.json", "comes_along": False,
        "is_private": False,
    }  # fmt: skip


def _summary(caller: Caller, one: SavedDashboard) -> dict[str, Any]:
    """Accounts are named to who says who they are: they may be addresses of people."""
    is_told = not caller.asker.is_to_sign_in or caller.asker.sign_in is SignIn.KNOWN
    share = caller.shared.get(one.dashboard_id)
    by, maker = (one.saved_by, one.made_by) if is_told else ("somebody", "somebody")
    return {
        **_about(one.dashboard_id, one.document), "version": one.version,
        "is_newest": one.version == one.newest_version, "saved_by": by,
        "saved_at_utc": shown(one.saved_at_utc), "made_by": maker,
        "deleted_at_utc": shown(one.deleted_at_utc) if one.deleted_at_utc else None,
        "is_private": one.is_private, "shared": told_share(share) if share else None,
    }  # fmt: skip


def _whole(caller: Caller, one: SavedDashboard, status: int = 200) -> Response:
    may = {
        "may_change": caller.may(Wish.CHANGE, one.made_by), "may_make": caller.may(Wish.MAKE),
        "may_share": caller.may(Wish.SHARE, one.made_by),
    }  # fmt: skip
    told = {**_summary(caller, one), "document": one.document, **may}
    headers = {"ETag": f'"{one.dashboard_id}-{one.version}"'}
    if status == 201:
        headers["Location"] = f"/dashboards/{one.dashboard_id}.json"
    return answered_json(told, status, **headers)
