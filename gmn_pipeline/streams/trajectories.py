"""Between what a message says and what a row of the warehouse is.

What belongs here: names, types, the bin of a row that comes without one, the checks. What does
not: bytes (`codec.py`, `framing.py`), Kafka, and merging (`warehouse/stream_store.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.schemas.messages import CURRENT_VERSION, MESSAGE_FIELDS
from gmn_pipeline.schemas.tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.sources.bins import bins_between
from gmn_pipeline.validated.check import check_typed_rows
from gmn_pipeline.validated.quality import FLAGS_OF_THE_FILE, QUALITY_FLAGS

_TYPES = polars_schema(VALIDATED_TRAJECTORIES.fields)
_KINDS = {f.column: f.kind for f in MESSAGE_FIELDS}
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_FLAG_ORDER = [flag.name for flag in QUALITY_FLAGS]


# --- rows of the warehouse to fields of messages -------------------------------------------------


def to_message_fields(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `trajectories`, with `change`, as fields of messages in their wire types."""
    rows = rows.with_columns(pl.lit(CURRENT_VERSION).alias("schema_version"))
    return rows.select(
        pl.col(f.column).to_physical().cast(f.wire_type).alias(f.name)
        if f.kind in (Kind.TIMESTAMP, Kind.DATE)
        else pl.col(f.column).cast(f.wire_type).alias(f.name)
        for f in MESSAGE_FIELDS
    )


# --- fields of messages to rows of the warehouse -------------------------------------------------


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
    fields = decoded.rename({f.name: f.column for f in MESSAGE_FIELDS})
    fields = fields.with_columns(
        pl.Series("message", message, dtype=pl.Int64),
        pl.Series("message_key", keys, dtype=pl.String),
        sent_at_utc.alias("sent_at_utc"),
        cause.alias("cause"),
    )
    reasons = _out_of_type(fields)
    rows = _typed(_without(fields, reasons))
    given_flags = rows.get_column("quality_flags")
    checked = check_typed_rows(rows.drop("quality_flags"))
    refused = checked.rejected.get_column("row")
    for row, why in checked.rejected.iter_rows():
        reasons[rows.item(row, "message")] = why
    kept = rows.with_row_index("row").filter(~pl.col("row").is_in(refused.implode()))
    accepted = checked.accepted.with_columns(
        kept.get_column("message"),
        kept.get_column("generated_at_utc"),
        kept.get_column("has_bin"),
        _flags(checked.accepted.get_column("quality_flags"), given_flags.gather(kept["row"])),
    )
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
    typed = fields.with_columns(
        _as_type(name, kind) for name, kind in _KINDS.items() if name in _TYPES
    )
    typed = typed.with_columns(
        pl.col("summary_generated_at_utc").fill_null(pl.col("sent_at_utc")),
        pl.col("source_file_sha256").fill_null(pl.col("cause")),
        pl.lit(1, pl.Int32).alias("line_number"),
        (pl.col("bin_date").is_not_null() & pl.col("bin_solar_longitude_deg").is_not_null()).alias(
            "has_bin"
        ),
        pl.col("participating_stations").list.drop_nulls(),
    ).with_columns(pl.col("summary_generated_at_utc").alias("generated_at_utc"))
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
    without = rows.filter(~pl.col("has_bin"))
    if not without.height:
        return rows
    # Far-off times have no bin, and their rows are rejected.
    times = without.get_column("beginning_utc_time").drop_nulls()
    times = times.filter(times.is_between(datetime(2000, 1, 1), datetime(2100, 1, 1)))
    days = times.dt.truncate("1d").unique().sort()
    timed = {
        timed.begins_at: timed
        for day in days
        for timed in bins_between(
            day, day.replace(hour=23, minute=59, second=59, microsecond=999999)
        )
    }
    limits = pl.DataFrame(
        {
            "begins_at": list(timed),
            "ends_at": [t.ends_at for t in timed.values()],
            "its_date": [t.bin.date for t in timed.values()],
            "its_deg": [t.bin.solar_longitude_deg for t in timed.values()],
        },
        schema={
            "begins_at": pl.Datetime("us"), "ends_at": pl.Datetime("us"),
            "its_date": pl.Date, "its_deg": pl.Int32,
        },
    ).sort("begins_at")  # fmt: skip
    found = (
        rows.with_row_index("place")
        .select("place", "beginning_utc_time")
        .sort("beginning_utc_time")
        .join_asof(limits, left_on="beginning_utc_time", right_on="begins_at")
        .sort("place")
    )
    inside = found["beginning_utc_time"] < found["ends_at"]
    return rows.with_columns(
        pl.when("has_bin").then("bin_date").otherwise(
            pl.when(inside).then(found["its_date"])).alias("bin_date"),
        pl.when("has_bin").then("bin_solar_longitude_deg").otherwise(
            pl.when(inside).then(found["its_deg"])).alias("bin_solar_longitude_deg"),
    )  # fmt: skip


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
