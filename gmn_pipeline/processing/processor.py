"""What a processor is: what it is given, and what it gives.

What belongs here: the contract. What does not: who calls it, and where.

A processor is a class without arguments, named by an entry point in the group
`gmn_pipeline.processors`. It runs in a process of its own that may write into `Task.folder` only
and is ended at its limits, so it may use whatever library reads its format best. It is to give the
same outcome for the same object; a change of it is a new `version`, and every object is then
processed again. What it raises is the reason why it failed on that object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from gmn_pipeline.schemas.objects import Json, Link, StoredObject


@dataclass(frozen=True)
class Task:
    """An object to process. `path`: its bytes, not to be written; `folder`: where files may be
    made; `rules`: what its container says to this processor (a list of JSON objects); `known`:
    columns and types of tables of the container that are there, by table."""

    stored: StoredObject
    path: Path
    folder: Path
    rules: Sequence[Mapping[str, Any]] = ()
    known: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    max_pixels: int = 100_000_000


@dataclass(frozen=True)
class Rows:
    """Rows for a table of the lake: in memory, or as a Parquet file in the task's folder. Without
    `object_id`, `version` and `row_number`, which are put before them.

    A table that is not declared is made. `of_container`: it belongs to the object's container and
    is refused to those of others; else to the processor, whatever container its objects are in.
    """

    table: str
    data: pa.Table | Path
    of_container: bool = False


@dataclass(frozen=True)
class Made:
    """An object made of the object: its name in the same container, and its bytes."""

    name: str
    path: Path


@dataclass(frozen=True)
class Found:
    """What is now to be said of the object: metadata under the processor's name, tags and links
    beside those that it has; time and place where it has none."""

    metadata: Mapping[str, Json] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    links: frozenset[Link] = frozenset()
    observed_from_utc: datetime | None = None
    observed_until_utc: datetime | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None


@dataclass(frozen=True)
class Outcome:
    """All that came of it."""

    rows: Sequence[Rows] = ()
    made: Sequence[Made] = ()
    found: Found = Found()


def is_preview(stored: StoredObject) -> bool:
    """Whether an object is there to be looked at: a smaller one of an image that is read itself, or
    a frame of a film."""
    is_made = stored.description.application.startswith("processor ")
    return is_made and stored.name.name.startswith("previews/")


class Processor(Protocol):
    """What reads objects of some types. `content_types` may end in `/*`."""

    name: str
    version: int
    content_types: Sequence[str]

    def process(self, task: Task) -> Outcome:
        """Read the object. Raises whatever it may: that is told as the reason."""


def matching(rules: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The first rule whose pattern `names` (`*.csv`, `2022/*`; all without) an object's name
    matches."""
    return next((rule for rule in rules if fnmatchcase(name, rule.get("names", "*"))), None)
