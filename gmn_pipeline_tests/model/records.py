"""Messages of somebody else: as the world hears them, and as records of a topic.

What belongs here: making them. What does not: taking them in (`checker.py`).
"""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import polars as pl

from gmn_pipeline.kafka.framing import single_object_framing
from gmn_pipeline.schemas.messages import (
    GENERATED_AT_HEADER,
    TRAJECTORY_MESSAGES,
    to_message_fields,
)
from gmn_pipeline_tests.model import plain
from gmn_pipeline_tests.model.said import MESSAGE, TOMBSTONE, Speaker
from gmn_pipeline_tests.model.source import TIMED, generated_at, identifier, row

TOPIC, TOPIC_ID = "trajectory_summary_raw", "the-topic"
_SENT_FROM = datetime(2019, 6, 1)


def record(
    offset: int, name: str, solution: int | None, generation: int, degree: int | None
) -> Any:
    """What Kafka's client would give for it."""
    headers = [(GENERATED_AT_HEADER, generated_at(generation).isoformat().encode())]
    value = None if solution is None else _value(name, solution, generation, degree)
    return SimpleNamespace(
        key=identifier(name).encode(), value=value, headers=headers, partition=0, offset=offset,
        timestamp=int((_SENT_FROM.timestamp() + offset) * 1000),
    )  # fmt: skip


def speaker(
    offset: int, name: str, solution: int | None, generation: int, degree: int | None
) -> Speaker:
    """What the world hears of it."""
    cause = f"kafka:{TOPIC}/0/{offset}"
    if solution is None:
        return Speaker(
            TOMBSTONE, cause, generated_at(generation), trajectory=identifier(name)
        )  # fmt: skip
    bin_ = TIMED[degree].bin if degree else None
    rows = {identifier(name): row(name, solution)}
    return Speaker(MESSAGE, cause, generated_at(generation), rows, bin_)


def _value(name: str, solution: int, generation: int, degree: int | None) -> bytes:
    """A message's bytes, from the line of a file with this solution."""
    its = row(name, solution)
    bin_ = TIMED[degree].bin if degree else its.computed_bin
    told = Speaker(MESSAGE, "", generated_at(generation), bin=bin_)
    typed = plain.placed_row(its, bin_, told, 1).with_columns(
        pl.lit("inserted").alias("change"), pl.lit(None, pl.String).alias("source_file_sha256")
    )
    if degree is None:
        typed = typed.with_columns(
            pl.lit(None, pl.Date).alias("bin_date"),
            pl.lit(None, pl.Int32).alias("bin_solar_longitude_deg"),
            pl.lit(None, pl.List(pl.String)).alias("quality_flags"),
        )
    [value] = single_object_framing(TRAJECTORY_MESSAGES).frame(to_message_fields(typed))
    return value
