"""Buckets beside a lake, whose files its views read where they lie.

What belongs here: which those are, and what a session needs to be let in there. What does not: the
views (`objects/in_place.py`), and the bucket in which a lake's own data may be (`data_storage.py`).

The lake says where a bucket is, and who has it; keys are those of the session's settings, and stay
in a secret of the session that is good for that prefix alone.
"""

import hashlib
from typing import NamedTuple

import duckdb

from gmn_pipeline.schemas.object_tables import BUCKETS_IN_PLACE
from gmn_pipeline.settings import ObjectStorageSettings
from gmn_pipeline.warehouse.data_storage import s3_port, s3_secret

EXTENSION = "httpfs"


class BucketInPlace(NamedTuple):
    """A prefix of a bucket (`s3://bucket/prefix/`). `endpoint_url`: who has it; empty for whom the
    settings name. `is_anonymous`: it is read without keys."""

    url: str
    endpoint_url: str
    is_anonymous: bool

    def contradicts(self, other: "BucketInPlace") -> bool:
        """Whether one session could not be let in at both."""
        is_within = self.url.startswith(other.url) or other.url.startswith(self.url)
        return is_within and self[1:] != other[1:]

    def port(self, settings: ObjectStorageSettings) -> int:
        """To which a session connects."""
        return s3_port(self.endpoint_url or settings.s3_endpoint_url)

    def secret(self, settings: ObjectStorageSettings) -> str:
        """SQL that lets a session in."""
        name = f"in_place_{hashlib.sha256(repr(self).encode()).hexdigest()[:16]}"
        endpoint_url = self.endpoint_url or settings.s3_endpoint_url
        return s3_secret(name, self.url, settings, endpoint_url, is_anonymous=self.is_anonymous)


def buckets_in_place(connection: duckdb.DuckDBPyConnection, lake: str) -> list[BucketInPlace]:
    """Those of an attached lake; none of one of an earlier version."""
    columns = ", ".join(BUCKETS_IN_PLACE.columns[1:])
    try:
        rows = connection.execute(f"SELECT DISTINCT {columns} FROM {lake}.{BUCKETS_IN_PLACE.name}")
        return [BucketInPlace(*row) for row in rows.fetchall()]
    except duckdb.CatalogException:
        return []
