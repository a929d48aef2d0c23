"""Dagster's resources: what an operation or a sensor is handed to work with.

What belongs here: how settings, and the parts that are opened by them, reach the work. What
does not: the settings (`settings/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_duckdb import DuckDBResource

from gmn_pipeline.database.ledger import Ledger, open_ledger
from gmn_pipeline.flows.progress import ProgressListener
from gmn_pipeline.releases.snapshot import DATABASE_NAME
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection


@dataclass(frozen=True)
class Pipeline:
    """The resource `pipeline`: settings, read when a run needs them, and who is told how it
    goes."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    listener: ProgressListener | None = None

    def analysts_database(self) -> DuckDBResource:
        """The snapshot `gmn.duckdb`, opened as an analyst opens it: to read."""
        return DuckDBResource(
            database=str(self.settings().snapshot_dir / "current" / DATABASE_NAME),
            connection_config={"access_mode": "READ_ONLY"},
        )

    def settings(self) -> Settings:
        """From the environment (`GMN_...`), with the overrides on top."""
        return load_settings(**self.overrides)

    def warehouse(self) -> WarehouseConnection:
        """The warehouse of these settings."""
        return WarehouseConnection(self.settings())

    def ledger(self) -> Ledger:
        """The ledger in the operational database of these settings."""
        return open_ledger(self.settings())
