"""Rows of landed files as the reader left them, with the bin and the file of each.

What belongs here: what daily and history files have in common on the way from a file to rows.
What does not: which rows belong to which bin (`daily_files.py`, `history_files.py`), and what
becomes of them (`slices.py`).
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from gmn_pipeline.errors import GmnError, RetryableError, SummaryFormatError
from gmn_pipeline.isolate import in_words
from gmn_pipeline.landing.trajectories import LandedFile
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.readers.summary_file import Block, RejectedLine
from gmn_pipeline.schemas.trajectory_tables import BIN_FIELDS

HEAD_BYTES = 1 << 14
BYTES_A_ROW = 925  # of a summary file, on average
PARSERS = min(4, os.cpu_count() or 1)
BIN_COLUMNS = [f.name for f in BIN_FIELDS]
SLICE_KEY = ["source_file_sha256", *BIN_COLUMNS]


@dataclass(frozen=True)
class Part:
    """Rows of some files as the reader left them, with their bins and sources; the lines it
    refused; and the text that both were read from."""

    files: Sequence[LandedFile]
    rows: pl.DataFrame
    rejected: Sequence[tuple[LandedFile, Bin, RejectedLine]]
    blocks: Sequence[tuple[LandedFile, Block]]
    empty_bins: frozenset[Bin] = frozenset()
    """Bins of which a history file has no row: it says so."""

    @cached_property
    def bins(self) -> set[Bin]:
        """Bins of which the part has rows or refused lines."""
        bins = {Bin(*row) for row in self.rows.select(BIN_COLUMNS).unique().iter_rows()}
        return bins | {bin_ for _, bin_, _ in self.rejected} | self.empty_bins


def files_of(parts: Iterable[Part]) -> dict[str, LandedFile]:
    """The files of some parts by their SHA-256."""
    return {file.version.sha256: file for part in parts for file in part.files}


def file_name(file: LandedFile) -> str:
    """How messages name a landed file."""
    return f"{file.version.path} ({file.object_path.name})"


def not_read(file: LandedFile, error: BaseException) -> GmnError:
    if isinstance(error, GmnError):
        return error
    if isinstance(error, OSError):
        return RetryableError(f"{file_name(file)} cannot be read: {error}.", remedy="Try again.")
    return SummaryFormatError(
        f"{file_name(file)} cannot be read ({in_words(error)}).",
        remedy="Its days are not loaded from it: please report it with the file.",
    )
