"""What a browser keeps: its session, whose it is, and a sign-in that is under way.

What belongs here: names and forms of the cookies. What does not: what a session is worth
(`database/sign_ins.py`).

None can be read by a page's script, and no other site's request brings them but a person who
follows a link. Where the server is reached by https, they never go over anything else, and no
other host of the same domain can set them (`__Host-`).
"""

import base64
import json
import time
from dataclasses import asdict, dataclass

from starlette.requests import HTTPConnection
from starlette.responses import Response

SIGN_OUT_PATH = "/account/sign-out"
_SIGN_IN_TAKES_S = 600
_LONGEST = 4_000


@dataclass(frozen=True)
class Begun:
    """A sign-in under way: what only the browser that began it knows. `back`: the page that it
    began on. `until`: Unix time."""

    state: str
    nonce: str
    verifier: str
    back: str
    until: int


class Cookies:
    """Of one server. `is_https`: whether browsers reach it so."""

    def __init__(self, *, is_https: bool) -> None:
        self._is_https = is_https
        prefix = "__Host-" if is_https else ""
        self._session = f"{prefix}gmn_session"
        self._begun = f"{prefix}gmn_sign_in"
        self._id_token = f"{'__Secure-' if is_https else ''}gmn_id_token"

    def session(self, request: HTTPConnection) -> str | None:
        """The secret that a request brings."""
        return request.cookies.get(self._session) or None

    def keep_session(self, response: Response, secret: str, seconds: int) -> None:
        self._keep(response, self._session, secret, seconds)

    def forget_session(self, response: Response) -> None:
        """And whose it was."""
        self._forget(response, self._session)
        self._forget(response, self._id_token, SIGN_OUT_PATH)

    def id_token(self, request: HTTPConnection) -> str | None:
        """What the provider said of who signed in: it wants it back to sign somebody out."""
        return request.cookies.get(self._id_token) or None

    def keep_id_token(self, response: Response, id_token: str, seconds: int) -> None:
        """Unless it is longer than browsers keep: then the provider asks who is meant."""
        if len(id_token) < _LONGEST:
            self._keep(response, self._id_token, id_token, seconds, SIGN_OUT_PATH)

    def begun(self, request: HTTPConnection) -> Begun | None:
        """The sign-in that a request's browser began; None if there is none any more."""
        text = request.cookies.get(self._begun, "")
        try:
            begun = Begun(**json.loads(base64.urlsafe_b64decode(text)))
            is_under_way = begun.until > time.time()
        except (ValueError, TypeError):
            return None
        return begun if is_under_way else None

    def keep_begun(
        self, response: Response, state: str, nonce: str, verifier: str, back: str
    ) -> None:
        begun = Begun(state, nonce, verifier, back, int(time.time()) + _SIGN_IN_TAKES_S)
        text = base64.urlsafe_b64encode(json.dumps(asdict(begun)).encode()).decode()
        assert len(text) < _LONGEST
        self._keep(response, self._begun, text, _SIGN_IN_TAKES_S)

    def forget_begun(self, response: Response) -> None:
        self._forget(response, self._begun)

    def _keep(
        self, response: Response, name: str, value: str, seconds: int, path: str = "/"
    ) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path=path, secure=self._is_https, httponly=True,
            samesite="lax",  # Strict would not come with the way back from the provider
        )  # fmt: skip

    def _forget(self, response: Response, name: str, path: str = "/") -> None:
        response.delete_cookie(
            name, path=path, secure=self._is_https, httponly=True, samesite="lax"
        )
