"""The lake's data files: in a folder, or in object storage (`s3://bucket/prefix`).

What belongs here: their place, what DuckDB needs to read and write there, how much lies there.
What does not: which files there are, which the catalogue knows.
"""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import duckdb

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.settings import ObjectStorageSettings, WarehouseSettings
from gmn_pipeline.warehouse.lakes import WAREHOUSE, Lake

_HTTPS_PORT, _HTTP_PORT = 443, 80


class DataStorage(Protocol):
    """What is asked of either kind."""

    path: str
    """As DuckDB names it."""
    in_catalog: str | None
    """What a new lake's catalogue says of it, if not this path: sessions name the true one."""
    extensions: tuple[str, ...]
    ports: tuple[int, ...]

    def prepare(self) -> None:
        """Before the first file is written."""

    def admit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a session read and write there."""

    def size_bytes(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Of all data files there, known to the catalogue or not."""


def open_storage(settings: WarehouseSettings, lake: Lake = WAREHOUSE) -> DataStorage:
    """The storage of a lake that the settings name."""
    url = settings.warehouse_storage_url
    if url is None:
        return Folder(lake.folder(settings) / "data", in_catalog="data/")
    if lake != WAREHOUSE:
        url = _beside(url, lake)
    if url.startswith("s3://"):
        return ObjectStorage(url, settings, lake)
    if "://" in url:
        raise SettingsError(
            f"The warehouse's data cannot be kept in {urlsplit(url).scheme}://.",
            remedy="GMN_WAREHOUSE_STORAGE_URL is a folder or s3://bucket/prefix.",
        )
    return Folder(Path(url).expanduser().absolute(), in_catalog=None)


def _beside(url: str, lake: Lake) -> str:
    """The place of another lake's data. Not below the warehouse's, whose maintenance removes what
    its catalogue does not know."""
    bucket = url.startswith("s3://") and not urlsplit(url).path.strip("/")
    if bucket:
        raise SettingsError(
            f"The data of {lake.name} cannot be put beside those of the warehouse: {url} is all of "
            "a bucket.",
            remedy="Let GMN_WAREHOUSE_STORAGE_URL be s3://bucket/prefix.",
        )
    return f"{url.rstrip('/')}-{lake.name}"


class Folder:
    """A folder; of one machine, or shared by several."""

    extensions: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()

    def __init__(self, folder: Path, *, in_catalog: str | None) -> None:
        self._folder = folder
        self.path = str(folder)
        self.in_catalog = in_catalog

    def prepare(self) -> None:
        """See DataStorage."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def admit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """See DataStorage."""

    def size_bytes(self, connection: duckdb.DuckDBPyConnection) -> int:
        """See DataStorage."""
        del connection
        return sum(path.stat().st_size for path in self._folder.rglob("*.parquet"))


class ObjectStorage:
    """A prefix in a bucket, of Amazon or of whoever speaks its protocol."""

    in_catalog: str | None = None
    extensions: tuple[str, ...] = ("httpfs",)

    def __init__(self, url: str, settings: WarehouseSettings, lake: Lake = WAREHOUSE) -> None:
        self.path = url.rstrip("/") + "/"
        self._secret = f"storage_of_{lake.name}"
        self._settings = settings
        self.ports: tuple[int, ...] = (s3_port(settings.s3_endpoint_url),)

    def prepare(self) -> None:
        """See DataStorage. The bucket is somebody else's to make."""

    def admit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """See DataStorage: by a secret of the session, for this prefix only.

        It stays, since each file is opened with it; DuckDB shows its key to nobody.
        """
        settings = self._settings
        connection.execute(s3_secret(self._secret, self.path, settings, settings.s3_endpoint_url))

    def size_bytes(self, connection: duckdb.DuckDBPyConnection) -> int:
        """See DataStorage: as the listing says; nothing is read."""
        row = connection.execute(
            f"SELECT sum(size) FROM read_blob({sql_text(self.path + '**')})"
        ).fetchone()
        assert row is not None
        return int(row[0] or 0)


def s3_port(endpoint_url: str | None) -> int:
    """Where the server of a bucket listens."""
    endpoint = urlsplit(endpoint_url or "https://")
    return endpoint.port or (_HTTP_PORT if endpoint.scheme == "http" else _HTTPS_PORT)


def s3_secret(
    name: str, scope: str, settings: ObjectStorageSettings, endpoint_url: str | None, *,
    is_anonymous: bool = False,
) -> str:  # fmt: skip
    """SQL that lets a session in below `scope`, by the keys of the settings."""
    options = {"REGION": sql_text(settings.s3_region), "SCOPE": sql_text(scope)}
    if endpoint_url:
        endpoint = urlsplit(endpoint_url)
        options |= {
            "ENDPOINT": sql_text(endpoint.netloc + endpoint.path.rstrip("/")),
            "URL_STYLE": "'path'", "USE_SSL": str(endpoint.scheme != "http").lower(),
        }  # fmt: skip
    keys = {
        "KEY_ID": settings.s3_access_key_id, "SECRET": settings.s3_secret_access_key,
        "SESSION_TOKEN": settings.s3_session_token,
    }  # fmt: skip
    for option, key in keys.items():
        if key is not None and not is_anonymous:
            options[option] = sql_text(key.get_secret_value())
    given = ", ".join(f"{option} {value}" for option, value in options.items())
    return f"CREATE OR REPLACE TEMPORARY SECRET {name} (TYPE s3, {given})"
