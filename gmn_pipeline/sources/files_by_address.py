"""A file by its address, if that is one of those that may be fetched.

Whoever may name an address has this machine fetch it, with what this machine may reach: so an
operator says with what addresses may begin, nothing else is asked for, and an answer that leads
elsewhere is not followed.

What belongs here: which addresses are allowed, and reading one of them. What does not: who names
them (`streams/objects.py`).
"""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from gmn_pipeline.errors import (
    FileIncomplete,
    SettingsError,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.settings import ObjectStorageSettings
from gmn_pipeline.sources.files_in_bucket import BucketFiles

_PIECE_BYTES = 1 << 20
_SCHEMES = ("file", "http", "https", "s3")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_USER_AGENT = "gmn_pipeline"
_IDENTITY = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
Write = Callable[[bytes], None]


class FilesByAddress:
    """Any thread may read. `allowed`: what addresses may begin with, parted by blanks."""

    def __init__(
        self, allowed: str, settings: ObjectStorageSettings, timeout_s: float, longest_s: float
    ) -> None:
        """A server may be silent for `timeout_s`, and take `longest_s` for a whole file."""
        self._longest_s = longest_s
        self._allowed = [_checked(one) for one in allowed.split()]
        self._settings = settings
        self._timeout_s = timeout_s

    def read(self, address: str, write: Write) -> None:
        """Hand a file's bytes on, in pieces.

        Raises SourceRefused if it may not be fetched from there or is no file, SourceFileMissing,
        NotPermitted, and SourceUnavailable or FileIncomplete where it may be had later.
        """
        parts = _split(address)
        allowed = next((one for one in self._allowed if _is_within(parts, one)), None)
        if allowed is None:
            raise SourceRefused(
                f"Nothing is fetched from {address[:200]}.",
                remedy="GMN_OBJECTS_TOPIC_FROM names what addresses may begin with.",
            )
        if parts.scheme == "file":
            folder = PurePosixPath(unquote(allowed.path))
            path = PurePosixPath(unquote(parts.path)).relative_to(folder)
            _read_file(str(folder), str(path), write)
        elif parts.scheme == "s3":
            key = unquote(parts.path).strip("/")
            BucketFiles(f"s3://{parts.netloc}", self._settings).read(key, write)
        else:
            self._read_http(address, write)

    def _read_http(self, address: str, write: Write) -> None:
        with requests.Session() as session:
            session.trust_env = False  # a proxy or .netrc of this machine is none of the address's
            until = time.monotonic() + self._longest_s
            try:
                with session.get(
                    address, stream=True, timeout=self._timeout_s, allow_redirects=False,
                    headers=_IDENTITY,
                ) as answer:  # fmt: skip
                    _check_answer(address, answer)
                    # What has come, and not a whole piece, which could take for ever.
                    while piece := answer.raw.read1(_PIECE_BYTES):
                        write(piece)
                        if time.monotonic() > until:
                            raise SourceRefused(
                                f"{address} was not here within {self._longest_s:g} s.",
                                remedy="GMN_OBJECTS_TOPIC_FILE_S is how long one may take.",
                            )
            except (requests.RequestException, HTTPError) as error:
                raise SourceUnavailable(
                    f"{address} cannot be had: {' '.join(str(error).split())[:300]}."
                ) from error


def _check_answer(address: str, answer: requests.Response) -> None:
    status = answer.status_code
    if status in (requests.codes.not_found, requests.codes.gone):
        raise SourceFileMissing(f"There is no {address} ({status}).")
    if status >= 500 or status == requests.codes.too_many_requests:
        raise SourceUnavailable(f"{address} answers {status}.")
    if status != requests.codes.ok:
        raise SourceRefused(
            f"{address} answers {status}.", remedy="An answer that leads elsewhere is not followed."
        )


def _checked(allowed: str) -> SplitResult:
    parts = _split(allowed)
    has_place = bool(parts.path) if parts.scheme == "file" else bool(parts.netloc)
    if parts.scheme not in _SCHEMES or not has_place:
        raise SettingsError(
            f"GMN_OBJECTS_TOPIC_FROM: {allowed!r} is no beginning of an address.",
            remedy="Such as file:///data/in/, https://files.example.org/ or s3://bucket/prefix/.",
        )
    return parts


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise SourceRefused(f"{address[:200]!r} is no address: {error}.") from error
    if parts.username is not None or parts.fragment or any(letter < "!" for letter in address):
        raise SourceRefused(f"{address[:200]!r} is no address that is fetched.")
    return parts


def _is_within(parts: SplitResult, allowed: SplitResult) -> bool:
    """Whether an address lies there: folder by folder, so that /data/in is not /data/inside."""
    if parts.scheme != allowed.scheme or parts.hostname != allowed.hostname:
        return False
    if (parts.port or _DEFAULT_PORTS.get(parts.scheme)) != (
        allowed.port or _DEFAULT_PORTS.get(allowed.scheme)
    ):
        return False
    path = unquote(parts.path)
    if ".." in path.split("/") or "\\" in path or "%" in path or "\0" in path:
        return False
    return PurePosixPath(path or "/").is_relative_to(PurePosixPath(unquote(allowed.path) or "/"))


def _read_file(folder: str, path: str, write: Write) -> None:
    """Read a file within a folder of this machine. No link on its way from there is followed, as
    who may write into the folder could have any file read by one."""
    with _opened(folder, path) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise SourceRefused(f"{folder}/{path} is no file.")
        size_bytes = 0
        while size_bytes <= before.st_size and (piece := file.read(_PIECE_BYTES)):
            write(piece)
            size_bytes += len(piece)
        after = os.fstat(file.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, size_bytes):
        raise FileIncomplete(f"{folder}/{path} changed while it was read.")


@contextmanager
def _opened(folder: str, path: str) -> Iterator[BinaryIO]:
    *folders, name = path.split("/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        at = os.open(os.path.realpath(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part, more in [*((one, os.O_DIRECTORY) for one in folders), (name, 0)]:
            try:
                within = os.open(part, flags | more, dir_fd=at)
            finally:
                os.close(at)
            at = within
        with os.fdopen(at, "rb", buffering=0) as file:
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceFileMissing(f"There is no file {folder}/{path}.") from error
    except OSError as error:
        raise SourceRefused(f"{folder}/{path} cannot be read: {error.strerror}.") from error
