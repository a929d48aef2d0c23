"""The source that a person names: a bucket by its address, or a folder by its path.

What belongs here: telling them apart. What does not: either of them.
"""

from pathlib import Path

from gmn_pipeline.settings import ObjectStorageSettings
from gmn_pipeline.sources.files import FileSource
from gmn_pipeline.sources.files_in_bucket import BucketFiles
from gmn_pipeline.sources.files_in_folder import FolderFiles


def files_of(
    named: str,
    settings: ObjectStorageSettings,
    *,
    is_anonymous: bool = False,
    endpoint_url: str | None = None,
) -> FileSource:
    """The source of a name. Raises SourceUnavailable if it is no folder."""
    if is_bucket(named):
        return BucketFiles(named, settings, is_anonymous=is_anonymous, endpoint_url=endpoint_url)
    return FolderFiles(Path(named))


def is_bucket(named: str) -> bool:
    """Whether the name is the address of a bucket."""
    return named.startswith("s3://")
