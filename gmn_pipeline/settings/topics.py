"""Settings of topics over HTTP.

What belongs here: the token, and when a consumer is taken to be gone.
"""

from pydantic import Field, SecretStr

from gmn_pipeline.settings.group import SettingsGroup


class TopicsOverHttpSettings(SettingsGroup):
    """Topics over HTTP ('gmn kafka http'): who may, and for how long."""

    topics_token: SecretStr | None = Field(
        None, description="What a request has to name (Authorization: Bearer ...). Unset: topics "
        "are not to be had over HTTP."
    )  # fmt: skip
    topics_idle_s: float = Field(
        300.0, gt=0, description="Seconds without a request after which a consumer is closed."
    )
