"""A request's body on its way to the disk.

What belongs here: taking it piece by piece with all its limits, and what headers say of it. What
does not: what becomes of it (`writing.py`, `batches.py`, `tus.py`).
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping

import anyio
from starlette.requests import Request

from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.landing.objects import check_metadata
from gmn_pipeline.schemas.objects import Description, ObjectName
from gmn_pipeline.serving.objects.alongside import Alongside
from gmn_pipeline.serving.objects.service import ObjectService
from gmn_pipeline.serving.objects.told import description_of
from gmn_pipeline.serving.objects.visits import Visit, json_object
from gmn_pipeline.serving.problems import Problem, bad_request

GATHERED_BYTES = 1 << 20
_SPACE_CHECKED_BYTES = 16 << 20
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):\s*(?=,|$)")
_HEX = re.compile(r"[0-9a-fA-F]{64}")


async def pour(visit: Visit, write: Callable[[bytes], object], most_bytes: int) -> int:
    """Let the body of a visit go to `write`: see `pour_body`."""
    return await pour_body(visit.service, visit.asked.request, write, most_bytes)


async def pour_body(
    service: ObjectService, request: Request, write: Callable[[bytes], object], most_bytes: int
) -> int:
    """Let the body go to `write` (in a thread) in larger pieces; how many bytes it was.

    One piece is written while the next one comes. What came before a body broke off is written
    too. Raises Problem: 408 if no more comes, 413 if there is more than that, 507 if the disk is
    nearly full.
    """
    said = request.headers.get("content-length", "")
    length = int(said) if said.isascii() and said.isdigit() else 0
    if length > most_bytes:
        raise _too_large(most_bytes)
    await service.run(lambda: service.check_space(length))
    gathered, taken, checked_at = bytearray(), 0, 0
    pieces = request.stream().__aiter__()
    writing = Alongside[object](service)

    async def flush() -> None:
        piece = bytes(gathered)
        gathered.clear()
        await writing.begin(lambda: write(piece))

    try:
        while True:
            with anyio.fail_after(service.settings.objects_body_timeout_s):
                piece = await anext(pieces, None)
            if piece is None:
                break
            taken += len(piece)
            if taken > most_bytes:
                gathered += piece[: len(piece) - (taken - most_bytes)]
                raise _too_large(most_bytes)
            gathered += piece
            if len(gathered) >= GATHERED_BYTES:
                await flush()
            if taken - checked_at >= _SPACE_CHECKED_BYTES:
                checked_at = taken
                await service.run(lambda: service.check_space(0))
    except TimeoutError:
        raise Problem(408, "too-slow", "No more of the request came for too long.") from None
    finally:
        with anyio.CancelScope(shield=True):
            if gathered:
                await flush()
            await writing.end()
    return taken


def _too_large(most_bytes: int) -> Problem:
    return Problem(413, "too-large", f"This may have {most_bytes:,} bytes here.")


def sha256_of(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 (hex) that the body is said to have: Content-Digest or Repr-Digest (RFC 9530),
    or X-Checksum-Sha256. Raises Problem."""
    given = headers.get("x-checksum-sha256")
    if given is not None:
        if not _HEX.fullmatch(given):
            raise bad_request("X-Checksum-Sha256 has 64 digits in hex.")
        return given.lower()
    for name in ("content-digest", "repr-digest"):
        found = _DIGEST.search(headers.get(name, ""))
        if found:
            try:
                digest = base64.b64decode(found[1], validate=True)
            except binascii.Error:
                digest = b""
            if len(digest) * 2 != 64:
                raise bad_request(f"The SHA-256 in {name} is none.")
            return digest.hex()
    return None


def description_in(headers: Mapping[str, str]) -> Description:
    """What the header GMN-Description says. Raises Problem or ObjectRefused."""
    text = headers.get("gmn-description")
    if not text:
        return Description()
    try:  # headers are Latin-1 for the server, and UTF-8 for who sends them
        text = text.encode("latin-1").decode()
    except UnicodeError:
        raise bad_request("GMN-Description is not in UTF-8.") from None
    return description_of(json_object(text, "GMN-Description"))


def check_place(catalogue: ObjectCatalogue, name: ObjectName, description: Description) -> None:
    """That something could be put there, before its bytes come. Raises ObjectMissing if there is
    no such container, ObjectRefused if what is said is not by its schema."""
    schema = catalogue.metadata_schema(name.project, name.container)
    if schema is not None:
        check_metadata(description, schema, name)
