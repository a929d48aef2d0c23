"""What commands of objects are told of them, and print of them.

What belongs here: options and arguments that several of them share, lines and JSON. What does not:
the commands (`objects.py`, `objects_find.py`, `objects_files.py`).
"""

import getpass
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.flows.objects import OpenedObjects, opened_objects
from gmn_pipeline.schemas.objects import (
    By,
    Description,
    Link,
    ObjectName,
    StoredObject,
    checked_place,
)
from gmn_pipeline.settings import load_settings

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"]

Metadata = Annotated[
    str | None, typer.Option(help="What is said of it: a JSON object, or @FILE with one.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; as often as wanted.")]
Links = Annotated[
    list[str] | None,
    typer.Option("--link", help="station:US0001, night:2022-03-04 or trajectory:..."),
]
Application = Annotated[str | None, typer.Option(help="The program that it is for.")]
ObservedFrom = Annotated[
    datetime | None, typer.Option(formats=TIMES, help="Observed from then on (UTC).")
]
ObservedUntil = Annotated[datetime | None, typer.Option(formats=TIMES, help="... until then.")]
At = Annotated[
    str | None, typer.Option(metavar="LAT,LON", help="Observed there, in degrees (WGS84).")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, an object a line.")]


def opened() -> OpenedObjects:
    """The lake of objects of this environment's settings."""
    return opened_objects(load_settings())


@cache
def by() -> By:
    """Who calls the command; in the log of operations, all that one call does has the same run."""
    run_id = f"command {secrets.token_hex(6)}"
    try:
        return By(getpass.getuser(), run_id)
    except (KeyError, OSError):  # a user without a name, as in containers
        return By(f"user {os.getuid()}", run_id)


def place_of(text: str) -> tuple[str, str, str]:
    """Project, container and folder of PROJECT/CONTAINER[/FOLDER]; the folder ends with `/`, or is
    empty."""
    parts = text.split("/", 2)
    if len(parts) < 2:
        raise ObjectRefused(
            f"{text!r} names no container.", remedy="Give it as PROJECT/CONTAINER[/FOLDER]."
        )
    project, container = checked_place(parts[0], "project"), checked_place(parts[1], "container")
    folder = parts[2].rstrip("/") if len(parts) > 2 else ""
    if folder:
        folder = ObjectName(project, container, folder).name + "/"
    return project, container, folder


def is_folder(text: str) -> bool:
    """Whether an argument means all of a container or of a folder, as against one object."""
    return text.count("/") < 2 or text.endswith("/")


def description(
    before: Description | None,
    metadata: str | None,
    tags: Sequence[str] | None,
    links: Sequence[str] | None,
    application: str | None,
    observed_from: datetime | None,
    observed_until: datetime | None,
    at: str | None,
) -> Description | None:
    """What the options say, on top of what was said before; None if they say nothing."""
    before = before or Description()
    said: dict[str, Any] = {
        "metadata": metadata and _json_object(metadata),
        "tags": before.tags | frozenset(tags) if tags else None,
        "links": before.links | frozenset(map(link_of, links)) if links else None,
        "application": application,
        "observed_from_utc": observed_from,
        "observed_until_utc": observed_until,
    }
    if at:
        said["latitude_deg"], said["longitude_deg"] = numbers(at, 2, "--at is LAT,LON")
    said = {name: value for name, value in said.items() if value is not None}
    return replace(before, **said) if said else None


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text("utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"No JSON can be read from it: {error}.") from error
    if not isinstance(found, dict):
        raise typer.BadParameter("Metadata is a JSON object, such as '{\"gain\": 4}'.")
    return found


def link_of(text: str) -> Link:
    """A link from `kind:key`."""
    try:
        return Link.parse(text)
    except ObjectRefused as error:
        raise typer.BadParameter(str(error)) from error


def numbers(text: str, how_many: int, said: str) -> tuple[float, ...]:
    """So many numbers between commas."""
    try:
        found = tuple(map(float, text.split(",")))
    except ValueError:
        found = ()
    if len(found) != how_many:
        raise typer.BadParameter(f"{said}, in degrees; not {text!r}.")
    return found


def as_json(told: Mapping[str, Any]) -> str:
    """One line."""
    return json.dumps(told, ensure_ascii=False)


def line(stored: StoredObject, name: str) -> str:
    """A version of an object, for people."""
    size = f"{stored.content.size_bytes:,}"
    return (
        f"{size:>15}  {stored.put_at_utc:%Y-%m-%d %H:%M}  v{stored.version:<3} "
        f"{stored.description.content_type:<28} {name}"
    )
