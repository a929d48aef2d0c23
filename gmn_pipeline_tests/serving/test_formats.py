"""Every format is read by programs that others wrote, and says the same rows."""

import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse as parse_votable
from astropy.table import Table as AstropyTable

from gmn_pipeline.errors import FormatRefused, QueryLimit
from gmn_pipeline.queries.answer import Answer, UpTo
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS, Kind
from gmn_pipeline.schemas.trajectory_tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.serving.formats.arrow_files import arrow, parquet
from gmn_pipeline.serving.formats.csv_table import csv, metadata
from gmn_pipeline.serving.formats.ecsv import ecsv
from gmn_pipeline.serving.formats.export import Export, whole
from gmn_pipeline.serving.formats.geojson import geojson
from gmn_pipeline.serving.formats.json_rows import json as json_object
from gmn_pipeline.serving.formats.json_rows import ndjson
from gmn_pipeline.serving.formats.kml import kml
from gmn_pipeline.serving.formats.registry import FORMATS, Format, format_of, formats_for
from gmn_pipeline.serving.formats.votable import votable
from gmn_pipeline_tests.support.exports import ABOUT, export_of, written

FIELDS = VALIDATED_TRAJECTORIES.fields
_KML = "{http://www.opengis.net/kml/2.2}"
every_format = pytest.mark.parametrize("one", FORMATS.values(), ids=lambda one: one.suffix)


class NoLines:
    """For rows that came in messages."""

    def has_lines(self, source: str) -> bool:
        return False

    def head_lines(self, source: str) -> Any:
        raise AssertionError

    def lines(self, source: str, identifiers: list[str]) -> Any:
        raise AssertionError


class AnyLines(NoLines):
    """For rows of which each has a line."""

    def has_lines(self, source: str) -> bool:
        return True

    def head_lines(self, source: str) -> Any:
        return [b"#"] * 3

    def lines(self, source: str, identifiers: list[str]) -> Any:
        return {identifier: [b"line"] for identifier in identifiers}


def made(one: Format, table: pa.Table, **more: Any) -> bytes:
    return written(one.write, table, FIELDS, lines=NoLines(), **more)


