"""A small lake for queries, and what it is byte for byte."""

import hashlib
from pathlib import Path

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample

WITHOUT_END = "SELECT range AS n FROM range(1000000000000)"
"""A query that only a limit, or somebody, ends."""


def small_lake(folder: Path) -> Settings:
    """The sample of 534 trajectories, one of them with a former state; 533 in its first state."""
    bench = Bench(folder, run_retries=0)
    bench.put(DAILY, sample())
    load_days([DAY], bench.settings)
    revised = sample().with_fields(0, vgeo_km_s="   38.00000").stamped("2022-03-20 00:00:00")
    bench.put(DAILY, revised)
    load_days([DAY], bench.settings)
    load_showers(WarehouseConnection(bench.settings), iau_showers.bundled())
    return bench.settings


def fingerprints(settings: Settings) -> dict[str, str]:
    """SHA-256 of every file of the data folder.

    But what SQLite's readers make and use: the shared memory, and a log if it is empty; and locks.
    """
    return {
        str(file.relative_to(settings.data_dir)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(settings.data_dir.rglob("*"))
        if file.is_file()
        and file.suffix not in (".sqlite-shm", ".lock")
        and (file.suffix != ".sqlite-wal" or file.stat().st_size)
    }
