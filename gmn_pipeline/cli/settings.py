"""`gmn settings`: every setting, with its value and what it is for, readable in 80 columns."""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.text import Text

from gmn_pipeline.cli.console import console
from gmn_pipeline.config import Settings, load_settings, variable

# Heading -> how the names of its settings begin. What begins otherwise comes last.
_GROUPS = {
    "Data": ("data", "database", "source", "history", "iau", "user", "http"),
    "Runs and sensors": ("run", "refresh", "chunk", "sensor"),
    "Warehouse": ("warehouse", "s3", "snapshot"),
    "Kafka": ("own", "kafka", "schema", "publish", "stream"),
}
_REST = "Other"
_INDENT = " " * 6
_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")


def show_settings() -> None:
    """Every setting: its variable, value, default and what it is for."""
    settings = load_settings()
    fields = Settings.model_fields
    console.print("Set them in the environment. What is set is marked by [bold]*[/bold].")
    for heading, names in _grouped(fields):
        console.print(f"\n[bold]{heading}[/bold]")
        for name in names:
            _show(variable(name), getattr(settings, name), fields[name])


def _grouped(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {heading: [] for heading in (*_GROUPS, _REST)}
    for name in names:
        first = name.split("_")[0]
        groups[next((h for h, begins in _GROUPS.items() if first in begins), _REST)].append(name)
    return [(heading, members) for heading, members in groups.items() if members]


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
