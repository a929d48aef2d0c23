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
from gmn_pipeline.settings import WarehouseSettings
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
        endpoint = urlsplit(settings.s3_endpoint_url or "https://")
        self._is_https = endpoint.scheme != "http"
        self._endpoint = endpoint.netloc + endpoint.path.rstrip("/")
        default_port = _HTTPS_PORT if self._is_https else _HTTP_PORT
        self.ports: tuple[int, ...] = (endpoint.port or default_port,)

    def prepare(self) -> None:
        """See DataStorage. The bucket is somebody else's to make."""

    def admit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """See DataStorage: by a secret of the session, for this prefix only.

        It stays, since each file is opened with it; DuckDB shows its key to nobody.
        """
        options = {"REGION": sql_text(self._settings.s3_region), "SCOPE": sql_text(self.path)}
        if self._endpoint:
            options |= {
                "ENDPOINT": sql_text(self._endpoint), "URL_STYLE": "'path'",
                "USE_SSL": str(self._is_https).lower(),
            }  # fmt: skip
        for option, secret in (
            ("KEY_ID", self._settings.s3_access_key_id),
            ("SECRET", self._settings.s3_secret_access_key),
            ("SESSION_TOKEN", self._settings.s3_session_token),
        ):
            if secret is not None:
                options[option] = sql_text(secret.get_secret_value())
        given = ", ".join(f"{name} {value}" for name, value in options.items())
        connection.execute(f"CREATE TEMPORARY SECRET {self._secret} (TYPE s3, {given})")

    def size_bytes(self, connection: duckdb.DuckDBPyConnection) -> int:
        """See DataStorage: as the listing says; nothing is read."""
        row = connection.execute(
            f"SELECT sum(size) FROM read_blob({sql_text(self.path + '**')})"
        ).fetchone()
        assert row is not None
        return int(row[0] or 0)
