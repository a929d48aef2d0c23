"""A request to S3: what it names, who asks, and what becomes of its body.

What belongs here: what holds for all requests. What does not: what is done (`objects.py`,
`buckets.py`, `multipart.py`).

A bucket is a project, and a key `container/name` in it: rights are of projects, and what stands
behind s3:// is what commands and addresses call the object.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote_plus, unquote_to_bytes
from xml.etree.ElementTree import Element

from starlette.requests import Request

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.content_md5s import ContentMd5s
from gmn_pipeline.database.object_key_versions import ObjectKeyVersions
from gmn_pipeline.database.object_keys import ObjectKeys
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.schemas.accounts import Caller, Right
from gmn_pipeline.schemas.objects import By, ObjectName, StoredObject
from gmn_pipeline.serving.objects.incoming import pour_body
from gmn_pipeline.serving.objects.rights import Asker, SignIn
from gmn_pipeline.serving.objects.service import MB, ObjectService
from gmn_pipeline.serving.s3 import signatures
from gmn_pipeline.serving.s3.access_keys import AccessKeys
from gmn_pipeline.serving.s3.bodies import Body
from gmn_pipeline.serving.s3.errors import S3Error, denied, invalid, no_key
from gmn_pipeline.serving.s3.parts import PartsUploads
from gmn_pipeline.serving.s3.signatures import Head, Signed
from gmn_pipeline.serving.s3.xml import NotXml, parsed

T = TypeVar("T")
_MOST_XML_BYTES = 8_000_000  # ten thousand parts with their checksums
_MORE_OF_CHUNKS = 2  # times as large as what is in it, at the very most


class S3Service:
    """What the requests work with, opened once for a server."""

    def __init__(self, objects: ObjectService) -> None:
        self.objects = objects
        settings, database = objects.settings, objects.lake.database
        self.keys = AccessKeys(settings, objects.accounts)
        self.listing = ObjectKeys(database)
        self.versions = ObjectKeyVersions(database)
        self.md5s = ContentMd5s(database)
        folder = settings.data_dir / "objects" / "s3-uploads"
        self.uploads = PartsUploads(folder, settings.objects_upload_hours)


@dataclass(frozen=True)
class S3Request:
    """A request of somebody who is known, or of anybody."""

    request: Request
    service: S3Service
    asker: Asker
    signed: Signed | None
    headers: Mapping[str, str]
    query: Mapping[str, str]
    bucket: str = ""
    key: str = ""
    known_as: str = field(default="")

    @property
    def by(self) -> By:
        return self.asker.by

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that takes a disk or a database, in a thread."""
        return await self.service.objects.run(work)

    @asynccontextmanager
    async def within(self, block: AbstractContextManager[Path]) -> AsyncIterator[Path]:
        """A block whose beginning and end take a disk."""
        async with self.service.objects.within(block) as folder:
            yield folder

    @property
    def name(self) -> ObjectName:
        """The object that is named. Raises S3Error, ObjectRefused."""
        return object_name(self.bucket, self.key)

    async def must_be_allowed(self, right: Right, bucket: str) -> None:
        """Raises S3Error: of a bucket that they may not read, they are not told whether it is."""
        await self.run(lambda: self._check_right(right, bucket))

    def _check_right(self, right: Right, bucket: str) -> None:
        projects = self.service.objects.lake.catalogue.projects()
        is_there, caller = bucket in projects, self.asker.caller
        if not caller.may(right, bucket, is_public=projects.get(bucket, False)):
            if self.asker.sign_in is SignIn.KNOWN:
                what = f"S3 {self.request.method} {self.request.url.path}"[:500]
                self.service.objects.rights.note_denial(self.asker, bucket, what)
            raise denied(f"{caller.account or 'Who is not known'} may not do this in this bucket.")
        if not is_there:
            raise S3Error(404, "NoSuchBucket", f"There is no project {bucket[:100]}.")

    async def stored(self, bucket: str, key: str) -> StoredObject:
        """The object that is there by that name. Raises S3Error, ObjectMissing."""
        try:
            name = object_name(bucket, key)
        except (S3Error, ObjectRefused) as error:  # what cannot be a name is no object's
            raise no_key(key[:200]) from error
        catalogue = self.service.objects.lake.catalogue
        return await self.run(lambda: catalogue.object(name))

    async def etag(self, stored: StoredObject) -> str:
        """Of an object's bytes."""
        md5s = await self.run(lambda: self.service.md5s.of([stored.content.sha256]))
        return etag_of(stored, md5s)

    def coding(self) -> Callable[[str], str]:
        """How keys are written in a list: some letters cannot stand in XML. Raises S3Error."""
        coding = self.query.get("encoding-type")
        if coding is None:
            return str
        if coding != "url":
            raise invalid("encoding-type is url.")
        return lambda text: quote(text, safe="/")

    def number(self, name: str, default: int, most: int) -> int:
        """A number of the query. Raises S3Error."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise invalid(f"{name} is a whole number.")
        return min(int(text), most)

    async def pour(self, write: Callable[[bytes], object], *, is_hashed_there: bool) -> Body:
        """Let the body go to `write`; what came is to be finished. Raises S3Error, Problem."""
        objects = self.service.objects
        most = objects.settings.objects_http_mb * MB
        body = Body(self.headers, self.signed, write, is_hashed_there=is_hashed_there)
        try:
            await pour_body(objects, self.request, body.feed, _MORE_OF_CHUNKS * most)
            objects.check_size(body.size_bytes)
        finally:
            await self.run(body.close)
        return body

    async def xml(self) -> Element:
        """The XML that the request brings. Raises S3Error."""
        gathered = bytearray()
        body = Body(self.headers, self.signed, gathered.extend)
        await pour_body(self.service.objects, self.request, body.feed, _MOST_XML_BYTES)
        body.finish()
        try:
            return parsed(bytes(gathered))
        except NotXml as error:
            raise S3Error(400, "MalformedXML", str(error)) from error


def etag_of(stored: StoredObject, md5s: Mapping[str, str]) -> str:
    """The MD5 of the bytes, where it is known. Elsewhere the beginning of their SHA-256, which
    clients do not take for an MD5, since `-1` is behind it."""
    sha256 = stored.content.sha256
    return f'"{md5s[sha256]}"' if sha256 in md5s else f'"{sha256[:32]}-1"'


def tags_of(stored: StoredObject, etag: str) -> set[str]:
    """All by which clients may know these bytes."""
    return {etag, f'"{stored.content.sha256}"', etag_of(stored, {})}


def object_name(bucket: str, key: str) -> ObjectName:
    """The object of a key. Raises S3Error, ObjectRefused."""
    container, slash, name = key.partition("/")
    if not slash:
        raise invalid("A key is CONTAINER/NAME: the first folder is a container of the project.")
    return ObjectName(bucket, container, name)


async def read(request: Request, service: S3Service, known_as: str) -> S3Request:
    """What a request names, and who it is of. Raises S3Error."""
    raw_path = request.scope["raw_path"].partition(b"?")[0].decode("latin-1")
    raw_query = request.scope["query_string"].decode("latin-1")
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    head = Head(request.method, raw_path, raw_query, headers)
    pairs = [part.partition("=")[::2] for part in raw_query.split("&") if part]
    query = {_text(name): _text(value) for name, value in pairs}
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        raise S3Error(400, "InvalidURI", "The address is not in UTF-8.") from None
    if "\0" in path or any("\0" in value for value in query.values()):
        raise S3Error(400, "InvalidURI", "The address has a NUL character.")
    signed, asker = await service.objects.run(lambda: _who(request, head, service))
    bucket, _, key = path.removeprefix("/").partition("/")
    return S3Request(request, service, asker, signed, headers, query, bucket, key, known_as)


def _text(quoted: str) -> str:
    return unquote_plus(quoted, errors="replace")


def _who(request: Request, head: Head, service: S3Service) -> tuple[Signed | None, Asker]:
    if not signatures.is_signed(head):
        asker = service.objects.rights.asker(request)
        if asker.sign_in is SignIn.UNKNOWN:
            raise denied("This token is not known here.")
        return None, asker
    if not service.objects.rights.is_to_sign_in:  # by a key that nobody knows, as tools want one
        return None, service.objects.rights.asker(request)
    callers: list[Caller] = []

    def secret_of(key: str) -> str | None:
        found = service.keys.find(key)
        if found is None:
            return None
        callers.append(found[0])
        return found[1]

    signed = signatures.checked(head, secret_of, utc_now())
    service.keys.note_use(signed.access_key)
    return signed, Asker(callers[0], SignIn.KNOWN, is_to_sign_in=True, is_of_this_machine=False)
