"""A job, and its record on disk.

What belongs here: what is known of a job. What does not: what becomes of it (`runner.py`).
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from gmn_pipeline.serving.tap.results import Written


class Phase(StrEnum):
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"


UNDER_WAY = (Phase.QUEUED, Phase.EXECUTING)
CHANGING = (Phase.PENDING, *UNDER_WAY)
"""Those that may be followed by another one: a client may wait for that."""


@dataclass
class Job:
    """One job. Changed only by `store.py` and `runner.py`, under their lock."""

    id: str
    parameters: dict[str, str]
    created_at: datetime
    removed_at: datetime
    duration_s: float
    phase: Phase = Phase.PENDING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: str | None = None
    written: Written | None = None
    address: str = field(default="", compare=False)
    """Whose it is, as long as this server runs: it is not put down."""


_TIMES = ("created_at", "removed_at", "started_at", "ended_at")


def record(job: Job) -> str:
    told = asdict(job)
    del told["address"]
    for name in _TIMES:
        told[name] = told[name] and told[name].isoformat()
    return json.dumps(told, indent=1)


def read(text: str) -> Job:
    """Raises ValueError, TypeError or KeyError where it is no record of this version's."""
    told: dict[str, Any] = json.loads(text)
    for name in _TIMES:
        told[name] = told[name] and datetime.fromisoformat(told[name])
    told["phase"] = Phase(told["phase"])
    told["written"] = told["written"] and Written(**told["written"])
    return Job(**told)


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
