"""Tables for other databases: what Iceberg's readers find is what the lakes have."""

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from gmn_pipeline.errors import ServiceRunning
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.iceberg import Exported, export
from gmn_pipeline.storage.files import exclusive
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS
from gmn_pipeline_tests.support.readings import ReadingsLake, night
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import frame

_ODD = r"""
SELECT 200::UTINYINT AS small, 18446744073709551615::UBIGINT AS large, 1.5::DECIMAL(9, 2) AS exact,
       TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS fine, INTERVAL 1 DAY AS span,
       {'a': [1, NULL]} AS nested, ['x', NULL] AS texts, '\xC3\xBC'::BLOB AS bytes, NULL AS nothing,
       TIME '01:02:03' AS clock, uuid() AS id, DATE '2026-01-01' AS day, 'b''c' AS "a ""b"
"""


def exported(bench: Bench, folder: Path) -> dict[str, Exported]:
    return {one.name: one for one in export(bench.settings, folder)}


def catalog(folder: Path) -> SqlCatalog:
    return SqlCatalog("gmn", uri=f"sqlite:///{folder}/catalog.sqlite", warehouse=f"file://{folder}")


def rows(folder: Path, name: str) -> pl.DataFrame:
    found = pl.from_arrow(catalog(folder).load_table(name).scan().to_arrow())
    assert isinstance(found, pl.DataFrame)
    return found


def is_as_in_the_lake(bench: Bench, folder: Path) -> bool:
    here = frame(bench.settings, "FROM trajectories ORDER BY ALL")
    found = rows(folder, "warehouse.trajectories").select(here.columns)
    return found.sort("trajectory_identifier").equals(here.sort("trajectory_identifier"))


def odd_table(bench: Bench, *statements: str) -> None:
    with WarehouseConnection(bench.settings, OBJECTS).writing() as connection:
        for statement in statements:
            connection.execute(statement)


def test_every_table_of_every_lake_is_there_and_follows_it(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "out ü"
    bench.put(DAILY, sample())
    load_days([DAY], bench.settings)
    ReadingsLake(bench.settings).take_in(night(20))
    first = exported(bench, folder)
    assert (first["warehouse.trajectories"].rows, first["readings.station_readings"].rows) == (
        534, 20,
    )  # fmt: skip
    assert "readings.readings_to_roll_up" not in first  # the pipeline's own
    assert is_as_in_the_lake(bench, folder)
    table = catalog(folder).load_table("warehouse.trajectories")
    assert "[deg]" in str(table.schema().find_field("begin_latitude_deg").doc)
    assert not any(one.is_new for one in exported(bench, folder).values())

    bench.put(DAILY, sample().first(300))
    load_days([DAY], bench.settings)
    again = exported(bench, folder)
    assert again["warehouse.trajectories"] == Exported("warehouse.trajectories", 300, is_new=True)
    assert not again["readings.station_readings"].is_new
    assert is_as_in_the_lake(bench, folder)
    table = table.refresh()
    before = table.scan(snapshot_id=table.snapshots()[0].snapshot_id).to_arrow()
    assert before.num_rows == 534  # who reads it goes on
    bench.put(DAILY, sample())
    load_days([DAY], bench.settings)
    exported(bench, folder)
    assert len(list((folder / "warehouse" / "trajectories" / "data").iterdir())) == 2
    assert len(table.refresh().snapshots()) == 2


def test_types_that_iceberg_has_not_become_others_and_columns_come_and_change(
    bench: Bench, tmp_path: Path
) -> None:
    odd_table(bench, f"CREATE TABLE odd AS {_ODD}")
    exported(bench, tmp_path / "out")
    ((_, found),) = zip([0], rows(tmp_path / "out", "objects.odd").rows(named=True), strict=True)
    told: dict[str, Any] = dict(found)
    assert len(told.pop("id")) == 36
    assert str(told.pop("fine")) == "2026-01-01 00:00:00.123456"
    others = ("small", "large", "exact", "span", "nested", "texts")
    assert {name: told[name] for name in others} == {
        "small": 200, "large": Decimal(18446744073709551615), "exact": Decimal("1.50"),
        "span": "1 day", "nested": '{"a":[1,null]}', "texts": ["x", None],
    }  # fmt: skip
    assert (told["nothing"], told["bytes"], told['a "b']) == (None, "ü".encode(), "b'c")

    odd_table(
        bench, "ALTER TABLE odd ADD COLUMN more VARCHAR", "INSERT INTO odd (more) VALUES ('m')"
    )
    assert exported(bench, tmp_path / "out")["objects.odd"].rows == 2
    assert len(catalog(tmp_path / "out").load_table("objects.odd").snapshots()) == 2
    odd_table(bench, "DROP TABLE odd", "CREATE TABLE odd AS SELECT 'text' AS small")
    assert exported(bench, tmp_path / "out")["objects.odd"].rows == 1
    assert rows(tmp_path / "out", "objects.odd").rows() == [("text",)]
    odd_table(bench, "DELETE FROM odd")
    assert exported(bench, tmp_path / "out")["objects.odd"].rows == 0
    odd_table(bench, "DROP TABLE odd")
    assert "objects.odd" not in exported(bench, tmp_path / "out")
    assert not catalog(tmp_path / "out").table_exists("objects.odd")
    assert not (tmp_path / "out" / "objects" / "odd").exists()


DIE = """
import os, signal, sys
from pathlib import Path
from gmn_pipeline.releases import iceberg
from gmn_pipeline.settings import load_settings
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
setattr(iceberg._TableOf, sys.argv[3], die)
list(iceberg.export(load_settings(data_dir=Path(sys.argv[1])), Path(sys.argv[2])))
"""


@pytest.mark.parametrize("step", ["_exchange", "_remove_old"])
def test_a_killed_export_leaves_the_state_before_or_after(
    bench: Bench, tmp_path: Path, step: str
) -> None:
    folder = tmp_path / "out"
    bench.put(DAILY, sample().first(30))
    load_days([DAY], bench.settings)
    exported(bench, folder)
    bench.put(DAILY, sample().first(20))
    load_days([DAY], bench.settings)
    killed = subprocess.run(
        [sys.executable, "-c", DIE, str(bench.settings.data_dir), str(folder), step], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert rows(folder, "warehouse.trajectories").height == 30  # others come before it
    exported(bench, folder)
    assert is_as_in_the_lake(bench, folder)
    for table in (folder / "warehouse").iterdir():
        assert len(list((table / "data").iterdir())) <= 2


def test_one_exports_at_a_time(bench: Bench, tmp_path: Path) -> None:
    with exclusive(tmp_path / "out" / ".lock"), pytest.raises(ServiceRunning):
        exported(bench, tmp_path / "out")
