"""CSV in the columns of UFOOrbit, UKMON and the Meteor Data Center: which of ours stand where."""

import csv as standard_csv
import io
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.trajectory_tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.serving.formats import mdc_csv, ufo_csv, ukmon_csv
from gmn_pipeline.serving.formats.columns_csv import ForeignColumn
from gmn_pipeline_tests.support.exports import Writer, written

FIELDS = VALIDATED_TRAJECTORIES.fields
WRITERS: dict[str, tuple[Writer, tuple[ForeignColumn, ...]]] = {
    "ufo": (ufo_csv.ufo_csv, ufo_csv.COLUMNS),
    "ukmon": (ukmon_csv.ukmon_csv, ukmon_csv.COLUMNS),
    "mdc": (mdc_csv.mdc_csv, mdc_csv.COLUMNS),
}
every = pytest.mark.parametrize("name", WRITERS)


def rows_of(name: str, table: pa.Table) -> list[dict[str, str]]:
    write, _ = WRITERS[name]
    text = written(write, table, FIELDS).decode()
    return list(standard_csv.DictReader(io.StringIO(text)))


def pairs(name: str, table: pa.Table) -> list[tuple[dict[str, str], dict[str, Any]]]:
    return list(zip(rows_of(name, table), table.to_pylist(), strict=True))


@every
def test_the_head_names_the_columns_and_those_without_a_source_are_empty(
    name: str, sample_rows: pa.Table
) -> None:
    _, columns = WRITERS[name]
    rows = rows_of(name, sample_rows)
    assert list(rows[0]) == [column.name for column in columns]
    for column in columns:
        if column.source is None:
            assert {row[column.name] for row in rows} == {""}, column.name
        else:
            assert any(row[column.name] for row in rows) or column.name == "name", column.name


def test_ufoorbits_columns_are_those_of_its_results(sample_rows: pa.Table) -> None:
    for row, ours in pairs("ufo", sample_rows):
        begin = ours["beginning_utc_time"]
        assert row["_localtime"] == f"_{begin:%Y%m%d_%H%M%S}"
        assert float(row["_mjd"]) == pytest.approx(ours["beginning_julian_date"] - 2400000.5)
        assert row["_ID1"] == f"_(UNIFIED_{ours['station_count']})"
        code = ours["iau_shower_code"]
        assert row["_stream"] == ("spo" if code == "..." else code)
        for column, field in {
            "_sol": "solar_longitude_deg", "_ra_o": "raapp_deg", "_dc_t": "decgeo_deg",
            "_vg": "vgeo_km_s", "_vs": "vhel_km_s", "_a": "semi_major_axis_au",
            "_node": "ascending_node_deg", "_H1": "begin_height_km", "_H2": "end_height_km",
            "_lng1": "begin_longitude_deg", "_ev1r": "radiant_elevation_deg",
        }.items():  # fmt: skip
            assert float(row[column]) == ours[field]
        assert row["_p"] == "" or float(row["_p"]) == ours["orbital_period_years"]
        parts = [int(row[f"_{part}_ut"]) for part in "YMDhm"]
        again = datetime(*parts) + timedelta(seconds=float(row["_s_ut"]))  # type: ignore[arg-type]
        assert abs(again - begin) < timedelta(microseconds=2)


def test_ukmons_columns_follow_from_ours(sample_rows: pa.Table) -> None:
    closed = 0
    for row, ours in pairs("ukmon", sample_rows):
        begin = ours["beginning_utc_time"].replace(tzinfo=UTC)
        assert row["orbname"] == ours["trajectory_identifier"]
        assert float(row["dtstamp"]) == pytest.approx(begin.timestamp(), abs=1e-6)
        assert row["stations"].split(";") == ours["participating_stations"]
        assert int(row["iau"]) == ours["iau_shower_number"]
        assert float(row["mass"]) == ours["mass_kg"]
        assert row["name"] == ("Sporadic" if ours["iau_shower_number"] == -1 else "")
        e = ours["eccentricity"]
        if e >= 1:
            assert row["EA"] == row["last_peri"] == ""
            continue
        closed += 1
        # Kepler's equation ties it to the mean anomaly that the network publishes.
        anomaly = math.radians(float(row["EA"]))
        mean = math.degrees(anomaly - e * math.sin(anomaly)) % 360
        assert abs((mean - ours["mean_anomaly_deg"] + 180) % 360 - 180) < 0.01
        days = ours["mean_anomaly_deg"] / ours["mean_motion_deg_d"]
        if days < 600_000:
            expected = ours["beginning_utc_time"] - timedelta(days=days)
            assert row["last_peri"] == expected.date().isoformat()
        else:
            assert row["last_peri"] == ""
    assert closed > 400


