"""`gmn objects make, cp, mv, rm, ...`: single objects, and the lake as a whole.

What belongs here: commands that change single objects and look after the lake. What does not:
files into and out of it (`objects_files.py`), finding (`objects_find.py`), and the work
(`flows/object*.py`, `landing/objects.py`).
"""

import json as json_module
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_pipeline.cli.console import errors, print_some
from gmn_pipeline.cli.objects_find import (
    deleted_of_name,
    means_folder,
    of_folder,
    print_done,
)
from gmn_pipeline.cli.objects_progress import Progress
from gmn_pipeline.cli.objects_said import (
    TIMES,
    Application,
    At,
    Links,
    Metadata,
    ObservedFrom,
    ObservedUntil,
    Tags,
    as_json,
    by,
    description,
    is_folder,
    link_of,
    opened,
    place_of,
)
from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.flows.objects import OpenedObjects
from gmn_pipeline.schemas.object_json import json_of
from gmn_pipeline.schemas.objects import Json, ObjectName, StoredObject
from gmn_pipeline.settings import load_settings

_From = Annotated[
    str, typer.Argument(metavar="PROJECT/CONTAINER/NAME", help="An object, or a folder/.")
]
_To = Annotated[
    str, typer.Argument(metavar="PROJECT/CONTAINER/NAME", help="Its new name, or a folder/.")
]
_Version = Annotated[int | None, typer.Option(help="That one, instead of the newest.", min=1)]


def make(
    place: Annotated[str, typer.Argument(metavar="PROJECT[/CONTAINER]", help="What to make.")],
    schema: Annotated[
        Path | None, typer.Option(help="File with a JSON schema of the container's metadata.")
    ] = None,
    public: Annotated[bool, typer.Option(help="Everybody may read the project.")] = False,
) -> None:
    """Make a project, or a container in one; a container's project is made along with it."""
    lake = opened()
    project, _, container = place.strip("/").partition("/")
    is_new = project not in lake.catalogue.projects()
    if (schema is not None and not container) or (public and container and not is_new):
        raise ObjectRefused(
            "A schema is a container's, and a project is public from its making on.",
            remedy="gmn objects make PROJECT --public; gmn objects make PROJECT/CONTAINER "
            "--schema FILE.",
        )
    found = None if schema is None else _schema(schema)
    if is_new or not container:
        lake.catalogue.make_project(project, by(), is_public=public)
    if container:
        lake.landing.make_container(project, container, by(), metadata_schema=found)
    print_done(f"Made {place.strip('/')}.")


def _schema(path: Path) -> Json:
    try:
        found: Json = json_module.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ObjectRefused(f"No JSON schema can be read from {path}: {error}.") from error
    return found


def cp(what: _From, to: _To, version: _Version = None) -> None:
    """Copy an object, or a folder of them, with all that is said of it; its bytes stay where they
    are."""
    lake = opened()
    pairs = list(_pairs(lake, what, to, version))
    for stored, name in pairs:
        lake.landing.copy(stored, name, by())
    print_done(f"Copied {len(pairs):,} objects.")


def mv(what: _From, to: _To) -> None:
    """Give an object, or a folder of them, another name; versions and history come along."""
    lake = opened()
    pairs = list(_pairs(lake, what, to))
    for stored, name in pairs:
        lake.catalogue.move(stored, name, by())
    print_done(f"Moved {len(pairs):,} objects.")


def _pairs(
    lake: OpenedObjects, what: str, to: str, version: int | None = None
) -> Iterator[tuple[StoredObject, ObjectName]]:
    """Objects, and the names that they are to have."""
    if means_folder(lake, what):
        project, container, folder = place_of(to)
        for stored, rest in list(of_folder(lake, what)):
            yield stored, ObjectName(project, container, folder + rest)
        return
    stored = lake.catalogue.object(ObjectName.parse(what), version)
    if is_folder(to):
        project, container, folder = place_of(to)
        yield stored, ObjectName(project, container, folder + stored.name.name.split("/")[-1])
    else:
        yield stored, ObjectName.parse(to)


