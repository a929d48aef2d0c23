"""List and fetch the files of a GMN data directory, over http(s) or from a folder.

What belongs here: what it takes to get bytes politely and whole. What does not: what the bytes
mean (`readers/summary_file.py`), and where they are kept (`landing/`).
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from gmn_pipeline.clock import from_timestamp
from gmn_pipeline.errors import (
    FileIncomplete,
    SettingsError,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.settings import SourceSettings
from gmn_pipeline.sources.names import looks_like_summary

_READ_BYTES = 1 << 20
# A file modified this shortly before it was served may still be being written.
_FRESH = timedelta(minutes=10)


@dataclass(frozen=True)
class ListingEntry:
    """A line of a directory listing. `size` is what the listing prints, often rounded."""

    path: str
    modified: str
    size: str

    @property
    def state(self) -> str:
        """Changes whenever the file does, as far as a listing tells."""
        return f"{self.modified} {self.size}".strip()


@dataclass(frozen=True)
class SourceVersion:
    """What the source said of a file's version; either may be missing."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class FetchedFile:
    """A file that was copied whole: where from, which version, its size and hash."""

    url: str
    version: SourceVersion
    size_bytes: int
    sha256: str


class Directory(Protocol):
    """A GMN data directory. Paths are relative to its base, with `/`."""

    base: str

    def list(self, folder: str) -> list[ListingEntry]:
        """Entries of `folder` (`""` for the base): texts, and what else looks like a summary. A
        folder that is not there is empty."""
        ...

    def fetch(self, path: str, known: SourceVersion | None, to: Path) -> FetchedFile | None:
        """Copy `path` to the new file `to`; None if it is still the known version."""
        ...


def open_directory(settings: SourceSettings) -> Directory:
    """The directory that the settings name."""
    scheme = urlsplit(settings.source_url).scheme
    if scheme in ("http", "https"):
        return HttpDirectory(settings)
    folder = Path(settings.source_url.removeprefix("file://")).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"GMN_SOURCE_URL: {settings.source_url!r} is neither an http(s) address nor a folder.",
            remedy="Give the address of a GMN data directory, or a folder laid out like one "
            "(daily/, monthly/).",
        )
    return FolderDirectory(folder)


