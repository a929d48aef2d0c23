"""Open a bucket, of Amazon or of whoever speaks its protocol.

What belongs here: addresses, keys and endpoints. What does not: what is kept there (`contents.py`)
or taken from there (`sources/files_in_bucket.py`).
"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import S3Store

from gmn_pipeline.settings import ObjectStorageSettings

if TYPE_CHECKING:
    from obstore.store import S3Config


def open_bucket(
    url: str,
    settings: ObjectStorageSettings,
    *,
    is_anonymous: bool = False,
    endpoint_url: str | None = None,
) -> S3Store:
    """The prefix of a bucket that `s3://bucket/prefix` names; nothing is asked of it yet.

    `is_anonymous`: without keys, as public buckets are read. `endpoint_url`: another one than that
    of the settings.
    """
    parts = urlsplit(url)
    given = {
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key,
        "session_token": settings.s3_session_token,
    }
    secrets = {name: secret.get_secret_value() for name, secret in given.items() if secret}
    config: S3Config = {"region": settings.s3_region, "virtual_hosted_style_request": False}
    if is_anonymous:
        config["skip_signature"] = True
    else:
        config.update(secrets)  # type: ignore[typeddict-item]
    endpoint = endpoint_url or settings.s3_endpoint_url
    if endpoint:
        config["endpoint"] = endpoint
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,
        client_options={"allow_http": True},
    )
