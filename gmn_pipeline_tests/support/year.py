"""A year of made-up trajectories in a warehouse with a snapshot: what studies are made of.

What belongs here: loading it. Radiants, drifts and days of its showers are those that the archive
was made with (`support/archive`).
"""

from datetime import date, timedelta
from pathlib import Path

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline_tests.support.archive import generate

FROM, TO = date(2022, 1, 1), date(2022, 12, 31)
DAYS = [FROM + timedelta(days) for days in range(-2, 367)]


def load_year(folder: Path, rows: int) -> Settings:
    """Loaded from one all-file, which takes seconds where daily files take minutes."""
    generate(folder / "site", rows, seed=7, from_date=FROM, to_date=TO, kinds=("daily", "all"))
    settings = load_settings(
        data_dir=folder / "data", source_url=str(folder / "site"), own_kafka=False, history="all"
    )
    assert not load_days(DAYS, settings).failed
    load_showers(WarehouseConnection(settings), iau_showers.bundled())
    make_snapshot(settings)
    return settings
