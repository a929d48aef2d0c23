"""`gmn settings`: every setting, with its value and what it is for."""

from rich.table import Table

from gmn_pipeline.cli.console import console
from gmn_pipeline.config import Settings, load_settings, variable


def show_settings() -> None:
    """Every setting: its variable, value, default and what it is for."""
    settings = load_settings()
    table = Table(title="Settings", title_justify="left")
    for column in ("variable", "value", "default", "what it is"):
        table.add_column(column, overflow="fold")
    for name, field in Settings.model_fields.items():
        table.add_row(
            variable(name), str(getattr(settings, name)), str(field.default),
            field.description,
        )  # fmt: skip
    console.print(table)
