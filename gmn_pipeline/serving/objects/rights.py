"""Who may do what with objects over HTTP.

What belongs here: what a request proves of who asks, and the one function that decides. What does
not: which role has which right (`schemas/accounts.py`), and what is done then.

A person who has signed in brings a session in a cookie, which a browser adds to requests by itself:
it counts only where the request is known not to come from another site's page. To change something
it has to say that it comes from one of ours.

As long as there is no account and no token, a server that listens to its own machine only trusts
the people of that machine. A browser on it runs pages of other sites too, and a name that such a
site owns can be made to lead to 127.0.0.1: so a request has to name this machine as its host, and
must not be another site's. A server behind a proxy is not one for this machine only, whatever it
listens to.
"""

import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from starlette.requests import Request

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.sign_ins import Session
from gmn_pipeline.schemas.accounts import NOBODY, Caller, Right
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.serving.accounts.service import Signing
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import ObjectServingSettings

_FORWARDING = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
)  # fmt: skip
_OWN_PAGES = ("same-origin", "none")
_READING = ("GET", "HEAD")
TOKEN_HOLDER = Caller("holder of the token", is_operator=True)
_OF_THIS_MACHINE = Caller("this machine", is_operator=True)


class Need(Enum):
    """What an address asks of who comes there."""

    LIST = "what one may see is listed"
    READ = Right.READ
    WRITE = Right.WRITE
    PROCESS = Right.PROCESS
    MANAGE = Right.MANAGE
    SOMEWHERE = "a project is changed that the request names elsewhere: whoever reads it asks again"
    MAKE_PROJECTS = "projects are made, or what else only operators may, by an open token"
    LINK = "the address itself proves it"


class SignIn(Enum):
    """What a request says of who it is from."""

    NOTHING = 0
    UNKNOWN = 1
    KNOWN = 2
    ANOTHER_SITES = 3
    """There is a session, and the request is not known to be one of its holder's."""


@dataclass(frozen=True)
class Asker:
    """What a request proves of who asks."""

    caller: Caller
    sign_in: SignIn
    is_to_sign_in: bool
    """Whether there is something to sign in by: a token, or accounts."""
    is_of_this_machine: bool
    session: Session | None = None
    """By which they are known, if by one."""
    can_sign_in: bool = False
    """Whether a person can, by browser."""

    @property
    def by(self) -> By:
        """As the log of operations names them."""
        return By(self.caller.account or "anyone")

    def may_see(self, project: str, *, is_public: bool) -> bool:
        """Whether a project is open to them."""
        return self.caller.may(Right.READ, project, is_public=is_public)


def refusal(
    asker: Asker, need: Need, project: str, is_public: Callable[[], bool]
) -> Problem | None:
    """Why somebody may not; None if they may. `is_public`: whether the project is, if that is
    what it comes to."""
    if asker.sign_in is SignIn.UNKNOWN:
        return _unknown("This token is not known here, or does not hold any more.")
    if need in (Need.LIST, Need.LINK):
        return None
    if need is Need.SOMEWHERE:
        may = asker.caller is not NOBODY
    elif need is Need.MAKE_PROJECTS:
        may = asker.caller.may_make_projects()
    else:
        right = Right(need.value)
        may = asker.caller.may(right, project) or (
            right is Right.READ and asker.caller.may(right, project, is_public=is_public())
        )
    return None if may else _why(asker)


def _why(asker: Asker) -> Problem:
    if asker.sign_in is SignIn.KNOWN:
        return Problem(
            403, "not-permitted", f"{asker.caller.account} may not do this in this project."
        )
    if asker.sign_in is SignIn.ANOTHER_SITES:
        return _of_another_site()
    if asker.is_to_sign_in:
        or_else = ", or somebody who has signed in (/account/sign-in)" if asker.can_sign_in else ""
        return _unknown(f"This needs a token of this server (Authorization: Bearer ...){or_else}.")
    if asker.is_of_this_machine:
        return _of_another_site()
    return Problem(
        403, "not-permitted", "This server knows no tokens: it lets public projects be read, and "
        "nothing else, except by requests of its own machine to 127.0.0.1 or localhost.",
    )  # fmt: skip


def _of_another_site() -> Problem:
    return Problem(
        403, "of-another-site", "A page of another site may not do this in the name of who reads "
        "it.",
    )  # fmt: skip


def _unknown(why: str) -> Problem:
    return Problem(401, "token-wanted", why)