class FolderDirectory:
    """A folder laid out like the network's directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.base = self._folder.as_uri() + "/"

    def list(self, folder: str) -> list[ListingEntry]:
        try:
            found = sorted(os.scandir(self._folder / folder), key=lambda file: file.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        entries = []
        for file in found:
            if _is_of_interest(file.name) and file.is_file():
                status = file.stat()
                modified = from_timestamp(status.st_mtime_ns / 1e9).isoformat()
                path = f"{folder}/{file.name}" if folder else file.name
                entries.append(ListingEntry(path, modified, str(status.st_size)))
        return entries

    def fetch(self, path: str, known: SourceVersion | None, to: Path) -> FetchedFile | None:
        # Asked of thousands of files that have not changed: nothing but this.
        if known is not None and known == self._version_now(path):
            return None
        file = (self._folder / path).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            raise SourceFileMissing(f"{path}: there is no such file in {self._folder}.")
        before = file.stat()
        with file.open("rb") as source:
            size, sha256 = _copy(iter(lambda: source.read(_READ_BYTES), b""), to)
        after = file.stat()
        if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, size):
            raise _changed(path)
        return FetchedFile(self.base + path, _version_of(before), size, sha256)

    def _version_now(self, path: str) -> SourceVersion | None:
        try:
            return _version_of(Path(f"{self._folder}/{path}").stat())
        except OSError:
            return None


def _version_of(status: os.stat_result) -> SourceVersion:
    return SourceVersion(etag=f"{status.st_mtime_ns}-{status.st_size}")


class HttpDirectory:
    """A web server's listing of the network's directory."""

    def __init__(self, settings: SourceSettings) -> None:
        self.base = settings.source_url.rstrip("/") + "/"
        self._timeout_s = settings.http_timeout_s
        self._session = _session(settings)

    def list(self, folder: str) -> list[ListingEntry]:
        url = self.base + (f"{folder}/" if folder else "")
        response = self._get(url)
        if response.status_code == requests.codes.not_found:
            return []
        self._check(url, response)
        page = _ListingPage(folder)
        page.feed(response.text)
        if not page.entries and not page.is_index:
            raise SourceRefused(
                f"{url} does not answer a directory listing.",
                remedy="Is GMN_SOURCE_URL the data directory (it has daily/ and monthly/)?",
            )
        return page.entries

    def fetch(self, path: str, known: SourceVersion | None, to: Path) -> FetchedFile | None:
        url = urljoin(self.base, quote(path))
        if not url.startswith(self.base):
            raise SourceRefused(f"{path!r} leads out of {self.base}.")
        response = self._get(url, headers=_conditions(known), stream=True)
        with response:
            if response.status_code == requests.codes.not_modified:
                return None
            self._check(url, response)
            version = _version(response)
            try:
                size, sha256 = _copy(response.iter_content(_READ_BYTES), to)
            except requests.RequestException as error:
                # urllib3 counts the bytes against Content-Length: a short answer ends here.
                raise FileIncomplete(
                    f"{url}: the answer broke off ({error}).", remedy="It is taken again later."
                ) from error
            if _is_fresh(response) and self._version_now(url) != version:
                raise _changed(url)
        return FetchedFile(url, version, size, sha256)

    def _version_now(self, url: str) -> SourceVersion:
        response = self._get(url, method="HEAD")
        self._check(url, response)
        return _version(response)

    def _get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        try:
            return self._session.request(
                method, url, headers=headers, stream=stream, timeout=self._timeout_s
            )
        except requests.RequestException as error:
            raise SourceUnavailable(
                f"{url} cannot be reached: {error}.", remedy="Nothing is lost; it is tried again."
            ) from error

    @staticmethod
    def _check(url: str, response: requests.Response) -> None:
        status = response.status_code
        if status == requests.codes.not_found:
            raise SourceFileMissing(f"{url}: the source has no such file (404).")
        if status >= 500 or status == requests.codes.too_many_requests:
            raise SourceUnavailable(f"{url} answers {status}.", remedy="It is tried again later.")
        if status != requests.codes.ok:
            raise SourceRefused(
                f"{url} answers {status}.", remedy="Look at the address in a browser."
            )


def _session(settings: SourceSettings) -> requests.Session:
    """A session that retries what is transient, with backoff and jitter, and says who it is."""
    session = requests.Session()
    retry = Retry(
        total=settings.http_retries,
        backoff_factor=settings.http_backoff_s,
        backoff_jitter=settings.http_backoff_s,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    adapter = HTTPAdapter(max_retries=retry, pool_maxsize=settings.http_concurrency)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["User-Agent"] = settings.user_agent
    # Compressed on the way, the length would say nothing about the file.
    session.headers["Accept-Encoding"] = "identity"
    return session


def _copy(chunks: Iterator[bytes], to: Path) -> tuple[int, str]:
    """Write all chunks; size in bytes and SHA-256 of what was written."""
    digest, size = hashlib.sha256(), 0
    with to.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _changed(where: str) -> FileIncomplete:
    return FileIncomplete(
        f"{where} changed while it was read.", remedy="The new version is taken later."
    )


def _conditions(known: SourceVersion | None) -> dict[str, str]:
    if known is None:
        return {}
    headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in headers.items() if value}


def _version(response: requests.Response) -> SourceVersion:
    return SourceVersion(response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _is_fresh(response: requests.Response) -> bool:
    """Whether the file was modified so shortly before that it may still be being written."""
    try:
        modified = parsedate_to_datetime(response.headers["Last-Modified"])
        served = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return True  # unknown: look again
    return served - modified < _FRESH


def _is_of_interest(name: str) -> bool:
    """Whether a listing tells of a file: a text, or what looks like a summary and is none."""
    return name.endswith(".txt") or looks_like_summary(name)


_LISTED = re.compile(
    r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})?|\d{1,2}-[A-Z][a-z]{2}-\d{4} \d{2}:\d{2}(?::\d{2})?)"
    r"\s+([\d.]+\s?[KMGT]?)"
)


class _ListingPage(HTMLParser):
    """Reads the listings of Apache and nginx: links, each followed by time and rounded size."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.entries: list[ListingEntry] = []
        self.is_index = False  # says so: a login page has links too
        self._folder = folder
        self._name: str | None = None
        self._after = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") if tag == "a" else None
        if href is None:
            return
        self._finish()
        name = unquote(urlsplit(href).path)
        self._name = name if _is_of_interest(name) and "/" not in name else None

    def handle_data(self, data: str) -> None:
        self._after += data + " "
        self.is_index |= data.lstrip().startswith("Index of ")

    def close(self) -> None:
        super().close()
        self._finish()

    def feed(self, data: str) -> None:
        super().feed(data)
        self.close()

    def _finish(self) -> None:
        if self._name is not None:
            path = f"{self._folder}/{self._name}" if self._folder else self._name
            listed = _LISTED.search(self._after)
            modified, size = (listed[1], listed[2]) if listed else ("", "")
            self.entries.append(ListingEntry(path, modified, size))
        self._name, self._after = None, ""
