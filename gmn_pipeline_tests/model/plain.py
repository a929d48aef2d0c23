"""The merge by itself: slices made here and merged in a plain DuckDB in memory.

What belongs here: the way round landing, validation and DuckLake, which makes a step some twenty
times as fast, so that the rules can be searched far and wide. What does not: anything that the
real way does differently from what is made here; the other sequences take that.
"""

from collections.abc import Sequence
from functools import cache
from itertools import count, groupby

import polars as pl

from gmn_pipeline.database.ledger import ValidatedSlice
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.trajectory_tables import REJECTED_ROWS, VALIDATED_TRAJECTORIES
from gmn_pipeline.settings import Settings
from gmn_pipeline.validated.trajectories.checks import check_rows
from gmn_pipeline.warehouse.trajectories.files import SliceToLoad, Warehouse
from gmn_pipeline_tests.model.said import DAILY, HISTORY, Row, Speaker
from gmn_pipeline_tests.model.source import File, generated_at
from gmn_pipeline_tests.support.sample import read_rows

_numbers = count()
_TYPES = polars_schema(VALIDATED_TRAJECTORIES.fields)


@cache
def typed_row(content: str) -> pl.DataFrame:
    """A solution as the validated table has it, but for its bin and source."""
    rows, _ = read_rows(File(1, {content[0]: int(content[1:])}).content())
    bin_ = Bin(generated_at(0).date(), 0)
    placed = rows.with_columns(
        pl.lit(bin_.date).alias("bin_date"),
        pl.lit(bin_.solar_longitude_deg, pl.Int32).alias("bin_solar_longitude_deg"),
        pl.lit(generated_at(1), pl.Datetime("us")).alias("summary_generated_at_utc"),
        pl.lit("").alias("source_file_sha256"),
    )
    checked = check_rows(placed)
    assert checked.accepted.height == 1, checked.rejected.rows()
    return checked.accepted


def placed_row(row: Row, bin_: Bin, speaker: Speaker, line: int) -> pl.DataFrame:
    """The row in a bin, with the flags that tell how it came there."""
    typed = typed_row(row.content)
    flags = [f for f in typed.item(0, "quality_flags") if f not in ("outside_bin", "bin_computed")]
    flags += ["outside_bin"] * row.is_outside(bin_) + ["bin_computed"] * (speaker.kind == HISTORY)
    return typed.with_columns(
        pl.lit(bin_.date).alias("bin_date"),
        pl.lit(bin_.solar_longitude_deg, pl.Int32).alias("bin_solar_longitude_deg"),
        pl.lit(speaker.generated_at, pl.Datetime("us")).alias("summary_generated_at_utc"),
        pl.lit(speaker.source).alias("source_file_sha256"),
        pl.Series("quality_flags", [flags], pl.List(pl.String)),
        pl.lit(line, pl.Int32).alias("line_number"),
    ).select(VALIDATED_TRAJECTORIES.columns)


def load(settings: Settings, speakers: Sequence[Speaker]) -> None:
    """Merge slices as a load does: daily ones together, each history file alone."""

    def together(speaker: Speaker) -> str:
        return DAILY if speaker.kind == DAILY else speaker.source

    for _, some in groupby(sorted(speakers, key=together), key=together):
        _merge(settings, list(some))


def _merge(settings: Settings, speakers: Sequence[Speaker]) -> None:
    folder = settings.validated_dir
    folder.mkdir(parents=True, exist_ok=True)
    empty = pl.DataFrame(schema=_TYPES).select(VALIDATED_TRAJECTORIES.columns)
    rows = [
        placed_row(row, speaker.bin, speaker, line)
        for speaker in speakers if speaker.bin
        for line, row in enumerate(speaker.rows.values(), 5)
    ]  # fmt: skip
    # A name of its own: DuckDB remembers what a file's footer said.
    accepted = folder / f"accepted-{next(_numbers)}.parquet"
    pl.concat([empty, *rows]).write_parquet(accepted)
    rejected = folder / "rejected.parquet"
    if not rejected.exists():
        pl.DataFrame(schema=polars_schema(REJECTED_ROWS.fields)).write_parquet(rejected)
    Warehouse(settings).load([_slice(speaker, accepted.name) for speaker in speakers])


def _slice(speaker: Speaker, accepted: str) -> SliceToLoad:
    assert speaker.bin
    is_daily, rows = speaker.kind == DAILY, len(speaker.rows)
    validated = ValidatedSlice(
        speaker.source, speaker.bin.date, speaker.bin.solar_longitude_deg, "",
        accepted, "rejected.parquet", rows, rows, 0,
        None if is_daily else speaker.begin, None if is_daily else speaker.end,
    )  # fmt: skip
    path = f"daily/{speaker.bin.file_name}" if is_daily else "monthly/traj_summary_monthly.txt"
    return SliceToLoad(validated, speaker.generated_at, path)
