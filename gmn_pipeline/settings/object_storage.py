"""Settings of object storage.

What belongs here: how a bucket is reached. What does not: which bucket is for what.
"""

from pydantic import Field, SecretStr

from gmn_pipeline.settings.group import SettingsGroup


class ObjectStorageSettings(SettingsGroup):
    """Object storage: how it is reached, where something is kept in a bucket."""

    s3_endpoint_url: str | None = Field(
        None,
        validation_alias="AWS_ENDPOINT_URL",
        description="Object storage that is not Amazon's: http(s)://host:port.",
    )
    s3_region: str = Field(
        "us-east-1", validation_alias="AWS_REGION", description="Region of the bucket."
    )
    s3_access_key_id: SecretStr | None = Field(
        None, validation_alias="AWS_ACCESS_KEY_ID", description="Access key for the bucket."
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", description="Its secret."
    )
    s3_session_token: SecretStr | None = Field(
        None,
        validation_alias="AWS_SESSION_TOKEN",
        description="Token that goes with them, if they are for a time.",
    )
