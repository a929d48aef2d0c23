"""What messages of trajectories mean: from records to rows that the warehouse may merge.

What belongs here: names, types, tombstones, the bin of a row that comes without one, the checks of
files. What does not: which records are read (`consumer.py`), bytes (`kafka/`), and merging
(`warehouse/trajectories/messages.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from gmn_pipeline.kafka.dead_letters import DeadLetter
from gmn_pipeline.kafka.framing import unframe
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.readers.solar_longitude_bins import bins_of_times
from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.schemas.messages import (
    GENERATED_AT_HEADER,
    KEY_FIELD,
    MESSAGE_FIELDS,
    TRAJECTORY_MESSAGES,
)
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.schemas.trajectories import DATASET
from gmn_pipeline.schemas.trajectory_tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.streams.records import dead_letter_rows, text_of
from gmn_pipeline.streams.stream import Stream, in_lake, merging
from gmn_pipeline.validated.trajectories.checks import check_typed_rows
from gmn_pipeline.validated.trajectories.quality import FLAGS_OF_THE_FILE, QUALITY_FLAGS
from gmn_pipeline.warehouse.lakes import WAREHOUSE
from gmn_pipeline.warehouse.trajectories.messages import (
    MESSAGE_SCHEMA,
    MergeCounts,
    MessageBatch,
    merge_messages,
)

_TYPES = polars_schema(VALIDATED_TRAJECTORIES.fields)
_KINDS = {f.column: f.kind for f in MESSAGE_FIELDS}
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_FLAG_ORDER = [flag.name for flag in QUALITY_FLAGS]


# --- records to a batch --------------------------------------------------------------------------


def decode_batch(
    records: Sequence[Any],
    state: TopicState,
    ranges: Sequence[OffsetRange],
    registry: SchemaRegistry | None,
    run_id: str | None = None,
) -> tuple[MessageBatch, list[DeadLetter]]:
    """Records as what may be merged, and what may not."""
    reasons: dict[int, list[str]] = {}
    keys = [text_of(record.key) for record in records]
    valued = [at for at, record in enumerate(records) if record.value is not None]
    decoded = unframe([records[at].value for at in valued], TRAJECTORY_MESSAGES, registry)
    reasons |= {valued[at]: [why] for at, why in decoded.reasons.items()}
    index = [valued[at] for at in decoded.index]
    positions = _positions(records, state.topic)
    of_rows = positions[index]
    checked = check_messages(
        decoded.rows,
        message=index,
        keys=[keys[at] for at in index],
        sent_at_utc=of_rows.get_column("sent_at_utc"),
        cause=of_rows.get_column("cause"),
    )
    reasons |= checked.reasons
    with_rows = _with_rows(checked.rows, _changes(decoded.rows, index))
    dead_keys, tombstones = _tombstones(records, keys, positions)
    reasons |= dead_keys
    messages = pl.concat(
        [
            part.join(positions.drop("cause"), on="message", how="left", maintain_order="left")
            .select(MESSAGE_SCHEMA.names())
            .cast(dict(MESSAGE_SCHEMA))  # type: ignore[arg-type]
            for part in (with_rows, tombstones)
        ]
    )
    dead = [DeadLetter(records[at], reasons[at]) for at in sorted(reasons)]
    batch = MessageBatch(
        state.topic, state.topic_id, state.cluster_id, ranges, messages, checked.rows,
        dead_letter_rows(dead, state), run_id,
    )  # fmt: skip
    return batch, dead


def _with_rows(rows: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The messages that are no tombstones, each with what the merge chooses by."""
    return rows.select(
        "message", KEY_FIELD.name, "generated_at_utc", "source_file_sha256", "bin_date",
        "bin_solar_longitude_deg", "has_bin", pl.lit(False).alias("is_tombstone"),
    ).join(changes, on="message", how="left", maintain_order="left")  # fmt: skip


def _changes(decoded: pl.DataFrame, index: Sequence[int]) -> pl.DataFrame:
    """What a message says of itself, as far as it is one of the known words."""
    change = pl.col("change")
    return decoded.select(
        pl.Series("message", index, dtype=pl.Int64),
        pl.when(change == Change.REVISED.value)
        .then(change)
        .otherwise(pl.lit(Change.INSERTED.value))
        .alias("change"),
    )


