"""Rows to write in formats; one lake and one server for all tests that change neither."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa
import pytest

from gmn_pipeline.schemas.trajectory_tables import VALIDATED_TRAJECTORIES
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline_tests.support.lake import small_lake
from gmn_pipeline_tests.support.readings import ReadingsLake, night, reading
from gmn_pipeline_tests.support.sample import DAILY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving

PAGE_ROWS = 100
Asking: TypeAlias = Callable[[str], list[Any]]


@pytest.fixture(scope="session")
def sample_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A data folder with the sample landed and validated."""
    bench = Bench(tmp_path_factory.mktemp("formats"))
    bench.put(DAILY, sample())
    return bench


@pytest.fixture(scope="session")
def sample_rows(sample_bench: Bench) -> pa.Table:
    """The 534 trajectories of the sample, with what validation adds."""
    rows = sample_bench.validate().accepted.sort("line_number")
    assert rows.columns == list(VALIDATED_TRAJECTORIES.columns)
    table = rows.to_arrow()
    # As DuckDB hands them out.
    return table.cast(
        pa.schema([
            f.with_type(pa.list_(pa.string())) if pa.types.is_nested(f.type)
            else f.with_type(pa.string()) if pa.types.is_large_string(f.type)
            or f.type == pa.string_view() else f
            for f in table.schema
        ])
    )  # fmt: skip


@pytest.fixture(scope="session")
def null_rows(sample_rows: pa.Table) -> pa.Table:
    """Three rows in which everything is null."""
    return pa.table(
        [pa.nulls(3, column.type) for column in sample_rows.schema], schema=sample_rows.schema
    )


READINGS = [
    # One sensor tells two things at one instant, and another something that no column is for.
    reading(station_code="HR0000", temperature_deg_c=-1.0),
    reading(
        station_code="buoy-1", sensor_id="a/b", latitude_deg=None, longitude_deg=None,
        temperature_deg_c=None, water_temperature_deg_c=14.5,
        other_quantities='{"salinity_psu": 35.1, "note": "calm"}',
    ),
    *night(200, stations=4),
]  # fmt: skip
ROLLED_UP = 150
"""So many are in the rollups; the others came after."""


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = small_lake(tmp_path_factory.mktemp("lake"))
    readings = ReadingsLake(settings)
    readings.take_in(READINGS[:ROLLED_UP])
    roll_up(readings.warehouse)
    readings.take_in(READINGS[ROLLED_UP:])
    return settings


@pytest.fixture(scope="session")
def server(lake: Settings) -> Iterator[Server]:
    with serving(lake, serve_page_rows=PAGE_ROWS, serve_sql_queries=3) as running:
        # It writes this beside the lake, in which tests look for what queries may have written.
        running.wait_for((lake.data_dir / "served" / "by_key.sqlite").exists)
        yield running


@pytest.fixture(scope="module")
def ours(lake: Settings) -> Iterator[Asking]:
    """Rows of a query: opening the warehouse for each of so many would take longer than all."""
    with WarehouseConnection(lake).open(read_only=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()
