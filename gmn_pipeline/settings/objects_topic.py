"""Settings of objects that come by their topic.

What belongs here: for whom they are put, what may be fetched, and how much at once. What does not:
the topic (`kafka.py`).
"""

from pydantic import Field

from gmn_pipeline.settings.group import SettingsGroup


class ObjectsTopicSettings(SettingsGroup):
    """Objects by Kafka: for whom they are put, and what may be fetched for them."""

    objects_topic_account: str | None = Field(
        None, description="Account in whose name, and with whose roles, objects are put that come "
        "by the topic. Needed as soon as there are accounts: a message proves nothing of its "
        "sender, so give this account the projects that all may put to who may write the topic."
    )  # fmt: skip
    objects_topic_from: str = Field(
        "", description="What the addresses in messages may begin with, parted by blanks: "
        "file:///data/in/ https://files.example.org/ s3://bucket/prefix/. Unset: nothing is "
        "fetched, and messages with an address are refused."
    )  # fmt: skip
    objects_topic_mb: int = Field(
        10_000, ge=1, description="Largest file (MB) that is fetched for a message."
    )
    objects_topic_timeout_s: float = Field(
        30.0, gt=0, description="Seconds without a byte after which a file is given up that is "
        "fetched for a message; it is asked for three times."
    )  # fmt: skip
    objects_topic_file_s: float = Field(
        600.0, gt=0, description="Seconds that a web server may take for one such file."
    )
    objects_topic_batch: int = Field(
        32, ge=1, description="Most messages whose objects are named in one transaction."
    )
