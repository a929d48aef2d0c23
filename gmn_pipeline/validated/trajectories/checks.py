"""The checks of trajectories: what they have beyond the limits of their columns.

What belongs here: the flags, the marks of the text and the rule for duplicates, given to the
checks of any table (`validated/checks.py`).
"""

import polars as pl

from gmn_pipeline.readers.times import time_marks
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.trajectory_tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.validated.checks import Checked, Checks, FileRows, OnlyOnce
from gmn_pipeline.validated.trajectories.quality import with_quality_flags

_CHECKS = Checks(
    VALIDATED_TRAJECTORIES,
    with_flags=with_quality_flags,
    only_once=OnlyOnce(  # upstream's own rule
        ("source_file_sha256", "trajectory_identifier"),
        most_of="station_count",
        why_not="which has more stations or comes first",
    ),
)
_SUMMARY_FILE = FileRows(
    TRAJECTORY_FIELDS,
    marks=tuple(time_marks(pl.col("beginning_utc_time"))),
    missing={"latitude_of_perihelion_deg": "latitude_of_perihelion_missing"},
)


def check_rows(rows: pl.DataFrame) -> Checked:
    """Check parsed rows (the 86 columns as the reader left them, and those of their source)."""
    return _CHECKS.check_file_rows(rows, _SUMMARY_FILE)


def check_typed_rows(rows: pl.DataFrame) -> Checked:
    """Check rows that came typed, not as text: those of messages. The same limits and flags."""
    return _CHECKS.check(rows)
