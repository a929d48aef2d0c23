"""What everybody sees first in the linked views, counted before somebody asks for it.

What belongs here: which requests those are, counting them anew for a newer state, and which state
they are counted for. What does not: counting (`answer.py`), and what the portal draws.

It gives way: it is one query at a time, and rests a multiple of what it took, so where states
follow each other closely most of them are passed over
(docs/decisions/0062-the-first-view-is-counted-ahead.md).
"""

import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import anyio
import anyio.to_thread

from gmn_pipeline.errors import GmnError
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.lake import Lake
from gmn_pipeline.serving.problems import Problem

_log = logging.getLogger(__name__)

PATH = "/gmn/cubes.arrow"
VIEWS_SEEN_FIRST: tuple[tuple[str, ...], ...] = (
    ("ground", "radiant_sun_centred", "time", "solar_longitude", "speed", "magnitude"),
    (
        "orbit", "begin_height", "end_height", "mass", "inclination", "tisserand", "convergence",
        "stations_each", "shower",
    ),
    ("station", "flag"),
)  # fmt: skip
"""As the page asks for them, one request each: a test compares both."""
_CELLS = 180
COUNTED = "_counted"
QUERIES = tuple(
    urlencode([("_cells", _CELLS), *(("_view", name) for name in names), (COUNTED, "on")])
    for names in VIEWS_SEEN_FIRST
)
_LOOKS_S = 1.0
_RESTS = 4
"""Times as long as it took."""
_AGAIN_S = 10.0
MOST_BEHIND_S = 600.0
"""So long after a newer state was seen first it is still taken for what there is."""


class Ahead:
    """Let `run` run beside the requests, and `end` it before they come to their end."""

    def __init__(self, lake: Lake, from_rows: int) -> None:
        """`from_rows`: with fewer trajectories nothing is counted ahead, as it takes no time."""
        self._lake = lake
        self._from_rows = from_rows
        self._counted: Snapshot | None = None
        self._small: str | None = None  # the state that was not worth it
        self._behind_since_s: float | None = None
        self._ended = anyio.Event()

    @property
    def is_ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """What is under way is given up soon."""
        self._ended.set()

    async def _rest(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._ended.wait()

    def state(self) -> Snapshot:
        """The state that is counted already, or the newest if that has been another for too long.

        Raises Problem (503).
        """
        newest, counted = self._lake.snapshot(), self._counted
        if counted is None or counted.mark == newest.mark or counted.id > newest.id:
            self._behind_since_s = None
            return newest
        now = time.monotonic()
        since_s = self._behind_since_s = self._behind_since_s or now
        return newest if now - since_s > MOST_BEHIND_S else counted

    async def run(self, count: Callable[[Snapshot, str], Awaitable[object]]) -> None:
        """For as long as the server runs. `count` answers one of `QUERIES` of a state, and keeps
        the answer; what is kept already, it looks at, so that it is not the first to go."""
        while not self.is_ended:
            await self._rest(_LOOKS_S)
            begun = time.monotonic()
            try:
                newest = self._lake.snapshot()
                if not await anyio.to_thread.run_sync(self._is_worth_it, newest):
                    continue
                for query in QUERIES:
                    await count(newest, query)
                self._counted = newest
            except (GmnError, Problem):  # the lake tells of itself what becomes of it
                await self._rest(_AGAIN_S)
            except Exception:
                _log.exception("The first view cannot be counted ahead")
                await self._rest(_AGAIN_S)
            await self._rest((time.monotonic() - begun) * _RESTS)

    def _is_worth_it(self, newest: Snapshot) -> bool:
        if self._counted is not None:
            return True
        if newest.mark == self._small:
            return False
        found = self._lake.fetch(newest, f"SELECT count(*) AS n FROM {TRAJECTORIES.name}")
        if int(found.column("n")[0].as_py()) >= self._from_rows:
            return True
        self._small = newest.mark
        return False
