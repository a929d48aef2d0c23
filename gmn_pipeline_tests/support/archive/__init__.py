"""Synthetic GMN data directories: any size, the same for the same seed, in the real format.

What belongs here: what upstream publishes and how it looks, with values that obey the identities
of sound data, and the next generation of a directory with a record of what changed in it.
`generate` writes sound rows only; everything unsound comes from `next_generation` and is counted
in its truth. What does not: anything that reads such a directory for the pipeline. A reader
tested against its own writer proves nothing, so this package imports nothing of the pipeline.

Its modules import one way only: `sky`, `text`, `meteors`, `directory`, `generation`, each those
before it. The command line is `python -m gmn_pipeline_tests.support.archive`.
"""

from gmn_pipeline_tests.support.archive.directory import FIRST_DATE, KINDS, LAST_DATE, generate
from gmn_pipeline_tests.support.archive.generation import (
    CHANGES,
    CORRUPTIONS,
    FileTruth,
    Shares,
    Truth,
    next_generation,
)
from gmn_pipeline_tests.support.archive.sky import (
    DYNAMICAL_TIME_AHEAD_DAYS,
    bins,
    orbit,
    solar_longitude_deg,
)
from gmn_pipeline_tests.support.archive.text import (
    COLUMNS,
    format_rows,
    generated_line,
    header_lines,
    parse_rows,
)

__all__ = [
    "CHANGES",
    "COLUMNS",
    "CORRUPTIONS",
    "DYNAMICAL_TIME_AHEAD_DAYS",
    "FIRST_DATE",
    "KINDS",
    "LAST_DATE",
    "FileTruth",
    "Shares",
    "Truth",
    "bins",
    "format_rows",
    "generate",
    "generated_line",
    "header_lines",
    "next_generation",
    "orbit",
    "parse_rows",
    "solar_longitude_deg",
]
