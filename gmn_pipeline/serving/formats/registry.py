"""Every format that an answer can be had in.

What belongs here: the list, from which addresses, content negotiation and the documentation
follow. What does not: how a format is written. A new format is a module and an entry here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import pyarrow as pa

from gmn_pipeline.errors import FormatRefused
from gmn_pipeline.serving.formats import columns_csv, ground_track, summary_text
from gmn_pipeline.serving.formats.arrow_files import arrow, parquet
from gmn_pipeline.serving.formats.csv_table import csv
from gmn_pipeline.serving.formats.ecsv import ecsv
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.geojson import geojson
from gmn_pipeline.serving.formats.json_rows import json, ndjson
from gmn_pipeline.serving.formats.kml import kml
from gmn_pipeline.serving.formats.mdc_csv import mdc_csv
from gmn_pipeline.serving.formats.ufo_csv import ufo_csv
from gmn_pipeline.serving.formats.ukmon_csv import ukmon_csv
from gmn_pipeline.serving.formats.votable import votable

Writer: TypeAlias = Callable[[Export, Iterable[pa.RecordBatch]], Iterator[bytes]]
"""Pieces of bytes, as they come. Raises FormatRefused at once where columns lack, and whatever
goes wrong later before the end is written."""


@dataclass(frozen=True)
class Format:
    """A format. `suffix` is what an address ends in, without the first dot."""

    name: str
    suffix: str
    media_type: str
    description: str
    write: Writer
    needs: tuple[str, ...] = ()
    """Columns of `trajectories`, under their own or all under their legacy names, that it is made
    of; none: any columns do."""
    needs_lines: bool = False
    """Whether it is made of landed files: `Export.lines`."""
    order: tuple[str, ...] = ()
    """Columns by which rows are best sorted, where nobody wants another order: readers expect it,
    and it is the cheapest."""
    says_units: bool = True
    """Whether units, licence and snapshot stand in it."""

    @cached_property
    def is_for_any_columns(self) -> bool:
        return not self.needs


_CSV = "text/csv; charset=utf-8; header=present"
_FORMATS = (
    Format(
        "Parquet", "parquet", "application/vnd.apache.parquet",
        "columns in compressed blocks, for DuckDB, Polars, pandas, R: the best for much data",
        parquet,
    ),
    Format(
        "Arrow", "arrow", "application/vnd.apache.arrow.stream",
        "a stream of Arrow record batches: the fastest way into a data frame", arrow,
    ),
    Format(
        "CSV", "csv", _CSV,
        "for spreadsheets and everything else; a text that would run as a formula there has an "
        "apostrophe in front",
        csv, says_units=False,
    ),
    Format(
        "NDJSON", "ndjson", "application/x-ndjson", "a JSON object a line", ndjson,
        says_units=False,
    ),
    Format("JSON", "json", "application/json", "one JSON object with columns and rows", json),
    Format(
        "GeoJSON", "geojson", "application/geo+json",
        "for maps: the ground track of each meteor as a line with heights in metres", geojson,
        needs=ground_track.COLUMNS,
    ),
    Format(
        "KML", "kml", "application/vnd.google-earth.kml+xml",
        "for Google Earth: the track of each meteor in space", kml, needs=ground_track.COLUMNS,
    ),
    Format(
        "VOTable", "vot", "application/x-votable+xml; charset=utf-8",
        "for TOPCAT, Aladin and other Virtual Observatory tools, with units and UCDs", votable,
    ),
    Format(
        "ECSV", "ecsv", "text/x-ecsv; charset=utf-8",
        "CSV that says types and units in its head, for astropy", ecsv,
    ),
    Format(
        "UFOOrbit CSV", "ufo.csv", _CSV,
        "the columns of UFOOrbit's results, as SonotaCo and EDMOND have them; what the network "
        "does not publish stays empty",
        ufo_csv, needs=columns_csv.NEEDED, says_units=False,
    ),
    Format(
        "UKMON CSV", "ukmon.csv", _CSV, "the columns of the UK Meteor Network's archive",
        ukmon_csv, needs=columns_csv.NEEDED, says_units=False,
    ),
    Format(
        "MDC CSV", "mdc.csv", _CSV,
        "the columns of the IAU Meteor Data Center's catalogue of orbits", mdc_csv,
        needs=columns_csv.NEEDED, says_units=False,
    ),
    Format(
        "trajectory summary", "summary.txt", "text/plain; charset=us-ascii",
        "the network's own format, each line as it stood in the network's file",
        summary_text.summary_text, needs=summary_text.NEEDED, needs_lines=True,
        order=("beginning_julian_date",), says_units=False,
    ),
)  # fmt: skip

FORMATS = MappingProxyType({one.suffix: one for one in _FORMATS})
"""By suffix, in the order in which they are shown."""


def format_of(name: str) -> tuple[str, Format] | None:
    """What a file name ends in: (the name without it, the format); the longest suffix counts."""
    for suffix in sorted(FORMATS, key=len, reverse=True):
        stem = name.removesuffix(f".{suffix}")
        if stem and stem != name:
            return stem, FORMATS[suffix]
    return None


def formats_for(export: Export) -> list[Format]:
    """The formats that these columns can be had in."""
    return [one for one in _FORMATS if _can_be_had(one, export)]


def _can_be_had(one: Format, export: Export) -> bool:
    if one.needs_lines:
        return export.lines is not None and set(one.needs) <= set(export.names)
    try:
        export.need(one.needs, one.name)
    except FormatRefused:
        return False
    return True
