"""GeoJSON and KML: a meteor's track over the ground, with heights."""

import json
import math
import xml.etree.ElementTree as ET

import pyarrow as pa
import pytest

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.serving.formats.geojson import geojson
from gmn_pipeline.serving.formats.kml import kml
from gmn_pipeline_tests.support.exports import FIELDS, KML, written


def test_geojson_has_a_line_with_heights_for_each_meteor(sample_rows: pa.Table) -> None:
    told = json.loads(written(geojson, sample_rows, FIELDS))
    assert told["type"] == "FeatureCollection"
    assert told["licence"].startswith("CC BY 4.0")
    assert len(told["features"]) == 534
    for feature, row in zip(told["features"], sample_rows.to_pylist(), strict=True):
        assert feature["id"] == row["trajectory_identifier"]
        assert feature["geometry"]["type"] == "LineString"
        begin, end = feature["geometry"]["coordinates"]
        assert begin[:2] == [row["begin_longitude_deg"], row["begin_latitude_deg"]]
        assert begin[2] == pytest.approx(1000 * row["begin_height_km"], abs=1e-3)
        assert end[:2] == [row["end_longitude_deg"], row["end_latitude_deg"]]
        assert end[2] == pytest.approx(1000 * row["end_height_km"], abs=1e-3)
        west, south, low, east, north, high = feature["bbox"]
        assert west <= east
        assert south <= north
        assert low <= high
        assert feature["properties"]["vgeo_km_s"] == row["vgeo_km_s"]
    lons = sample_rows["begin_longitude_deg"].to_pylist()
    assert told["bbox"][0] <= min(lons)
    assert told["bbox"][3] >= max(lons)


def track_rows(*ends: tuple[float | None, ...]) -> pa.Table:
    names = ("begin_longitude_deg", "begin_latitude_deg", "begin_height_km",
             "end_longitude_deg", "end_latitude_deg", "end_height_km")  # fmt: skip
    columns = [pa.array(column, pa.float64()) for column in zip(*ends, strict=True)]
    return pa.table(dict(zip(names, columns, strict=True)))


def test_a_track_over_the_180th_meridian_is_cut_there() -> None:
    rows = track_rows((179.9, 10.0, 100.0, -179.7, 14.0, 80.0), (-179.9, 0, 90, 179.9, 0, 70))
    told = json.loads(written(geojson, rows))
    east, west = (feature["geometry"] for feature in told["features"])
    assert east["type"] == "MultiLineString"
    assert east["coordinates"] == [
        [[179.9, 10.0, 100_000.0], [180, 11.0, 95_000.0]],
        [[-180, 11.0, 95_000.0], [-179.7, 14.0, 80_000.0]],
    ]
    assert west["coordinates"][0][1] == [-180, 0.0, 80_000.0]
    assert west["coordinates"][1][0] == [180, 0.0, 80_000.0]
    assert told["features"][0]["bbox"] == [179.9, 10.0, 80_000.0, -179.7, 14.0, 100_000.0]
    assert told["bbox"][0::3] == [-180.0, 180.0]


def test_a_row_without_a_whole_track_has_no_geometry() -> None:
    rows = track_rows((1, 2, 3, 4, 5, None), (1, 2, 3, 4, 5, math.nan), (1, 2, 3, 4, 5, 6))
    told = json.loads(written(geojson, rows))
    assert [f["geometry"] is None for f in told["features"]] == [True, True, False]
    assert "bbox" not in told["features"][0]
    document = ET.fromstring(written(kml, rows))
    assert len(document.findall(f".//{KML}Placemark")) == 3
    assert len(document.findall(f".//{KML}LineString")) == 1


def test_columns_with_the_names_that_the_track_has_inside_keep_their_values() -> None:
    names = ["lat", "h", "lon1", "side", "crosses", "properties", "id", "*", "^b.*$"]
    rows = track_rows((1, 2, 3, 4, 5, 6))
    for number, name in enumerate(names):
        rows = rows.append_column(name, pa.array([f"own {number}"]))
    (feature,) = json.loads(written(geojson, rows))["features"]
    document = ET.fromstring(written(kml, rows))
    data = {d.get("name"): d.text for d in document.iter(f"{KML}SimpleData")}
    for number, name in enumerate(names):
        assert feature["properties"][name] == data[name] == f"own {number}"


def test_kml_has_a_placemark_in_space_for_each_meteor(sample_rows: pa.Table) -> None:
    document = ET.fromstring(written(kml, sample_rows, FIELDS))
    marks = document.findall(f".//{KML}Placemark")
    assert len(marks) == 534
    row = sample_rows.to_pylist()[0]
    assert marks[0].findtext(f"{KML}name") == row["trajectory_identifier"]
    assert marks[0].findtext(f".//{KML}when") == "2022-03-04T22:07:41.940752Z"
    assert marks[0].findtext(f".//{KML}altitudeMode") == "absolute"
    begin, end = (marks[0].findtext(f".//{KML}coordinates") or "").split()
    assert begin == "-3.008825,50.393073,72311.9"
    assert float(end.split(",")[2]) == pytest.approx(1000 * row["end_height_km"], abs=1e-3)
    data = {d.get("name"): d.text for d in marks[0].iter(f"{KML}SimpleData")}
    assert float(data["vgeo_km_s"] or "") == row["vgeo_km_s"]
    assert data["participating_stations"] == "UK000H,UK003C,UK003E"
    shown = [d.text for d in document.iter(f"{KML}displayName")]
    assert "vgeo_km_s: [km/s] geocentric velocity" in shown
    told = document.findtext(f".//{KML}description") or ""
    assert "CC BY 4.0" in told
    assert "Snapshot: 17" in told


def test_maps_take_the_legacy_names_too(sample_rows: pa.Table) -> None:
    legacy = {f.name: f.legacy_name or f.name for f in TRAJECTORY_FIELDS}
    names = [legacy.get(name, name) for name in sample_rows.column_names]
    table = sample_rows.rename_columns(names).select(list(legacy.values()))
    told = json.loads(written(geojson, table))
    assert told["features"][0]["id"] == "20220304220741_yrPTs"
    assert told["features"][0]["geometry"]["coordinates"][0][0] == -3.008825
