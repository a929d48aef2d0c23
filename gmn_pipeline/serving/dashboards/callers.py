"""A request to an address of dashboards: who it is from, what they may, what it brings.

What belongs here: what holds for all of these addresses. What does not: what is answered
(`answers.py`, `access.py`), and the rule of who may what (`rights.py`).
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gmn_pipeline.database.dashboards import DashboardStore, missing
from gmn_pipeline.database.shares import DASHBOARD, ShareStore
from gmn_pipeline.errors import (
    AccountRefused,
    DashboardConflict,
    DashboardMissing,
    DashboardRefused,
)
from gmn_pipeline.schemas.accounts import Share
from gmn_pipeline.schemas.dashboards import DASHBOARD_PATTERN, MOST_BYTES, SavedDashboard
from gmn_pipeline.serving.dashboards.canned.catalogue import canned
from gmn_pipeline.serving.dashboards.rights import Wish, is_own, refusal
from gmn_pipeline.serving.objects.rights import Asker, SignIn
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.serving.routes import Asked, Parameter

Body: TypeAlias = Mapping[str, Any]
IDENTIFIER = Parameter(
    "dashboard", "which dashboard", pattern=f"^{DASHBOARD_PATTERN}$", is_required=True,
    is_in_path=True, example="network-overview",
)  # fmt: skip
IF_MATCH = Parameter("If-Match", "ETag of the version that the change stands on", is_in_header=True)
_LONGEST_NOTE = 500
_MOST_BODY = MOST_BYTES * 2  # as it may be written, with blanks


@dataclass(frozen=True)
class Caller:
    """A request to an address of dashboards, and who it is from."""

    asked: Asked
    asker: Asker
    store: DashboardStore
    shares: ShareStore

    @property
    def identifier(self) -> str:
        return self.asked.text(IDENTIFIER.name) or ""

    @property
    def who(self) -> str:
        return self.asker.by.who

    def may(self, wish: Wish, made_by: str = "") -> bool:
        return refusal(self.asker, wish, made_by) is None

    @cached_property
    def shared(self) -> Mapping[str, Share]:
        """What is shared with who asks, by the dashboard."""
        if self.asker.sign_in is not SignIn.KNOWN or self.asker.caller.only_project is not None:
            return {}
        found = self.shares.shared_with(self.asker.caller.account, DASHBOARD)
        return {one.item: one for one in found}

    def may_read(self, one: SavedDashboard) -> bool:
        return not one.is_private or is_own(self.asker, one) or one.dashboard_id in self.shared

    def must_be_allowed(self, wish: Wish, made_by: str = "") -> None:
        """Raises Problem (401, 403)."""
        denied = refusal(self.asker, wish, made_by)
        if denied is not None:
            self._note_denial()
            raise denied

    def must_be_readable(self, one: SavedDashboard, version: int | None = None) -> None:
        """Who may not read it is told what they are told where there is none (`version`: if that
        was asked for). Raises DashboardMissing."""
        if not self.may_read(one):
            self._note_denial()
            raise missing(self.identifier, version)

    def must_be_changeable(self, wish: Wish = Wish.CHANGE) -> SavedDashboard:
        """The newest version, which who asks may change. Raises Problem, DashboardMissing."""
        if self.identifier in canned():
            raise Problem(409, "comes-along", "This dashboard comes along, and stays as it is: "
                          "save it as another one.")  # fmt: skip
        found = self.store.find(self.identifier)
        self.must_be_readable(found)
        self.must_be_allowed(wish, found.made_by)
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

    def _note_denial(self) -> None:
        request = self.asked.request
        what = f"{request.method} {request.url.path}"[:_LONGEST_NOTE]
        self.asked.work.objects.rights.note_denial(self.asker, "", what)


def answering(
    how: Callable[[Caller, Body], Response],
    *,
    wish: Wish = Wish.READ,
    brings: Callable[[object], Body] | None = None,
) -> Callable[[Asked], Awaitable[Response]]:
    """What an address answers, in a thread, since it asks a database. `wish`: what who comes there
    has to be allowed before anything that they send is read; `brings`: checks the JSON of that."""

    async def answer(asked: Asked) -> Response:
        work = asked.work

        def let_in() -> Caller:
            asker = work.objects.rights.asker(asked.request)
            caller = Caller(asked, asker, work.dashboards, work.objects.shares)
            caller.must_be_allowed(wish)
            return caller

        caller = await anyio.to_thread.run_sync(let_in)
        try:
            body = await _brought(asked, brings) if brings else {}
            return await anyio.to_thread.run_sync(how, caller, body)
        except (AccountRefused, DashboardRefused) as error:
            raise bad_request(str(error)) from error
        except DashboardMissing as error:
            raise Problem(404, "not-found", error.message) from error
        except DashboardConflict as error:
            raise Problem(412, "saved-meanwhile", str(error)) from error

    return answer


changing = partial(answering, wish=Wish.MAKE)
"""The same of what changes something."""


async def _brought(asked: Asked, check: Callable[[object], Body]) -> Body:
    """The JSON of a request. Raises Problem, DashboardRefused."""
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
    return await anyio.to_thread.run_sync(check, found)
