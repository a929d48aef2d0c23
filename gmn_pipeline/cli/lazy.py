"""Groups of commands whose modules are imported when they are called.

What belongs here: that. What does not: which commands there are (`main.py`, `stations.py`,
`objects.py`).
"""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """Imports the module of the command that is called, and no other: Dagster alone takes as long
    to import as a query takes to answer."""

    modules: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Command -> (module of `cli`, function, or what has its own commands)."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library calls it so
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in self.modules:
            return None
        module, function = self.modules[cmd_name]
        found = importlib.import_module(f"gmn_pipeline.cli.{module}")
        if isinstance(getattr(found, function), typer.Typer):
            group = typer.main.get_command(getattr(found, function))
            group.name = cmd_name
            return group
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        context = getattr(found, "CONTEXT", None)  # what the command says of its arguments
        command.command(cmd_name, context_settings=context)(getattr(found, function))
        return typer.main.get_command(command)


def group(modules: Mapping[str, tuple[str, str]], meaning: str) -> typer.Typer:
    """Commands under one of `gmn`'s."""
    of_these = type("Commands", (Commands,), {"modules": modules})
    app = typer.Typer(
        cls=of_these, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    app.callback(help=meaning)(lambda: None)
    return app
