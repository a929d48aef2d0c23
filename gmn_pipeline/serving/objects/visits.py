"""A request to an address of objects: what it names, and what becomes of errors.

What belongs here: what holds for all of these addresses. Each is made by `objects_route`, which
wants to be told what it needs. What does not: what is done there.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from gmn_pipeline.errors import (
    AccountRefused,
    DataDamaged,
    DiskFull,
    GmnError,
    ObjectConflict,
    ObjectMissing,
)
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.schemas.objects import By, ObjectName, StoredObject
from gmn_pipeline.serving.objects.rights import Asker, Need, SignIn, refusal
from gmn_pipeline.serving.objects.service import ObjectService, no_space
from gmn_pipeline.serving.problems import Problem, bad_request, unavailable
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route
from gmn_pipeline.storage.problems import explaining

JSON = "application/json"
_MOST_BODY_BYTES = 1_000_000
_LONGEST_NOTE = 500
_PROBLEMS = (401, 403, 404, 503)
_WRITING = (Need.WRITE, Need.PROCESS, Need.SOMEWHERE, Need.MANAGE, Need.MAKE_PROJECTS)
_PROBLEMS_OF_WRITING = (*_PROBLEMS, 408, 409, 412, 413, 415, 507)


@dataclass(frozen=True)
class Visit:
    """A request of somebody who may make it."""

    asked: Asked
    service: ObjectService
    asker: Asker

    @property
    def by(self) -> By:
        return self.asker.by

    @property
    def headers(self) -> Mapping[str, str]:
        return self.asked.request.headers

    def text(self, name: str) -> str:
        """A parameter; empty if it was not given."""
        return self.asked.text(name) or ""

    @property
    def name(self) -> ObjectName:
        """The object that the address names. Raises ObjectRefused."""
        return ObjectName(self.text("project"), self.text("container"), self.text("name"))

    async def stored(self, version: int | None = None) -> StoredObject:
        """That object. Raises ObjectMissing."""
        name, catalogue = self.name, self.service.lake.catalogue
        return await self.service.run(lambda: catalogue.object(name, version))

    async def must_be_allowed(self, need: Need, project: str) -> None:
        """Raises Problem (401, 403)."""
        denied = await self.service.run(
            lambda: refusal(self.asker, need, project, lambda: self.is_public(project))
        )
        if denied is not None and need is Need.READ and await self._is_shared():
            return
        if denied is not None:
            request = self.asked.request
            what = f"{request.method} {request.url.path}"[:_LONGEST_NOTE]
            await self.service.run(
                lambda: self.service.rights.note_denial(self.asker, project, what)
            )
            raise denied

    async def _is_shared(self) -> bool:
        """Whether the object that the address names is shared with who asks."""
        caller, project = self.asker.caller, self.text("project")
        is_one = self.asker.sign_in is SignIn.KNOWN and "name" in self.asked.values
        if not is_one or caller.only_project not in (None, project):
            return False
        name, catalogue, shares = self.name, self.service.lake.catalogue, self.service.shares

        def found() -> bool:
            try:
                return shares.is_shared(catalogue.object(name), caller.account)
            except ObjectMissing:
                return False

        return await self.service.run(found)

    def is_public(self, project: str) -> bool:
        """Of a project that there is not: no."""
        return self.service.lake.catalogue.projects().get(project, False)

    def visible(self) -> dict[str, bool]:
        """The projects that they may see; whether each is public."""
        return self.service.visible(self.asker)

    def may_write(self, project: str) -> bool:
        """Whether they may put objects into a project."""
        return self.asker.caller.may(Right.WRITE, project)

    async def json(self) -> dict[str, Any]:
        """The object of JSON that the request brings. Raises Problem."""
        return json_object(await self.body() or b"{}", "What the request brings")

    async def body(self) -> bytes:
        """What the request brings, where that is little. Raises Problem."""
        body = bytearray()
        async for piece in self.asked.request.stream():
            body += piece
            if len(body) > _MOST_BODY_BYTES:
                raise Problem(413, "too-large", "It brings more than a megabyte.")
        return bytes(body)

    async def check_etag(self, stored: StoredObject | None, etag: str | None) -> None:
        """That If-Match names what there is. Raises Problem (412)."""
        wanted = self.headers.get("if-match")
        if wanted is None:
            return
        tags = [tag.strip() for tag in wanted.split(",")]
        if stored is None or not ("*" in tags or etag in tags):
            raise failed_precondition("There is another version of it by now.")


def json_object(text: bytes | str, what: str) -> dict[str, Any]:
    """An object of JSON. Raises Problem."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise bad_request(f"{what} is no object of JSON.")
    return found


def failed_precondition(detail: str) -> Problem:
    return Problem(412, "precondition-failed", detail)


def etag_of(stored: StoredObject) -> str:
    """Of an object's bytes: their hash."""
    return f'"{stored.content.sha256}"'


def address_of(name: ObjectName) -> str:
    """Where an object is."""
    return f"/objects/{name.project}/{name.container}/{quote(name.name)}"


def answered_json(what: object, status: int = 200, **headers: str) -> Response:
    """JSON that nobody keeps."""
    return JSONResponse(what, status, {"Cache-Control": "no-store", **headers})


Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]


def objects_route(
    path: str, name: str, summary: str, need: Need, handler: Handler, answers: tuple[Answers, ...],
    parameters: tuple[Parameter, ...] = (), *, methods: tuple[str, ...] = ("GET",),
    problems: tuple[int, ...] = (), **more: Any,
) -> Route:  # fmt: skip
    """A route of objects, with what it needs of who comes there."""

    async def answer(asked: Asked) -> Response:
        service = asked.work.objects
        _check_address(asked)
        try:
            asker = await service.run(lambda: service.rights.asker(asked.request))
            visit = Visit(asked, service, asker)
            await visit.must_be_allowed(need, str(asked.values.get("project") or ""))
            with explaining(service.settings.data_dir):
                return await handler(visit)
        except ClientDisconnect:
            raise Problem(408, "broken-off", "The rest of the request did not come.") from None
        except GmnError as error:
            raise _problem_of(error, asked.request.headers) from error

    is_writing = need in _WRITING
    stated = _PROBLEMS_OF_WRITING if is_writing else _PROBLEMS
    return Route(
        path, name, summary, answer, answers, parameters, methods=methods,
        problems=tuple(dict.fromkeys((*stated, *problems))), needs=need.name.lower(), **more,
    )  # fmt: skip


def _check_address(asked: Asked) -> None:
    """That the server did not make letters of bytes that are none. Raises Problem."""
    try:
        unquote_to_bytes(asked.request.scope.get("raw_path", b"")).decode()
    except UnicodeDecodeError:
        raise bad_request("The address is not in UTF-8.") from None


def _problem_of(error: GmnError, headers: Mapping[str, str]) -> Exception:
    match error:
        case ObjectConflict() if "if-match" in headers or "if-none-match" in headers:
            return failed_precondition(error.message)
        case AccountRefused():
            return Problem(400, "account-refused", error.message)
        case DiskFull():
            return no_space()
        case DataDamaged():
            return unavailable("Bytes of this are damaged here.")
    return error
