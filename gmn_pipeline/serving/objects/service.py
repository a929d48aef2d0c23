"""The parts that the addresses of objects work with.

What belongs here: opening them, once for a server. What does not: requests.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.shares import ShareStore
from gmn_pipeline.flows.objects import opened_objects
from gmn_pipeline.serving.accounts.service import Signing
from gmn_pipeline.serving.objects.crawler import Crawler
from gmn_pipeline.serving.objects.rights import Asker, Rights
from gmn_pipeline.serving.objects.sharing_key import SharingKey
from gmn_pipeline.serving.objects.takeover import Takeover
from gmn_pipeline.serving.objects.uploads import Uploads
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import ObjectServingSettings

T = TypeVar("T")
_THREADS = 16
MB = 1_000_000


class ObjectService:
    """The lake of objects, who may use it, and unfinished uploads."""

    def __init__(self, settings: ObjectServingSettings, *, is_on_loopback: bool) -> None:
        self.settings = settings
        self.lake = opened_objects(settings)
        self.accounts = AccountStore(self.lake.database)
        self.sign_in = Signing(settings, self.lake.database) if settings.sign_in_issuer else None
        self.rights = Rights(settings, self.accounts, self.sign_in, is_on_loopback=is_on_loopback)
        self._folder = settings.data_dir / "objects"
        self.uploads = Uploads(self._folder / "uploads", settings.objects_upload_hours)
        self.takeover = Takeover()
        self.key = SharingKey(self._folder)
        self.shares = ShareStore(self.lake.database)
        self.crawler = Crawler(settings)
        self._threads = anyio.CapacityLimiter(_THREADS)

    def open(self) -> None:
        """When a server starts, which asks the database again and again."""
        self.lake.database.hold_open()

    def close(self) -> None:
        """When nothing is asked any more."""
        self.lake.database.let_go()

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that takes a disk or a database, in a thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    @asynccontextmanager
    async def within(self, block: AbstractContextManager[Path]) -> AsyncIterator[Path]:
        """A block whose beginning and end take a disk."""
        found = await self.run(block.__enter__)
        try:
            yield found
        finally:
            with anyio.CancelScope(shield=True):
                await self.run(lambda: block.__exit__(None, None, None))

    def visible(self, asker: Asker) -> dict[str, bool]:
        """The projects that somebody may see; whether each is public."""
        projects = self.lake.catalogue.projects()
        return {
            name: is_public
            for name, is_public in projects.items()
            if asker.may_see(name, is_public=is_public)
        }

    def check_space(self, wanted_bytes: int) -> None:
        """That so much more can be taken. Raises Problem (507)."""
        place = self._folder
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free - self.settings.objects_free_mb * MB
        if wanted_bytes > free:
            raise no_space()

    def check_size(self, size_bytes: int) -> None:
        """That an object may be so large. Raises Problem (413)."""
        most = self.settings.objects_http_mb
        if size_bytes > most * MB:
            raise Problem(413, "too-large", f"An object may have {most:,} MB here.")


def no_space() -> Problem:
    """There is none left."""
    return Problem(507, "no-space", "There is no space left here for this. Nothing of it is named.")
