"""Files of a bucket, or of a prefix of one, which are not this platform's.

What belongs here: listing and reading them. What does not: the bucket in which objects are kept
(`storage/contents.py`).
"""

from collections.abc import Callable, Iterator

from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from gmn_pipeline.errors import (
    FileIncomplete,
    NotPermitted,
    SourceFileMissing,
    SourceUnavailable,
)
from gmn_pipeline.settings import ObjectStorageSettings
from gmn_pipeline.sources.files import SourceFile
from gmn_pipeline.storage.buckets import open_bucket

_PIECE_BYTES = 1 << 20


class BucketFiles:
    """See FileSource. What a bucket answers is one state of a file, whole."""

    def __init__(
        self,
        url: str,
        settings: ObjectStorageSettings,
        *,
        is_anonymous: bool = False,
        endpoint_url: str | None = None,
    ) -> None:
        endpoint = endpoint_url or settings.s3_endpoint_url or ""
        self.url = url.rstrip("/") + "/"
        self.place = f"{endpoint}#{self.url}"
        self._store = open_bucket(
            url, settings, is_anonymous=is_anonymous, endpoint_url=endpoint_url
        )

    def listed(self) -> Iterator[SourceFile]:
        """See FileSource. Folders that a console made, of no bytes and a name ending in `/`, are
        no files."""
        try:
            for some in self._store.list():
                for one in some:
                    if not one["path"].endswith("/"):
                        yield SourceFile(one["path"], one["size"], one["e_tag"] or "")
        except BaseError as error:
            raise self._explained(error, self.url) from error

    def read(
        self, path: str, write: Callable[[bytes], None],
        copy: Callable[[int, int], int] | None = None,
    ) -> SourceFile:  # fmt: skip
        """See FileSource: it is on none."""
        del copy
        size_bytes = 0
        try:
            answer = self._store.get(path)
            for piece in answer.stream(min_chunk_size=_PIECE_BYTES):
                write(bytes(piece))
                size_bytes += len(piece)
        except BaseError as error:
            raise self._explained(error, self.url + path) from error
        except FileNotFoundError as error:
            raise SourceFileMissing(f"There is no {self.url}{path}.") from error
        if size_bytes != answer.meta["size"]:
            raise FileIncomplete(
                f"Of {self.url}{path} came {size_bytes:,} bytes of {answer.meta['size']:,}.",
                remedy="The same command takes it again.",
            )
        return SourceFile(path, size_bytes, answer.meta["e_tag"] or "")

    def _explained(self, error: BaseError, what: str) -> Exception:
        said = " ".join(str(error).split())[:300]
        if isinstance(error, NotFoundError):
            return SourceFileMissing(f"There is no {what}: {said}.")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return NotPermitted(
                f"{what} may not be read: {said}.",
                remedy="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are keys that may; a public "
                "bucket is read with --anonymous.",
            )
        return SourceUnavailable(
            f"{what} cannot be had: {said}.",
            remedy="Are the endpoint and the bucket right? The same command goes on from what is "
            "done.",
        )
