"""Flags: names of what is odd about a row though not impossible.

What belongs here: what a flag is, and giving rows the names of those they carry. What does not:
the flags of a dataset (`trajectories/quality.py`), and hard limits, which reject a row
(`checks.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from gmn_pipeline.schemas.fields import Field


class Family(StrEnum):
    IDENTITY = "identity"
    LIMIT = "limit"
    NOTE = "note"


@dataclass(frozen=True)
class QualityFlag:
    """A named condition; null where it cannot be evaluated counts as false."""

    name: str
    family: Family
    meaning: str
    condition: pl.Expr


def with_flags(
    rows: pl.DataFrame, column: Field, flags: Sequence[QualityFlag], marks: Sequence[str] = ()
) -> pl.DataFrame:
    """Add the column of the names of flags: a list, empty for most rows.

    `marks` are columns of truths that some of the rows have, and that go away; where they are
    missing or null they are false. At most 63 flags: they are gathered as bits.

    Takes rows in which `nan` is still NaN and `None` null, so that the two stay apart here even
    where both become NULL in the warehouse.
    """
    bits = pl.sum_horizontal(
        pl.when(flag.condition).then(1 << bit).otherwise(0).cast(pl.Int64)
        for bit, flag in enumerate(flags)
    )
    given = [
        pl.col(mark).fill_null(value=False) if mark in rows.columns else pl.lit(False).alias(mark)
        for mark in marks
    ]
    of_rows = rows.with_columns(given).select(bits.alias("flag_bits"))
    seen = of_rows.to_series().unique()
    names = pl.DataFrame(
        {
            "flag_bits": seen,
            column.name: [
                [flag.name for bit, flag in enumerate(flags) if mask >> bit & 1] for mask in seen
            ],
        },
        schema={"flag_bits": pl.Int64, column.name: pl.List(pl.String)},
    )
    # Beside the rows, which are wide: they are not carried through the join.
    named = of_rows.join(names, on="flag_bits", how="left", maintain_order="left")
    return rows.drop(marks, strict=False).hstack([named.get_column(column.name)])
