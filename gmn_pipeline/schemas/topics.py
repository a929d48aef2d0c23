"""The topics: what each is called, how it is kept, and the schema of its messages.

A topic is declared here, as a dataset is in its module; `kafka/topics.py` makes it and looks at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gmn_pipeline.schemas.message_schema import MessageSchema
from gmn_pipeline.schemas.messages import TRAJECTORY_MESSAGES
from gmn_pipeline.schemas.object_messages import OBJECT_MESSAGES
from gmn_pipeline.schemas.station_readings import STATION_READING_MESSAGES
from gmn_pipeline.settings import KafkaSettings

_COMPACTED = {
    "cleanup.policy": "compact",
    # A tombstone has to be seen by a consumer that was away for a while.
    "delete.retention.ms": str(30 * 24 * 3600 * 1000),
}


@dataclass(frozen=True)
class Topic:
    """One topic. `recovery` says what a person does when messages are gone unread."""

    name: str
    messages: MessageSchema
    config: Mapping[str, str]
    partitions: int
    replication: int
    recovery: str

    @property
    def dead_letters(self) -> str:
        """The name of the topic of what could not be read."""
        return f"{self.name}.dlq"

    @property
    def subject(self) -> str:
        """What a schema registry calls the schema of its values."""
        return f"{self.name}-value"


def trajectories_topic(settings: KafkaSettings) -> Topic:
    """The topic of the trajectories, as the settings have it."""
    return Topic(
        settings.kafka_topic,
        TRAJECTORY_MESSAGES,
        _COMPACTED,
        settings.kafka_partitions,
        settings.kafka_replication,
        "Stop 'gmn stream' and run 'gmn stream --from-beginning --once': it reads all that the "
        "topic still has, and merging twice changes nothing. Days that the topic has lost come "
        "back by loading their files ('gmn run --from ... --to ...').",
    )


def readings_topic(settings: KafkaSettings) -> Topic:
    """The topic of station readings: what is in the lake is not kept here for long."""
    kept_ms = int(settings.kafka_readings_keep_hours * 3_600_000)
    return Topic(
        settings.kafka_readings_topic,
        STATION_READING_MESSAGES,
        {"cleanup.policy": "delete", "retention.ms": str(kept_ms)},
        settings.kafka_partitions,
        settings.kafka_replication,
        "Readings that expired before they were taken in are lost. 'gmn stations take-in "
        "--from-beginning --once' reads all that the topic still has; taking in twice changes "
        "nothing.",
    )


def objects_topic(settings: KafkaSettings) -> Topic:
    """The topic of objects that are to be put: what is in the lake is not kept here for long."""
    kept_ms = int(settings.kafka_objects_keep_hours * 3_600_000)
    return Topic(
        settings.kafka_objects_topic,
        OBJECT_MESSAGES,
        {
            "cleanup.policy": "delete",
            "retention.ms": str(kept_ms),
            "max.message.bytes": str(settings.kafka_objects_message_mb << 20),
        },
        settings.kafka_partitions,
        settings.kafka_replication,
        "Objects that expired before they were taken in are lost, unless their senders send them "
        "again. 'gmn objects take-in --from-beginning --once' reads all that the topic still has: "
        "what it says of an object is then said once more, after what was said since.",
    )
