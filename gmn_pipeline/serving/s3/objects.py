"""One object: got, looked at, put, copied, deleted; and many deleted.

What belongs here: what a request says of it, and what it is answered. What does not: parts
(`multipart.py`).
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from starlette.responses import Response

from gmn_pipeline.database.content_md5s import noting
from gmn_pipeline.errors import GmnError, ObjectConflict, ObjectMissing, ObjectRefused
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.schemas.objects import Description, ObjectName, StoredObject
from gmn_pipeline.serving.downloads import span_of
from gmn_pipeline.serving.objects.incoming import check_place
from gmn_pipeline.serving.objects.reading import Bytes
from gmn_pipeline.serving.s3.errors import (
    MEDIA_TYPE,
    S3Error,
    invalid,
    precondition_failed,
    s3_error_of,
)
from gmn_pipeline.serving.s3.requests import S3Request, object_name, tags_of
from gmn_pipeline.serving.s3.said import (
    description_in,
    headers_of,
    replaced_description,
    version_id,
    xml_time,
)
from gmn_pipeline.serving.s3.versions import delete_version, parsed, version_of
from gmn_pipeline.serving.s3.xml import element, texts_of, xml
from gmn_pipeline.storage.contents import HashingWriter

_MOST_DELETED = 1_000
_TRIES = 5  # to delete what others put in the same moment


# --- got -----------------------------------------------------------------------------------------


async def get(asked: S3Request) -> Response:
    """Its bytes, or the part of them that is wanted; by HEAD what is told of them."""
    await asked.must_be_allowed(Right.READ, asked.bucket)
    if asked.number("partNumber", 1, 2) != 1:
        raise S3Error(416, "InvalidPartNumber", "An object is one part here, however it came.")
    stored = await version_of(asked, asked.bucket, asked.key, asked.query.get("versionId"))
    etag = await asked.etag(stored)
    headers = {**headers_of(stored, etag), **_as_asked(asked)}
    if _is_known(asked, stored, etag):
        return Response(status_code=304, headers={"ETag": etag})
    size = stored.content.size_bytes
    span = span_of(asked.headers.get("range"), size) if size or "range" in asked.headers else None
    landing, by = asked.service.objects.lake.landing, asked.by
    if span is None:
        if asked.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            digest = base64.b64encode(bytes.fromhex(stored.content.sha256)).decode()
            headers |= {"x-amz-checksum-sha256": digest, "x-amz-checksum-type": "FULL_OBJECT"}
        return Bytes(lambda: landing.read(stored, by), size, 200, headers, asked.service.objects)
    begin, end = span.begin, span.end
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return Bytes(
        lambda: landing.read(stored, by, begin, end), end - begin, HTTPStatus.PARTIAL_CONTENT,
        headers, asked.service.objects,
    )  # fmt: skip


def _as_asked(asked: S3Request) -> Mapping[str, str]:
    """Under which name a browser is to save it; its type stays what it was found to be."""
    wanted = asked.query.get("response-content-disposition", "")
    is_saved = wanted.startswith("attachment") and wanted.isascii() and wanted.isprintable()
    return {"Content-Disposition": wanted} if is_saved else {}


def _is_known(asked: S3Request, stored: StoredObject, etag: str) -> bool:
    """Whether who asks has it already. Raises S3Error if it is not what they want."""
    headers, tags = asked.headers, tags_of(stored, etag)
    changed = stored.put_at_utc.replace(microsecond=0)
    if "if-match" in headers:
        if not _names(headers["if-match"], tags):
            raise precondition_failed()
    elif (since := _time(headers.get("if-unmodified-since"))) and changed > since:
        raise precondition_failed()
    if "if-none-match" in headers:
        return _names(headers["if-none-match"], tags)
    since = _time(headers.get("if-modified-since"))
    return since is not None and changed <= since


def _names(header: str, tags: set[str]) -> bool:
    named = {one.strip().removeprefix("W/") for one in header.split(",")}
    quoted = {one if one.startswith('"') or one == "*" else f'"{one}"' for one in named}
    return "*" in quoted or bool(quoted & tags)


def _time(text: str | None) -> datetime | None:
    with suppress(TypeError, ValueError):
        when = parsedate_to_datetime(text or "")
        return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
    return None


# --- put -----------------------------------------------------------------------------------------


async def put(asked: S3Request) -> Response:
    """The body becomes the object, or its next version."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    name, description = asked.name, description_in(asked.headers)
    after = await version_that_must_be(asked, name)
    await must_have_place(asked, name, description)
    landing = asked.service.objects.lake.landing
    async with asked.within(landing.incoming()) as folder:
        writer = await asked.run(lambda: HashingWriter(folder / "new"))
        try:
            body = await asked.pour(writer.write, is_hashed_there=True)
            content = await asked.run(writer.finish)
            body.finish(content.sha256)
        finally:
            writer.close()
        staged = Staged(folder / "new", content, name, description, after)
        beside = noting(content.sha256, body.md5)
        (made,) = await asked.run(lambda: landing.land([staged], asked.by, beside=beside))
    return Response(status_code=200, headers={**made_headers(made, body.md5), **body.checksums})


def made_headers(made: StoredObject, md5: str) -> dict[str, str]:
    """Of a version that has just been made."""
    return {"ETag": f'"{md5}"', "x-amz-version-id": version_id(made)}


