"""What headers of S3 say of an object, and what its answers say.

What belongs here: metadata, tags and what a description is as headers. What does not: bytes.

A value of metadata is a text to S3. Put, it is kept as one; got, what is no text is told as JSON.
All that can be said of an object goes by `x-amz-meta-gmn-description`, in the form of `_about`.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from gmn_pipeline.schemas.objects import Description, StoredObject
from gmn_pipeline.serving.objects.reading import headers_of_file
from gmn_pipeline.serving.objects.told import description_of
from gmn_pipeline.serving.s3.errors import invalid, not_implemented

DELETED = "deleted"
"""Instead of a version in the id of the mark of a deletion."""
_META = "x-amz-meta-"
_DESCRIPTION = f"{_META}gmn-description"
_MOST_META_BYTES = 2_048  # as S3 has it
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_NOT_KEPT = ("content-encoding", "content-language", "x-amz-website-redirect-location")
_OF_THE_BODY = ("", "aws-chunked")


def description_in(headers: Mapping[str, str]) -> Description:
    """What a request says of the object that it makes. Raises S3Error, Problem, ObjectRefused."""
    for name in _NOT_KEPT:
        if headers.get(name, "").strip().lower() not in _OF_THE_BODY:
            raise not_implemented(f"Keeping the header {name}")
    told: dict[str, Any] = {}
    if _DESCRIPTION in headers:
        told = _json(_decoded(headers[_DESCRIPTION]))
    metadata = {
        name.removeprefix(_META): _decoded(value)
        for name, value in headers.items()
        if name.startswith(_META) and name != _DESCRIPTION
    }
    if metadata:
        told["metadata"] = {**told.get("metadata", {}), **metadata}
    tags = parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True)
    if tags:
        words = [f"{name}={value}" if value else name for name, value in tags]
        told["tags"] = [*told.get("tags", []), *words]
    return description_of(told)


def replaced_description(before: Description, headers: Mapping[str, str]) -> Description | None:
    """What a copy says, if it says something else than its source. S3 knows metadata and tags:
    what it does not know of stays, unless all is said anew. Raises as `description_in`."""

    def is_replaced(what: str) -> bool:
        return headers.get(f"x-amz-{what}-directive", "COPY").upper() == "REPLACE"

    if not (is_replaced("metadata") or is_replaced("tagging")):
        return None
    said = description_in(headers)
    if is_replaced("metadata") and _DESCRIPTION in headers:
        return replace(said, content_type=before.content_type)
    return replace(
        before,
        metadata=said.metadata if is_replaced("metadata") else before.metadata,
        tags=said.tags if is_replaced("tagging") else before.tags,
    )


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise invalid("The metadata gmn-description is no JSON object.")
    return found


def _decoded(value: str) -> str:
    """Headers are Latin-1 for the server, and UTF-8 or RFC 2047 for who sends them."""
    try:
        value = value.encode("latin-1").decode()
    except UnicodeError:
        raise invalid("Metadata is in UTF-8.") from None
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def version_id(stored: StoredObject, *, is_mark: bool = False) -> str:
    """What a version is called, or the mark that its object was deleted (`versions.py`)."""
    return f"{stored.object_id}.{DELETED if is_mark else stored.version}"


def headers_of(stored: StoredObject, etag: str) -> dict[str, str]:
    """What is told of an object with its bytes."""
    metadata = {
        name.lower(): value if isinstance(value, str) else json.dumps(value)
        for name, value in stored.description.metadata.items()
    }
    meta: dict[str, str] = {}
    size_bytes = missing = 0
    for name, value in metadata.items():
        encoded = _encoded(value)
        size_bytes += len(name) + len(encoded)
        if size_bytes > _MOST_META_BYTES or not name or set(name) - _NAME:
            missing += 1
        else:
            meta[f"{_META}{name}"] = encoded
    if missing:
        meta["x-amz-missing-meta"] = str(missing)
    return {
        "ETag": etag,
        "Last-Modified": http_time(stored.put_at_utc),
        "Accept-Ranges": "bytes",
        "x-amz-version-id": version_id(stored),
        **headers_of_file(stored.name.name, stored.description.content_type),
        **meta,
    }


def _encoded(value: str) -> str:
    """As a header has it: in ASCII, by RFC 2047 if it must be."""
    if value.isascii() and value.isprintable() and value == value.strip():
        return value
    from email.charset import BASE64, Charset

    utf8 = Charset("utf-8")
    utf8.header_encoding = BASE64
    return utf8.header_encode(value)


def http_time(when_utc: datetime) -> str:
    """As HTTP has times."""
    return format_datetime(when_utc.replace(microsecond=0, tzinfo=UTC), usegmt=True)


def xml_time(when_utc: datetime) -> str:
    """As S3's XML has times."""
    return when_utc.isoformat(timespec="milliseconds") + "Z"
