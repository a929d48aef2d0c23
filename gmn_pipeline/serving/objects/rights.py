"""Who may do what with objects over HTTP.

What belongs here: what a request proves of who asks, and the one function that decides. What does
not: what is done then. Accounts and roles take the place of `refusal`.

Without a token, a server that listens to its own machine only trusts the people of that machine. A
browser on it runs pages of other sites too, and a name that such a site owns can be made to lead to
127.0.0.1: so a request has to name this machine as its host, and must not be another site's. A
server behind a proxy is not one for this machine only, whatever it listens to.
"""

import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from starlette.requests import Request

from gmn_pipeline.schemas.objects import By
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import ObjectServingSettings

_FORWARDING = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
)  # fmt: skip
_OWN_PAGES = ("same-origin", "none")
_READING = ("GET", "HEAD")


class Need(Enum):
    """What an address asks of who comes there."""

    LIST = "what one may see is listed"
    READ = "a project is read"
    WRITE = "a project is changed"
    LINK = "the address itself proves it"


class Token(Enum):
    """What a request brings of the token."""

    NONE = 0
    WRONG = 1
    RIGHT = 2


@dataclass(frozen=True)
class Asker:
    """What a request proves of who asks."""

    token: Token
    is_token_set: bool
    is_of_this_machine: bool
    is_of_another_site: bool

    @property
    def sees_all(self) -> bool:
        """Whether no project is closed to them."""
        return self.token is Token.RIGHT or (
            self.token is Token.NONE
            and not self.is_token_set
            and self.is_of_this_machine
            and not self.is_of_another_site
        )

    @property
    def by(self) -> By:
        """As the log of operations names them."""
        if not self.sees_all:
            return By("anyone")
        return By("holder of the token" if self.token is Token.RIGHT else "this machine")


def refusal(asker: Asker, need: Need, is_public: Callable[[], bool]) -> Problem | None:
    """Why somebody may not; None if they may. `is_public`: whether the project is, if that is
    what it comes to."""
    if asker.token is Token.WRONG:
        return _unknown("This is not the token of this server.")
    if asker.sees_all or need in (Need.LIST, Need.LINK):
        return None
    if need is Need.READ and is_public():
        return None
    if asker.is_token_set:
        return _unknown("This needs the token of this server (Authorization: Bearer ...).")
    if asker.is_of_this_machine:
        return Problem(
            403, "of-another-site", "A page of another site may not do this in the name of who "
            "reads it.",
        )  # fmt: skip
    return Problem(
        403, "not-permitted", "This server has no token: it lets public projects be read, and "
        "nothing else, except by requests of its own machine to 127.0.0.1 or localhost.",
    )  # fmt: skip


def _unknown(why: str) -> Problem:
    return Problem(401, "token-wanted", why)


class Rights:
    """Reads from requests who asks. `is_on_loopback`: the server listens to its machine only."""

    def __init__(self, settings: ObjectServingSettings, *, is_on_loopback: bool) -> None:
        secret = settings.objects_token
        self._token = secret.get_secret_value().encode() if secret else b""
        self._is_for_this_machine = (
            is_on_loopback and not settings.serve_trust_forwarded and not settings.serve_url
        )

    def asker(self, request: Request) -> Asker:
        """Who asks, as far as the request proves it."""
        return Asker(
            self._token_of(request), bool(self._token),
            self._is_for_this_machine and _names_this_machine(request),
            _is_of_another_site(request),
        )  # fmt: skip

    def _token_of(self, request: Request) -> Token:
        given = request.headers.get("authorization")
        if given is None or not self._token:
            return Token.NONE
        scheme, _, token = given.partition(" ")
        is_right = hmac.compare_digest(token.strip().encode(), self._token)
        return Token.RIGHT if is_right and scheme.lower() == "bearer" else Token.WRONG


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
