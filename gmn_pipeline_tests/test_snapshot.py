"""The analysts' copy: whole, verified, swapped in at once, and readable by old clients."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.layout import VIEWS
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline.warehouse.snapshot import Manifest, make_snapshot, read_manifest
from gmn_pipeline_tests.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.warehouse import count, frame

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
        for name in [t.name for t in WAREHOUSE_TABLES] + list(VIEWS):
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

    monkeypatch.setattr("gmn_pipeline.warehouse.snapshot._checksums", no_space)
    with pytest.raises(OSError, match="No space"):
        make_snapshot(loaded.settings)
    assert read_manifest(loaded.settings) == first
    assert isinstance(first, Manifest)


@pytest.mark.skipif(not OLD_CLIENT.is_dir(), reason="DuckDB 1.1 is not installed beside")
def test_duckdb_1_1_opens_the_snapshot_without_an_extension(loaded: Bench) -> None:
    make_snapshot(loaded.settings)
    script = (
        "import duckdb, sys\n"
        "assert duckdb.__version__.startswith('1.1.')\n"
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print(c.execute('SELECT count(*) FROM meteor_summary').fetchone()[0],"
        " c.execute('SELECT count(*) FROM participating_station').fetchone()[0],"
        " c.execute(\"SELECT count(*) FROM trajectories_as_of(DATE '2100-01-01')\").fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, database(loaded)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(OLD_CLIENT)}, check=False,
    )  # fmt: skip
    links = count(loaded.settings, "trajectory_stations")
    assert done.stdout.split() == ["533", str(links), "533"], done.stderr
