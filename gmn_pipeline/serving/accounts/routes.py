"""Signing in and out, and who is there.

What belongs here: the addresses. What does not: what is believed (`provider.py`), and who may do
what (`serving/objects/rights.py`).
"""

import re
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response

from gmn_pipeline.errors import Denied
from gmn_pipeline.schemas.object_json import shown
from gmn_pipeline.serving.accounts.cookies import SIGN_OUT_PATH
from gmn_pipeline.serving.accounts.provider import RETURN_PATH
from gmn_pipeline.serving.accounts.service import Signing
from gmn_pipeline.serving.accounts.told import told
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import PUBLIC, Answers, Asked, Parameter, Route, object_schema

SIGN_IN_PATH = "/account/sign-in"
_JSON = "application/json"
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1500}")
"""A path of this server in printable ASCII: nothing that a browser takes for another host."""
_METHOD = "X-Original-Method"
_NOT_KEPT = {"Cache-Control": "no-store"}


async def account(asked: Asked) -> Response:
    """Who asks, as far as it is known, and what they may."""
    service = asked.work.objects
    asker = await service.run(lambda: service.rights.asker(asked.request))
    said: dict[str, Any] = {
        "account": asker.caller.account or None, "is_operator": asker.caller.is_operator,
        "roles": {project: role.name.lower() for project, role in asker.caller.roles.items()},
        "until_utc": shown(asker.session.expires_at_utc) if asker.session else None,
        "sign_in": SIGN_IN_PATH if service.sign_in else None,
    }  # fmt: skip
    answer = JSONResponse(said, headers=_NOT_KEPT)
    signing = service.sign_in
    if asker.session is None and signing and signing.cookies.session(asked.request):
        signing.cookies.forget_session(answer)  # it has ended
    return answer


async def begin(asked: Asked) -> Response:
    """Send a browser to the provider."""
    sign_in = _sign_in(asked)
    back = asked.text("back") or "/"
    if not _OWN_PATH.fullmatch(back):
        back = "/"
    try:
        _count(asked, sign_in)
        begun = await sign_in.run(sign_in.provider.begin)
    except Problem as problem:
        return told(asked.request, problem)
    answer = RedirectResponse(begun.address, 303, _NOT_KEPT)
    sign_in.cookies.keep_begun(answer, begun.state, begun.nonce, begun.verifier, back)
    return answer


async def finish(asked: Asked) -> Response:
    """A browser comes back from the provider."""
    sign_in = _sign_in(asked)
    try:
        _count(asked, sign_in)
        answer = await _finished(asked, sign_in)
    except Problem as problem:
        detail = problem.detail
        if problem.status == 403:
            await sign_in.run(lambda: sign_in.store.log_refusal("", detail))
        answer = told(asked.request, problem)
    sign_in.cookies.forget_begun(answer)  # it is good for once
    return answer


async def _finished(asked: Asked, sign_in: Signing) -> Response:
    begun = sign_in.cookies.begun(asked.request)
    if begun is None:
        raise Problem(
            403, "sign-in-refused", "This browser has begun no sign-in, or did so too long ago.",
        )  # fmt: skip
    given = {name: asked.text(name) or "" for name in ("state", "code", "error_description")}
    given |= {name: text for name in ("iss", "error") if (text := asked.text(name))}
    who, id_token = await sign_in.run(lambda: sign_in.provider.finish(given, begun))
    before = sign_in.cookies.session(asked.request)
    try:
        secret = await sign_in.run(lambda: sign_in.begin_session(who))
    except Denied as error:
        raise Problem(403, "sign-in-refused", str(error)) from error
    if before is not None:
        await sign_in.run(lambda: sign_in.store.end(before))
    answer = RedirectResponse(begun.back, 303, _NOT_KEPT)
    seconds = round(sign_in.valid_for.total_seconds())
    sign_in.cookies.keep_session(answer, secret, seconds)
    sign_in.cookies.keep_id_token(answer, id_token, seconds)
    return answer


