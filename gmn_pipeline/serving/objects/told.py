"""Objects as JSON, and what is said of them read from JSON.

What belongs here: the form of both. What does not: what may be said (`schemas/objects.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.schemas.objects import (
    Description,
    Link,
    LinkKind,
    Operation,
    StoredObject,
)
from gmn_pipeline.serving.objects.visits import address_of
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.values import utc

_TIMES = ("observed_from_utc", "observed_until_utc")
_PLACE = ("latitude_deg", "longitude_deg")
_SAID = ("application", "metadata", "tags", "links", *_TIMES, *_PLACE)
_TEXT, _NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}
DESCRIPTION_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "application": {"type": "string"}, "metadata": {"type": "object"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "links": {"type": "array", "items": {
            "type": "object", "required": ["kind", "key"],
            "properties": {
                "kind": {"enum": [kind.value for kind in LinkKind]}, "key": {"type": "string"},
            },
        }},
        **dict.fromkeys(_TIMES, _TEXT), **dict.fromkeys(_PLACE, _NUMBER),
    },
    "additionalProperties": False,
}  # fmt: skip
"""What can be said of an object, as JSON Schema."""
OBJECT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["object_id", "name", "version", "sha256", "size_bytes", "content_type", *_SAID],
}


def shown(when: datetime | None) -> str | None:
    """A time, or null."""
    return None if when is None else when.isoformat(timespec="microseconds") + "Z"


def said_of(description: Description) -> dict[str, Any]:
    """What is said of an object, without what its bytes are."""
    return {
        "application": description.application, "metadata": description.metadata,
        "tags": sorted(description.tags),
        "links": [{"kind": kind.value, "key": key} for kind, key in sorted(description.links)],
        **{name: shown(getattr(description, name)) for name in _TIMES},
        **{name: getattr(description, name) for name in _PLACE},
    }  # fmt: skip


def told_object(stored: StoredObject) -> dict[str, Any]:
    """A version of an object."""
    name = stored.name
    return {
        "object_id": stored.object_id, "project": name.project, "container": name.container,
        "name": name.name, "version": stored.version, "is_newest": stored.is_newest,
        "size_bytes": stored.content.size_bytes, "sha256": stored.content.sha256,
        "content_type": stored.description.content_type, **said_of(stored.description),
        "put_at_utc": shown(stored.put_at_utc), "put_by": stored.put_by,
        "deleted_at_utc": shown(stored.deleted_at_utc),
        "restorable_until_utc": shown(stored.restorable_until_utc), "address": address_of(name),
    }  # fmt: skip


def told_operation(done: Operation) -> dict[str, Any]:
    """Something that was done to an object, or was tried."""
    return {
        "number": done.number, "kind": done.kind.value, "name": done.name,
        "object_id": done.object_id, "version": done.version, "by": done.by,
        "run_id": done.run_id, "at_utc": shown(done.at_utc), "reason": done.reason,
    }  # fmt: skip


def description_of(told: Mapping[str, Any]) -> Description:
    """What JSON says of an object. Raises Problem or ObjectRefused."""
    unknown = set(told) - set(_SAID)
    if unknown:
        raise bad_request(
            f"Of an object can be said: {', '.join(_SAID)}; not {min(unknown)[:100]!r}."
        )
    try:
        given: dict[str, Any] = dict(told)
        for name in _TIMES:
            if given.get(name) is not None:
                given[name] = utc(given[name])
        if "tags" in given:
            given["tags"] = frozenset(_texts(given["tags"]))
        if "links" in given:
            given["links"] = frozenset(
                Link(LinkKind(one["kind"]), _texts([one["key"]])[0]) for one in given["links"]
            )
        for name in _PLACE:
            if given.get(name) is not None:
                given[name] = _number(given[name])
        if not isinstance(given.get("application", ""), str) or not isinstance(
            given.get("metadata", {}), dict
        ):
            raise TypeError("application is a text, metadata an object")
        return replace(Description(), **given)
    except ObjectRefused:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise bad_request(f"What is said of the object cannot be read: {error}.") from error


def merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What is said after a merge patch (RFC 7396): what it does not name stays, null goes."""
    after = dict(before)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, Mapping):
            inner = after.get(name)
            after[name] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            after[name] = value
    return after


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise TypeError("a list of texts is wanted")
    return values


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number is wanted")
    return float(value)
