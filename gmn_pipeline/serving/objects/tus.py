"""tus 1.0 (https://tus.io/protocols/resumable-upload): uploads that are gone on with.

What belongs here: the protocol: core, creation, creation-with-upload, checksum, termination,
expiration. What does not: what is kept of an upload (`uploads.py`).

An offset is told when the bytes before it are on the disk. Who comes back to an upload whose former
connection still hangs takes it over: that one is ended, with all that came by it.
"""

import base64
import binascii
import hashlib
from datetime import UTC
from email.utils import format_datetime

import anyio
from starlette.responses import Response

from gmn_pipeline.schemas.objects import ObjectName, StoredObject
from gmn_pipeline.serving.objects.incoming import check_place, pour
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.objects.told import description_of
from gmn_pipeline.serving.objects.uploads import Appending, Told, Upload
from gmn_pipeline.serving.objects.visits import Visit, address_of, etag_of, json_object
from gmn_pipeline.serving.problems import CHECKSUM_MISMATCH, Problem, bad_request

UPLOADS_PREFIX = "/objects/_uploads"
MEDIA_TYPE = "application/offset+octet-stream"
VERSION = {"Tus-Resumable": "1.0.0"}
CAPABILITIES = {
    **VERSION,
    "Tus-Version": "1.0.0",
    "Tus-Extension": "creation,creation-with-upload,checksum,termination,expiration",
    "Tus-Checksum-Algorithm": "sha1,sha256",
}
_ALGORITHMS = {"sha1": 20, "sha256": 32}
_KNOWN = ("name", "sha256", "description", "after")


async def create(visit: Visit) -> Response:
    """A new upload, with its first bytes if the request brings some."""
    _check_version(visit)
    given, service = visit.headers.get("upload-metadata", ""), visit.service
    size = _whole_number(visit, "upload-length")
    service.check_size(size)
    told = _told(given, size, visit.by.who)
    name, description = ObjectName.parse(told.name), description_of(told.description)
    await visit.must_be_allowed(Need.WRITE, name.project)
    await service.run(lambda: check_place(service.lake.catalogue, name, description))
    await service.run(lambda: service.check_space(size))
    upload = await service.run(lambda: service.uploads.make(told))
    headers = {"Location": f"{UPLOADS_PREFIX}/{upload.id}"}
    if visit.headers.get("content-type", "").lower() == MEDIA_TYPE or size == 0:
        return await _append(visit, upload, 201, headers)
    return Response(status_code=201, headers={**headers, **await _state(visit, upload)})


async def look(visit: Visit) -> Response:
    """How far it is. One that has all its bytes, and is no object yet, becomes one."""
    _check_version(visit)
    upload, service = await _upload(visit), visit.service
    stored = None
    if not upload.is_finished:
        async with service.takeover(upload):
            upload = await _upload(visit)
            if upload.offset == upload.told.size_bytes:
                stored = await _finish(visit, upload)
    headers = await _state(visit, await _upload(visit), stored)
    headers |= {"Upload-Length": str(upload.told.size_bytes), "Cache-Control": "no-store"}
    if upload.told.metadata:
        headers["Upload-Metadata"] = upload.told.metadata
    return Response(status_code=200, headers=headers)


async def append(visit: Visit) -> Response:
    """The next bytes; with the last ones it becomes an object."""
    _check_version(visit)
    if visit.asked.request.method == "POST":  # for clients that can send nothing else
        if visit.headers.get("x-http-method-override", "").upper() == "DELETE":
            return await end(visit)
        if visit.headers.get("x-http-method-override", "").upper() != "PATCH":
            raise bad_request("X-HTTP-Method-Override is PATCH or DELETE here.")
    if visit.headers.get("content-type", "").lower() != MEDIA_TYPE:
        raise Problem(415, "not-this-kind", f"Content-Type is {MEDIA_TYPE}.")
    return await _append(visit, await _upload(visit), 204, {})


async def end(visit: Visit) -> Response:
    """Give an upload up: nothing of it is left. What it became stays."""
    _check_version(visit)
    upload = await _upload(visit)
    async with visit.service.takeover(upload):
        await visit.service.run(upload.remove)
    return Response(status_code=204, headers=VERSION)


