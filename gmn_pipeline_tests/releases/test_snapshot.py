"""The analysts' copy: whole, verified, swapped in at once, and readable by old clients."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas
import polars as pl
import pyarrow.parquet as pq
import pytest

from gmn_pipeline.errors import DiskFull
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import Manifest, make_snapshot, read_manifest
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.macros import MACROS
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline.warehouse.views import FLAG_DEFINITIONS, VIEWS
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import count, frame

OLD_CLIENT = Path(sys.prefix) / "duckdb-1.1"


@pytest.fixture
def loaded(bench: Bench) -> Bench:
    bench.put(DAILY, sample().with_fields(5, begin_latitude_deg="   +91.000000"))
    load_days([DAY], bench.settings)
    load_showers(WarehouseConnection(bench.settings), iau_showers.bundled())
    return bench


def database(bench: Bench) -> str:
    return str(bench.settings.snapshot_dir / "gmn.duckdb")


def test_a_snapshot_has_the_tables_views_and_past_states_of_the_warehouse(loaded: Bench) -> None:
    manifest, is_new = make_snapshot(loaded.settings)
    assert is_new
    with duckdb.connect(database(loaded), read_only=True) as connection:
        for name in [t.name for t in WAREHOUSE_TABLES] + [v.name for v in VIEWS]:
            copied = connection.execute(f"FROM {name} ORDER BY ALL").pl()
            assert copied.equals(frame(loaded.settings, f"FROM {name} ORDER BY ALL")), name
        past = connection.execute("SELECT count(*) FROM trajectories_as_of(now()::TIMESTAMP)")
        assert past.fetchone() == (533,)
    assert manifest.rows["trajectories"] == 533
    assert "CC BY 4.0" in manifest.licence


def test_the_manifest_names_the_checksum_of_every_file(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    current = loaded.settings.snapshot_dir / "current"
    manifest = json.loads((current / "manifest.json").read_text())
    files = {p.relative_to(current).as_posix() for p in current.rglob("*.*") if p.is_file()}
    assert files == {*manifest["sha256"], "manifest.json"}
    for name, sha256 in manifest["sha256"].items():
        assert hashlib.sha256((current / name).read_bytes()).hexdigest() == sha256


def test_an_unchanged_warehouse_gives_no_new_snapshot(loaded: Bench) -> None:
    first, _ = make_snapshot(loaded.settings)
    assert make_snapshot(loaded.settings) == (first, False)


def test_a_reader_that_has_the_former_snapshot_open_keeps_it(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    with duckdb.connect(database(loaded), read_only=True) as reader:
        loaded.put(DAILY, sample().first(100).stamped("2022-03-17 00:00:00"))
        load_days([DAY], loaded.settings)
        make_snapshot(loaded.settings)
        assert reader.execute("SELECT count(*) FROM meteor_summary").fetchone() == (533,)
    with duckdb.connect(database(loaded), read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM meteor_summary").fetchone() == (100,)


def test_a_snapshot_that_fails_leaves_the_former_one(
    loaded: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = make_snapshot(loaded.settings)
    loaded.put(DAILY, sample().first(100).stamped("2022-03-17 00:00:00"))
    load_days([DAY], loaded.settings)

    def no_space(_: Path) -> dict[str, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gmn_pipeline.releases.snapshot._checksums", no_space)
    with pytest.raises(DiskFull, match="no space left"):
        make_snapshot(loaded.settings)
    assert read_manifest(loaded.settings) == first
    assert isinstance(first, Manifest)


def test_every_column_of_the_file_has_a_comment_and_every_function_too(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    with duckdb.connect(database(loaded), read_only=True) as connection:
        silent = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE NOT internal AND coalesce(comment, '') = ''"
        ).fetchall()
        functions = connection.execute(
            "SELECT function_name, comment FROM duckdb_functions() "
            "WHERE database_name = 'gmn' AND NOT internal"
        ).fetchall()
        unit = connection.execute(
            "SELECT comment FROM duckdb_columns() "
            "WHERE (table_name, column_name) = ('meteor', 'vgeo_km_s')"
        ).fetchone()
    assert silent == []
    assert unit == ("[km/s] geocentric velocity",)
    uncommented = {name for name, comment in functions if not comment}
    assert uncommented == {"definitions_sha256"}
    assert {macro.name for macro in MACROS} <= {name for name, _ in functions}


def test_functions_work_by_their_full_name_in_a_file_that_is_attached(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{database(loaded)}' AS copy (READ_ONLY)")
        hyperbolic = connection.execute(
            "SELECT count(*) FROM copy.trajectories_with_showers "
            "WHERE copy.has_flag(quality_flags, 'hyperbolic')"
        ).fetchone()
    assert hyperbolic == (32,)


def test_a_column_that_came_later_to_the_warehouse_keeps_its_values(loaded: Bench) -> None:
    columns = "station_code, country_code"
    before = frame(loaded.settings, f"SELECT {columns} FROM stations ORDER BY 1")
    with WarehouseConnection(loaded.settings).writing() as connection:
        connection.execute("ALTER TABLE stations DROP COLUMN country_code")
        connection.execute("ALTER TABLE stations ADD COLUMN country_code VARCHAR")
        connection.execute("UPDATE stations SET country_code = station_code[:2]")
    make_snapshot(loaded.settings)
    with duckdb.connect(database(loaded), read_only=True) as connection:
        copied = connection.execute(f"SELECT {columns} FROM stations ORDER BY 1").pl()
    assert copied.equals(before)
    by_arrow = pl.read_parquet(parquet(loaded, "stations")).select("station_code", "country_code")
    assert by_arrow.sort("station_code").equals(before)


# Parquet files say what their columns are ---------------------------------------------------------


def parquet(bench: Bench, table: str) -> Path:
    return bench.settings.snapshot_dir / "current" / "parquet" / f"{table}.parquet"


def test_arrow_finds_unit_and_meaning_of_each_column_in_the_parquet_files(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    for relation in (*WAREHOUSE_TABLES, FLAG_DEFINITIONS):
        schema = pq.read_schema(parquet(loaded, relation.name))
        assert schema.names == [field.name for field in relation.fields]
        for field in relation.fields:
            found = schema.field(field.name).metadata
            assert found[b"description"].decode() == field.meaning
            assert found.get(b"unit", b"").decode() == (field.unit or "")
        assert schema.metadata[b"licence"] == b"CC BY 4.0, Global Meteor Network"
    speed = pq.read_schema(parquet(loaded, "trajectories")).field("vgeo_km_s")
    assert speed.metadata == {b"unit": b"km/s", b"description": b"geocentric velocity"}


def test_pandas_and_duckdb_find_units_in_the_parquet_files(loaded: Bench) -> None:
    manifest, _ = make_snapshot(loaded.settings)
    file = parquet(loaded, "trajectories")
    attributes = pandas.read_parquet(file, columns=["vgeo_km_s"]).attrs
    assert attributes["units"]["vgeo_km_s"] == "km/s"
    assert attributes["descriptions"]["vgeo_km_s"] == "geocentric velocity"
    assert attributes["warehouse_snapshot_id"] == str(manifest.warehouse_snapshot_id)
    keys = duckdb.sql(f"SELECT key FROM parquet_kv_metadata('{file}')").fetchall()
    assert (b"licence",) in keys


def test_astropys_head_of_a_parquet_file_names_every_column_with_its_unit(loaded: Bench) -> None:
    """As `astropy.table.Table.read` understands it: the head of an ECSV file, in YAML."""
    make_snapshot(loaded.settings)
    metadata = pq.read_schema(parquet(loaded, "trajectories")).metadata
    head = json.loads(metadata[b"table_meta_yaml"])
    columns = {column["name"]: column for column in head["datatype"]}
    assert list(columns) == list(WAREHOUSE_TABLES[0].columns)
    assert columns["vgeo_km_s"] == {
        "name": "vgeo_km_s", "datatype": "float64", "unit": "km/s",
        "description": "geocentric velocity",
    }  # fmt: skip


def test_parquet_files_hold_the_rows_of_the_database(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    for relation in (*WAREHOUSE_TABLES, FLAG_DEFINITIONS):
        there = frame(loaded.settings, f"FROM {relation.name} ORDER BY ALL")
        by_arrow = pl.from_arrow(pq.read_table(parquet(loaded, relation.name)))
        assert isinstance(by_arrow, pl.DataFrame)
        duck = duckdb.sql("FROM by_arrow ORDER BY ALL").pl()
        assert duck.equals(there), relation.name


@pytest.mark.skipif(not OLD_CLIENT.is_dir(), reason="DuckDB 1.1 is not installed beside")
def test_duckdb_1_1_opens_the_snapshot_without_an_extension(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    script = (
        "import duckdb, sys\n"
        "assert duckdb.__version__.startswith('1.1.')\n"
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print(c.execute('SELECT count(*) FROM meteor_summary').fetchone()[0],"
        " c.execute('SELECT count(*) FROM participating_station').fetchone()[0],"
        " c.execute(\"SELECT count(*) FROM trajectories_as_of(DATE '2100-01-01')\")"
        ".fetchone()[0])\n"
        "for name in sys.argv[2].split(','):\n"
        "    c.execute(f'FROM {name} LIMIT 1').fetchall()\n"
        "for call in sys.argv[3].split(';'):\n"
        "    c.execute(f'SELECT {call} FROM trajectories').fetchall()\n"
        "try:\n"
        "    c.execute(\"FROM trajectories WHERE has_flag(quality_flags, 'hyperbolc')\")\n"
        "except duckdb.Error as error:\n"
        "    assert 'unknown quality flag: hyperbolc' in str(error), error\n"
        "else:\n"
        "    raise AssertionError('no error')\n"
    )
    views = ",".join(view.name for view in VIEWS)
    values = {
        "quality_flags": "quality_flags", "flag_name": "'hyperbolic'",
        "flag_names": "['mass_zero']", "family": "'limit'",
        "utc_time": "beginning_utc_time", "angle_deg": "rageo_deg",
    }  # fmt: skip
    calls = ";".join(
        f"{macro.name}({', '.join(values.get(p, 'eccentricity') for p in macro.parameters)})"
        for macro in MACROS
        if not macro.is_table
    )
    done = subprocess.run(
        [sys.executable, "-c", script, database(loaded), views, calls], capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": str(OLD_CLIENT)}, check=False,
    )  # fmt: skip
    links = count(loaded.settings, "trajectory_stations")
    assert done.stdout.split() == ["533", str(links), "533"], done.stderr