async def sign_out(asked: Asked) -> Response:
    """End the session of the browser that asks; and say where it goes on to end the provider's."""
    sign_in = _sign_in(asked)
    secret = sign_in.cookies.session(asked.request)
    at_provider: str | None = None
    if secret is not None:
        asked.work.objects.rights.must_be_own_page(asked.request)
        await sign_in.run(lambda: sign_in.store.end(secret))
        id_token = sign_in.cookies.id_token(asked.request)
        at_provider = await sign_in.run(lambda: sign_in.provider.end_address(id_token))
    answer = (
        JSONResponse({"at_provider": at_provider}, headers=_NOT_KEPT) if at_provider
        else Response(status_code=204, headers=_NOT_KEPT)
    )  # fmt: skip
    sign_in.cookies.forget_session(answer)
    return answer


async def is_operator(asked: Asked) -> Response:
    """Whether an operator asks: for a proxy before what has no accounts of its own."""
    service = asked.work.objects
    asker = await service.run(lambda: service.rights.asker(asked.request))
    if not asker.caller.may_make_projects():
        raise service.rights.no_operator(asker)
    if asker.session is not None:
        service.rights.must_be_own_page(asked.request, asked.text(_METHOD) or "GET")
    return Response(status_code=204, headers={**_NOT_KEPT, "GMN-Account": asker.caller.account})


def _sign_in(asked: Asked) -> Signing:
    """Raises Problem (404)."""
    found = asked.work.objects.sign_in
    if found is None:
        raise Problem(404, "not-found", "Nobody signs in at this server.")
    return found


def _count(asked: Asked, sign_in: Signing) -> None:
    """Raises Problem (429)."""
    client = asked.request.client
    wait_s = sign_in.attempts.wait_s(client.host if client else "")
    if wait_s is not None:
        raise Problem(429, "too-many-requests", "Too many sign-ins from this address.", wait_s)


_PAGE = Answers("text/html", "Why it could not be, as a page")
_GIVEN = (
    Parameter("state", "which sign-in it is the answer to"),
    Parameter("code", "what the provider gives out a token for, once"),
    Parameter("iss", "whose answer it is (RFC 9207)"),
    Parameter("error", "why there is none"),
    Parameter("error_description", "the same for people"),
)
ROUTES = (
    Route(
        "/account", "account", "Who asks, as far as it is known: account, roles, until when",
        account, (Answers(_JSON, "Who", object_schema(is_operator="boolean", roles="object")),),
        needs=PUBLIC,
    ),
    Route(
        SIGN_IN_PATH, "account_sign_in", "Sign in, by the provider of OpenID Connect that the "
        "server is set to", begin, (_PAGE,),
        (Parameter("back", "the page to come back to, a path of this server"),),
        problems=(404, 503), redirects={303: "To the provider"}, needs=PUBLIC,
    ),
    Route(
        RETURN_PATH, "account_signed_in", "Where the provider leads back to", finish, (_PAGE,),
        _GIVEN, more_parameters_are_passed_over=True, problems=(403, 404, 503),
        redirects={303: "To the page where it began"}, needs=PUBLIC,
    ),
    Route(
        SIGN_OUT_PATH, "account_sign_out", "Sign out", sign_out,
        (Answers(_JSON, "It is done here; `at_provider` is where a browser goes on to sign out "
                 "there, too", object_schema(at_provider="string")),),
        methods=("POST",), problems=(403, 404, 503),
        done={204: "It is done, and there is nothing to do at the provider"}, needs=PUBLIC,
    ),
    Route(
        "/account/operator", "account_operator", "Whether an operator asks, whom GMN-Account then "
        "names: for the auth_request of a proxy", is_operator,
        (Answers("text/plain", "Nothing but headers"),),
        (Parameter(_METHOD, "that of the request that is asked about", is_in_header=True),),
        problems=(401, 403, 503),
        done={204: "An operator asks"}, needs=Need.MAKE_PROJECTS.name.lower(),
    ),
)  # fmt: skip
