"""The parts of signing in, opened once for a server.

What belongs here: which there are by the settings. What does not: requests (`routes.py`).
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.sign_ins import FirstSignIn, Identity, SignInStore
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline.serving.accounts.cookies import Cookies
from gmn_pipeline.serving.accounts.provider import Provider
from gmn_pipeline.serving.limits import Minutes
from gmn_pipeline.settings import ObjectServingSettings

T = TypeVar("T")
_THREADS = 8
"""So many wait for the provider at once; others are answered meanwhile."""


class Signing:
    """Signing in at this server: its provider, its cookies, its sessions."""

    def __init__(self, settings: ObjectServingSettings, database: Database) -> None:
        """Raises SettingsError."""
        if not settings.serve_url:
            raise SettingsError(
                "GMN_SIGN_IN_ISSUER is set, and GMN_SERVE_URL is not.",
                remedy="It is the address that browsers reach this server at.",
            )
        parts = urlsplit(settings.serve_url)
        self.origin = f"{parts.scheme}://{parts.netloc}".lower()
        self.cookies = Cookies(is_https=parts.scheme == "https")
        self.provider = Provider(settings, settings.serve_url.rstrip("/"))
        self.store = SignInStore(database)
        self.attempts = Minutes(settings.sign_in_per_minute)
        self.valid_for = timedelta(hours=settings.sign_in_hours)
        self._first = FirstSignIn(
            settings.sign_in_makes_accounts, settings.sign_in_operator,
            dict(_role(one) for one in settings.sign_in_first_roles.split()),
        )  # fmt: skip
        self._threads = anyio.CapacityLimiter(_THREADS)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that waits for the provider or the database, in a thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def begin_session(self, who: Identity) -> str:
        """Its secret. Raises Denied."""
        return self.store.sign_in(who, self._first, self.valid_for)


def _role(text: str) -> tuple[str, Role]:
    project, _, role = text.partition(":")
    return project, Role.parse(role)
