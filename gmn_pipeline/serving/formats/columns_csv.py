"""CSV in the columns of another program: what such formats have in common.

What belongs here: putting a table of foreign columns together from ours. What does not: the
tables (`ufo_csv.py`, `ukmon_csv.py`, `mdc_csv.py`). Texts in them are identifiers and codes, whose
form is checked when they are loaded, and stay as they are: programs read these files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.derive import polars_type
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.serving.formats.csv_table import harmless, write_csv
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import frames


@dataclass(frozen=True)
class ForeignColumn:
    """A column of another program's format.

    `source` is made of columns of a trajectory under their own names; None: nothing here says it,
    and it stays empty.
    """

    name: str
    meaning: str
    unit: str | None = None
    source: pl.Expr | None = None


Sources = Mapping[str, tuple[str, str | None, pl.Expr]]
"""Name -> meaning, unit, and where it comes from."""
NOTHING = "nothing here says it"


def columns_of(names: str, sources: Sources) -> tuple[ForeignColumn, ...]:
    """The columns of a format in their order; those without a source stay empty."""
    return tuple(ForeignColumn(n, *sources.get(n, (NOTHING,))) for n in names.split())


SHOWER_NAME = "iau_shower_name"
NEEDED = tuple(field.name for field in TRAJECTORY_FIELDS if field.sigma_of is None)
"""What an export in such a format has to have; uncertainties and the shower's name may lack."""


def foreign_csv(
    export: Export,
    batches: Iterable[pa.RecordBatch],
    columns: Sequence[ForeignColumn],
    format_name: str,
) -> Iterator[bytes]:
    """A head line of the foreign names, then the rows."""
    export.need(NEEDED, format_name)
    wanted = [field.name for field in TRAJECTORY_FIELDS]
    names = export.names_of([*wanted, SHOWER_NAME])
    here = set(export.names)
    if SHOWER_NAME in here:
        names[SHOWER_NAME] = SHOWER_NAME
    missing = [
        pl.lit(None, polars_type(field)).alias(field.name)
        for field in TRAJECTORY_FIELDS
        if field.name not in names
    ]
    if SHOWER_NAME not in names:
        missing.append(pl.lit(None, pl.String).alias(SHOWER_NAME))
    cells = [
        (pl.lit(None, pl.String) if column.source is None else column.source).alias(column.name)
        for column in columns
    ]

    def rows() -> Iterator[bytes]:
        yield write_csv(pl.DataFrame({column.name: [""] for column in columns}).clear(), head=True)
        for frame in frames(export, batches):
            own = frame.select(_own(frame, there).alias(name) for name, there in names.items())
            yield write_csv(own.with_columns(missing).select(cells))

    return rows()


def _own(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A column; the stations of the legacy views are one text."""
    if name == "participating_stations" and frame.schema[name] == pl.String:
        return pl.col(name).str.split(",")
    return pl.col(name)


# --- expressions that more than one of them has ---------------------------------------------------

BEGINNING = pl.col("beginning_utc_time").cast(pl.Datetime("us"))
LOCAL_TIME = BEGINNING.dt.strftime("_%Y%m%d_%H%M%S")
MODIFIED_JULIAN_DATE = pl.col("beginning_julian_date") - 2400000.5
SHOWER_CODE = (
    pl.when(pl.col("iau_shower_number").fill_null(-1) == -1).then(pl.lit("spo"))
    .otherwise(pl.col("iau_shower_code"))
)  # fmt: skip
UNIFIED = "_(UNIFIED_" + pl.col("station_count").cast(pl.String) + ")"
"""What UFOOrbit calls the one orbit of all stations, as against one of each pair."""
NAME_OF_SHOWER = harmless(pl.col(SHOWER_NAME))
"""The one text in them that somebody else writes as they like."""


def stations_text(separator: str) -> pl.Expr:
    return pl.col("participating_stations").list.join(separator)
