"""Uploads in parts: begun, gone on with, put together, given up, listed.

What belongs here: what requests say, and what they are answered. What does not: what is kept on the
disk (`parts.py`).
"""

from collections.abc import Callable
from pathlib import Path

from starlette.responses import Response

from gmn_pipeline.clock import utc_now
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.schemas.accounts import Right
from gmn_pipeline.schemas.object_json import said_of
from gmn_pipeline.schemas.objects import StoredObject
from gmn_pipeline.serving.downloads import span_of
from gmn_pipeline.serving.objects.told import description_of
from gmn_pipeline.serving.s3 import checksums
from gmn_pipeline.serving.s3.errors import MEDIA_TYPE, S3Error, invalid
from gmn_pipeline.serving.s3.objects import must_have_place, source_of, version_that_must_be
from gmn_pipeline.serving.s3.parts import (
    Part,
    PartsUpload,
    Told,
    became,
    durable,
    given_up_meanwhile,
    invalid_part,
    named,
    no_upload,
    note_end,
    put_together,
)
from gmn_pipeline.serving.s3.requests import S3Request
from gmn_pipeline.serving.s3.said import description_in, version_id, xml_time
from gmn_pipeline.serving.s3.xml import add, element, xml

_MOST_PARTS = 10_000
_LISTED = 1_000


