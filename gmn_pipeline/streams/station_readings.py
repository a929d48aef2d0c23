"""What messages of station readings mean: from records to rows that the lake may take in.

What belongs here: types, hard limits, what is no reading. What does not: which records are read
(`consumer.py`), bytes (`kafka/`), and taking in (`warehouse/station_readings/messages.py`).
"""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from gmn_pipeline.kafka.dead_letters import DeadLetter
from gmn_pipeline.kafka.framing import unframe
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.station_readings import (
    DATASET,
    STATION_READING_MESSAGES,
    about_clock,
    has_wrong_clock,
)
from gmn_pipeline.schemas.table_messages import to_rows
from gmn_pipeline.schemas.topics import readings_topic
from gmn_pipeline.streams.records import dead_letter_rows
from gmn_pipeline.streams.stream import Stream, in_lake, merging
from gmn_pipeline.validated.checks import Checks
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.messages import ReadingBatch, ReadingCounts, take_in
from gmn_pipeline.warehouse.station_readings.upkeep import Upkeep

(_SENT,) = DATASET.validated
_CHECKS = Checks(_SENT)


def decode_batch(
    records: Sequence[Any],
    state: TopicState,
    ranges: Sequence[OffsetRange],
    registry: SchemaRegistry | None,
    run_id: str | None = None,
) -> tuple[ReadingBatch, list[DeadLetter]]:
    """Records as readings, and those that are none."""
    del run_id  # who took a reading in is of no interest: its commit says when
    valued = [at for at, record in enumerate(records) if record.value is not None]
    reasons = {
        at: ["key: a tombstone, and a reading is not withdrawn"]
        for at, record in enumerate(records)
        if record.value is None
    }
    decoded = unframe([records[at].value for at in valued], STATION_READING_MESSAGES, registry)
    reasons |= {valued[at]: [why] for at, why in decoded.reasons.items()}
    rows, of_rows = checked(decoded.rows)
    reasons |= {valued[decoded.index[row]]: why for row, why in of_rows.items()}
    dead = [DeadLetter(records[at], reasons[at]) for at in sorted(reasons)]
    batch = ReadingBatch(
        state.topic, state.topic_id, state.cluster_id, ranges, rows, dead_letter_rows(dead, state)
    )
    return batch, dead


def checked(fields: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, list[str]]]:
    """Readings within the hard limits, and of each other, by its index, why it is none."""
    rows = to_rows(fields, STATION_READING_MESSAGES, _SENT)
    reasons: dict[int, list[str]] = dict(_no_objects(rows.get_column("other_quantities")))
    for row, why in _of_wrong_clocks(rows):
        reasons.setdefault(row, []).append(why)
    result = _CHECKS.check(rows)
    for row, why in result.rejected.iter_rows():
        reasons.setdefault(row, []).extend(why)
    if not reasons:
        return result.accepted, reasons
    kept = pl.Series(sorted(set(range(rows.height)) - reasons.keys()), dtype=pl.UInt32)
    return _CHECKS.check(rows[kept]).accepted, reasons


def _no_objects(texts: pl.Series) -> list[tuple[int, list[str]]]:
    """Where other quantities are no JSON object."""
    if texts.null_count() == texts.len():
        return []
    known: dict[str, bool] = {}
    found = []
    for row, text in enumerate(texts):
        if text is None:
            continue
        if text not in known:
            known[text] = _is_object(text)
        if not known[text]:
            found.append((row, ["type: other_quantities is no JSON object"]))
    return found


def _of_wrong_clocks(rows: pl.DataFrame) -> list[tuple[int, str]]:
    times = rows.with_row_index("row").filter(has_wrong_clock())
    return [
        (row, f"clock: {about_clock(measured, received)}")
        for row, measured, received in times.select(
            "row", "measured_at_utc", "received_at_utc"
        ).iter_rows()
    ]


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


STATION_READINGS = Stream(
    DATASET.name,
    command="gmn stations take-in",
    lock="stations-take-in.lock",
    place=in_lake(READINGS),
    topic=readings_topic,
    decode=decode_batch,
    ingest=merging(readings_topic, take_in),
    no_counts=ReadingCounts,
    most=lambda settings: settings.readings_batch,
    gather_s=lambda settings: settings.readings_gather_s,
    beside=Upkeep,
)
"""Readings of stations into their lake."""
