"""Buckets: which there are, and what is in one.

What belongs here: lists of what there is now. What does not: lists of versions (`versions.py`), and
how keys are found (`database/object_keys.py`).
"""

import base64
import binascii
from collections.abc import Callable
from xml.etree.ElementTree import Element

from starlette.responses import Response

from gmn_pipeline.database.object_conditions import LAST
from gmn_pipeline.database.object_keys import KeyPage, key_of
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.serving.s3.errors import MEDIA_TYPE, S3Error, denied, invalid
from gmn_pipeline.serving.s3.requests import S3Request, etag_of
from gmn_pipeline.serving.s3.said import xml_time
from gmn_pipeline.serving.s3.xml import add, element, xml

_MOST_KEYS = 1_000
_MADE = "2022-01-01T00:00:00.000Z"  # clients want one, and none asks what it is


async def list_buckets(asked: S3Request) -> Response:
    """Those that one may see."""

    def found() -> list[str]:
        projects = asked.service.objects.lake.catalogue.projects()
        return [one for one, is_public in projects.items()
                if asked.asker.may_see(one, is_public=is_public)]  # fmt: skip

    told = element("ListAllMyBucketsResult")
    told.append(element("Owner", ID=asked.by.who, DisplayName=asked.by.who))
    buckets = element("Buckets")
    for name in await asked.run(found):
        buckets.append(element("Bucket", Name=name, CreationDate=_MADE))
    told.append(buckets)
    return Response(xml(told), media_type=MEDIA_TYPE)


async def head(asked: S3Request) -> Response:
    """That there is one, and that one may read it."""
    await asked.must_be_allowed(Right.READ, asked.bucket)
    return Response(status_code=200, headers={"x-amz-bucket-region": "us-east-1"})


async def make(asked: S3Request) -> Response:
    """Clients make a bucket before they put something there: told that they have it."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    raise S3Error(409, "BucketAlreadyOwnedByYou", "There is this project already.")


async def delete(asked: S3Request) -> Response:
    """Projects stay."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    raise denied("A project is not deleted by S3.")


async def location(asked: S3Request) -> Response:
    """Any region is right; none is told."""
    await asked.must_be_allowed(Right.READ, asked.bucket)
    return Response(xml(element("LocationConstraint")), media_type=MEDIA_TYPE)


async def list_objects(asked: S3Request) -> Response:
    """A page of keys, by either version of the list."""
    await asked.must_be_allowed(Right.READ, asked.bucket)
    is_second = asked.query.get("list-type") == "2"
    prefix, delimiter = asked.query.get("prefix", ""), asked.query.get("delimiter", "")
    most = asked.number("max-keys", _MOST_KEYS, _MOST_KEYS)
    after = _after_second(asked) if is_second else _after_first(asked, delimiter)
    listing = asked.service.listing

    def found() -> tuple[KeyPage, dict[str, str]]:
        page = listing.page(asked.bucket, prefix, delimiter, after, most)
        return page, asked.service.md5s.of(one.content.sha256 for one in page.objects)

    page, md5s = await asked.run(found)
    coded = asked.coding()
    told = element(
        "ListBucketResult", Name=asked.bucket, Prefix=coded(prefix), MaxKeys=most,
        IsTruncated=bool(page.next_after), EncodingType=asked.query.get("encoding-type"),
        Delimiter=coded(delimiter) if delimiter else None,
    )  # fmt: skip
    if is_second:
        add(
            told, KeyCount=page.length, ContinuationToken=asked.query.get("continuation-token"),
            NextContinuationToken=_token(page.next_after) if page.next_after else None,
            StartAfter=coded(asked.query["start-after"]) if "start-after" in asked.query else None,
        )  # fmt: skip
    else:
        next_marker = coded(page.next_after.removesuffix(LAST)) if page.next_after else None
        add(told, Marker=coded(asked.query.get("marker", "")), NextMarker=next_marker)
    _tell(told, page, md5s, coded)
    return Response(xml(told), media_type=MEDIA_TYPE)


def _tell(told: Element, page: KeyPage, md5s: dict[str, str], coded: Callable[[str], str]) -> None:
    for one in page.objects:
        told.append(
            element(
                "Contents", Key=coded(key_of(one)), LastModified=xml_time(one.put_at_utc),
                ETag=etag_of(one, md5s), Size=one.content.size_bytes, StorageClass="STANDARD",
            )
        )  # fmt: skip
    for prefix in page.prefixes:
        told.append(element("CommonPrefixes", Prefix=coded(prefix)))


def _after_first(asked: S3Request, delimiter: str) -> str:
    """What the page begins after: of a beginning that was told, all that begin so."""
    marker = asked.query.get("marker", "")
    is_told = delimiter and marker.endswith(delimiter)
    return marker + LAST if is_told else marker


def _after_second(asked: S3Request) -> str:
    token = asked.query.get("continuation-token")
    if not token:
        return asked.query.get("start-after", "")
    try:
        after = base64.urlsafe_b64decode(token.encode("ascii")).decode()
    except (ValueError, binascii.Error):
        raise invalid("The continuation token is none of this server's.") from None
    if "\0" in after:
        raise invalid("The continuation token is none of this server's.")
    return after


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode()
