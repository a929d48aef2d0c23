"""Rows that are not accepted, as they stood in their file.

What belongs here: the raw line of each. What does not: why it is not accepted
(`readers/summary_file.py`, `validated/checks.py`).
"""

from collections.abc import Iterable

import polars as pl

from gmn_pipeline.landing.trajectories import LandedFile
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.readers.summary_file import RejectedLine
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.trajectory_tables import REJECTED_ROWS
from gmn_pipeline.validated.checks import Checked
from gmn_pipeline.validated.trajectories.parts import SLICE_KEY, Part, files_of


def refused_by_check(rows: pl.DataFrame, checked: Checked, parts: list[Part]) -> pl.DataFrame:
    """Rejected rows with the raw line each was read from."""
    if not checked.rejected.height:
        return rejected_rows(())
    where = rows.select(*SLICE_KEY, "line_number").with_row_index("row")
    found = checked.rejected.join(where, on="row").rows(named=True)
    raw = _raw_lines(parts, {(r["source_file_sha256"], r["line_number"]) for r in found})
    files = files_of(parts)
    return rejected_rows(
        (
            files[r["source_file_sha256"]],
            Bin(r["bin_date"], r["bin_solar_longitude_deg"]),
            RejectedLine(
                r["line_number"], raw[r["source_file_sha256"], r["line_number"]], r["reasons"]
            ),
        )
        for r in found
    )


def _raw_lines(parts: list[Part], wanted: set[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    """The lines themselves, from the blocks at hand that hold them."""
    files = {sha256 for sha256, _ in wanted}
    held = {
        id(block): (file.version.sha256, block)
        for part in parts for file, block in part.blocks if file.version.sha256 in files
    }  # fmt: skip
    return {
        (sha256, number): line
        for sha256, block in held.values()
        for number, line in block.lines()
        if (sha256, number) in wanted
    }


def rejected_rows(found: Iterable[tuple[LandedFile, Bin, RejectedLine]]) -> pl.DataFrame:
    rows = [
        (
            bin_.date,
            bin_.solar_longitude_deg,
            file.generated_at_utc,
            file.version.sha256,
            line.line_number,
            line.raw_line.decode("ascii", "backslashreplace"),
            line.reasons,
        )
        for file, bin_, line in found
    ]
    return pl.DataFrame(rows, schema=polars_schema(REJECTED_ROWS.fields), orient="row")
