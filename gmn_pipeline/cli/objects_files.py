"""`gmn objects put`, `get`, `sync` and `watch`: files into the lake and out of it.

What belongs here: commands and sentences. What does not: what they do (`flows/object_puts.py`,
`object_gets.py`, `object_sync.py`, `object_watch.py`).
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gmn_pipeline.cli.console import print_some, tell_of_work
from gmn_pipeline.cli.objects_find import means_folder, of_folder, print_done
from gmn_pipeline.cli.objects_progress import Progress, size
from gmn_pipeline.cli.objects_said import (
    Application,
    AsJson,
    At,
    Links,
    Metadata,
    ObservedFrom,
    ObservedUntil,
    Tags,
    as_json,
    by,
    description,
    opened,
    place_of,
)
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.errors import SettingsError, SourceFileMissing
from gmn_pipeline.flows.object_gets import get_objects
from gmn_pipeline.flows.object_puts import Given, PutCounts, put_files
from gmn_pipeline.flows.object_sync import FileFilter
from gmn_pipeline.flows.object_sync import sync as sync_files
from gmn_pipeline.flows.object_watch import Watching, watch_folder
from gmn_pipeline.schemas.objects import Description, ObjectName, StoredObject
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources.files_in_folder import FolderFiles
from gmn_pipeline.sources.files_of import files_of

_MB = 1_000_000

_Place = Annotated[str, typer.Argument(metavar="PROJECT/CONTAINER[/FOLDER]", help="Where they go.")]
_Pattern = Annotated[str, typer.Option(help="Only files whose path is so; * is any text, '/' too.")]


def put(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files and folders.")],
    to: _Place,
    name: Annotated[str | None, typer.Option("--as", help="Name of the one file.")] = None,
    metadata: Metadata = None,
    tag: Tags = None,
    link: Links = None,
    application: Application = None,
    observed_from: ObservedFrom = None,
    observed_until: ObservedUntil = None,
    at: At = None,
    json: AsJson = False,
) -> None:
    """Put files, and folders with all that is in them. What is there already, with the same bytes
    and description, stays as it is; without a description, what was said before stays."""
    project, container, folder = place_of(to)
    said = description(None, metadata, tag, link, application, observed_from, observed_until, at)
    if name is not None and (len(files) > 1 or files[0].is_dir()):
        raise SettingsError("--as names one file.", remedy="Put the others by themselves.")
    lake = opened()
    with Progress("putting") as progress:
        counts = put_files(
            lake, project, container, _given(files, folder, name, said), by(),
            lambda one, _: progress.one(one.file.size_bytes),
        )  # fmt: skip
    _tell(counts, json=json)


def _given(
    files: list[Path], folder: str, name: str | None, said: Description | None
) -> Iterator[Given]:
    for path in files:
        if path.is_dir():
            source = FolderFiles(path)
            within = f"{folder}{path.name}/" if path.name else folder
            for file in source.listed():
                yield Given(source, file, within + file.path, said)
            continue
        if not path.is_file():
            raise SourceFileMissing(f"There is no file {path}.")
        real = path.resolve()  # who names a link means what it leads to
        source = FolderFiles(real.parent)
        found = source.look(real.name)
        if found is not None:
            yield Given(source, found, folder + (name or path.name), said)


def _tell(counts: PutCounts, *, json: bool, **more: int) -> None:
    """Print what was counted; ends with 1 if something failed."""
    if json:
        typer.echo(as_json({**asdict(counts), **more}))
    else:
        said = "".join(f", {name.replace('_', ' ')} {count:,}" for name, count in more.items())
        print_done(
            f"{counts.given:,} files: put {counts.put:,} ({size(counts.put_bytes)}), unchanged "
            f"{counts.unchanged:,}, failed {counts.failed:,}{said}."
        )
        _tell_failures(counts.failures)
    if counts.failed:
        raise typer.Exit(1)


def _tell_failures(failures: Mapping[str, str]) -> None:
    print_some([f"{name}: {why}" for name, why in failures.items()], style="red")


def get(
    what: Annotated[
        str, typer.Argument(metavar="PROJECT/CONTAINER[/NAME]", help="An object, or a folder/.")
    ],
    to: Annotated[
        str | None, typer.Argument(help="File or folder; - is the output. Otherwise: here.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="That one of an object.", min=1)] = None,
    json: AsJson = False,
) -> None:
    """Get an object, or all of a container or folder. Files that are there with the same bytes are
    left; one gets its name when it is whole."""
    lake = opened()
    is_all = means_folder(lake, what)
    if to == "-" and not is_all:
        for piece in lake.landing.read(
            lake.catalogue.object(ObjectName.parse(what), version), by()
        ):
            sys.stdout.buffer.write(piece)
        return
    objects: Iterator[tuple[StoredObject, str]]
    if is_all:
        if version is not None:
            raise SettingsError("A folder has no versions.", remedy="Get one object.")
        target, objects = Path(to or "."), of_folder(lake, what)
    else:
        stored = lake.catalogue.object(ObjectName.parse(what), version)
        target = Path(to or ".")
        own = stored.name.name.split("/")[-1]
        if to is not None and not target.is_dir() and not to.endswith("/"):
            target, own = target.parent, target.name
        objects = iter([(stored, own)])
    with Progress("getting") as progress:
        counts = get_objects(lake, objects, target, by(), progress.piece)
    if json:
        typer.echo(as_json(asdict(counts)))
    else:
        print_done(
            f"{counts.wanted:,} objects: got {counts.got:,} ({size(counts.got_bytes)}), there "
            f"already {counts.there:,}, failed {counts.failed:,}."
        )
        _tell_failures(counts.failures)
    if counts.failed:
        raise typer.Exit(1)


def sync(
    source: Annotated[
        str, typer.Argument(metavar="FOLDER|s3://BUCKET/PREFIX", help="Where they are.")
    ],
    to: _Place,
    pattern: _Pattern = "*",
    largest_mb: Annotated[float | None, typer.Option(help="Only files up to so large.")] = None,
    delete: Annotated[bool, typer.Option(help="Delete objects whose files are gone.")] = False,
    anonymous: Annotated[bool, typer.Option(help="A public bucket, without keys.")] = False,
    endpoint: Annotated[
        str | None, typer.Option(help="Object storage that is not of the settings.")
    ] = None,
    metadata: Metadata = None,
    tag: Tags = None,
    link: Links = None,
    json: AsJson = False,
) -> None:
    """Put what is new or changed in a folder or bucket; each call goes on from what is done."""
    settings = load_settings()
    place = place_of(to)
    files = files_of(source, settings, is_anonymous=anonymous, endpoint_url=endpoint)
    lake = opened()
    largest = None if largest_mb is None else int(largest_mb * _MB)
    deleting_for = timedelta(days=settings.objects_restore_days) if delete else None
    with Progress("taking") as progress:
        counts, deleted = sync_files(
            lake, files, place, by(), wanted=FileFilter(pattern, largest),
            description=description(None, metadata, tag, link, None, None, None, None),
            deleting_for=deleting_for,
            on_file=lambda one, _: progress.one(one.file.size_bytes),
        )  # fmt: skip
    more: dict[str, Any] = {"deleted": deleted} if delete else {}
    if isinstance(files, FolderFiles) and files.passed_over:
        more["links_and_the_like_passed_over"] = files.passed_over
    _tell(counts, json=json, **more)


def watch(
    folder: Annotated[Path, typer.Argument(help="The folder that files are put into.")],
    to: _Place,
    pattern: _Pattern = "*",
    settled: Annotated[
        float, typer.Option(help="Seconds without a change after which one is finished.", min=0.1)
    ] = 2.0,
    done: Annotated[
        Path | None, typer.Option(help="Folder that files are moved to; otherwise they stay.")
    ] = None,
    metadata: Metadata = None,
    tag: Tags = None,
    link: Links = None,
) -> None:
    """Put files as they are finished in a folder, until Ctrl-C or SIGTERM. Hidden files are
    left."""
    lake, place = opened(), place_of(to)
    how = Watching(
        FileFilter(pattern), description(None, metadata, tag, link, None, None, None, None), done
    )
    stopped = threading.Event()
    tell_of_work()
    source = FolderFiles(folder, settled)
    print_done(f"Watching {source.folder}.")
    with on_signals(stopped.set):
        watch_folder(lake, source, place, by(), stopped, how, _tell_put)
    print_done("Stopped.")


def _tell_put(counts: PutCounts) -> None:
    print_done(
        f"Put {counts.put:,} ({size(counts.put_bytes)}), unchanged {counts.unchanged:,}, failed "
        f"{counts.failed:,}."
    )
