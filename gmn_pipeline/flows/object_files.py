"""Objects as files for processors, and the files that these make as objects.

What belongs here: an object's bytes where they are or as a copy, and putting what was made of it.
What does not: when (`object_processing.py`).
"""

from contextlib import suppress
from pathlib import Path

from gmn_pipeline.database.object_runs import MADE_BY
from gmn_pipeline.errors import ObjectMissing, ObjectRefused
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.processing.processor import Made
from gmn_pipeline.schemas.objects import By, Description, ObjectName, OperationKind, StoredObject
from gmn_pipeline.storage.contents import HashingWriter

_COPY_BYTES = 1 << 20


def file_of(lake: OpenedObjects, stored: StoredObject, copy: Path) -> Path:
    """Its bytes as a file: where they are, or a copy."""
    contents = lake.contents
    local = contents.local_path(stored.content)
    if local is not None and contents.has(stored.content):
        return local
    if not copy.exists():
        unfinished = copy.with_suffix(".part")
        with unfinished.open("wb") as file:
            for piece in contents.read(stored.content):
                file.write(piece)
        unfinished.replace(copy)
    return copy


def put_made(
    lake: OpenedObjects, stored: StoredObject, processor: str, made: Made, by: By
) -> StoredObject:
    """The object that was made of another, which is put unless it is there already."""
    name = ObjectName(stored.name.project, stored.name.container, made.name)
    said = Description(application=MADE_BY + processor, links=stored.description.links)
    there = None
    with suppress(ObjectMissing):
        there = lake.catalogue.object(name)
    if there is not None and there.description.application != said.application:
        raise ObjectRefused(f"There is an object {name} that nobody made of another.")
    with lake.landing.incoming() as folder:
        writer = HashingWriter(folder / "made")
        with made.path.open("rb") as file:
            while piece := file.read(_COPY_BYTES):
                writer.write(piece)
        content = writer.finish()
        if there is not None and there.content == content:
            return there
        staged = Staged(folder / "made", content, name, said, there.version if there else 0)
        (new,) = lake.landing.land([staged], by, OperationKind.PUT)
        return new