def _positions(records: Sequence[Any], topic: str) -> pl.DataFrame:
    """Where each record stands, when it was sent, and its place as a cause of changes."""
    positions = pl.DataFrame(
        [(record.partition, record.offset, record.timestamp) for record in records],
        schema={"topic_partition": pl.Int32, "topic_offset": pl.Int64, "sent_ms": pl.Int64},
        orient="row",
    )
    return positions.select(
        pl.int_range(pl.len()).alias("message"),
        "topic_partition",
        "topic_offset",
        (pl.col("sent_ms") * 1000).cast(pl.Datetime("us")).alias("sent_at_utc"),
        pl.format("kafka:{}/{}/{}", pl.lit(topic), "topic_partition", "topic_offset").alias(
            "cause"
        ),
    )


def _tombstones(
    records: Sequence[Any], keys: Sequence[str | None], positions: pl.DataFrame
) -> tuple[dict[int, list[str]], pl.DataFrame]:
    """Tombstones with a key that can be a trajectory's; of each other why not."""
    reasons: dict[int, list[str]] = {}
    found = []
    for at, record in enumerate(records):
        if record.value is not None:
            continue
        day = _day(keys[at])
        if day is None:
            reasons[at] = [f"key: a tombstone for {keys[at]!r}, which is no trajectory"]
        else:
            sent_at = positions.item(at, "sent_at_utc")
            found.append(
                (at, keys[at], _generated_at(record, sent_at), positions.item(at, "cause"), day)
            )
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "message": pl.Int64, KEY_FIELD.name: pl.String, "generated_at_utc": pl.Datetime("us"),
        "source_file_sha256": pl.String, "bin_date": pl.Date,
    }  # fmt: skip
    tombstones = pl.DataFrame(found, schema=schema, orient="row").with_columns(
        pl.lit(None, pl.Int32).alias("bin_solar_longitude_deg"),
        pl.lit(False).alias("has_bin"),
        pl.lit(True).alias("is_tombstone"),
        pl.lit(Change.WITHDRAWN.value).alias("change"),
    )
    return reasons, tombstones


def _day(key: str | None) -> date | None:
    """The day that an identifier names; None if it is none."""
    text = pl.Series([key], dtype=pl.String)
    if not (text.str.contains(KEY_FIELD.pattern or "")).fill_null(False).item():
        return None
    day: date | None = text.str.head(8).str.to_date("%Y%m%d", strict=False).item()
    return day


def _generated_at(record: Any, sent_at: datetime) -> datetime:
    for name, value in record.headers or ():
        if name == GENERATED_AT_HEADER and value:
            try:
                return datetime.fromisoformat(value.decode()).replace(tzinfo=None)
            except ValueError:
                break
    return sent_at


# --- messages to rows ----------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckedMessages:
    """`rows` has the columns of the validated table, `generated_at_utc`, `has_bin`, and `message`,
    the index among the messages given; `reasons` says of each other message why not."""

    rows: pl.DataFrame
    reasons: dict[int, list[str]]


def check_messages(
    decoded: pl.DataFrame,
    *,
    message: Sequence[int],
    keys: Sequence[str | None],
    sent_at_utc: pl.Series,
    cause: pl.Series,
) -> CheckedMessages:
    """Check decoded messages as the rows of a file are checked.

    `message` is the index of each, `cause` names it where it names no file, and `sent_at_utc` is
    its time where it does not say when its content was generated.
    """
    fields = decoded.rename({f.name: f.column for f in MESSAGE_FIELDS}).hstack(
        [
            pl.Series("message", message, dtype=pl.Int64),
            pl.Series("message_key", keys, dtype=pl.String),
            sent_at_utc.alias("sent_at_utc"),
            cause.alias("cause"),
        ]
    )
    reasons = _out_of_type(fields)
    rows = _typed(_without(fields, reasons))
    checked = check_typed_rows(rows.drop("quality_flags"))
    for row, why in checked.rejected.iter_rows():
        reasons[rows.item(row, "message")] = why
    kept = rows.select("message", "generated_at_utc", "has_bin", given="quality_flags")
    if checked.rejected.height:
        refused = checked.rejected.get_column("row")
        kept = kept.filter(~pl.int_range(pl.len()).is_in(refused.implode()))
    flags = _flags(checked.accepted.get_column("quality_flags"), kept.get_column("given"))
    accepted = checked.accepted.with_columns(flags).hstack(kept.drop("given"))
    return CheckedMessages(accepted, reasons)


def _without(rows: pl.DataFrame, reasons: dict[int, list[str]]) -> pl.DataFrame:
    if not reasons:
        return rows
    return rows.filter(~pl.col("message").is_in(list(reasons)))


