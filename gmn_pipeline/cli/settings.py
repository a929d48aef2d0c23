"""`gmn settings`: every setting, with its value and what it is for, readable in 80 columns."""

import re
import textwrap
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.text import Text

from gmn_pipeline.cli.console import console
from gmn_pipeline.settings import GROUPS, load_settings, variable

_INDENT = " " * 6
_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")


def show_settings() -> None:
    """Every setting: its variable, value, default and what it is for."""
    settings = load_settings()
    console.print("Set them in the environment. What is set is marked by [bold]*[/bold].")
    for group in GROUPS:
        console.print(f"\n[bold]{group.heading()}[/bold]")
        for name, field in group.own_fields().items():
            _show(variable(name), getattr(settings, name), field)


def _show(name: str, value: object, field: FieldInfo) -> None:
    is_default = value == _as_loaded(field.default)
    head = f"{' ' if is_default else '*'} {name} ="
    shown = _shown(value)
    # A long value has a line of its own, where it is not cut in two if it need not be.
    between = " " if len(f"{head} {shown}") <= console.width else f"\n{_INDENT}"
    console.print(Text(head, "cyan").append(f"{between}{shown}", "default"), overflow="fold")
    about = field.description or ""
    if not is_default:
        about += f" Default: {_shown(field.default)}"
    for line in textwrap.wrap(about, console.width - len(_INDENT), break_on_hyphens=False):
        console.print(Text(f"{_INDENT}{line}", "dim"))


def _as_loaded(default: object) -> object:
    """Folders are made absolute when settings are loaded."""
    return default.expanduser().resolve() if isinstance(default, Path) else default


def _shown(value: object) -> str:
    """A value without what is secret in it."""
    if value is None:
        return "(not set)"
    if isinstance(value, SecretStr):
        return "(hidden)"
    return _PASSWORD_IN_ADDRESS.sub("(hidden)@", str(value))
