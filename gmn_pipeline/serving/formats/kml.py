"""KML 2.2: the track of each meteor in space, for Google Earth and other globes.

What belongs here: a placemark per row; its columns are its data. What does not: what a track is
(`ground_track.py`). KML counts heights from sea level and the network from the ellipsoid, which is
up to 107 m off: the document says so.
"""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats import ground_track
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import (
    cell_text,
    frames,
    joined,
    lines_of,
    time_text,
    xml,
    xml_text,
)
from gmn_pipeline.serving.formats.ground_track import IDENTIFIER, TIME, with_track

_TYPES = {Kind.INTEGER: "int", Kind.LONG: "double", Kind.NUMBER: "double", Kind.BOOLEAN: "bool"}
_HEIGHTS = "Heights are those above the WGS84 ellipsoid, shown as if above sea level."


def kml(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A Document; units and meanings stand in its Schema."""
    names = export.need(ground_track.COLUMNS, "KML")
    row = _placemark(export)

    def document() -> Iterator[bytes]:
        yield _head(export).encode()
        for frame in frames(export, batches):
            tracks = with_track(frame, names)
            yield lines_of(tracks.select(row).to_series())
        yield b"</Document>\n</kml>\n"

    return document()


def _head(export: Export) -> str:
    about = export.about
    told = " ".join(
        [about.description, _HEIGHTS, f"Licence: {about.licence}.", f"Snapshot: {about.snapshot}."]
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<kml xmlns="http://www.opengis.net/kml/2.2">\n<Document>\n'
        f"<name>{xml(about.title)}</name>\n<description>{xml(told)}</description>\n"
        '<Style id="track"><LineStyle><color>ff00d7ff</color><width>2</width></LineStyle></Style>\n'
        '<Schema name="columns" id="columns">\n'
        + "".join(map(_column, export.fields))
        + "</Schema>\n"
    )


def _column(field: Field) -> str:
    shown = f"{field.name}: {describe(field)}" if field.meaning else field.name
    kind = _TYPES.get(field.kind, "string")
    return (
        f'<SimpleField type="{kind}" name="{xml(field.name)}">'
        f"<displayName>{xml(shown)}</displayName></SimpleField>\n"
    )


def _placemark(export: Export) -> pl.Expr:
    found = export.names_of([IDENTIFIER, TIME])
    parts: list[pl.Expr | str] = ["<Placemark>"]
    if IDENTIFIER in found:
        parts += ["<name>", xml_text(pl.col(found[IDENTIFIER]).cast(pl.String)), "</name>"]
    kinds = {field.name: field.kind for field in export.fields}
    if kinds.get(found.get(TIME, "")) is Kind.TIMESTAMP:
        when = time_text(pl.col(found[TIME]), "Z")
        parts.append(_if_there("<TimeStamp><when>", when, "</when></TimeStamp>"))
    parts += ['<styleUrl>#track</styleUrl><ExtendedData><SchemaData schemaUrl="#columns">']
    for field in export.fields:
        text = cell_text(field, nan="NaN", infinity="INF")
        if field.kind in (Kind.TEXT, Kind.TEXT_LIST):
            text = xml_text(text)
        head = f'<SimpleData name="{xml(field.name)}">'
        parts.append(_if_there(head, text, "</SimpleData>"))
    parts.append("</SchemaData></ExtendedData>")
    line = joined([
        "<LineString><altitudeMode>absolute</altitudeMode><coordinates>",
        *_point("1"), " ", *_point("2"), "</coordinates></LineString>",
    ])  # fmt: skip
    parts.append(pl.when("__has_track").then(line))
    return joined([*parts, "</Placemark>\n"])


def _point(end: str) -> list[pl.Expr | str]:
    first, second, third = (
        pl.col(f"{kind}{end}").cast(pl.String) for kind in ("__lon", "__lat", "__h")
    )
    return [first, ",", second, ",", third]


def _if_there(head: str, text: pl.Expr, end: str) -> pl.Expr:
    """Null, which then counts as nothing, where the text is null."""
    return pl.concat_str([pl.lit(head), text, pl.lit(end)])
