"""What a query's process and the one that began it say to each other.

What belongs here: the request, and the kinds of pieces that the answer comes in. What does not:
either end (`process.py`, `worker.py`).
"""

from dataclasses import dataclass
from typing import Any

from gmn_pipeline.queries.limits import Limits

HEADER = ">cQ"
"""Kind and length of a piece."""

OPEN, BYTES, DONE, ERROR = b"O", b"B", b"D", b"E"
"""The warehouse is open and time begins to count; a piece of an Arrow IPC stream; how the answer
ended; why it did not."""


@dataclass(frozen=True)
class Visible:
    """Objects that somebody may see: those of these projects. `gone`: objects that the catalogue in
    the lake has in one of them, and that are deleted or elsewhere by now."""

    projects: frozenset[str]
    gone: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Request:
    """One query and its limits. It comes after the settings that say where the warehouse is."""

    sql: str
    parameters: Any
    limits: Limits
    exact_types: bool
    snapshot: int | None
    """The warehouse as it was then; None: as it is."""
    hidden: frozenset[str] = frozenset()
    """Tables that this query may not ask, in lower case."""
    more_may_come: bool = False
    """Whether the process is to wait for another query afterwards."""
    with_objects: bool = False
    """Whether it may ask the tables of objects, be they of projects that are not public."""
    visible: Visible | None = None
    """Instead of that: which objects it may ask. None: there are none."""
