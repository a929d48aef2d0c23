"""`gmn verify`: ask the whole warehouse whether it is sound."""

import typer

from gmn_pipeline.cli.console import console, errors
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.verify import verify


def verify_warehouse() -> None:
    """Whether the warehouse is sound: what must hold of all its tables. Changes nothing."""
    warehouse = WarehouseConnection(load_settings())
    if not warehouse.exists:
        raise SettingsError(
            "There is no warehouse yet.", remedy="'make run' (or 'gmn run') makes one."
        )
    problems = verify(warehouse)
    for problem in problems:
        errors.print(problem, style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print("The warehouse is sound.")