def texts(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()


# Parquet and Arrow --------------------------------------------------------------------------------


def test_parquet_is_read_by_arrow_duckdb_and_polars_as_it_was(
    sample_rows: pa.Table, tmp_path: Path
) -> None:
    file = tmp_path / "rows.parquet"
    file.write_bytes(written(parquet, sample_rows, FIELDS))
    assert pq.read_table(file).equals(sample_rows)
    assert duckdb.sql(f"FROM '{file}'").to_arrow_table().num_rows == 534
    assert duckdb.sql(f"FROM '{file}'").pl().equals(pl.from_arrow(sample_rows))
    assert pl.read_parquet(file).equals(pl.from_arrow(sample_rows))


def test_parquet_has_row_groups_of_bounded_size(sample_rows: pa.Table) -> None:
    many = pa.concat_tables([sample_rows.select([0, 1])] * 250)
    data = written(parquet, many, FIELDS, batch_rows=50_000)
    file = pq.ParquetFile(io.BytesIO(data))
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert max(sizes) <= 65_536
    assert sum(sizes) == many.num_rows
    assert len(sizes) == 3


def test_the_arrow_stream_is_what_it_was_and_begins_before_the_first_row(
    sample_rows: pa.Table,
) -> None:
    pieces = arrow(export_of(sample_rows, FIELDS), iter(sample_rows.to_batches(100)))
    head = next(pieces)
    assert pa.ipc.read_schema(pa.py_buffer(head)).names == sample_rows.column_names
    data = head + b"".join(pieces)
    assert pa.ipc.open_stream(data).read_all().equals(sample_rows)
    assert pl.read_ipc_stream(data).equals(pl.from_arrow(sample_rows))


@pytest.mark.parametrize("write", [parquet, arrow])
def test_binary_formats_say_units_meanings_ucds_licence_and_snapshot(
    sample_rows: pa.Table, write: Any
) -> None:
    data = written(write, sample_rows, FIELDS)
    schema = (
        pq.read_schema(io.BytesIO(data)) if write is parquet else pa.ipc.open_stream(data).schema
    )
    speed = schema.field("vgeo_km_s").metadata
    assert speed[b"unit"] == b"km/s"
    assert speed[b"description"] == b"geocentric velocity"
    assert speed[b"ucd"] == b"phys.veloc;pos.geocentric"
    assert schema.metadata[b"licence"] == b"CC BY 4.0, Global Meteor Network"
    assert schema.metadata[b"warehouse_snapshot_id"] == b"17"


def test_types_that_only_some_formats_know_go_through_the_binary_ones(tmp_path: Path) -> None:
    odd = duckdb.sql(
        "SELECT {'a': 1} AS s, MAP {'k': 2} AS m, [[1], []] AS l, 'x'::BLOB AS b, 1::HUGEINT AS h, "
        "TIME '01:02:03' AS t, 'a'::ENUM('a', 'b') AS e, NULL AS n, 18446744073709551615::UBIGINT u"
    ).to_arrow_table()
    file = tmp_path / "odd.parquet"
    file.write_bytes(written(parquet, odd))
    assert duckdb.sql(f"FROM '{file}'").fetchall()[0][:3] == ({"a": 1}, {"k": 2}, [[1], []])
    assert pa.ipc.open_stream(written(arrow, odd)).read_all().equals(odd)
    row = json.loads(written(ndjson, odd))
    assert (row["s"], row["l"], row["b"], row["t"], row["e"]) == (
        {"a": 1}, [[1], []], "78", "01:02:03.000000", "a",
    )  # fmt: skip
    assert row["u"] == "18446744073709551615"
    (line,) = written(csv, odd).decode().splitlines()[1:]
    assert line.startswith('"{""a"": 1}",')
    for suffix in ("vot", "ecsv", "json"):
        assert written(FORMATS[suffix].write, odd)


# Text tables --------------------------------------------------------------------------------------


def test_csv_is_read_by_duckdb_and_polars_as_the_same_values(
    sample_rows: pa.Table, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(written(csv, sample_rows, FIELDS))
    expected = pl.from_arrow(sample_rows).with_columns(pl.col(pl.List(pl.String)).list.join(","))
    assert pl.read_csv(file, schema=expected.schema).equals(expected)
    read = duckdb.sql(f"FROM read_csv('{file}')").pl()
    numbers = [f.name for f in FIELDS if f.kind is Kind.NUMBER]
    assert read.select(numbers).equals(expected.select(numbers))
    assert read["beginning_utc_time"].equals(expected["beginning_utc_time"])
    assert b"2022-03-04 22:07:41.940752" in file.read_bytes()


def test_csv_tells_a_null_from_an_empty_text_and_writes_what_is_not_finite() -> None:
    table = pa.table({"t": ["", None, "x"], "n": [math.nan, math.inf, -math.inf]})
    assert written(csv, table) == b't,n\n"",NaN\n,inf\nx,-inf\n'


def test_the_metadata_of_a_csv_names_units_licence_and_columns(sample_rows: pa.Table) -> None:
    told = json.loads(metadata(export_of(sample_rows, FIELDS), "rows.csv"))
    columns = {column["titles"]: column for column in told["tableSchema"]["columns"]}
    assert list(columns) == sample_rows.column_names
    assert columns["vgeo_km_s"]["schema:unitText"] == "km/s"
    assert told["dc:license"] == "CC BY 4.0, Global Meteor Network"


@pytest.mark.parametrize("write", [ndjson, json_object])
def test_json_says_the_same_rows(sample_rows: pa.Table, write: Any) -> None:
    data = written(write, sample_rows, FIELDS)
    rows = (
        [json.loads(line) for line in data.decode().split("\n")[:-1]]
        if write is ndjson
        else json.loads(data)["rows"]
    )
    for row, expected in zip(rows, texts(sample_rows), strict=True):
        for field in FIELDS:
            value = expected[field.name]
            if isinstance(value, datetime):
                value = f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
            elif field.kind is Kind.DATE:
                value = value.isoformat()
            assert row[field.name] == value


def test_json_says_what_it_is(sample_rows: pa.Table) -> None:
    told = json.loads(written(json_object, sample_rows.slice(0, 1), FIELDS))
    assert told["licence"].startswith("CC BY 4.0")
    assert told["warehouse_snapshot_id"] == "17"
    speed = next(column for column in told["columns"] if column["name"] == "vgeo_km_s")
    assert speed["unit"] == "km/s"
    assert json.loads(written(json_object, sample_rows.slice(0, 0), FIELDS))["rows"] == []


def test_json_has_null_for_what_is_not_finite() -> None:
    table = pa.table({"n": [math.nan, math.inf, 1.5]})
    assert written(ndjson, table) == b'{"n":null}\n{"n":null}\n{"n":1.5}\n'


def test_duckdb_reads_ndjson(sample_rows: pa.Table, tmp_path: Path) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_bytes(written(ndjson, sample_rows, FIELDS))
    read = duckdb.sql(f"SELECT vgeo_km_s FROM read_json('{file}')").pl()
    assert read["vgeo_km_s"].to_list() == sample_rows["vgeo_km_s"].to_pylist()


# VOTable and ECSV ---------------------------------------------------------------------------------


def votable_of(data: bytes) -> Any:
    """Read so that whatever is against the standard is an error."""
    return parse_votable(io.BytesIO(data), verify="exception")


def test_votable_is_valid_and_says_the_same_values_units_and_ucds(sample_rows: pa.Table) -> None:
    document = votable_of(written(votable, sample_rows, FIELDS))
    assert document.version == "1.4"
    table = document.get_first_table()
    assert table.nrows == 534
    by_name = {field.name: field for field in table.fields}
    for field in FIELDS:
        assert by_name[field.name].ucd == field.ucd
        assert (by_name[field.name].unit or "") == (field.unit or "")
        assert by_name[field.name].description == field.meaning
    read = table.to_table(use_names_over_ids=True)
    for field in FIELDS:
        values = sample_rows[field.name].to_pylist()
        if field.kind in (Kind.NUMBER, Kind.INTEGER):
            for one, value in zip(read[field.name], values, strict=True):
                assert value is None if np.ma.is_masked(one) else one == value
    assert list(read["participating_stations"][:1]) == ["UK000H,UK003C,UK003E"]
    assert read["beginning_utc_time"][0] == "2022-03-04T22:07:41.940752"
    infos = {info.name: info.value for info in document.resources[0].infos}
    assert infos["QUERY_STATUS"] == "OK"
    assert infos["licence"] == "CC BY 4.0, Global Meteor Network"
    assert infos["warehouse_snapshot_id"] == "17"
    assert document.resources[0].description == ABOUT.description


def test_votable_takes_nulls_and_what_is_not_finite() -> None:
    table = pa.table(
        {
            "n": [math.nan, math.inf, -math.inf, None],
            "i": pa.array([1, None, -3, 4], pa.int32()),
            "l": pa.array([1, None, 2**62, 4], pa.int64()),
            "b": [True, False, None, True],
            "t": ["<a> & \x01\r\n\ufffe", "", None, "é☄"],
        }
    )
    read = votable_of(written(votable, table)).get_first_table().to_table()
    numbers = [float(one) for one in read["n"].filled(math.nan)]
    assert math.isnan(numbers[0])
    assert numbers[1:3] == [math.inf, -math.inf]
    assert read["i"].tolist() == [1, None, -3, 4]
    assert read["l"].tolist() == [1, None, 2**62, 4]
    assert read["b"].tolist() == [True, False, None, True]
    assert read["t"][0] == "<a> & \ufffd\r\n\ufffd"
    assert read["t"][3] == "é☄"


def test_votable_can_say_at_its_end_that_it_was_cut_off() -> None:
    table = pa.table({"n": [1, 2]})
    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in table.to_batches():
            rows += batch.num_rows
            yield batch

    data = b"".join(
        votable(
            export_of(table),
            counted(),
            infos={"query": "a < b"},
            closing_infos=lambda: {"QUERY_STATUS": "OVERFLOW", "rows": str(rows)},
        )
    )
    infos = [(info.name, info.value) for info in votable_of(data).resources[0].infos]
    assert infos[0] == ("QUERY_STATUS", "OK")
    assert ("query", "a < b") in infos
    assert infos[-2:] == [("QUERY_STATUS", "OVERFLOW"), ("rows", "2")]
    assert data.index(b"OVERFLOW") > data.index(b"</TABLE>")


def test_times_with_a_zone_are_told_in_utc() -> None:
    zoned = pa.array([datetime(2026, 1, 1, 12)], pa.timestamp("ns", "America/New_York"))
    table = pa.table({"t": zoned})
    assert written(csv, table) == b"t\n2026-01-01 12:00:00.000000\n"
    assert written(ndjson, table) == b'{"t":"2026-01-01T12:00:00.000000Z"}\n'


def test_ecsv_is_read_by_astropy_with_units_and_meanings(sample_rows: pa.Table) -> None:
    read = AstropyTable.read(io.BytesIO(written(ecsv, sample_rows, FIELDS)), format="ascii.ecsv")
    assert read.colnames == sample_rows.column_names
    assert str(read["vgeo_km_s"].unit) == "km / s"
    assert read["vgeo_km_s"].description == "geocentric velocity"
    assert read.meta["licence"] == "CC BY 4.0, Global Meteor Network"
    assert read.meta["warehouse_snapshot_id"] == "17"
    for field in FIELDS:
        if field.kind in (Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN):
            assert read[field.name].tolist() == sample_rows[field.name].to_pylist(), field.name
    assert read["participating_stations"][0] == "UK000H,UK003C,UK003E"


# Maps ---------------------------------------------------------------------------------------------


def test_geojson_has_a_line_with_heights_for_each_meteor(sample_rows: pa.Table) -> None:
    told = json.loads(written(geojson, sample_rows, FIELDS))
    assert told["type"] == "FeatureCollection"
    assert told["licence"].startswith("CC BY 4.0")
    assert len(told["features"]) == 534
    for feature, row in zip(told["features"], texts(sample_rows), strict=True):
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
    assert len(document.findall(f".//{_KML}Placemark")) == 3
    assert len(document.findall(f".//{_KML}LineString")) == 1


def test_columns_with_the_names_that_the_track_has_inside_keep_their_values() -> None:
    names = ["lat", "h", "lon1", "side", "crosses", "properties", "id", "*", "^b.*$"]
    rows = track_rows((1, 2, 3, 4, 5, 6))
    for number, name in enumerate(names):
        rows = rows.append_column(name, pa.array([f"own {number}"]))
    (feature,) = json.loads(written(geojson, rows))["features"]
    document = ET.fromstring(written(kml, rows))
    data = {d.get("name"): d.text for d in document.iter(f"{_KML}SimpleData")}
    for number, name in enumerate(names):
        assert feature["properties"][name] == data[name] == f"own {number}"


def test_kml_has_a_placemark_in_space_for_each_meteor(sample_rows: pa.Table) -> None:
    document = ET.fromstring(written(kml, sample_rows, FIELDS))
    marks = document.findall(f".//{_KML}Placemark")
    assert len(marks) == 534
    row = texts(sample_rows)[0]
    assert marks[0].findtext(f"{_KML}name") == row["trajectory_identifier"]
    assert marks[0].findtext(f".//{_KML}when") == "2022-03-04T22:07:41.940752Z"
    assert marks[0].findtext(f".//{_KML}altitudeMode") == "absolute"
    begin, end = (marks[0].findtext(f".//{_KML}coordinates") or "").split()
    assert begin == "-3.008825,50.393073,72311.9"
    assert float(end.split(",")[2]) == pytest.approx(1000 * row["end_height_km"], abs=1e-3)
    data = {d.get("name"): d.text for d in marks[0].iter(f"{_KML}SimpleData")}
    assert float(data["vgeo_km_s"] or "") == row["vgeo_km_s"]
    assert data["participating_stations"] == "UK000H,UK003C,UK003E"
    shown = [d.text for d in document.iter(f"{_KML}displayName")]
    assert "vgeo_km_s: [km/s] geocentric velocity" in shown
    told = document.findtext(f".//{_KML}description") or ""
    assert "CC BY 4.0" in told
    assert "Snapshot: 17" in told


def test_maps_take_the_legacy_names_too(sample_rows: pa.Table) -> None:
    legacy = {f.name: f.legacy_name or f.name for f in TRAJECTORY_FIELDS}
    names = [legacy.get(name, name) for name in sample_rows.column_names]
    table = sample_rows.rename_columns(names).select(list(legacy.values()))
    told = json.loads(written(geojson, table))
    assert told["features"][0]["id"] == "20220304220741_yrPTs"
    assert told["features"][0]["geometry"]["coordinates"][0][0] == -3.008825


# All of them --------------------------------------------------------------------------------------


@every_format
def test_no_rows_make_a_whole_document_without_rows(one: Format, sample_rows: pa.Table) -> None:
    data = made(one, sample_rows.slice(0, 0))
    assert rows_in(one, data) == 0


@every_format
def test_rows_of_nothing_but_nulls_are_rows(one: Format, null_rows: pa.Table) -> None:
    if one.needs_lines:  # a row of a file has an identifier and stations
        return
    assert rows_in(one, made(one, null_rows)) == 3


@every_format
def test_the_same_rows_in_other_batches_are_the_same_rows(
    one: Format, sample_rows: pa.Table
) -> None:
    alone, together = (made(one, sample_rows, batch_rows=n) for n in (70, 534))
    assert rows_in(one, alone) == rows_in(one, together) == 534
    if one.suffix not in ("arrow", "parquet"):
        assert alone == together


def rows_in(one: Format, data: bytes) -> int:
    """Rows that a reader of the format finds."""
    readers = {
        "parquet": lambda: pq.read_metadata(io.BytesIO(data)).num_rows,
        "arrow": lambda: pa.ipc.open_stream(data).read_all().num_rows,
        "ndjson": lambda: len([json.loads(line) for line in data.splitlines()]),
        "json": lambda: len(json.loads(data)["rows"]),
        "geojson": lambda: len(json.loads(data)["features"]),
        "kml": lambda: len(ET.fromstring(data).findall(f".//{_KML}Placemark")),
        "vot": lambda: votable_of(data).get_first_table().nrows,
        "ecsv": lambda: len(AstropyTable.read(io.BytesIO(data), format="ascii.ecsv")),
        "summary.txt": lambda: data.count(b"\n") - 4,
    }
    return int(readers.get(one.suffix, lambda: data.count(b"\n") - 1)())


class Broken(Exception):
    pass


@every_format
@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_breaks_off_is_raised_and_leaves_no_whole_document(
    one: Format, after: int, sample_rows: pa.Table
) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield from sample_rows.to_batches(100)[:after]
        raise Broken

    pieces: list[bytes] = []
    with pytest.raises(Broken):
        pieces.extend(one.write(export_of(sample_rows, FIELDS, NoLines()), breaking()))
    data = b"".join(pieces)
    line_formats = ("csv", "ndjson", "ecsv", "ufo.csv", "ukmon.csv", "mdc.csv", "summary.txt")
    if one.suffix == "arrow":  # its end may lack, so a reader cannot know; the transfer is cut
        assert not data.endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")
    elif one.suffix not in line_formats:
        with pytest.raises(Exception, match=r".*"):
            rows_in(one, data)


@every_format
def test_a_writer_that_is_given_up_ends_quietly(one: Format, sample_rows: pa.Table) -> None:
    batches = iter(sample_rows.to_batches(100) * 150)
    pieces = one.write(export_of(sample_rows, FIELDS, AnyLines()), batches)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert len(list(batches)) >= 4


@every_format
def test_no_more_rows_are_held_than_a_row_group_has(one: Format, sample_rows: pa.Table) -> None:
    taken = written_rows = longest = 0
    table = sample_rows.select(one.needs) if one.needs else sample_rows.select([0, 1, 5])
    batch = pa.concat_batches(table.to_batches())

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for _ in range(260):
            taken += batch.num_rows
            yield batch

    for piece in one.write(export_of(table, FIELDS, AnyLines()), batches()):
        # Parquet and summary files gather 65,536 rows, the others a batch.
        longest = max(longest, taken - written_rows)
        if piece:
            written_rows = taken
    assert written_rows == taken == 260 * 534
    assert longest <= 65_536 + 2 * 534


def test_an_answer_that_was_cut_off_does_not_end_as_a_shorter_file(sample_rows: pa.Table) -> None:
    up_to = UpTo(iter(sample_rows.to_batches(100)), 250)
    answer = Answer(
        sample_rows.schema, iter(up_to), truncated=lambda: up_to.truncated, close=lambda: None
    )
    with pytest.raises(QueryLimit, match="after 250 rows"):
        b"".join(json_object(export_of(sample_rows, FIELDS), whole(answer)))


@pytest.mark.parametrize("suffix", ["geojson", "kml", "ufo.csv", "ukmon.csv", "mdc.csv",
                                    "summary.txt"])  # fmt: skip
def test_a_format_says_at_once_which_columns_it_lacks(suffix: str, sample_rows: pa.Table) -> None:
    table = sample_rows.drop_columns(["end_height_km"])
    with pytest.raises(FormatRefused, match="end_height_km"):
        FORMATS[suffix].write(export_of(table, FIELDS, NoLines()), table.to_batches())


def test_a_batch_of_other_columns_is_an_error(sample_rows: pa.Table) -> None:
    export = export_of(sample_rows, FIELDS)
    other = sample_rows.select([1, 0, *range(2, sample_rows.num_columns)])
    for one in FORMATS.values():
        if not one.needs_lines:
            with pytest.raises((TypeError, pa.ArrowException)):
                b"".join(one.write(export, other.to_batches()))


def test_columns_of_one_name_are_told_apart() -> None:
    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a_1", "a"])
    assert written(ndjson, table) == b'{"a":1,"a_1":2,"a_2":3}\n'
    assert written(csv, table) == b"a,a_1,a_2\n1,2,3\n"
    assert pq.read_schema(io.BytesIO(written(parquet, table))).names == ["a", "a_1", "a_2"]


def test_a_column_is_taken_for_what_its_name_says_if_its_kind_agrees() -> None:
    schema = pa.schema({"eccentricity": pa.float64(), "vgeo_km_s": pa.string(),
                        "station_count": pa.int64(), "n": pa.int64()})  # fmt: skip
    eccentricity, speed, count, n = Export.of(ABOUT, schema).fields
    assert eccentricity.meaning == TRAJECTORY_FIELD["eccentricity"].meaning
    assert (speed.unit, speed.ucd, speed.meaning) == (None, speed.ucd, "")
    assert (count.meaning, count.kind) == ("number of participating stations", Kind.LONG)
    assert n.meaning == ""


def test_columns_of_any_table_are_known_unless_their_name_means_several_things() -> None:
    schema = pa.schema({"station_code": pa.string(), "rows_accepted": pa.int32(),
                        "perihelion_distance_au": pa.float64(), "loaded_at_utc": pa.int32(),
                        "id": pa.string()})  # fmt: skip
    station, accepted, perihelion, loaded, ambiguous = Export.of(ABOUT, schema).fields
    assert station.ucd == "meta.id;instr.obsty"
    assert station.meaning
    assert accepted.meaning == "of these, accepted"
    assert perihelion.unit == "AU"
    assert loaded.meaning == ambiguous.meaning == ""


def test_a_cell_as_large_as_a_small_file_goes_through_every_format() -> None:
    stations = [f"XX{number:04d}" for number in range(10_000)]
    table = pa.table({"name": ["long", "☄ длинный 長い"], "stations": [stations, []]})
    for suffix in ("csv", "ndjson", "json", "vot", "ecsv", "parquet", "arrow"):
        data = written(FORMATS[suffix].write, table)
        assert rows_in(FORMATS[suffix], data) == 2
        if suffix not in ("parquet", "arrow"):
            assert b"XX9999" in data
            assert "☄ длинный 長い".encode() in data


# The list of formats ------------------------------------------------------------------------------


def test_a_file_name_tells_its_format_by_the_longest_suffix() -> None:
    assert format_of("trajectories.csv") == ("trajectories", FORMATS["csv"])
    assert format_of("trajectories.ufo.csv") == ("trajectories", FORMATS["ufo.csv"])
    assert format_of("a.b.summary.txt") == ("a.b", FORMATS["summary.txt"])
    assert format_of("trajectories") is None
    assert format_of(".csv") is None
    assert format_of("trajectories.txt") is None


def test_formats_are_offered_where_their_columns_are(sample_rows: pa.Table) -> None:
    all_of_them = formats_for(export_of(sample_rows, FIELDS, NoLines()))
    assert [one.suffix for one in all_of_them] == list(FORMATS)
    assert "summary.txt" not in [f.suffix for f in formats_for(export_of(sample_rows, FIELDS))]
    few = {one.suffix for one in formats_for(export_of(pa.table({"n": [1]})))}
    assert few == {"parquet", "arrow", "csv", "ndjson", "json", "vot", "ecsv"}


@every_format
def test_a_format_says_what_it_is(one: Format) -> None:
    assert one.description
    assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+(; ?[a-z]+=[a-z0-9-]+)*", one.media_type)
    assert not one.suffix.startswith(".")