def rm(
    what: Annotated[list[str], typer.Argument(metavar="PROJECT/CONTAINER/NAME...", help="What.")],
    recursive: Annotated[bool, typer.Option("-r", help="Folders, with all in them.")] = False,
) -> None:
    """Delete objects; they can be restored for a while."""
    lake, settings = opened(), load_settings()
    stored: list[StoredObject] = []
    for one in what:
        if not means_folder(lake, one):
            stored.append(lake.catalogue.object(ObjectName.parse(one)))
        elif recursive:
            stored += [found for found, _ in of_folder(lake, one)]
        else:
            raise ObjectRefused(f"{one} is a folder.", remedy="'gmn objects rm -r' deletes it.")
    for one_of_them in stored:
        lake.catalogue.delete(one_of_them, by(), timedelta(days=settings.objects_restore_days))
    print_done(
        f"Deleted {len(stored):,} objects; 'gmn objects restore' brings one back, for "
        f"{settings.objects_restore_days:g} days."
    )


def restore(
    what: Annotated[str, typer.Argument(metavar="PROJECT/CONTAINER/NAME", help="What.")],
) -> None:
    """Bring back the object of that name that was deleted last."""
    lake = opened()
    stored = lake.catalogue.restore(deleted_of_name(lake, ObjectName.parse(what)).object_id, by())
    print_done(f"Restored {stored.name}, version {stored.version}.")


class _Sayable(StrEnum):
    """What can be taken back as a whole."""

    METADATA = "metadata"
    TIME = "time"
    PLACE = "place"
    APPLICATION = "application"


_NOTHING: dict[_Sayable, dict[str, Any]] = {
    _Sayable.METADATA: {"metadata": {}},
    _Sayable.TIME: {"observed_from_utc": None, "observed_until_utc": None},
    _Sayable.PLACE: {"latitude_deg": None, "longitude_deg": None},
    _Sayable.APPLICATION: {"application": ""},
}


def describe(
    what: Annotated[str, typer.Argument(metavar="PROJECT/CONTAINER/NAME", help="What.")],
    metadata: Metadata = None,
    tag: Tags = None,
    link: Links = None,
    application: Application = None,
    observed_from: ObservedFrom = None,
    observed_until: ObservedUntil = None,
    at: At = None,
    untag: Annotated[list[str] | None, typer.Option(help="A tag that it has no more.")] = None,
    unlink: Annotated[list[str] | None, typer.Option(help="A link that it has no more.")] = None,
    forget: Annotated[
        list[_Sayable] | None, typer.Option(help="What is no more said of it: as often as wanted.")
    ] = None,
    version: _Version = None,
) -> None:
    """Show all that is said of an object, or say more: tags and links are added, all else is
    instead of what it was."""
    lake = opened()
    stored = lake.catalogue.object(ObjectName.parse(what), version)
    now = stored.description
    before = replace(
        now, tags=now.tags - set(untag or ()), links=now.links - set(map(link_of, unlink or ())),
    )  # fmt: skip
    for one in forget or ():
        before = replace(before, **_NOTHING[one])
    said = description(before, metadata, tag, link, application, observed_from, observed_until, at)
    if said or before != now:
        stored = lake.landing.describe(stored, said or before, by())
    typer.echo(as_json(json_of(stored)))


def verify(
    since: Annotated[
        datetime | None,
        typer.Option(formats=TIMES, help="What was not checked since then (UTC); all otherwise."),
    ] = None,
) -> None:
    """Read all bytes and compare them with their hashes; says which objects are damaged."""
    lake = opened()
    since = since or utc_now()
    errors.print(
        f"If it is stopped, 'gmn objects verify --since {since.isoformat()}' goes on.",
        highlight=False,
    )
    with Progress("checking") as progress:
        done = lake.landing.verify(since, progress.one)
    damaged = lake.catalogue.damaged()
    print_done(f"Checked {done.checked:,} contents, {done.size_bytes:,} bytes.")
    print_some(
        [f"{stored.name}, version {stored.version}: {fault}" for stored, fault in damaged],
        style="red",
    )
    if damaged:
        errors.print("Put the same files again, or restore the store from a copy.", style="red")
        raise typer.Exit(1)


def sweep() -> None:
    """Forget what can be restored no more, and remove bytes that nothing names."""
    lake, settings = opened(), load_settings()
    removed = lake.landing.sweep(timedelta(hours=settings.objects_claim_hours))
    print_done(f"Removed {removed:,} contents that nothing names.")
