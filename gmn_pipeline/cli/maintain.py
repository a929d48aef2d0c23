"""`gmn maintain`: keep the warehouse quick and small."""

from dataclasses import asdict

from rich.table import Table

from gmn_pipeline.cli.console import console
from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.flows.maintenance import maintain
from gmn_pipeline.settings import load_settings


def maintain_warehouse() -> None:
    """Put small files together and remove what nothing needs. No query fails."""
    settings = load_settings()
    table = Table(title="Maintenance", show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(justify="right")
    for name, value in asdict(maintain(settings, open_ledger(settings))).items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    console.print(table)
