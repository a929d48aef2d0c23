"""CSV, JSON, VOTable and ECSV: read again by who reads them, with the same values."""

import io
import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from astropy.table import Table as AstropyTable

from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.serving.formats.csv_table import csv, metadata
from gmn_pipeline.serving.formats.ecsv import ecsv
from gmn_pipeline.serving.formats.json_rows import json as json_object
from gmn_pipeline.serving.formats.json_rows import ndjson
from gmn_pipeline.serving.formats.votable import votable
from gmn_pipeline_tests.support.exports import ABOUT, FIELDS, export_of, votable_of, written


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
    for row, expected in zip(rows, sample_rows.to_pylist(), strict=True):
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
