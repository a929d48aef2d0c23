"""Trajectories and orbits of the Global Meteor Network, as Arrow tables and data frames.

from gmn_client import Client, c

with Client("http://127.0.0.1:8001") as gmn:
    perseids = gmn.trajectories(shower="PER", since="2026-08-01", where=[c.vgeo_km_s > 55])
    frame = perseids.polars()
    print(perseids.cite())
"""

from importlib.metadata import version

from gmn_client.async_client import AsyncAnswer, AsyncClient
from gmn_client.citation import Citation
from gmn_client.client import Answer, Client
from gmn_client.columns import Trajectories
from gmn_client.conditions import Condition
from gmn_client.errors import (
    BadRequest,
    BrokenTransfer,
    GmnError,
    NotFound,
    NothingRead,
    PackageMissing,
    Problem,
    SnapshotGone,
    TooManyRequests,
    Truncated,
    TryLater,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from gmn_client.event_stream import Event
from gmn_client.flows import Page, ReadyQuestion, State
from gmn_client.following import Change, Changes
from gmn_client.frames import units
from gmn_client.progress import Progress
from gmn_client.retries import Patience
from gmn_client.rows import Rows

__version__ = version("gmn-client")

c = Trajectories()
"""Columns of trajectories, for conditions: `c.vgeo_km_s > 58`."""

__all__ = [
    "Answer",
    "AsyncAnswer",
    "AsyncClient",
    "BadRequest",
    "BrokenTransfer",
    "Change",
    "Changes",
    "Citation",
    "Client",
    "Condition",
    "Event",
    "GmnError",
    "NotFound",
    "NothingRead",
    "PackageMissing",
    "Page",
    "Patience",
    "Problem",
    "Progress",
    "ReadyQuestion",
    "Rows",
    "SnapshotGone",
    "State",
    "TooManyRequests",
    "Trajectories",
    "Truncated",
    "TryLater",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "c",
    "units",
]
