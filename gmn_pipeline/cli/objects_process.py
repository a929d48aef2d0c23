"""`gmn objects process`, and what goes with it: reading objects by their type.

What belongs here: the commands. What does not: what they do (`flows/object_processing.py`,
`flows/object_rules.py`).
"""

import json
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gmn_pipeline.cli.console import console, print_some, tell_of_work
from gmn_pipeline.cli.objects_said import by
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.flows.object_outcomes import Processed
from gmn_pipeline.flows.object_processing import ObjectProcessing
from gmn_pipeline.flows.object_rules import (
    accept,
    reprocess,
    reprocess_objects,
    set_rules,
)
from gmn_pipeline.schemas.objects import ObjectName
from gmn_pipeline.settings import load_settings

_RUNS_SHOWN = 50

_Object = Annotated[str, typer.Argument(help="PROJECT/CONTAINER/NAME.")]
_Processor = Annotated[str, typer.Option(help="By this processor only.")]


def process(
    *,
    follow: Annotated[
        bool, typer.Option("--follow/--once", help="Go on as objects come, until Ctrl-C.")
    ] = False,
) -> None:
    """Read the objects that wait: tables, images, RMS files, documents. One that fails fails
    alone."""
    processing = _opened()
    if follow:
        tell_of_work()
    stopped = threading.Event()
    with on_signals(stopped.set), processing.working() as workshop:
        if not follow:
            done = processing.process_all(workshop, stopped=stopped.is_set)
            _tell(done)
            if done.failures:
                raise typer.Exit(1)
            return
        processing.follow(workshop, stopped, _tell)


def reprocess_again(
    objects: Annotated[
        list[str] | None, typer.Argument(help="PROJECT/CONTAINER/NAME, any number.")
    ] = None,
    *,
    project: Annotated[str | None, typer.Option(help="Of this project.")] = None,
    container: Annotated[str | None, typer.Option(help="Of this container.")] = None,
    folder: Annotated[str, typer.Option(help="In this folder.")] = "",
    content_type: Annotated[
        str | None, typer.Option("--type", help="Of this type; image/* for a family.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="With this tag.")] = None,
    processor: _Processor = "",
) -> None:
    """Have objects read again, those named or those found: 'gmn objects process' does it."""
    processing = _opened()
    runs, catalogue = processing.runs, processing.objects.catalogue
    search = Search(
        project=project, container=container, folder=folder, content_type=content_type,
        tags=frozenset(tag or ()),
    )  # fmt: skip
    if not objects and search == Search():
        raise ObjectRefused(
            "All objects of all projects would be read again.",
            remedy="Name objects, or what they have in common: --project, --type, ...",
        )
    if objects:
        named = [catalogue.object(ObjectName.parse(one)) for one in objects]
        asked = reprocess_objects(runs, named, processing.by, processor)
    else:
        asked = reprocess(runs, processing.objects.search, search, processing.by, processor)
    console.print(f"{asked:,} readings of objects are on the list.")


def accept_table(
    name: _Object,
    *,
    table: Annotated[str | None, typer.Option(help="The table; else the file's name.")] = None,
    names: Annotated[
        str | None, typer.Option(help="Load all files whose names match, such as 'weather/*.csv'.")
    ] = None,
) -> None:
    """Accept the columns that are proposed of a table: its rows are loaded, and can be asked."""
    processing = _opened()
    stored = processing.objects.catalogue.object(ObjectName.parse(name))
    in_lake, asked = accept(
        processing.runs, processing.objects.search, stored, processing.by, table, names
    )
    console.print(
        f"It goes into objects.{in_lake}; {asked:,} objects of the container are read again for "
        "it ('gmn objects process').",
        markup=False,
    )


def rules(
    place: Annotated[str, typer.Argument(help="PROJECT/CONTAINER.")],
    *,
    file: Annotated[Path | None, typer.Option("--set", help="Rules in JSON to be set.")] = None,
) -> None:
    """Show what a container says to processors, or set it (docs/processing.md)."""
    project, _, container = place.partition("/")
    processing = _opened()
    if file is not None:
        try:
            said = json.loads(file.read_text("utf-8"))
        except ValueError as error:
            raise ObjectRefused(f"{file} is no JSON: {error}.") from error
        set_rules(processing.runs, project, container, said, processing.by)
    found = processing.runs.rules(project, container)
    console.print_json(json.dumps(found))


def show_runs(
    name: Annotated[str | None, typer.Argument(help="PROJECT/CONTAINER/NAME.")] = None,
) -> None:
    """Show what was read out of an object and when; without one, what failed."""
    processing = _opened()
    if name is None:
        found = processing.runs.failed(_RUNS_SHOWN)
    else:
        stored = processing.objects.catalogue.object(ObjectName.parse(name))
        found = processing.runs.of_object(stored.object_id)
    table = Table()
    for column in ("object", "version", "processor", "state", "tries", "rows", "reason"):
        table.add_column(column, overflow="fold")
    for run in found:
        table.add_row(
            str(run.object_id), str(run.version), f"{run.processor} {run.processor_version}",
            run.state.value, str(run.tries), f"{run.row_count:,}", run.reason,
        )  # fmt: skip
    console.print(table)


def _opened() -> ObjectProcessing:
    return ObjectProcessing(load_settings(), by())


def _tell(done: Processed) -> None:
    console.print(
        f"{done.finished:,} readings of objects: {done.rows:,} rows, {done.made:,} objects made; "
        f"{len(done.failures):,} failed."
    )
    print_some([f"{name}: {why}" for name, why in done.failures.items()], style="yellow")
