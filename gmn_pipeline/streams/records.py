"""What records of any topic have in common, whatever they mean.

What belongs here: keys as texts, and notes of dead letters. What does not: values (a dataset's own
module, such as `trajectories.py`).
"""

from collections.abc import Sequence

import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.kafka.dead_letters import DeadLetter
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS


def text_of(key: bytes | None) -> str | None:
    """A key as a text; what is none is shown as `\\xNN`."""
    return None if key is None else key.decode("utf-8", "backslashreplace")


def dead_letter_rows(dead: Sequence[DeadLetter], state: TopicState) -> pl.DataFrame:
    """Rows of the table `dead_letters`."""
    now = utc_now()
    rows = [
        (
            state.topic, state.topic_id, d.record.partition, d.record.offset,
            d.record.timestamp * 1000, text_of(d.record.key), len(d.record.value or b""),
            d.reasons, now,
        )
        for d in dead
    ]  # fmt: skip
    wire = polars_schema(DEAD_LETTERS.fields)
    wire["sent_at_utc"] = pl.Int64()
    frame = pl.DataFrame(rows, schema=wire, orient="row")
    return frame.with_columns(pl.col("sent_at_utc").cast(pl.Datetime("us")))
