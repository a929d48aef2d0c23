"""`gmn objects crawl`, and what goes with it: many files as tables.

What belongs here: the commands. What does not: what they do (`flows/object_crawl.py`,
`flows/crawled_tables.py`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gmn_pipeline.cli.console import console, print_some
from gmn_pipeline.cli.objects_find import print_done
from gmn_pipeline.cli.objects_progress import Progress
from gmn_pipeline.cli.objects_said import by, place_of
from gmn_pipeline.database.crawls import Crawl, TableState
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.flows.crawled_tables import Crawled
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.schemas.objects import checked_place
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources.files_of import is_bucket

_CHANGES_SHOWN = 30

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The crawl's own name.")]


def crawl(
    name: _Name,
    source: Annotated[
        str | None,
        typer.Argument(metavar="FOLDER|s3://BUCKET/PREFIX", help="Where the files are."),
    ] = None,
    to: Annotated[
        str | None, typer.Argument(metavar="PROJECT/CONTAINER", help="Whose the tables are.")
    ] = None,
    *,
    pattern: Annotated[
        str | None, typer.Option(help="Only files whose path is so, as in '*.parquet'.")
    ] = None,
    accept: Annotated[
        TableState | None,
        typer.Option(help="What tables become that are found, without being asked about."),
    ] = None,
    accept_names: Annotated[
        str | None, typer.Option(help="Only tables whose names are so, as in 'weather*'.")
    ] = None,
    delete: Annotated[
        bool | None, typer.Option(help="Delete objects of loaded tables whose files are gone.")
    ] = None,
    anonymous: Annotated[bool | None, typer.Option(help="A public bucket, without keys.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Object storage that is not of the settings.")
    ] = None,
) -> None:
    """Look through a folder or bucket of many files for tables: the first time with its SOURCE,
    then by its NAME alone. Only what is new or changed is read."""
    crawling = _opened()
    known = {one.name: one for one in crawling.crawls.all()}.get(name)
    if source is not None and to is not None:
        project, container, folder = place_of(to)
        if folder:
            raise SettingsError("Tables are of a container, not of a folder in it.")
        url = source if is_bucket(source) else _absolute(source)
        known = replace(
            known or Crawl(checked_place(name, "crawl"), url, project, container),
            url=url, project=project, container=container,
        )  # fmt: skip
    elif source is not None:
        raise SettingsError(
            "A crawl has a source and a container.",
            remedy="gmn objects crawl NAME SOURCE PROJECT/CONTAINER",
        )
    wanted = known or crawling.crawls.named(name)
    said = {
        "pattern": pattern, "accepted_as": accept, "accepted_names": accept_names,
        "is_deleting": delete, "is_anonymous": anonymous, "endpoint_url": endpoint,
    }  # fmt: skip
    given = {key: value for key, value in said.items() if value is not None}
    wanted = replace(wanted, **given)  # type: ignore[arg-type]
    if source is not None or given:
        crawling.save(wanted)
    with crawling.working() as workshop, Progress("reading") as progress:
        last = 0

        def on_batch(done: Crawled) -> None:
            nonlocal last
            for _ in range(done.read + done.failed - last):
                progress.one(0)
            last = done.read + done.failed

        done = crawling.crawl(wanted, workshop, on_batch)
    _tell(crawling, wanted, done)


def crawls(
    name: Annotated[str | None, typer.Argument(help="The crawl; without it, all.")] = None,
) -> None:
    """Show crawls; of one, its tables, how their schemas changed, and files that were left out."""
    crawling = _opened()
    if name is None:
        table = Table("crawl", "source", "container", "accepts", "ended (UTC)", "state")
        for one, state in crawling.all():
            ended = f"{one.ended_at_utc:%Y-%m-%d %H:%M}" if one.ended_at_utc else "not yet"
            why = (one.outcome or {}).get("reason") or ""
            table.add_row(
                one.name, one.url, f"{one.project}/{one.container}",
                f"{one.accepted_names} as {one.accepted_as.value}", ended,
                f"{state}: {why}" if why else state,
            )  # fmt: skip
        console.print(table)
        return
    wanted = crawling.crawls.named(name)
    _print_tables(crawling, wanted)
    changes = Table("when (UTC)", "table", "change", "column", "type", "by")
    for change in crawling.crawls.changes(name, _CHANGES_SHOWN):
        types = " -> ".join(filter(None, (change.type_before, change.type_after)))
        changes.add_row(
            f"{change.at_utc:%Y-%m-%d %H:%M}", change.table, change.kind, change.column, types,
            change.path,
        )  # fmt: skip
    console.print(changes)
    left_out = [
        f"{one.path}: {one.reason}" for one in crawling.crawls.files(name).values() if one.reason
    ]
    print_some(left_out, style="yellow")


def accept_crawled(
    name: _Name,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="As 'gmn objects crawls' has it.")],
    *,
    state: Annotated[
        TableState, typer.Option("--as", help="A view over the files, or a loaded table.")
    ] = TableState.VIEW,
    shown_as: Annotated[
        str, typer.Option("--table", help="Another name, which follows the container's.")
    ] = "",
) -> None:
    """Accept a table that a crawl found, or refuse it; its types stay from then on."""
    crawling = _opened()
    wanted = crawling.crawls.named(name)
    with crawling.working():
        in_lake = crawling.tables.decide(wanted, table, state, shown_as)
        done = Crawled()
        crawling.tables.bring_up_to_date(wanted, done)
    if state is TableState.LOADED:
        print_done(
            f"{done.put:,} files were put, and go into objects.{in_lake} ('gmn objects process')."
        )
    elif state is TableState.VIEW and not done.failures:
        print_done(f"It can be asked as objects.{in_lake}.")
    else:
        print_done(f"{table} is {state.value}.")
    _fail_with(done)


def forget_crawl(name: _Name) -> None:
    """Forget a crawl: its views go, and objects that were put stay."""
    crawling = _opened()
    with crawling.working():
        crawling.tables.forget(crawling.crawls.named(name))
    print_done(f"Forgot {name}.")


def _opened() -> Crawling:
    return Crawling(load_settings(), by())


def _absolute(folder: str) -> str:
    return str(Path(folder).expanduser().absolute())


def _tell(crawling: Crawling, wanted: Crawl, done: Crawled) -> None:
    if done.is_stopped:
        print_done("It was asked to stop: the same command goes on from here.")
    print_done(
        f"{done.listed:,} files: read {done.read:,}, unchanged {done.unchanged:,}, failed "
        f"{done.failed:,}; of those read {done.no_table:,} no tables, {done.left_out:,} left out; "
        f"gone {done.gone:,}, put {done.put:,}, deleted {done.deleted:,}."
    )
    print_some(
        [
            f"{one.table}: {one.kind.value} {one.column} "
            f"{' -> '.join(filter(None, (one.before, one.after)))} ({one.path})"
            for one in done.changes
        ],
        style="yellow",
    )
    _print_tables(crawling, wanted)
    _fail_with(done)


def _fail_with(done: Crawled) -> None:
    print_some([f"{what}: {why}" for what, why in done.failures.items()], style="red")
    if done.failures:
        raise typer.Exit(1)


def _print_tables(crawling: Crawling, wanted: Crawl) -> None:
    files = crawling.crawls.files(wanted.name).values()
    table = Table("table", "state", "in the lake", "files", "rows", "columns")
    for one in crawling.crawls.tables(wanted.name):
        of_it = [file for file in files if file.table == one.name and not file.reason]
        is_there = one.state in (TableState.VIEW, TableState.LOADED)
        table.add_row(
            one.name, one.state.value,
            f"objects.{crawling.tables.in_lake(wanted, one)}" if is_there else "",
            f"{len(of_it):,}", f"{sum(file.row_count for file in of_it):,}",
            ", ".join(f"{column} {kind}" for column, kind in one.columns.items()),
        )  # fmt: skip
    console.print(table)
