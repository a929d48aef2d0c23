"""OpenID Connect: what the provider is asked, and what is believed of its answers.

What belongs here: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636), by
Authlib and joserfc. What does not: cookies, accounts.

Believed is a token that the provider's key has signed, for this client, now, for this sign-in
(nonce). Whatever else comes is refused with a sentence, and so is a provider that is away.
"""

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from gmn_pipeline.database.sign_ins import Identity
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.serving.accounts.cookies import Begun
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import SignInSettings

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

RETURN_PATH = "/account/signed-in"
_ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
    "EdDSA",
)  # fmt: skip
"""Of public keys: what is signed with a shared secret, or not at all, proves nothing here."""
_KEPT_S = 3_600
_KEYS_AGAIN_S = 60
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Beginning:
    """Where a browser is sent, and what it has to keep for the way back."""

    address: str
    state: str
    nonce: str
    verifier: str


class _Kept:
    """Something that the provider tells, for an hour."""

    def __init__(self) -> None:
        self.value: Any = None
        self.at_s = float("-inf")

    def is_younger_than(self, seconds: float) -> bool:
        return time.monotonic() - self.at_s < seconds

    def keep(self, value: Any) -> Any:
        self.value, self.at_s = value, time.monotonic()
        return value


class Provider:
    """One provider. Its methods wait for it, and raise Problem: 403 if what it says is not to be
    believed or it refuses, 503 if it is away."""

    def __init__(self, settings: SignInSettings, base: str) -> None:
        """`base`: where browsers reach this server. Raises SettingsError."""
        if not settings.sign_in_client_id:
            raise SettingsError(
                "GMN_SIGN_IN_ISSUER is set, and GMN_SIGN_IN_CLIENT_ID is not.",
                remedy="It is what the provider calls this server.",
            )
        _must_be_installed()
        self.issuer = settings.sign_in_issuer or ""
        self._settings = settings
        self._client_id = settings.sign_in_client_id
        self._return_address = base + RETURN_PATH
        self._signed_out_address = f"{base}/"
        self._told, self._keys = _Kept(), _Kept()
        self._lock = RLock()

    def begin(self) -> Beginning:
        """Where somebody signs in."""
        state, nonce, verifier = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._of_provider("authorization_endpoint"), state=state, nonce=nonce,
                code_verifier=verifier,
            )  # fmt: skip
        return Beginning(address, state, nonce, verifier)

    def finish(self, given: Mapping[str, str], begun: Begun) -> tuple[Identity, str]:
        """Who came back, by what they brought along (`given`: parameters of the address), and the
        token that says so."""
        if not hmac.compare_digest(given.get("state", "").encode(), begun.state.encode()):
            raise _refused("This is the answer to another sign-in than this browser began last.")
        self._check_issuer(given.get("iss"))
        if given.get("error"):
            said = given.get("error_description") or given["error"]
            raise _refused(f"The sign-in service refuses: {said[:300]}")
        if not given.get("code"):
            raise _refused("The sign-in service sent no code along.")
        tokens = self._tokens(given["code"], begun.verifier)
        claims = self.believed(tokens, begun.nonce)
        name = self._name(claims, tokens)
        return Identity(self.issuer, str(claims["sub"]), name), tokens["id_token"]

    def end_address(self, id_token: str | None) -> str | None:
        """Where a browser signs out at the provider, to come back here (OpenID Connect
        RP-Initiated Logout 1.0); None if that is not wanted, or it cannot be had just now."""
        if not self._settings.sign_in_ends_at_provider:
            return None
        from authlib.common.urls import add_params_to_uri

        try:
            if "end_session_endpoint" not in self._metadata():
                return None
            endpoint = self._of_provider("end_session_endpoint")
        except Problem:
            return None
        hint = [("id_token_hint", id_token)] if id_token else []
        back = ("post_logout_redirect_uri", self._signed_out_address)
        address: str = add_params_to_uri(endpoint, [*hint, ("client_id", self._client_id), back])
        return address

    def _check_issuer(self, issuer: str | None) -> None:
        """RFC 9207: whose answer it is, where a provider says so."""
        says_so = self._metadata().get("authorization_response_iss_parameter_supported") is True
        if issuer != self.issuer and (issuer is not None or says_so):
            raise _refused("This is the answer of another sign-in service than was asked.")

    def _tokens(self, code: str, verifier: str) -> Mapping[str, Any]:
        from authlib.integrations.base_client import OAuthError

        endpoint = self._of_provider("token_endpoint")
        with self._client() as client:
            try:
                found: Mapping[str, Any] = client.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=verifier,
                    timeout=self._settings.sign_in_timeout_s, allow_redirects=False,
                )  # fmt: skip
            except OAuthError as error:
                said = error.description or error.error
                raise _refused(f"The sign-in service does not take the code: {said}.") from error
            except (requests.RequestException, ValueError) as error:
                raise _away() from error
        return found

    def believed(self, tokens: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """What the ID token says, if all of it is right. Raises Problem."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        text = tokens.get("id_token")
        if not isinstance(text, str):
            raise _refused("The sign-in service sent no ID token.")
        try:
            token = jwt.decode(text, self._key_of, algorithms=list(_ALGORITHMS))
            claims = CodeIDToken(
                token.claims, token.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {"nonce": nonce, "client_id": self._client_id,
                 "access_token": tokens.get("access_token")},
            )  # fmt: skip
            claims.validate(int(time.time()), self._settings.sign_in_clock_skew_s)
        except (JoseError, ValueError) as error:
            raise _refused(
                f"What the sign-in service says of you cannot be believed: {error}."
            ) from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise _refused("The sign-in service names nobody.")
        return dict(claims)

    def _name(self, claims: Mapping[str, Any], tokens: Mapping[str, Any]) -> str:
        """What an account is called. Most claims are told apart from the token (Core 5.4)."""
        wanted = self._settings.sign_in_name_claim
        if wanted not in claims and self._metadata().get("userinfo_endpoint"):
            about = self._asked(
                self._of_provider("userinfo_endpoint"),
                {"Authorization": f"Bearer {tokens.get('access_token')}"},
            )
            if about.get("sub") != claims["sub"]:
                raise _refused("The sign-in service tells of somebody else than has signed in.")
            claims = {**about, **claims}
        if wanted == "email" and claims.get("email_verified") is not True:
            raise _refused("The sign-in service has not verified your address of email.")
        name = claims.get(wanted)
        if not isinstance(name, str) or not name:
            raise _refused(f"The sign-in service does not tell your {wanted}.")
        return name.lower()

    def _key_of(self, token: Any) -> "KeySet":
        """The provider's keys; asked for again when one is named that is not among them."""
        from joserfc.jwk import KeySet

        kid = token.headers().get("kid")
        with self._lock:
            kept, keys = self._keys.is_younger_than(_KEPT_S), self._keys.value
            is_known = kept and (kid is None or any(key.kid == kid for key in keys.keys))
            if not is_known and not self._keys.is_younger_than(_KEYS_AGAIN_S):
                told = self._asked(self._of_provider("jwks_uri"))
                try:
                    keys = self._keys.keep(KeySet.import_key_set(told))  # type: ignore[arg-type]
                except Exception as error:
                    raise _away() from error
        found: KeySet = keys
        return found

    def _metadata(self) -> Mapping[str, Any]:
        with self._lock:
            if not self._told.is_younger_than(_KEPT_S):
                address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                told = self._asked(address)
                if told.get("issuer") != self.issuer:
                    raise Problem(
                        503, "sign-in-unavailable", "The sign-in service calls itself by another "
                        "name than GMN_SIGN_IN_ISSUER has.",
                    )  # fmt: skip
                self._told.keep(told)
            found: Mapping[str, Any] = self._told.value
        return found

    def _of_provider(self, name: str) -> str:
        """An address that it tells, as safe as its own."""
        address = self._metadata().get(name)
        is_https = urlsplit(self.issuer).scheme == "https"
        if not isinstance(address, str) or (is_https and urlsplit(address).scheme != "https"):
            raise _away()
        return address

    def _asked(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = requests.get(
                address, headers={"Accept": "application/json", **(headers or {})},
                timeout=self._settings.sign_in_timeout_s, allow_redirects=False,
            )  # fmt: skip
            answer.raise_for_status()
            told = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise _away() from error
        if not isinstance(told, dict):
            raise _away()
        return told

    def _client(self) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        secret = self._settings.sign_in_client_secret
        ways = self._metadata().get("token_endpoint_auth_methods_supported")
        way = "client_secret_basic" if secret else "none"
        if secret and isinstance(ways, list) and way not in ways:
            way = "client_secret_post"
        return OAuth2Session(
            self._client_id, secret.get_secret_value() if secret else None,
            token_endpoint_auth_method=way, scope=self._settings.sign_in_scopes,
            redirect_uri=self._return_address, code_challenge_method="S256",
        )  # fmt: skip


def _refused(detail: str) -> Problem:
    return Problem(403, "sign-in-refused", detail)


def _away() -> Problem:
    return Problem(
        503, "sign-in-unavailable", "The sign-in service cannot be reached, or does not answer as "
        "it should. Public data can be read without; tokens of programs work meanwhile.", 30,
    )  # fmt: skip


def _must_be_installed() -> None:
    try:
        import authlib  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "Signing in needs the package authlib.", remedy="pip install 'gmn-pipeline[sign-in]'"
        ) from error
