"""A selection of objects as one file, made while it is sent.

What belongs here: which objects, and how they are called in it. What does not: their bytes
(`landing/objects.py`). They are not compressed, so that its size is known before: a zip that
breaks off is not taken for a whole one.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from starlette.responses import Response
from zipstream import ZipStream

from gmn_pipeline.database.object_search import Search
from gmn_pipeline.schemas.objects import ObjectName, StoredObject
from gmn_pipeline.serving.objects.listing import CRITERIA, wanted_of
from gmn_pipeline.serving.objects.reading import Bytes, headers_of_file
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.objects.visits import Visit
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Parameter

MEDIA_TYPE = "application/zip"
OBJECTS = Parameter(
    "object", "PROJECT/CONTAINER/NAME, several times for several; without any, all that the other "
    "parameters find", is_repeated=True,
)  # fmt: skip
PARAMETERS = (OBJECTS, *CRITERIA)
_MOST_OBJECTS = 10_000
_FORBIDDEN = str.maketrans(dict.fromkeys('\\:*?"<>|', "_"))
"""What file systems of other machines take for something else."""


async def answer(visit: Visit) -> Response:
    """A zip of the objects that are named, or found."""
    return zip_of(visit, await _selected(visit))


def zip_of(visit: Visit, found: Sequence[StoredObject]) -> Response:
    """These objects as one file, made while it is sent."""
    lake, by = visit.service.lake, visit.by
    archive = ZipStream(sized=True)
    for stored, name in zip(found, safe_names([str(one.name) for one in found]), strict=True):
        pieces = lake.landing.read(stored, by)
        archive.add(pieces, name, size=stored.content.size_bytes)
    headers = headers_of_file("objects.zip", MEDIA_TYPE) | {"Cache-Control": "no-store"}
    return Bytes(lambda: iter(archive), len(archive), 200, headers, visit.service)


async def _selected(visit: Visit) -> list[StoredObject]:
    names = [ObjectName.parse(text) for text in visit.asked.texts("object")]
    lake = visit.service.lake
    if names:
        for project in sorted({name.project for name in names}):
            await visit.must_be_allowed(Need.READ, project)
        return await visit.service.run(lambda: [lake.catalogue.object(name) for name in names])
    return await found_for_zip(visit, await wanted_of(visit))


async def found_for_zip(visit: Visit, wanted: Search) -> list[StoredObject]:
    """What a search finds. Raises Problem (400) if that is too much for one file."""
    lake = visit.service.lake
    found = await visit.service.run(lambda: lake.search.find(wanted, _MOST_OBJECTS + 1))
    if len(found) > _MOST_OBJECTS:
        raise bad_request(f"A zip has {_MOST_OBJECTS:,} objects at most: select fewer.")
    return found


def safe_names(names: Iterable[str]) -> list[str]:
    """Names that any machine can unpack, each once."""
    taken: set[str] = set()
    found = []
    for name in names:
        parts = name.translate(_FORBIDDEN).split("/")
        safe = "/".join(part.rstrip(" .") or "_" for part in parts)
        path, number, unique = PurePosixPath(safe), 1, safe
        while unique.lower() in taken:
            number += 1
            unique = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        taken.add(unique.lower())
        found.append(unique)
    return found