async def create(asked: S3Request) -> Response:
    """Begin one."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    name, description = asked.name, description_in(asked.headers)
    await must_have_place(asked, name, description)
    algorithm = asked.headers.get(f"{checksums.PREFIX}algorithm", "")
    if algorithm:
        checksums.made(algorithm.lower())
    told = Told(
        asked.bucket, asked.key, asked.by.who, xml_time(utc_now()), said_of(description), algorithm
    )
    upload = await asked.run(lambda: asked.service.uploads.make(told))
    answer = element(
        "InitiateMultipartUploadResult", Bucket=asked.bucket, Key=asked.key, UploadId=upload.id
    )
    headers = {f"{checksums.PREFIX}algorithm": algorithm} if algorithm else {}
    return Response(xml(answer), media_type=MEDIA_TYPE, headers=headers)


async def _found(asked: S3Request) -> PartsUpload:
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    upload_id = asked.query["uploadId"]
    return await asked.run(lambda: asked.service.uploads.find(upload_id, asked.bucket, asked.key))


async def _under_way(asked: S3Request) -> PartsUpload:
    """One that is no object yet. Raises S3Error."""
    upload = await _found(asked)
    if await asked.run(lambda: became(upload, asked.service.objects.lake)) is not None:
        raise no_upload()
    return upload


def _part_number(asked: S3Request) -> int:
    number = asked.number("partNumber", 0, _MOST_PARTS + 1)
    if not 1 <= number <= _MOST_PARTS:
        raise invalid(f"partNumber is 1 to {_MOST_PARTS:,}.")
    return number


async def put_part(asked: S3Request) -> Response:
    """The body is a part; put again, the former one is none any more."""
    upload, number = await _under_way(asked), _part_number(asked)
    new = upload.new_part()
    try:
        with given_up_meanwhile():
            file = await asked.run(lambda: new.open("xb"))
        try:
            body = await asked.pour(file.write, is_hashed_there=False)
            body.finish()
            await asked.run(lambda: durable(file))
        finally:
            file.close()
        await _under_way(asked)  # it may have been completed while this came
        with given_up_meanwhile():
            await asked.run(lambda: upload.keep_part(new, number, body.md5))
    finally:
        await asked.run(lambda: new.unlink(missing_ok=True))
    return Response(status_code=200, headers={"ETag": f'"{body.md5}"', **body.checksums})


async def copy_part(asked: S3Request) -> Response:
    """Bytes of an object are a part."""
    upload, number = await _under_way(asked), _part_number(asked)
    stored = await source_of(asked)
    wanted = asked.headers.get("x-amz-copy-source-range")
    span = span_of(wanted, stored.content.size_bytes) if wanted else None
    new = upload.new_part()
    objects = asked.service.objects
    begin, end = (span.begin, span.end) if span else (0, stored.content.size_bytes)
    objects.check_size(end - begin)
    await asked.run(lambda: objects.check_space(end - begin))

    def copied() -> str:
        digest = checksums.md5()
        try:
            with given_up_meanwhile(), new.open("xb") as file:
                for piece in objects.lake.landing.read(stored, asked.by, begin, end):
                    digest.update(piece)
                    file.write(piece)
                durable(file)
            with given_up_meanwhile():
                upload.keep_part(new, number, digest.hexdigest())
        finally:
            new.unlink(missing_ok=True)
        return digest.hexdigest()

    md5 = await asked.run(copied)
    told = element("CopyPartResult", LastModified=xml_time(utc_now()), ETag=f'"{md5}"')
    return Response(xml(told), media_type=MEDIA_TYPE)


async def complete(asked: S3Request) -> Response:
    """The parts that are named, in their order, become the object. Asked once more, it is told
    again."""
    upload, root = await _found(asked), await asked.xml()
    wanted = [
        (one.findtext("PartNumber") or "", (one.findtext("ETag") or "").strip('"'))
        for one in root.findall("Part")
    ]
    if root.tag != "CompleteMultipartUpload" or not wanted:
        raise S3Error(400, "MalformedXML", "CompleteMultipartUpload has parts.")
    made = await asked.run(lambda: became(upload, asked.service.objects.lake))
    if made is None:
        made = await _completed(asked, upload, wanted)
    etag = await asked.etag(made)
    told = element(
        "CompleteMultipartUploadResult", Location=f"/{asked.bucket}/{asked.key}",
        Bucket=asked.bucket, Key=asked.key, ETag=etag,
    )  # fmt: skip
    headers = {"x-amz-version-id": version_id(made)}
    return Response(xml(told), media_type=MEDIA_TYPE, headers=headers)


async def _completed(
    asked: S3Request, upload: PartsUpload, wanted: list[tuple[str, str]]
) -> StoredObject:
    name = asked.name
    after = await version_that_must_be(asked, name)
    objects = asked.service.objects
    algorithm, check = _whole(asked)

    def completed(folder: Path) -> StoredObject:
        with upload.locked():
            now = asked.service.uploads.find(upload.id, asked.bucket, asked.key)
            made = became(now, objects.lake)
            if made is None:
                parts = _in_order(upload, wanted)
                _check_size(asked, sum(part.size_bytes for part in parts))
                path, content = put_together(parts, algorithm, folder, check)
                description = description_of(upload.told.description)
                staged = Staged(path, content, name, description, after)
                made = named(upload, parts, staged, asked.by, objects.lake)
            note_end(upload, made)
            return made

    async with asked.within(objects.lake.landing.incoming()) as folder:
        return await asked.run(lambda: completed(folder))


def _check_size(asked: S3Request, size_bytes: int) -> None:
    objects = asked.service.objects
    objects.check_size(size_bytes)
    given = asked.headers.get("x-amz-mp-object-size")
    if given is not None and given != str(size_bytes):
        raise S3Error(400, "InvalidRequest", "The parts have not as many bytes as it says.")
    objects.check_space(size_bytes)


def _in_order(upload: PartsUpload, wanted: list[tuple[str, str]]) -> list[Part]:
    """The parts that are named. Raises S3Error if one is not here."""
    here = {part.number: part for part in upload.parts()}
    found: list[Part] = []
    for text, md5 in wanted:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        part = here.get(number)
        if part is None or part.md5 != md5:
            raise invalid_part(number)
        if found and found[-1].number >= number:
            raise S3Error(400, "InvalidPartOrder", "The parts are not named in their order.")
        found.append(part)
    return found


def _whole(asked: S3Request) -> tuple[checksums.Checksum | None, Callable[[], None]]:
    """A checksum of the whole object, if one came: what takes the bytes, and what compares it."""
    said = {
        name: value for name, value in checksums.named_in(asked.headers).items()
        if "-" not in value and asked.headers.get("x-amz-checksum-type") != "COMPOSITE"
    }  # fmt: skip
    if not said:
        return None, lambda: None
    (algorithm, value), *_ = said.items()
    checksum = checksums.made(algorithm)

    def check() -> None:
        if checksums.encoded(checksum) != value:
            raise checksums.wrong(algorithm.upper())

    return checksum, check


async def abort(asked: S3Request) -> Response:
    """Leave nothing of it. Raises S3Error if it is an object already, or just becomes one."""
    upload = await _under_way(asked)

    def given_up() -> None:
        with upload.locked():
            now = asked.service.uploads.find(upload.id, asked.bucket, asked.key)
            if became(now, asked.service.objects.lake) is not None:
                raise no_upload()
            upload.remove()

    await asked.run(given_up)
    return Response(status_code=204)


async def list_parts(asked: S3Request) -> Response:
    """The parts that are here, a page of them."""
    upload = await _under_way(asked)
    after = asked.number("part-number-marker", 0, _MOST_PARTS)
    most = asked.number("max-parts", _LISTED, _LISTED)
    with given_up_meanwhile():
        here = [part for part in await asked.run(upload.parts) if part.number > after]
    shown = here[:most]
    told = element(
        "ListPartsResult", Bucket=asked.bucket, Key=asked.key, UploadId=upload.id,
        PartNumberMarker=after, MaxParts=most, IsTruncated=len(here) > most,
        NextPartNumberMarker=shown[-1].number if shown else after, StorageClass="STANDARD",
        ChecksumAlgorithm=upload.told.checksum or None,
    )  # fmt: skip
    for part in shown:
        told.append(
            element(
                "Part", PartNumber=part.number, LastModified=xml_time(part.came_at_utc),
                ETag=f'"{part.md5}"', Size=part.size_bytes,
            )
        )  # fmt: skip
    return Response(xml(told), media_type=MEDIA_TYPE)


async def list_uploads(asked: S3Request) -> Response:
    """Those of a bucket that are under way."""
    await asked.must_be_allowed(Right.WRITE, asked.bucket)
    prefix = asked.query.get("prefix", "")
    found = await asked.run(lambda: asked.service.uploads.under_way(asked.bucket))
    told = element(
        "ListMultipartUploadsResult", Bucket=asked.bucket, Prefix=prefix, MaxUploads=_LISTED,
        IsTruncated=False,
    )  # fmt: skip
    for upload in found[:_LISTED]:
        if upload.told.key.startswith(prefix):
            one = element("Upload", Key=upload.told.key, UploadId=upload.id)
            add(one, StorageClass="STANDARD", Initiated=upload.told.began_at)
            told.append(one)
    return Response(xml(told), media_type=MEDIA_TYPE)
