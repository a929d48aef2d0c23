"""GeoJSON (RFC 7946): the ground track of each meteor as a line with heights.

What belongs here: a feature per row; its properties are all of the row's columns. What does not:
what a track is (`ground_track.py`). A track over the 180th meridian is cut there, as the standard
wants; a row without a whole track has a null geometry.
"""

import json
import math
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.serving.formats import ground_track
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import joined
from gmn_pipeline.serving.formats.ground_track import IDENTIFIER, with_track
from gmn_pipeline.serving.formats.json_rows import about, json_frames, row_objects


def geojson(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A FeatureCollection; what is said of the whole stands beside the features."""
    names = export.need(ground_track.COLUMNS, "GeoJSON")
    identifier = export.names_of([IDENTIFIER]).get(IDENTIFIER)
    head = json.dumps(about(export), ensure_ascii=False)
    bounds = _Bounds()

    def features() -> Iterator[bytes]:
        yield b'{"type":"FeatureCollection",' + head[1:-1].encode() + b',"features":['
        before = b"\n"
        for frame in json_frames(export, batches):
            tracks = with_track(_properties(frame, identifier), names)
            bounds.take(tracks)
            yield before + b",\n".join(
                text.encode() for text in tracks.select(_FEATURE).to_series()
            )
            before = b",\n"
        yield b"\n]" + bounds.member() + b"}\n"

    return features()


def _properties(frame: pl.DataFrame, identifier: str | None) -> pl.DataFrame:
    """The frame, the rows as JSON in `properties`, and the member `id` of each feature."""
    rows = row_objects(frame).decode().split("\n")[:-1]
    ids = [""] * frame.height
    if identifier is not None:
        ids = [
            f'"id":{json.dumps(one)},' if one is not None else ""
            for one in frame[identifier].to_list()
        ]
    return frame.with_columns(
        pl.Series("__properties", rows, pl.String), pl.Series("__id", ids, pl.String)
    )


def _point(longitude: str | float, latitude: str, height: str) -> pl.Expr:
    first = f"{longitude:g}" if isinstance(longitude, float) else _text(longitude)
    return joined(["[", first, ",", _text(latitude), ",", _text(height), "]"])


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String)


def _geometry() -> pl.Expr:
    begin, end = _point("__lon1", "__lat1", "__h1"), _point("__lon2", "__lat2", "__h2")
    line = joined(['{"type":"LineString","coordinates":[', begin, ",", end, "]}"])

    def parts(side: float) -> pl.Expr:
        return joined([
            '{"type":"MultiLineString","coordinates":[[', begin, ",", _point(side, "__lat", "__h"),
            "],[", _point(-side, "__lat", "__h"), ",", end, "]]}",
        ])  # fmt: skip

    return (
        pl.when(~pl.col("__has_track")).then(pl.lit("null"))
        .when(~pl.col("__crosses")).then(line)
        .when(pl.col("__side") > 0).then(parts(180.0))
        .otherwise(parts(-180.0))
    )  # fmt: skip


def _bbox() -> pl.Expr:
    """West is the greater longitude where the track crosses the 180th meridian."""

    def ends(one: str, other: str) -> tuple[pl.Expr, pl.Expr]:
        return pl.min_horizontal(one, other), pl.max_horizontal(one, other)

    (west, east), (south, north), (low, high) = (
        ends(f"{kind}1", f"{kind}2") for kind in ("__lon", "__lat", "__h")
    )
    crosses = pl.col("__crosses")
    corners = [
        pl.when(crosses).then(east).otherwise(west), south, low,
        pl.when(crosses).then(west).otherwise(east), north, high,
    ]  # fmt: skip
    parts: list[pl.Expr | str] = ['"bbox":[']
    for number, corner in enumerate(corners):
        parts += ["," if number else "", corner.cast(pl.String)]
    return pl.when(pl.col("__has_track")).then(joined([*parts, "],"])).otherwise(pl.lit(""))


_FEATURE = joined([
    '{"type":"Feature",', pl.col("__id"), _bbox(), '"geometry":', _geometry(),
    ',"properties":', pl.col("__properties"), "}",
])  # fmt: skip


class _Bounds:
    """The box around all tracks; all longitudes, if one crosses the 180th meridian."""

    def __init__(self) -> None:
        self._low = [math.inf] * 3
        self._high = [-math.inf] * 3

    def take(self, tracks: pl.DataFrame) -> None:
        tracks = tracks.filter("__has_track")
        if tracks.is_empty():
            return
        for place, kind in enumerate(("__lon", "__lat", "__h")):
            ends = tracks.select(f"{kind}1", f"{kind}2").to_numpy()
            self._low[place] = min(self._low[place], float(ends.min()))
            self._high[place] = max(self._high[place], float(ends.max()))
        if tracks["__crosses"].any():
            self._low[0], self._high[0] = -180.0, 180.0

    def member(self) -> bytes:
        if self._low[0] > self._high[0]:
            return b""
        return b',"bbox":' + json.dumps([*self._low, *self._high]).encode()
