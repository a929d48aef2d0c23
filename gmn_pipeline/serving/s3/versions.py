"""Versions of objects by S3: what they are called, lists of them, marks that one was deleted.

What belongs here: what a version's id means. What does not: how versions are found
(`database/object_key_versions.py`).

A name can have had several objects, each with versions that count from 1: so a version's id is
`OBJECT.VERSION`, and that of the mark of a deletion `OBJECT.deleted`. To delete that mark is to
take the deletion back, as with S3. Versions themselves stay.
"""

import re
from contextlib import suppress

from starlette.responses import Response

from gmn_pipeline.database.object_conditions import LAST
from gmn_pipeline.database.object_key_versions import KeyVersion, VersionMark, VersionPage
from gmn_pipeline.database.object_keys import key_of
from gmn_pipeline.errors import ObjectConflict, ObjectMissing, ObjectRefused
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.schemas.objects import StoredObject
from gmn_pipeline.serving.s3.errors import MEDIA_TYPE, S3Error, denied, invalid
from gmn_pipeline.serving.s3.requests import S3Request, etag_of, object_name
from gmn_pipeline.serving.s3.said import DELETED, version_id, xml_time
from gmn_pipeline.serving.s3.xml import add, element, xml

_MOST_VERSIONS = 1_000
_ID = re.compile(rf"(\d{{1,18}})\.(?:(\d{{1,9}})|{DELETED})", re.ASCII)


def parsed(text: str | None) -> VersionMark | None:
    """What an id names; None if there is none. Raises S3Error."""
    if not text or text == "null":
        return None
    found = _ID.fullmatch(text)
    if found is None:
        raise no_version()
    return VersionMark(int(found[1]), int(found[2]) if found[2] else None)


def no_version() -> S3Error:
    return S3Error(404, "NoSuchVersion", "There is no such version of this.")


async def versioning(asked: S3Request) -> Response:
    """All versions are kept."""
    await asked.must_be_allowed(Right.READ, asked.bucket)
    told = element("VersioningConfiguration", Status="Enabled")
    return Response(xml(told), media_type=MEDIA_TYPE)


async def set_versioning(asked: S3Request) -> Response:
    """Let it be as it always is."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    root = await asked.xml()
    if root.findtext("Status") != "Enabled":
        raise S3Error(409, "InvalidBucketState", "All versions are kept here.")
    return Response(status_code=200)


async def list_versions(asked: S3Request) -> Response:
    """A page of versions and of marks of deletions."""
    await asked.must_be_allowed(Right.READ, asked.bucket)
    prefix, delimiter = asked.query.get("prefix", ""), asked.query.get("delimiter", "")
    most = asked.number("max-keys", _MOST_VERSIONS, _MOST_VERSIONS)
    key, behind = asked.query.get("key-marker", ""), asked.query.get("version-id-marker", "")
    if behind and not key:
        raise invalid("version-id-marker says of which key by key-marker.")
    is_rolled_up = delimiter and key.endswith(delimiter) and not behind
    after = key + LAST if is_rolled_up else key

    def found() -> tuple[VersionPage, dict[str, str]]:
        page = asked.service.versions.page(
            asked.bucket, prefix, delimiter, after, parsed(behind), most
        )
        return page, asked.service.md5s.of(one.stored.content.sha256 for one in page.versions)

    page, md5s = await asked.run(found)
    coded = asked.coding()
    told = element(
        "ListVersionsResult", Name=asked.bucket, Prefix=coded(prefix), KeyMarker=coded(key),
        VersionIdMarker=behind, MaxKeys=most, IsTruncated=page.last is not None,
        EncodingType=asked.query.get("encoding-type"),
        Delimiter=coded(delimiter) if delimiter else None,
    )  # fmt: skip
    if isinstance(page.last, KeyVersion):
        add(told, NextKeyMarker=coded(key_of(page.last.stored)), NextVersionIdMarker=_id(page.last))
    elif page.last is not None:
        add(told, NextKeyMarker=coded(page.last))
    for one in page.versions:
        stored = one.stored
        said = {"Key": coded(key_of(stored)), "VersionId": _id(one), "IsLatest": one.is_latest}
        if one.is_mark:
            assert stored.deleted_at_utc is not None
            mark = element("DeleteMarker", **said, LastModified=xml_time(stored.deleted_at_utc))
            told.append(mark)
            continue
        told.append(
            element(
                "Version", **said, LastModified=xml_time(stored.put_at_utc),
                ETag=etag_of(stored, md5s), Size=stored.content.size_bytes,
                StorageClass="STANDARD",
            )
        )  # fmt: skip
    for rolled_up in page.prefixes:
        told.append(element("CommonPrefixes", Prefix=coded(rolled_up)))
    return Response(xml(told), media_type=MEDIA_TYPE)


def _id(one: KeyVersion) -> str:
    return version_id(one.stored, is_mark=one.is_mark)


async def version_of(asked: S3Request, bucket: str, key: str, text: str | None) -> StoredObject:
    """The version of an object that is named. Raises S3Error, ObjectMissing.

    Bytes of a deleted object are for who could bring it back."""
    mark = parsed(text)
    if mark is None:
        return await asked.stored(bucket, key)
    stored = await asked.run(lambda: _stored(asked, bucket, key, mark))
    if mark.version is None:
        if stored.deleted_at_utc is None:
            raise no_version()
        headers = {"x-amz-delete-marker": "true", "Allow": "DELETE"}
        raise S3Error(
            405, "MethodNotAllowed", "This is the mark of a deletion: it has no bytes.", headers
        )
    if stored.deleted_at_utc is not None:
        await asked.must_be_allowed(Right.WRITE, bucket)
    return stored


def _stored(asked: S3Request, bucket: str, key: str, mark: VersionMark) -> StoredObject:
    catalogue = asked.service.objects.lake.catalogue
    with suppress(ObjectMissing, ObjectRefused):
        stored = catalogue.by_id(mark.object_id, mark.version)
        if stored.name == object_name(bucket, key):
            return stored
    raise no_version()


def delete_version(asked: S3Request, key: str, mark: VersionMark) -> None:
    """Take the mark of a deletion away, and so the deletion back. Raises S3Error."""
    try:
        stored = _stored(asked, asked.bucket, key, mark)
    except S3Error:  # there is none of that id: as well
        return
    if mark.version is not None:
        raise denied("Versions stay: an object is deleted as a whole, and can come back.")
    if stored.deleted_at_utc is None:
        return
    try:
        asked.service.objects.lake.catalogue.restore(stored.object_id, asked.by)
    except ObjectConflict as error:
        raise S3Error(
            409, "InvalidObjectState", "Another object has the name by now: copy the version that "
            "is wanted of the deleted one, or delete the other before.",
        ) from error  # fmt: skip
