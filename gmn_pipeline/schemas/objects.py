"""What an object of the lake is: its name, what is said of it, and what can be done to it.

What belongs here: names and their rules, a version of an object as everybody sees it. What does
not: where this is kept (`database/objects.py`) and where the bytes are (`storage/contents.py`).
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from gmn_pipeline.errors import ObjectRefused

Json: TypeAlias = "bool | int | float | str | list[Json] | Mapping[str, Json] | None"

_LONGEST_NAME_BYTES = 1_024  # as in S3
_LONGEST_METADATA_BYTES = 65_536
_MOST_TAGS, _LONGEST_TAG = 100, 200
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))  # Unicode's categories: controls, line ends, halves


class OperationKind(StrEnum):
    """What is done to an object, as the log of operations names it."""

    PUT = "put"
    GET = "get"
    DESCRIBE = "describe"
    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"
    RESTORE = "restore"
    SHARE = "share"
    PROCESS = "process"


class LinkKind(StrEnum):
    """What an object can be linked to, besides the objects that it was made of."""

    STATION = "station"
    NIGHT = "night"
    TRAJECTORY = "trajectory"


class Link(NamedTuple):
    """A station by its code, a night by its date (`2022-03-04`), a trajectory by its identifier."""

    kind: LinkKind
    key: str

    @classmethod
    def parse(cls, text: str) -> "Link":
        """One as people write it, `station:US0001`. Raises ObjectRefused."""
        kind, _, key = text.partition(":")
        if kind not in list(LinkKind) or not key:
            raise ObjectRefused(
                f"{text[:100]!r} is no link.",
                remedy=f"One is {', '.join(LinkKind)}, ':' and which.",
            )
        return cls(LinkKind(kind), key)


class Content(NamedTuple):
    """Bytes, by what they are: the same ones are kept once."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, order=True)
class ObjectName:
    """Where an object is: a project's container, and a name in it that may have folders.

    A name is Unicode (NFC), its folders parted by `/`. Raises ObjectRefused for one that a file
    system, a shell or an address would take for something else: empty parts, `.`, `..`, control
    characters, more than 1,024 bytes.
    """

    project: str
    container: str
    name: str

    def __post_init__(self) -> None:
        checked_place(self.project, "project")
        checked_place(self.container, "container")
        normal = unicodedata.normalize("NFC", self.name)
        object.__setattr__(self, "name", normal)
        why = _fault_of_name(normal)
        if why:
            raise ObjectRefused(
                f"{self.name!r} is no name of an object: {why}.",
                remedy="A name has folders and a file parted by '/', as in 2022/03/ff_0001.fits.",
            )

    @classmethod
    def parse(cls, text: str) -> "ObjectName":
        """`project/container/name`, where the name may have more of `/`."""
        parts = text.split("/", 2)
        if len(parts) < 3:
            raise ObjectRefused(
                f"{text!r} names no object.", remedy="Give it as PROJECT/CONTAINER/NAME."
            )
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.project}/{self.container}/{self.name}"


def checked_place(name: str, what: str) -> str:
    """The name of a project or container. Raises ObjectRefused unless it is of small letters,
    digits and hyphens, at most 63: what an address and a bucket may have, too."""
    if not _PLAIN.fullmatch(name):
        raise ObjectRefused(
            f"{name!r} is no name of a {what}.",
            remedy="It has 1 to 63 of a-z, 0-9 and '-', and does not begin with '-'.",
        )
    return name


def _fault_of_name(name: str) -> str:
    parts = name.split("/")
    if "" in parts:
        return "a part of it is empty"
    if {".", ".."} & set(parts):
        return "'.' and '..' are folders of a file system"
    if any(unicodedata.category(letter) in _UNSEEN for letter in name):
        return "it has control characters"
    if len(name.encode()) > _LONGEST_NAME_BYTES:
        return f"it is longer than {_LONGEST_NAME_BYTES:,} bytes"
    return ""


