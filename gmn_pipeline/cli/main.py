"""The command `gmn` itself: which commands there are, and what a person sees of an error."""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from gmn_pipeline.cli.console import errors
from gmn_pipeline.errors import GmnError

_COMMANDS = {
    "run": ("run", "run"),
    "sql": ("sql", "sql"),
    "status": ("status", "status"),
    "stream": ("stream", "stream"),
    "maintain": ("maintain", "maintain_warehouse"),
    "verify": ("verify", "verify_warehouse"),
    "settings": ("settings", "show_settings"),
    "sample": ("sample", "sample"),
    "dev": ("dev", "dev"),
}
"""Command -> (module here, function)."""


class _Commands(TyperGroup):
    """Imports the module of the command that is called, and no other: Dagster alone takes as
    long to import as a query takes to answer."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library calls it so
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, function = _COMMANDS[cmd_name]
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command.command(cmd_name)(
            getattr(importlib.import_module(f"gmn_pipeline.cli.{module}"), function)
        )
        return typer.main.get_command(command)


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _gmn() -> None:
    """The data platform of the Global Meteor Network."""


def main() -> None:
    """Entry point: an error made on purpose is one red line, not a traceback."""
    try:
        app()
    except GmnError as error:
        errors.print(str(error), style="red", markup=False)
        raise SystemExit(1) from error