async def must_have_place(asked: S3Request, name: ObjectName, description: Description) -> None:
    """Raises S3Error, ObjectRefused: before the body comes."""
    catalogue = asked.service.objects.lake.catalogue
    try:
        await asked.run(lambda: check_place(catalogue, name, description))
    except ObjectMissing as error:
        raise S3Error(404, "NoSuchBucket", error.message) from error


async def version_that_must_be(asked: S3Request, name: ObjectName) -> int | None:
    """As If-Match and If-None-Match want it; None for any. Raises S3Error."""
    headers = asked.headers
    if "if-match" not in headers and "if-none-match" not in headers:
        return None
    if headers.get("if-none-match", "*").strip() != "*":
        raise invalid("If-None-Match is * where something is put.")
    stored: StoredObject | None = None
    with suppress(ObjectMissing):
        catalogue = asked.service.objects.lake.catalogue
        stored = await asked.run(lambda: catalogue.object(name))
    if stored is None:
        if "if-match" in headers:
            raise S3Error(404, "NoSuchKey", f"There is no object {name}.")
        return 0
    etag = await asked.etag(stored)
    if "if-none-match" in headers or not _names(headers["if-match"], tags_of(stored, etag)):
        raise precondition_failed()
    return stored.version


async def source_of(asked: S3Request) -> StoredObject:
    """The object that is to be copied. Raises S3Error."""
    source, _, version = asked.headers["x-amz-copy-source"].partition("?versionId=")
    bucket, slash, key = unquote(source).removeprefix("/").partition("/")
    if not slash:
        raise invalid("x-amz-copy-source is BUCKET/KEY.")
    await asked.must_be_allowed(Right.READ, bucket)
    stored = await version_of(asked, bucket, key, version)
    etag = await asked.etag(stored)
    prefix = "x-amz-copy-source-if-"
    wanted = asked.headers.get(f"{prefix}match")
    unwanted = asked.headers.get(f"{prefix}none-match")
    tags = tags_of(stored, etag)
    if (wanted and not _names(wanted, tags)) or (unwanted and _names(unwanted, tags)):
        raise precondition_failed()
    return stored


async def copy(asked: S3Request) -> Response:
    """Another object of the same bytes, said of as before or otherwise."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    to, stored = asked.name, await source_of(asked)
    landing = asked.service.objects.lake.landing
    said = replaced_description(stored.description, asked.headers)
    if said is None and stored.name == to and stored.is_newest and not stored.deleted_at_utc:
        raise S3Error(
            400, "InvalidRequest", "It would be copied to itself: without "
            "x-amz-metadata-directive REPLACE nothing would change.",
        )  # fmt: skip
    source = replace(stored, description=said or stored.description)
    made = await asked.run(lambda: landing.copy(source, to, asked.by))
    etag = await asked.etag(made)
    told = element("CopyObjectResult", LastModified=xml_time(made.put_at_utc), ETag=etag)
    headers = {
        "x-amz-version-id": version_id(made), "x-amz-copy-source-version-id": version_id(stored),
    }  # fmt: skip
    return Response(xml(told), headers=headers, media_type=MEDIA_TYPE)


# --- deleted -------------------------------------------------------------------------------------


async def delete(asked: S3Request) -> Response:
    """Mark it as deleted, or take such a mark away; that there is none is as well."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    version = asked.query.get("versionId")
    mark = await asked.run(lambda: _delete(asked, asked.key, version))
    headers = {"x-amz-version-id": mark, "x-amz-delete-marker": "true"} if mark else {}
    return Response(status_code=204, headers=headers)


def _delete(asked: S3Request, key: str, version: str | None) -> str:
    """The id of the mark that was made or taken away; empty if none was."""
    named = parsed(version)
    if named is not None:
        delete_version(asked, key, named)
        return version or ""
    service = asked.service.objects
    days = timedelta(days=service.settings.objects_restore_days)
    catalogue = service.lake.catalogue
    with suppress(ObjectMissing, ObjectRefused, S3Error):  # there is none of that name
        name = object_name(asked.bucket, key)
        for is_last in (*[False] * _TRIES, True):
            try:
                gone = catalogue.delete(catalogue.object(name), asked.by, days)
            except ObjectConflict:  # somebody put or deleted it in this moment
                if is_last:
                    raise
            else:
                return version_id(gone, is_mark=True)
    return ""


async def delete_many(asked: S3Request) -> Response:
    """Up to a thousand, each by itself."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    root = await asked.xml()
    wanted = [
        (one.findtext("Key") or "", one.findtext("VersionId")) for one in root.findall("Object")
    ]
    if root.tag != "Delete" or not 1 <= len(wanted) <= _MOST_DELETED:
        raise S3Error(400, "MalformedXML", f"Delete has 1 to {_MOST_DELETED} of Object.")
    is_quiet = "".join(texts_of(root, "Quiet")).lower() == "true"
    told = element("DeleteResult")
    for one in await asked.run(lambda: list(_deleted(asked, wanted))):
        if one.tag == "Error" or not is_quiet:
            told.append(one)
    return Response(xml(told), media_type=MEDIA_TYPE)


def _deleted(asked: S3Request, wanted: list[tuple[str, str | None]]) -> Iterator[Element]:
    for key, version in wanted:
        said = {"Key": key, "VersionId": version or None}
        try:
            mark = _delete(asked, key, version)
        except (S3Error, GmnError) as error:
            known = s3_error_of(error)
            yield element("Error", **said, Code=known.code, Message=known.message)
        else:
            marked = {"DeleteMarker": True, "DeleteMarkerVersionId": mark} if mark else {}
            yield element("Deleted", **said, **marked)
