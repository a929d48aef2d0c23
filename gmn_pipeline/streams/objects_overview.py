"""What `gmn status` tells of objects that come by their topic.

What belongs here: numbers of the operational database and of Kafka beside each other. What does
not: how they are shown (`cli/status.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.topic_offsets import TopicOffsets
from gmn_pipeline.settings import TopicSettings
from gmn_pipeline.streams.consumer import is_being_consumed
from gmn_pipeline.streams.object_arrivals import OBJECTS
from gmn_pipeline.streams.overview import behind_topic


@dataclass(frozen=True)
class ObjectsOverview:
    """What `gmn status` tells of the topic of objects."""

    offsets: Mapping[int, int]
    lag: int | None
    consumer: str
    dead_letters: int
    last_dead_letter: str | None


def objects_overview(settings: TopicSettings) -> ObjectsOverview | None:
    """The topic as far as it was taken in, and, if Kafka answers, how far behind that is; None
    where there is no such topic, as far as is known."""
    known, topic = TopicOffsets(open_database(settings)), OBJECTS.topic(settings).name
    offsets = {partition: one.next_offset for partition, one in known.stored(topic).items()}
    lag = behind_topic(OBJECTS, settings, OBJECTS.place.open(settings)).lag
    is_consumed = is_being_consumed(OBJECTS, settings)
    if not offsets and lag is None and not is_consumed:
        return None
    count, last = known.dead_letters(topic, 1)
    return ObjectsOverview(
        offsets, lag, "running" if is_consumed else "not running", count,
        last[0].reason if last else None,
    )  # fmt: skip
