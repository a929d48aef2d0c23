"""`gmn maintain`: keep the warehouse quick and small."""

from collections.abc import Mapping
from dataclasses import asdict

from rich.table import Table

from gmn_pipeline.cli.console import console
from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.flows.maintenance import maintain, maintain_objects
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.upkeep import keep_in_order


def maintain_warehouse() -> None:
    """Put small files together and remove what nothing needs. No query fails."""
    settings = load_settings()
    _print("Maintenance", asdict(maintain(settings, open_ledger(settings))))
    readings = keep_in_order(WarehouseConnection(settings, READINGS), settings)
    if readings:
        _print("Readings of stations", readings)
    objects = maintain_objects(settings)
    if objects:
        _print("Tables of objects", asdict(objects))


def _print(title: str, done: Mapping[str, int]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(justify="right")
    for name, value in done.items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    console.print(table)
