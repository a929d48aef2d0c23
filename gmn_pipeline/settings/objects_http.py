"""Settings of objects over HTTP.

What belongs here: who may, how much, and how long an upload may take. What does not: where the
bytes are (`objects.py`).
"""

from pydantic import Field, SecretStr

from gmn_pipeline.settings.group import SettingsGroup


class ObjectsOverHttpSettings(SettingsGroup):
    """Objects over HTTP: who may put, change and read them by 'gmn serve'."""

    objects_token: SecretStr | None = Field(
        None, description="What a request has to name (Authorization: Bearer ...) that writes, or "
        "reads what is not public, besides the tokens of accounts. Unset and without accounts: a "
        "server on 127.0.0.1 serves the people of its machine, any other lets public projects be "
        "read."
    )  # fmt: skip
    s3_secret: SecretStr | None = Field(
        None, min_length=32, description="What secrets of access keys are made of, for 'gmn "
        "objects s3': 32 characters or more, that nobody can guess ('openssl rand -base64 33'). "
        "With another one, all keys have other secrets."
    )  # fmt: skip
    objects_http_mb: int = Field(
        1_000_000, ge=1, description="Largest object (MB) that is taken over HTTP."
    )
    objects_batch_mb: int = Field(
        1_000, ge=1, description="Size (MB) of objects that come in one request, together and as "
        "they are unpacked."
    )  # fmt: skip
    objects_free_mb: int = Field(
        500, ge=0, description="Space (MB) of the data folder's disk that uploads leave free: what "
        "would need it is refused (507)."
    )  # fmt: skip
    objects_upload_hours: float = Field(
        168.0, gt=0, description="Hours that an interrupted upload can be gone on with."
    )
    objects_body_timeout_s: float = Field(
        60.0, gt=0, description="Seconds without a byte after which an upload's request is ended; "
        "what came of a resumable one is kept."
    )  # fmt: skip
    objects_link_hours: float = Field(
        168.0, gt=0, description="Hours that an address made for others may hold at most."
    )
