"""What the addresses of dashboards answer.

What belongs here: reading and changing them by HTTP. What does not: how they are kept
(`database/dashboards.py`), who may (`rights.py`), and what panels ask, which pages do for
themselves at the addresses of tables, questions, SQL and objects.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from gmn_pipeline.database.dashboards import DashboardStore
from gmn_pipeline.errors import DashboardConflict, DashboardMissing, DashboardRefused
from gmn_pipeline.schemas.dashboards import (
    DASHBOARD_PATTERN,
    MOST_BYTES,
    SCHEMA,
    Document,
    SavedDashboard,
    checked_document,
)
from gmn_pipeline.serving.dashboards.canned.catalogue import canned
from gmn_pipeline.serving.dashboards.rights import Wish, refusal
from gmn_pipeline.serving.objects.rights import Asker, SignIn
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.serving.readings.times import shown
from gmn_pipeline.serving.routes import Asked, Parameter

T = TypeVar("T")
IDENTIFIER = Parameter(
    "dashboard", "which dashboard", pattern=f"^{DASHBOARD_PATTERN}$", is_required=True,
    is_in_path=True, example="network-overview",
)  # fmt: skip
NUMBER = Parameter("version", "which version of it, the newest without it", minimum=1)
DELETED = Parameter("deleted", "on: those that were deleted, and can come back", choices=("on",))
IF_MATCH = Parameter("If-Match", "ETag of the version that the change stands on", is_in_header=True)
_LONGEST_NOTE = 500
_MOST_BODY = MOST_BYTES * 2  # as it may be written, with blanks


@dataclass(frozen=True)
class Caller:
    """A request to an address of dashboards, and who it is from."""

    asked: Asked
    asker: Asker
    store: DashboardStore

    @property
    def identifier(self) -> str:
        return self.asked.text(IDENTIFIER.name) or ""

    @property
    def who(self) -> str:
        return self.asker.by.who

    def may(self, wish: Wish, made_by: str = "") -> bool:
        return refusal(self.asker, wish, made_by) is None

    def must_be_allowed(self, wish: Wish, made_by: str = "") -> None:
        """Raises Problem (401, 403)."""
        denied = refusal(self.asker, wish, made_by)
        if denied is not None:
            request = self.asked.request
            what = f"{request.method} {request.url.path}"[:_LONGEST_NOTE]
            self.asked.work.objects.rights.note_denial(self.asker, "", what)
            raise denied

    def must_be_changeable(self) -> SavedDashboard:
        """The newest version, which who asks may change. Raises Problem, DashboardMissing."""
        if self.identifier in canned():
            raise Problem(409, "comes-along", "This dashboard comes along, and stays as it is: "
                          "save it as another one.")  # fmt: skip
        found = self.store.find(self.identifier)
        self.must_be_allowed(Wish.CHANGE, found.made_by)
        return found

    def after(self) -> int:
        """The version that the change stands on. Raises Problem (428, 412)."""
        text = self.asked.text(IF_MATCH.name)
        if text is None:
            raise Problem(428, "which-version", "If-Match says which version the change stands "
                          "on, by its ETag.")  # fmt: skip
        tag = text.strip().removeprefix("W/").strip('"')
        identifier, _, number = tag.rpartition("-")
        if identifier != self.identifier or not (number.isascii() and number.isdigit()):
            raise Problem(412, "precondition-failed", "If-Match is no ETag of this dashboard.")
        return int(number[:9])


def answering(
    how: Callable[[Caller, Document | None], Response],
    *,
    wish: Wish = Wish.READ,
    takes_document: bool = False,
) -> Callable[[Asked], Awaitable[Response]]:
    """What an address answers, in a thread, since it asks a database. `wish`: what who comes there
    has to be allowed before anything that they send is read."""

    async def answer(asked: Asked) -> Response:
        work = asked.work

        def let_in() -> Caller:
            asker = work.objects.rights.asker(asked.request)
            caller = Caller(asked, asker, work.dashboards)
            caller.must_be_allowed(wish)
            return caller

        caller = await anyio.to_thread.run_sync(let_in)
        document = await _document(asked) if takes_document else None
        try:
            return await anyio.to_thread.run_sync(how, caller, document)
        except DashboardMissing as error:
            raise Problem(404, "not-found", error.message) from error
        except DashboardConflict as error:
            raise Problem(412, "saved-meanwhile", str(error)) from error

    return answer


changing = partial(answering, wish=Wish.MAKE)
"""The same of what changes something."""


async def _document(asked: Asked) -> Document:
    """The one that a request brings. Raises Problem."""
    kind = asked.request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "not-this-kind", "Content-Type is application/json.")
    body = bytearray()
    try:
        async for piece in asked.request.stream():
            body += piece
            if len(body) > _MOST_BODY:
                raise Problem(413, "too-large", f"A dashboard may have {MOST_BYTES:,} bytes.")
    except ClientDisconnect:
        raise Problem(408, "broken-off", "The rest of the request did not come.") from None
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise bad_request("What the request brings is no JSON.") from None
    try:
        return await anyio.to_thread.run_sync(checked_document, found)
    except DashboardRefused as error:
        raise bad_request(str(error)) from error


def listed(caller: Caller, _: Document | None) -> Response:
    """All of them, those that come along first. Of deleted ones those that they may restore."""
    are_deleted = caller.asked.text(DELETED.name) is not None
    saved_ones = [
        one
        for one in caller.store.all(are_deleted=are_deleted)
        if not are_deleted or caller.may(Wish.CHANGE, one.made_by)
    ]
    own = [
        {**_about(name, document), "comes_along": True}
        for name, document in canned().items()
        if not are_deleted
    ]
    return _json({
        "dashboards": [*own, *(_summary(caller, one) for one in saved_ones)],
        "may_make": caller.may(Wish.MAKE), "account": caller.who,
        "is_to_sign_in": caller.asker.is_to_sign_in,
    })  # fmt: skip


def found(caller: Caller, _: Document | None) -> Response:
    """One, in its newest version or another one."""
    document = canned().get(caller.identifier)
    if document is not None:
        return _json({
            **_about(caller.identifier, document), "comes_along": True, "document": document,
            "may_change": False, "may_make": caller.may(Wish.MAKE),
        })  # fmt: skip
    return _whole(caller, caller.store.find(caller.identifier, caller.asked.number(NUMBER.name)))


def versions(caller: Caller, _: Document | None) -> Response:
    """Which versions of one there are."""
    if caller.identifier in canned():
        return _json({"versions": []})
    found = caller.store.versions(caller.identifier)
    return _json({"versions": [_summary(caller, one) for one in found]})


def made(caller: Caller, document: Document | None) -> Response:
    """A new one."""
    return _whole(caller, caller.store.make(document or {}, caller.who), 201)


def saved(caller: Caller, document: Document | None) -> Response:
    """The next version."""
    caller.must_be_changeable()
    return _whole(
        caller, caller.store.save(caller.identifier, document or {}, caller.after(), caller.who)
    )


def deleted(caller: Caller, _: Document | None) -> Response:
    """Marked as deleted."""
    caller.must_be_changeable()
    gone = caller.store.delete(caller.identifier, caller.after(), caller.who)
    return _json(_summary(caller, gone))


def restored(caller: Caller, _: Document | None) -> Response:
    """Taken back."""
    gone = caller.store.find(caller.identifier, is_deleted=True)
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
    }  # fmt: skip


def _summary(caller: Caller, one: SavedDashboard) -> dict[str, Any]:
    """Accounts are named to who says who they are: they may be addresses of people."""
    is_told = not caller.asker.is_to_sign_in or caller.asker.sign_in is SignIn.KNOWN
    by, maker = (one.saved_by, one.made_by) if is_told else ("somebody", "somebody")
    return {
        **_about(one.dashboard_id, one.document), "version": one.version,
        "is_newest": one.version == one.newest_version, "saved_by": by,
        "saved_at_utc": shown(one.saved_at_utc), "made_by": maker,
        "deleted_at_utc": shown(one.deleted_at_utc) if one.deleted_at_utc else None,
    }  # fmt: skip


def _whole(caller: Caller, one: SavedDashboard, status: int = 200) -> Response:
    may = {"may_change": caller.may(Wish.CHANGE, one.made_by), "may_make": caller.may(Wish.MAKE)}
    told = {**_summary(caller, one), "document": one.document, **may}
    headers = {"ETag": f'"{one.dashboard_id}-{one.version}"'}
    if status == 201:
        headers["Location"] = f"/dashboards/{one.dashboard_id}.json"
    return _json(told, status, **headers)


def _json(what: object, status: int = 200, **headers: str) -> Response:
    """JSON that nobody keeps."""
    return JSONResponse(what, status, {"Cache-Control": "no-store", **headers})
