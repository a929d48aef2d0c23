"""`gmn objects publish`, `take-in` and `refused`: files by the topic of objects.

What belongs here: commands and sentences. What does not: what they do (`publications/objects.py`,
`streams/object_arrivals.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from gmn_pipeline.cli.console import print_some
from gmn_pipeline.cli.objects_find import print_done
from gmn_pipeline.cli.objects_said import (
    Application,
    At,
    Links,
    Metadata,
    ObservedFrom,
    ObservedUntil,
    Tags,
    description,
    place_of,
)
from gmn_pipeline.errors import SourceFileMissing
from gmn_pipeline.schemas.objects import Description, ObjectName
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources.files_in_folder import FolderFiles


def publish(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files, folders, or addresses (https://, s3://)."),
    ],
    to: Annotated[
        str, typer.Argument(metavar="PROJECT/CONTAINER[/FOLDER]", help="Where they are to go.")
    ],
    by_address: Annotated[
        bool, typer.Option(help="Send where files lie, for who has them under the same path.")
    ] = False,
    metadata: Metadata = None,
    tag: Tags = None,
    link: Links = None,
    application: Application = None,
    observed_from: ObservedFrom = None,
    observed_until: ObservedUntil = None,
    at: At = None,
) -> None:
    """Send files to the topic of objects, from which 'gmn objects take-in' puts them: where the
    lake itself is not to be reached. What is sent twice makes no second version."""
    from gmn_pipeline.publications.objects import ToSend
    from gmn_pipeline.publications.objects import publish as publish_files

    project, container, folder = place_of(to)
    said = description(None, metadata, tag, link, application, observed_from, observed_until, at)

    def given() -> Iterator[ToSend]:
        for path, address, name in _named(files, by_address=by_address):
            yield ToSend(
                ObjectName(project, container, folder + name), said or Description(), path, address
            )

    counts = publish_files(load_settings(), given())
    print_done(f"{counts.given:,} files: sent {counts.sent:,}, failed {len(counts.failures):,}.")
    print_some([f"{name}: {why}" for name, why in counts.failures.items()], style="red")
    if counts.failures:
        raise typer.Exit(1)


def _named(files: list[str], *, by_address: bool) -> Iterator[tuple[Path | None, str | None, str]]:
    """Path, address and name of each."""
    for file in files:
        if "://" in file:
            yield None, file, unquote(urlsplit(file).path).rstrip("/").rpartition("/")[2]
            continue
        path = Path(file)
        if path.is_dir():
            within = FolderFiles(path).listed()
            found = [(path / one.path, f"{path.name}/{one.path}") for one in within]
        elif path.is_file():
            found = [(path, path.name)]
        else:
            raise SourceFileMissing(f"There is no file {path}.")
        for one, name in found:
            if by_address:
                yield None, one.resolve().as_uri(), name
            else:
                yield one, None, name


def take_in(
    once: Annotated[bool, typer.Option("--once", help="End at the end of the topic.")] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Read all that the topic has once more.")
    ] = False,
) -> None:
    """Put what comes by the topic of objects, until Ctrl-C or SIGTERM."""
    # Dagster, which is told of it, takes as long to import as all else here.
    from gmn_pipeline.cli.stream import run_service
    from gmn_pipeline.orchestration.assets import keys
    from gmn_pipeline.streams.object_arrivals import OBJECTS

    run_service(OBJECTS, keys.STREAMS_OBJECTS, once=once, from_beginning=from_beginning)


def refused(
    most: Annotated[int, typer.Option(min=1, help="So many, the last first.")] = 20,
) -> None:
    """Show what came by the topic of objects and was refused, and why."""
    from gmn_pipeline.database.engine import open_database
    from gmn_pipeline.database.topic_offsets import TopicOffsets

    settings = load_settings()
    topic = settings.kafka_objects_topic
    count, letters = TopicOffsets(open_database(settings)).dead_letters(topic, most)
    for one in letters:
        place = f"{one.sent_at_utc:%Y-%m-%d %H:%M:%S}  partition {one.partition}, {one.offset}"
        typer.echo(f"{place}  {one.key or ''}: {one.reason}")
    print_done(f"{count:,} refused of {topic}; the bytes are in {topic}.dlq.")