class Rights:
    """Reads from requests who asks. `is_on_loopback`: the server listens to its machine only."""

    def __init__(
        self, settings: ObjectServingSettings, accounts: AccountStore,
        signing: Signing | None = None, *, is_on_loopback: bool,
    ) -> None:  # fmt: skip
        secret = settings.objects_token
        self._token = secret.get_secret_value().encode() if secret else b""
        self._accounts = accounts
        self._signing = signing
        self._is_for_this_machine = (
            is_on_loopback and not settings.serve_trust_forwarded and not settings.serve_url
        )

    @property
    def is_to_sign_in(self) -> bool:
        """Whether there is something to sign in by."""
        return bool(self._token) or self._signing is not None or self._accounts.has_accounts()

    def asker(self, request: Request) -> Asker:
        """Who asks, as far as the request proves it."""
        is_to_sign_in = self.is_to_sign_in
        is_of_this_machine = self._is_for_this_machine and _names_this_machine(request)
        given = request.headers.get("authorization")
        caller, sign_in, session = NOBODY, SignIn.NOTHING, None
        if given is not None and is_to_sign_in:
            caller = self._caller(given)
            sign_in = SignIn.UNKNOWN if caller is NOBODY else SignIn.KNOWN
        elif is_to_sign_in:
            session = self._session(request)
            if session is not None and not self._is_of_own_page(request):
                session, sign_in = None, SignIn.ANOTHER_SITES
            elif session is not None:
                caller, sign_in = session.caller, SignIn.KNOWN
        elif is_of_this_machine and not _is_of_another_site(request):
            caller = _OF_THIS_MACHINE
        can_sign_in = self._signing is not None
        return Asker(caller, sign_in, is_to_sign_in, is_of_this_machine, session, can_sign_in)

    def _session(self, request: Request) -> Session | None:
        secret = self._signing.cookies.session(request) if self._signing else None
        return self._signing.store.session(secret) if self._signing and secret else None

    def _is_of_own_page(self, request: Request, method: str = "") -> bool:
        """Whether a request with a cookie may be taken for one of its holder's.

        To read, nothing may say that it is another site's; to change something, it has to be said
        that it is ours. All browsers of today name the origin of such a request.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        is_reading = (method or request.method) in _READING
        if origin is not None and (self._signing is None or origin.lower() != self._signing.origin):
            return False
        if is_reading and request.headers.get("sec-fetch-mode") == "navigate":
            return True  # a person follows a link; the page that has it is told nothing
        if is_reading:
            return site in (None, *_OWN_PAGES)
        return site == "same-origin" or (site is None and origin is not None)

    def must_be_own_page(self, request: Request, method: str = "") -> None:
        """Raises Problem (403) if a page of another site may have sent it. `method`: the one of a
        request that a proxy asks about."""
        if not self._is_of_own_page(request, method):
            raise _of_another_site()

    def no_operator(self, asker: Asker) -> Problem:
        """What somebody is told who is none; an account's denial is logged."""
        self.note_denial(asker, "", "what only operators may")
        denied = refusal(asker, Need.MAKE_PROJECTS, "", lambda: False)
        assert denied is not None
        return denied

    def note_denial(self, asker: Asker, project: str, what: str) -> None:
        """Log that an account may not do what it wanted to."""
        if asker.sign_in is SignIn.KNOWN:
            self._accounts.log_denial(asker.caller, project, what)

    def _caller(self, authorization: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return NOBODY
        token = token.strip()
        if self._token and hmac.compare_digest(token.encode(), self._token):
            return TOKEN_HOLDER
        return self._accounts.caller(token)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_this_machine(request: Request) -> bool:
    """Whether it came here straight, and under a name that no other site can have."""
    if any(name in request.headers for name in _FORWARDING):
        return False
    hosts = request.headers.getlist("host")
    return len(hosts) == 1 and is_loopback(_host_of(f"//{hosts[0]}") or "")


def _host_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_of_another_site(request: Request) -> bool:
    """Whether a browser says that a page of another origin asks. Going to an address by a link is
    reading by a person; what comes is not to be had by the page with the link."""
    headers = request.headers
    site = headers.get("sec-fetch-site")
    is_followed = headers.get("sec-fetch-mode") == "navigate" and request.method in _READING
    if site is not None and site not in _OWN_PAGES and not is_followed:
        return True
    origin = headers.get("origin")
    return origin is not None and origin != f"{request.url.scheme}://{headers.get('host')}"
