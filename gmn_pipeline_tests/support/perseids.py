"""The Perseids of a year in a warehouse with a snapshot: what is asked has known answers.

What belongs here: loading them, and what is known of them. Radiants, drifts and days of the showers
are those that the archive was made with (`support/archive`).
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline_tests.support.archive import Shares, Truth, generate, next_generation

KAPPA_CYGNIDS = 12
FROM, TO = date(2022, 8, 1), date(2022, 8, 25)
DAYS = [FROM + timedelta(days) for days in range(-2, 27)]


@dataclass
class Loaded:
    """A data folder with a snapshot, and what is known of it."""

    folder: Path
    shower: str
    truth: Truth | None = None
    twins: tuple[str, str] = ("", "")

    @property
    def database(self) -> str:
        return str(self.folder / "snapshot" / "gmn.duckdb")

    def value(self, sql: str) -> float:
        with duckdb.connect(self.database, read_only=True) as connection:
            row = connection.execute(sql).fetchone()
        assert row is not None
        return float(row[0])


def with_showers_but(number: int, warehouse: WarehouseConnection) -> None:
    """The IAU list, in which one shower is missing."""
    bundled = iau_showers.bundled()
    others = bundled.showers.filter(pl.col("iau_shower_number") != number)
    load_showers(warehouse, replace(bundled, showers=others))


def load_perseids(folder: Path) -> Loaded:
    """Two generations of the archive, with one event under two identifiers."""
    generate(folder / "0", 4_000, seed=7, from_date=FROM, to_date=TO, kinds=("daily",))
    shares = Shares(resolved=0.05, withdrawn=0.01, reidentified=0, duplicated=0, added=0.03,
                    corrupted=0)  # fmt: skip
    truth = next_generation(folder / "0", folder / "1", seed=8, shares=shares)
    file = sorted((folder / "1" / "daily").glob("*_solrange_*"))[5]
    lines = file.read_bytes().rstrip(b"\r\n").split(b"\n\r")
    identifier = lines[-1].split(b";")[0].strip()
    twin = identifier[:15] + b"Twin1"
    file.write_bytes(b"\n\r".join([*lines, lines[-1].replace(identifier, twin), b""]))
    for generation in "01":
        settings = load_settings(
            data_dir=folder / "data", source_url=str(folder / generation), own_kafka=False
        )
        assert not load_days(DAYS, settings).failed
    with_showers_but(KAPPA_CYGNIDS, WarehouseConnection(settings))
    make_snapshot(settings)
    return Loaded(folder / "data", "PER", truth, (identifier.decode(), twin.decode()))