@dataclass(frozen=True)
class Description:
    """What is said of a version of an object, besides what its bytes are.

    `content_type` is found out from the bytes when they come, whatever is given. `metadata` is a
    JSON object, by its container's schema if that has one. The place is where it
    was observed, in degrees (WGS84), the time an interval in UTC.
    """

    content_type: str = ""
    application: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    links: frozenset[Link] = frozenset()
    observed_from_utc: datetime | None = None
    observed_until_utc: datetime | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None

    def __post_init__(self) -> None:
        why = self._fault()
        if why:
            raise ObjectRefused(f"What is said of the object cannot be kept: {why}.")

    def _fault(self) -> str:
        try:
            text = json.dumps(self.metadata, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            return f"its metadata is no JSON ({error})"
        if len(text) > _LONGEST_METADATA_BYTES:
            return f"its metadata has more than {_LONGEST_METADATA_BYTES:,} bytes"
        if "\\u0000" in text:
            return "its metadata has a NUL character"
        texts = [self.application, *self.tags, *(link.key for link in self.links)]
        if any("\0" in one for one in texts):
            return "what is said of it has a NUL character"
        try:
            "".join([json.dumps(self.metadata, ensure_ascii=False), *texts]).encode()
            searchable(self.metadata)
        except UnicodeEncodeError:
            return "it has half a character (a surrogate)"
        except OverflowError:
            return "its metadata has a number that is too large"
        if len(self.tags) > _MOST_TAGS or any(not 0 < len(t) <= _LONGEST_TAG for t in self.tags):
            return f"it has at most {_MOST_TAGS} tags of 1 to {_LONGEST_TAG} characters"
        from_utc, until_utc = self.observed_from_utc, self.observed_until_utc
        if from_utc and until_utc and until_utc < from_utc:
            return "it was observed until before it was observed"
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            return "a place has both latitude and longitude"
        if not (-90 <= (self.latitude_deg or 0) <= 90 and -180 <= (self.longitude_deg or 0) <= 180):
            return "its place is not on Earth (latitude -90 to 90, longitude -180 to 180 degrees)"
        return ""


@dataclass(frozen=True)
class By:
    """Who does something, and in which run of the pipeline, if in one."""

    who: str
    run_id: str = ""


@dataclass(frozen=True)
class NewVersion:
    """Placed bytes that are to be named. `after`: the version that the object must have now (0 if
    there must be none); None takes any."""

    name: ObjectName
    content: Content
    description: Description
    after: int | None = None


@dataclass(frozen=True)
class StoredObject:
    """A version of an object, as it is kept. The newest version is the object's state."""

    object_id: int
    name: ObjectName
    version: int
    content: Content
    description: Description
    put_at_utc: datetime
    put_by: str
    is_newest: bool = True
    deleted_at_utc: datetime | None = None
    restorable_until_utc: datetime | None = None


@dataclass(frozen=True)
class Operation:
    """What was done to an object, or was tried. Of one that never came to be, `object_id` is None;
    `reason` is why it failed."""

    number: int
    kind: OperationKind
    name: str
    object_id: int | None
    version: int | None
    by: str
    run_id: str
    at_utc: datetime
    reason: str

    @property
    def is_success(self) -> bool:
        return not self.reason


def searchable(metadata: Mapping[str, Json]) -> dict[str, list[str | float]]:
    """What metadata can be searched by: each text, number and truth by its path (`camera.gain`).

    Those of a list are found under the list's own path. True and false are 1 and 0.
    """
    found: dict[str, list[str | float]] = {}

    def gather(path: str, value: Json) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                gather(f"{path}.{key}" if path else key, inner)
        elif isinstance(value, list):
            for inner in value:
                gather(path, inner)
        elif isinstance(value, str):
            found.setdefault(path, []).append(value)
        elif value is not None:
            found.setdefault(path, []).append(float(value))

    gather("", metadata)
    return found
