"""Settings of sign-in by OpenID Connect.

What belongs here: whose word is taken for who somebody is, and what a new account may. What does
not: what roles may (`schemas/accounts.py`).
"""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from gmn_pipeline.settings.group import SettingsGroup

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SignInSettings(SettingsGroup):
    """Sign-in: how people say in the portal who they are, by a provider of OpenID Connect."""

    sign_in_issuer: str | None = Field(
        None, description="The provider: its issuer, an address such as "
        "https://id.example.org/realms/meteors, below which it tells of itself. Unset: nobody "
        "signs in. It needs GMN_SERVE_URL, and GMN_SERVE_URL/account/signed-in as a redirect URI "
        "at the provider."
    )  # fmt: skip
    sign_in_client_id: str | None = Field(None, description="What the provider calls this server.")
    sign_in_client_secret: SecretStr | None = Field(
        None, description="What this server proves that by. Unset: it is a public client, which "
        "has PKCE alone."
    )  # fmt: skip
    sign_in_scopes: str = Field(
        "openid profile email", description="What the provider is asked for."
    )
    sign_in_name_claim: str = Field(
        "preferred_username", description="The claim that a new account is named by, in lower "
        "case: preferred_username, email (if the provider has verified it), sub, or any other."
    )  # fmt: skip
    sign_in_operator: str | None = Field(
        None, description="The account that becomes an operator when it is made by its first "
        "sign-in, as long as there is no operator. Where people choose their names at the provider "
        "themselves, another could choose this one first."
    )  # fmt: skip
    sign_in_makes_accounts: bool = Field(
        True, description="Whether a first sign-in makes an account. If not, only those sign in "
        "whose account an operator has linked."
    )  # fmt: skip
    sign_in_first_roles: str = Field(
        "", pattern=r"^([a-z0-9][a-z0-9-]{0,62}:(reader|contributor|processor|owner)( |$))*$",
        description="Roles of an account that a first sign-in makes: PROJECT:ROLE, several with "
        "spaces between. Empty: none."
    )  # fmt: skip
    sign_in_ends_at_provider: bool = Field(
        True, description="Whether signing out here signs out at the provider, too, if it says "
        "where (end_session_endpoint). It needs GMN_SERVE_URL/ (with the last /) as a "
        "post-logout redirect URI at the provider."
    )  # fmt: skip
    sign_in_hours: float = Field(
        12.0, gt=0, le=8_760, description="Hours after which somebody has to sign in again."
    )
    sign_in_clock_skew_s: int = Field(
        60, ge=0, le=600, description="Seconds that the provider's clock may differ from this "
        "machine's."
    )  # fmt: skip
    sign_in_per_minute: int = Field(
        20, ge=1, description="Steps of signing in that one address may take a minute, two for "
        "each sign-in; more are refused (429)."
    )  # fmt: skip
    sign_in_timeout_s: float = Field(
        10.0, gt=0, description="Seconds that the provider may take for an answer."
    )

    @field_validator("sign_in_issuer")
    @classmethod
    def _is_said_safely(cls, issuer: str | None) -> str | None:
        if not issuer:
            return None
        parts = urlsplit(issuer)
        is_own = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("is no issuer: https://host/path")
        if parts.scheme != "https" and not is_own:
            raise ValueError("is reached by https only, unless it is on this machine")
        return issuer