async def _append(visit: Visit, upload: Upload, status: int, headers: dict[str, str]) -> Response:
    service, is_new = visit.service, status == 201
    checksum = _checksum(visit)
    async with service.takeover(upload):
        upload = await _upload(visit, upload.id)
        offset = upload.offset
        if not is_new and _whole_number(visit, "upload-offset") != offset:
            raise Problem(
                409, "other-offset", f"The upload is at byte {offset:,}.", more={"offset": offset}
            )
        stored = None
        if not upload.is_finished:
            if offset < upload.told.size_bytes:
                await _take(visit, upload, checksum)
            if upload.offset == upload.told.size_bytes:
                stored = await _finish(visit, upload)
    headers |= await _state(visit, await _upload(visit, upload.id), stored)
    return Response(status_code=status, headers=headers)


async def _take(visit: Visit, upload: Upload, checksum: tuple[str, bytes] | None) -> None:
    """Take the body, noting what came whatever ends it; with a checksum all of it, or nothing."""
    run = visit.service.run
    appending = await run(lambda: Appending(visit.service.uploads, upload))
    appending.notes_as_it_goes = checksum is None
    digest = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
    is_whole = False

    def write(piece: bytes) -> None:
        appending.write(piece)
        if digest is not None:
            digest.update(piece)

    try:
        await pour(visit, write, upload.told.size_bytes - appending.began_at)
        is_whole = digest is None or (checksum is not None and digest.digest() == checksum[1])
    finally:
        with anyio.CancelScope(shield=True):
            await run(appending.end if checksum is None or is_whole else appending.take_back)
    if not is_whole:
        raise Problem(
            CHECKSUM_MISMATCH, "checksum-mismatch", "What came is not what Upload-Checksum says."
        )


async def _finish(visit: Visit, upload: Upload) -> StoredObject:
    service, description = visit.service, description_of(upload.told.description)
    with anyio.CancelScope(shield=True):  # with all bytes here, nobody takes it over
        return await service.run(lambda: service.uploads.finish(upload, description, service.lake))
    raise AssertionError("unreachable")


async def _upload(visit: Visit, upload_id: str | None = None) -> Upload:
    """The one that the address names. Raises Problem, ObjectMissing."""
    wanted = upload_id or visit.text("upload")
    upload = await visit.service.run(lambda: visit.service.uploads.find(wanted))
    await visit.must_be_allowed(Need.WRITE, ObjectName.parse(upload.told.name).project)
    return upload


async def _state(
    visit: Visit, upload: Upload, stored: StoredObject | None = None
) -> dict[str, str]:
    def found() -> dict[str, str]:
        expires = format_datetime(
            upload.expires_at_utc.replace(tzinfo=UTC, microsecond=0), usegmt=True
        )
        return {
            **VERSION, "Upload-Offset": str(upload.offset), "Upload-Expires": expires,
        }  # fmt: skip

    headers = await visit.service.run(found)
    if stored is not None:
        headers |= {
            "ETag": etag_of(stored), "GMN-Object-Version": str(stored.version),
            "Content-Location": f"{address_of(stored.name)}?version={stored.version}",
        }  # fmt: skip
    return headers


def _check_version(visit: Visit) -> None:
    if visit.headers.get("tus-resumable") != "1.0.0":
        raise Problem(
            412, "other-protocol", "Tus-Resumable is 1.0.0.", more={"versions": ["1.0.0"]}
        )


def _whole_number(visit: Visit, header: str) -> int:
    text = visit.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise bad_request(f"{header.title()} is a whole number of bytes.")
    return int(text)


def _told(given: str, size: int, who: str) -> Told:
    """What Upload-Metadata says. Raises Problem."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in given.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise bad_request(f"Upload-Metadata: {key[:100]} is no UTF-8 in base64.") from None
    if "name" not in found:
        raise bad_request(
            f"Upload-Metadata has name (PROJECT/CONTAINER/NAME); known are {', '.join(_KNOWN)}."
        )
    after = found.get("after")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 10):
        raise bad_request("Upload-Metadata: after is the number of a version, or 0 for none.")
    return Told(
        found["name"], size, who, given, found.get("sha256") or None,
        json_object(found.get("description") or "{}", "description"),
        None if after is None else int(after),
    )  # fmt: skip


def _checksum(visit: Visit) -> tuple[str, bytes] | None:
    """What Upload-Checksum says. Raises Problem."""
    given = visit.headers.get("upload-checksum")
    if given is None:
        return None
    algorithm, _, value = given.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != _ALGORITHMS.get(algorithm):
        raise bad_request(f"Upload-Checksum is one of {', '.join(_ALGORITHMS)}, and it in base64.")
    return algorithm, digest