def _out_of_type(fields: pl.DataFrame) -> dict[int, list[str]]:
    """What no column of the warehouse can hold, or what its own key denies."""
    limits = {
        name: pl.col(name).is_between(_INT32_MIN, _INT32_MAX)
        for name, kind in _KINDS.items()
        if kind is Kind.INTEGER
    } | {
        # Beyond these the days of a time cannot be counted, let alone be real.
        name: pl.col(name).is_between(-(2**55), 2**55)
        for name, kind in _KINDS.items()
        if kind is Kind.TIMESTAMP
    }
    tests = [
        pl.when(~fits).then(pl.format(f"range: {name} is {{}}", name)).alias(name)
        for name, fits in limits.items()
    ]
    other_key = pl.col("message_key").ne_missing(pl.col("trajectory_identifier"))
    tests.append(
        pl.when(pl.col("message_key").is_not_null() & other_key)
        .then(pl.format("key: it is {}, not the trajectory's identifier", "message_key"))
        .alias("key")
    )
    found = fields.select("message", *tests)
    found = found.filter(pl.any_horizontal(pl.exclude("message").is_not_null()))
    return {
        row["message"]: [why for name, why in row.items() if name != "message" and why]
        for row in found.iter_rows(named=True)
    }


def _typed(fields: pl.DataFrame) -> pl.DataFrame:
    """With the types of the validated table, and what a message may leave out."""
    types = fields.schema
    casts = [
        _as_type(name, kind)
        for name, kind in _KINDS.items()
        if name in _TYPES and types[name] != _TYPES[name]
    ]
    typed = fields.with_columns(casts).with_columns(
        pl.col("summary_generated_at_utc").fill_null(pl.col("sent_at_utc")),
        pl.col("source_file_sha256").fill_null(pl.col("cause")),
        pl.lit(1, pl.Int32).alias("line_number"),
        (pl.col("bin_date").is_not_null() & pl.col("bin_solar_longitude_deg").is_not_null()).alias(
            "has_bin"
        ),
        pl.col("participating_stations").list.drop_nulls(),
    )
    typed = typed.with_columns(pl.col("summary_generated_at_utc").alias("generated_at_utc"))
    return _with_bins(typed)


def _as_type(name: str, kind: Kind) -> pl.Expr:
    column = pl.col(name)
    if kind is Kind.DATE:
        # A day count that no calendar has makes the bin unknown, and so to be computed.
        return (
            pl.when(column.is_between(-700_000, 2_900_000)).then(column).cast(pl.Date).alias(name)
        )
    return column.cast(_TYPES[name])


def _with_bins(rows: pl.DataFrame) -> pl.DataFrame:
    """The bin that the time falls into, for rows that do not say theirs."""
    if rows.get_column("has_bin").all():
        return rows
    without = pl.when(~pl.col("has_bin")).then("beginning_utc_time").alias("without")
    found = bins_of_times(rows.select(without).to_series())
    return rows.with_columns(
        pl.when("has_bin").then(name).otherwise(found[name]).alias(name) for name in found.columns
    )


def _flags(computed: pl.Series, given: pl.Series) -> pl.Series:
    """Flags as computed here, but for those that only the file can tell: these as given."""
    pairs = pl.DataFrame({"computed": computed, "given": given})
    combinations = pairs.unique()
    combined = [_combined(computed, given) for computed, given in combinations.iter_rows()]
    combinations = combinations.with_columns(
        pl.Series("quality_flags", combined, dtype=pl.List(pl.String))
    )
    return pairs.join(
        combinations, on=["computed", "given"], how="left", nulls_equal=True, maintain_order="left"
    ).get_column("quality_flags")


def _combined(computed: list[str], given: list[str] | None) -> list[str]:
    if given is None:
        return computed
    told = {f for f in given if f in FLAGS_OF_THE_FILE}
    seen = {f for f in computed if f not in FLAGS_OF_THE_FILE}
    return [name for name in _FLAG_ORDER if name in told | seen]


TRAJECTORIES = Stream(
    DATASET.name,
    command="gmn stream",
    lock="stream.lock",
    place=in_lake(WAREHOUSE),
    topic=trajectories_topic,
    decode=decode_batch,
    ingest=merging(trajectories_topic, merge_messages),
    no_counts=MergeCounts,
    most=lambda settings: settings.stream_records,
    gather_s=lambda settings: settings.stream_wait_s,
)
"""Trajectories into the warehouse."""