def test_the_name_of_a_shower_stands_there_if_the_export_has_it(sample_rows: pa.Table) -> None:
    named = sample_rows.append_column(
        "iau_shower_name", pa.array(["=Perseids"] * sample_rows.num_rows)
    )
    names = {row["name"] for row in rows_of("ukmon", named)}
    assert names == {"Sporadic", "'=Perseids"}


def test_the_data_centers_columns_have_their_uncertainties_beside_them(
    sample_rows: pa.Table,
) -> None:
    for row, ours in pairs("mdc", sample_rows):
        begin = ours["beginning_utc_time"]
        assert (row["IID"], row["DB"]) == (ours["trajectory_identifier"], "GMN")
        assert (int(row["Yr"]), int(row["Mn"])) == (begin.year, begin.month)
        day = begin.day + (begin - datetime(begin.year, begin.month, begin.day)) / timedelta(days=1)
        assert float(row["Dayy"]) == pytest.approx(day, abs=1e-9)
        assert float(row["RA"]) == ours["rageo_deg"]
        sigma = ours["rageo_sigma_deg"]
        assert row["delta_RA"] == "" if sigma is None else float(row["delta_RA"]) == sigma
        elevation = math.radians(ours["radiant_elevation_deg"])
        assert float(row["cZ"]) == pytest.approx(math.sin(elevation))
        assert float(row["a1"]) == pytest.approx(1 / ours["semi_major_axis_au"])
        if ours["semi_major_axis_sigma_au"] is not None:
            relative = ours["semi_major_axis_sigma_au"] / abs(ours["semi_major_axis_au"])
            assert float(row["delta_a1"]) == pytest.approx(relative * abs(float(row["a1"])))


@every
def test_the_legacy_names_give_the_same(name: str, sample_rows: pa.Table) -> None:
    own = [f.name for f in TRAJECTORY_FIELDS]
    legacy = [f.legacy_name for f in TRAJECTORY_FIELDS]
    table = sample_rows.select(own).rename_columns(legacy)
    stations = [",".join(codes) for codes in table["participating_stations"].to_pylist()]
    table = table.set_column(85, "participating_stations", pa.array(stations))
    # The legacy interface has null for sporadic meteors.
    numbers = [None if n == -1 else n for n in table["iau_no"].to_pylist()]
    table = table.set_column(3, "iau_no", pa.array(numbers, pa.int32()))
    rows = rows_of(name, sample_rows.select(own))
    for row in rows:
        for number in ("iau", "sh"):
            if row.get(number) == "-1":
                row[number] = ""
    assert rows_of(name, table) == rows


@every
def test_orbits_far_out_and_without_a_period_are_rows(name: str, sample_rows: pa.Table) -> None:
    row = dict(sample_rows.slice(0, 1).to_pylist()[0])
    strange = [
        row | {"mean_motion_deg_d": 1e-12, "mean_anomaly_deg": 300.0},
        row | {"mean_motion_deg_d": 0.0},
        row | {"eccentricity": 1.0, "mean_anomaly_deg": None, "mean_motion_deg_d": None},
        row | {"semi_major_axis_au": 0.0, "eccentricity": None},
    ]
    table = pa.Table.from_pylist(strange, schema=sample_rows.schema)
    assert len(rows_of(name, table)) == 4
