"""The tables of the work with Kafka that no dataset has for its own.

What belongs here: offsets, dead letters, and the columns that say where a message stands in a
topic. What does not: what is known of a dataset's messages (its own tables).
"""

from gmn_pipeline.schemas.dataset import Table, integer, text, utc
from gmn_pipeline.schemas.fields import Field, Kind, Null

MESSAGE_PLACE = (
    text("topic_id", "Kafka's own identifier of the topic: another if it is made anew"),
    integer("topic_partition", "partition of the topic"),
    Field("topic_offset", "offset in the partition", Kind.LONG, minimum=0),
    utc("sent_at_utc", "Kafka's time of the message"),
)

STREAM_OFFSETS = Table(
    "stream_offsets",
    "up to where each partition of a topic is in the warehouse",
    (
        text("topic", "name of the topic"),
        text("topic_id", "Kafka's own identifier of the topic: another if it is made anew"),
        text("cluster_id", "Kafka's identifier of the cluster"),
        integer("topic_partition", "partition of the topic"),
        Field("next_offset", "the first offset not read yet", Kind.LONG, minimum=0),
        utc("updated_at_utc", "when it was last moved"),
    ),
)

DEAD_LETTERS = Table(
    "dead_letters",
    "messages that could not be decoded or are not acceptable; the dead-letter topic has their "
    "bytes",
    (
        text("topic", "name of the topic they came from"),
        *MESSAGE_PLACE,
        text("message_key", "the key, undecodable bytes as \\xNN", Null.UNDEFINED),
        Field("size_bytes", "size of the value", Kind.LONG, minimum=0),
        Field("reasons", "why: undecodable, range, key", Kind.TEXT_LIST),
        utc("recorded_at_utc", "when they were set apart"),
    ),
)
