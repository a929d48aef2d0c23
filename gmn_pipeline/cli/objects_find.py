"""`gmn objects ls`, `find` and `history`: which objects there are, and what was done to them.

What belongs here: commands and how an answer looks. What does not: searching
(`database/object_search.py`).
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from gmn_pipeline.cli.console import console, errors
from gmn_pipeline.cli.objects_said import (
    TIMES,
    AsJson,
    Links,
    Tags,
    as_json,
    is_folder,
    line,
    link_of,
    numbers,
    opened,
    place_of,
)
from gmn_pipeline.database.object_search import Folder, Interval, Search
from gmn_pipeline.errors import ObjectMissing
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.schemas.object_json import json_of, json_of_operation
from gmn_pipeline.schemas.objects import ObjectName, Operation, StoredObject

_PAGE = 1_000
_CONDITION = re.compile(r"([^<>=]+)(>=|<=|=)(.*)", re.DOTALL)

When = Annotated[datetime | None, typer.Option(formats=TIMES)]


def ls(
    place: Annotated[
        str | None, typer.Argument(metavar="[PROJECT[/CONTAINER[/FOLDER]]]", help="Where.")
    ] = None,
    json: AsJson = False,
) -> None:
    """List projects, the containers of one, or what lies in a container or folder."""
    lake = opened()
    if place is None:
        for project, is_public in lake.catalogue.projects().items():
            said = {"project": project, "is_public": is_public}
            typer.echo(as_json(said) if json else f"{project}{'  (public)' if is_public else ''}")
    elif "/" not in place.rstrip("/"):
        for container, schema in lake.catalogue.containers(place.rstrip("/")).items():
            schema_of = {"container": container, "metadata_schema": schema}
            shown = f"  metadata by {as_json({'schema': schema})}" if schema is not None else ""
            typer.echo(as_json(schema_of) if json else f"{container}{shown}")
    else:
        _print_level(lake, *place_of(place), json=json)


def _print_level(
    lake: OpenedObjects, project: str, container: str, folder: str, *, json: bool
) -> None:
    lake.catalogue.metadata_schema(project, container)  # that there is such a container
    after = ""
    while page := lake.search.level(project, container, folder, _PAGE, after):
        for one in page:
            if isinstance(one, Folder):
                said = {"folder": folder + one.name + "/", "objects": one.objects}
                typer.echo(as_json(said) if json else f"{one.objects:>15,} objects in {one.name}/")
                after = one.name + "/"
            else:
                after = one.name.name[len(folder) :]
                typer.echo(as_json(json_of(one)) if json else line(one, after))


def find(
    place: Annotated[
        str | None, typer.Argument(metavar="[PROJECT[/CONTAINER[/FOLDER]]]", help="Where.")
    ] = None,
    text: Annotated[str, typer.Option(help="What is in the name.")] = "",
    words: Annotated[
        str, typer.Option(help="Words in the text of documents; in quotes, one after the other.")
    ] = "",
    content_type: Annotated[
        str | None, typer.Option("--type", help="Media type, or a family such as image/*.")
    ] = None,
    tag: Tags = None,
    link: Links = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(help="path=value, path>=number or path<=number, as in camera.gain>=4."),
    ] = None,
    observed_from: When = None,
    observed_until: When = None,
    put_since: When = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="W,S,E,N", help="Observed there, in degrees; W > E over 180."),
    ] = None,
    smallest: Annotated[int | None, typer.Option(help="Bytes, at least.")] = None,
    largest: Annotated[int | None, typer.Option(help="Bytes, at most.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Hash of the bytes.")] = None,
    deleted: Annotated[bool, typer.Option(help="Those that can be restored.")] = False,
    count: Annotated[bool, typer.Option(help="Only how many, and their bytes.")] = False,
    most: Annotated[int, typer.Option(help="So many at most.", min=1)] = 1_000,
    json: AsJson = False,
) -> None:
    """Find objects by what they are, are called, and what is said of them: all that is given
    holds."""
    search = Search(
        text=text, words=words, content_type=content_type, tags=frozenset(tag or ()),
        links=frozenset(map(link_of, link or ())), metadata=_conditions(metadata or ()),
        observed_from_utc=observed_from, observed_until_utc=observed_until,
        put_since_utc=put_since, box_deg=_box(box), size_bytes=Interval(smallest, largest),
        sha256=sha256 and sha256.lower(), is_deleted=deleted, **_within(place),
    )  # fmt: skip
    lake = opened()
    if count:
        objects, size_bytes = lake.search.count(search)
        said = {"objects": objects, "size_bytes": size_bytes}
        typer.echo(as_json(said) if json else f"{objects:,} objects, {size_bytes:,} bytes")
        return
    found = lake.found(search)
    for stored in islice(found, most):
        typer.echo(as_json(json_of(stored)) if json else line(stored, str(stored.name)))
    if next(found, None) is not None:
        errors.print(f"There are more than {most:,}: '--most' gives more, '--count' how many.")


def _within(place: str | None) -> dict[str, Any]:
    if place is None:
        return {}
    if "/" not in place.rstrip("/"):
        return {"project": place.rstrip("/")}
    return dict(zip(("project", "container", "folder"), place_of(place), strict=True))


def _conditions(conditions: Sequence[str]) -> dict[str, str | float | Interval]:
    found: dict[str, str | float | Interval] = {}
    for condition in conditions:
        parts = _CONDITION.fullmatch(condition)
        if parts is None:
            raise typer.BadParameter(
                f"{condition!r} is no path=value, path>=number or path<=number."
            )
        path, operator, text = parts.groups()
        number = _number(text)
        if operator == "=":
            is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
            found[path] = text[1:-1] if is_quoted else text if number is None else number
            continue
        before = found.get(path, Interval())
        if number is None or not isinstance(before, Interval):
            raise typer.BadParameter(f"{condition!r} is no limit of an interval of numbers.")
        found[path] = replace(before, **{"low" if operator == ">=" else "high": number})
    return found


def _number(text: str) -> float | None:
    """True and false are 1 and 0, as they are found."""
    if text in ("true", "false"):
        return float(text == "true")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    west, south, east, north = numbers(text, 4, "--box is W,S,E,N")
    return west, south, east, north


def history(
    what: Annotated[str, typer.Argument(metavar="PROJECT[/CONTAINER/NAME]", help="Of what.")],
    most: Annotated[int, typer.Option(help="So many operations at most.", min=1)] = 100,
    json: AsJson = False,
) -> None:
    """Show what was done to an object, with all its versions, or in a project; the newest first.
    An object that was deleted is found by its name, too."""
    lake = opened()
    if is_folder(what):
        done = lake.search.operations(project=what.strip("/").split("/")[0], most=most)
    else:
        stored = any_of_name(lake, ObjectName.parse(what))
        for version in lake.catalogue.versions(stored.object_id):
            typer.echo(as_json(json_of(version)) if json else line(version, version.content.sha256))
        done = lake.search.operations(object_id=stored.object_id, most=most)
    for one in done:
        typer.echo(as_json(json_of_operation(one)) if json else _operation(one))


def _operation(one: Operation) -> str:
    failed = f"  failed: {one.reason}" if one.reason else ""
    version = "" if one.version is None else f" v{one.version}"
    run = f" in run {one.run_id}" if one.run_id else ""
    done = f"{one.kind:<8} {one.name}{version} by {one.by}{run}{failed}"
    return f"{one.at_utc:%Y-%m-%d %H:%M:%S}  {done}"


def any_of_name(lake: OpenedObjects, name: ObjectName) -> StoredObject:
    """The object of that name, or the one that was deleted last. Raises ObjectMissing."""
    found = lake.search.named(name.project, name.container, [name.name])
    if found:
        return found[name.name]
    return deleted_of_name(lake, name)


def deleted_of_name(lake: OpenedObjects, name: ObjectName) -> StoredObject:
    """The object of that name that was deleted last. Raises ObjectMissing."""
    search = Search(project=name.project, container=name.container, text=name.name, is_deleted=True)
    deleted = [one for one in lake.found(search) if one.name == name]
    if not deleted:
        raise ObjectMissing(
            f"There is no object {name}, nor can one be restored.",
            remedy="'gmn objects find --deleted' lists those that can.",
        )
    return max(deleted, key=lambda one: (one.deleted_at_utc, one.object_id))


def of_folder(lake: OpenedObjects, what: str) -> Iterator[tuple[StoredObject, str]]:
    """All objects of PROJECT/CONTAINER[/FOLDER], with their names in it. Raises ObjectMissing if
    there is no such container, or nothing in it."""
    project, container, folder = place_of(what)
    lake.catalogue.metadata_schema(project, container)
    is_empty = True
    for stored in lake.found(Search(project=project, container=container, folder=folder)):
        yield stored, stored.name.name[len(folder) :]
        is_empty = False
    if is_empty:
        raise ObjectMissing(
            f"There is nothing in {what}.",
            remedy=f"'gmn objects ls {project}/{container}' shows what there is.",
        )


def means_folder(lake: OpenedObjects, what: str) -> bool:
    """Whether an argument means a folder: by how it is written, or since there is no object of
    that name and something lies in it."""
    if is_folder(what):
        return True
    name = ObjectName.parse(what)
    if lake.search.named(name.project, name.container, [name.name]):
        return False
    return bool(lake.search.level(name.project, name.container, f"{name.name}/", 1))


def print_done(said: str) -> None:
    """Tell of something done."""
    console.print(said, highlight=False, markup=False, soft_wrap=True)
