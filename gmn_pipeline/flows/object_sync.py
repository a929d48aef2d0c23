"""A folder or a bucket into a container of objects, as often as wanted.

What belongs here: which files are meant, and what is done about those that are gone. What does
not: putting them (`object_puts.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import SourceUnavailable
from gmn_pipeline.flows.object_puts import Given, OnFile, PutCounts, put_files
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.schemas.objects import By, Description
from gmn_pipeline.sources.files import FileSource


@dataclass(frozen=True)
class FileFilter:
    """Which files of a source are taken: those whose path is by the pattern (`*` is any text, `/`
    too), and that are not larger."""

    pattern: str = "*"
    largest_bytes: int | None = None

    def takes(self, path: str) -> bool:
        """Whether it is by the pattern."""
        return fnmatchcase(path, self.pattern)


def sync(
    lake: OpenedObjects,
    source: FileSource,
    place: tuple[str, str, str],
    by: By,
    *,
    wanted: FileFilter = FileFilter(),
    description: Description | None = None,
    deleting_for: timedelta | None = None,
    on_file: OnFile = lambda _given, _error: None,
) -> tuple[PutCounts, int]:
    """Put all files of a source that are new or changed; what was counted, and how many objects
    were deleted.

    `place` is project, container and folder (empty, or ending with `/`). With `deleting_for`,
    objects of the folder whose files are gone are deleted, and can be restored for so long. Raises
    SourceUnavailable rather than that if the source has no file at all: its disk may be away.
    """
    project, container, folder = place
    there: set[str] = set()

    def given() -> Iterator[Given]:
        for file in source.listed():
            if not wanted.takes(file.path):
                continue
            if deleting_for is not None:
                there.add(folder + file.path)
            if wanted.largest_bytes is None or file.size_bytes <= wanted.largest_bytes:
                yield Given(source, file, folder + file.path, description)

    counts = put_files(lake, project, container, given(), by, on_file)
    if deleting_for is None:
        return counts, 0
    if not there:
        raise SourceUnavailable(
            f"{source.place} has no such file at all: nothing was deleted.",
            remedy="Is its disk mounted? To delete all, 'gmn objects rm'.",
        )
    search = Search(project=project, container=container, folder=folder)
    gone = [
        stored
        for stored in lake.found(search)
        if wanted.takes(stored.name.name[len(folder) :]) and stored.name.name not in there
    ]
    for stored in gone:
        lake.catalogue.delete(stored, by, deleting_for)
    return counts, len(gone)
