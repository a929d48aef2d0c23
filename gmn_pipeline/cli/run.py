"""`gmn run`: take days from the source to the warehouse, and sum up what came of it."""

import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gmn_pipeline.cli.cluster import cluster_for
from gmn_pipeline.cli.console import console, errors, print_some
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import GmnError, SettingsError
from gmn_pipeline.flows.progress import ProgressListener
from gmn_pipeline.flows.report import Report
from gmn_pipeline.kafka.topics import topic_state
from gmn_pipeline.orchestration.home import dagster_instance
from gmn_pipeline.orchestration.jobs import (
    iau_showers_job,
    publications_job,
    snapshot_job,
    streams_job,
    trajectory_days_job,
)
from gmn_pipeline.orchestration.local_runs import run_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.run_requests import WHY_TAG
from gmn_pipeline.orchestration.sensors.publications import unpublished_days
from gmn_pipeline.readers.solar_longitude_bins import FIRST_DAY
from gmn_pipeline.schemas.showers import IAU_SHOWER_SOLUTIONS
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.settings import FolderSettings, KafkaSettings, load_settings
from gmn_pipeline.storage.problems import explained_text, is_interruption_text, unknown
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.reading import read_rows
from gmn_pipeline.warehouse.shower_names import JOIN_SHOWERS, NOT_IN_LIST, SHOWER_NAME
from gmn_pipeline.warehouse.showers import edition_in_use

_SHOWN_SHOWERS = 8


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day: write it as 2022-03-04.") from error


class History(StrEnum):
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    ALL = "all"


class ProgressBars(ProgressListener):
    """Shows files and rows as bars on a terminal, and keeps the report."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._files = progress.add_task("fetching files", total=None)
        self._rows = progress.add_task("validating and loading rows", total=None, visible=False)
        self._rows_wanted = 0
        self.report: Report | None = None

    def files_wanted(self, count: int) -> None:
        self._progress.update(self._files, total=count)

    def file_done(self) -> None:
        self._progress.advance(self._files)

    def rows_wanted(self, count: int) -> None:
        self._rows_wanted += count
        self._progress.update(self._rows, total=self._rows_wanted, visible=self._rows_wanted > 0)

    def rows_done(self, count: int) -> None:
        self._progress.advance(self._rows, count)

    def finished(self, report: Report) -> None:
        self.report = report


def run(
    first: Annotated[
        Any, typer.Option("--from", parser=_day, metavar="YYYY-MM-DD", help="First day.")
    ] = None,
    last: Annotated[
        Any, typer.Option("--to", parser=_day, metavar="YYYY-MM-DD", help="Last day.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="GMN data directory: address or folder.")
    ] = None,
    history: Annotated[
        History | None, typer.Option(help="Read days from these files instead of the daily ones.")
    ] = None,
) -> None:
    """Take days from the source to the warehouse and make the analysts' snapshot."""
    overrides = {"source_url": source, "history": history and history.value, "run_retries": 0}
    settings = load_settings(**overrides)
    today = date.today()
    last = last or first or today
    first = first or last - timedelta(days=settings.refresh_days - 1)
    if not FIRST_DAY <= first <= last <= today:
        raise SettingsError(
            f"No days from {first} to {last}.",
            remedy=f"The network's data begins on {FIRST_DAY}; --to is not before --from, nor in "
            "the future.",
        )
    warehouse = WarehouseConnection(settings)
    began = time.monotonic()
    with _progress() as progress, dagster_instance(settings) as instance:
        listener = ProgressBars(progress)
        defs = build_defs(overrides, listener=listener)
        succeeded = _execute(defs, trajectory_days_job.name, instance, range_tags(first, last))
        if not read_rows(warehouse, f"FROM {IAU_SHOWER_SOLUTIONS.name} LIMIT 1"):
            _execute(defs, iau_showers_job.name, instance)
        streamed = _stream_round_trip(settings, warehouse, overrides, instance)
        succeeded = _execute(defs, snapshot_job.name, instance) and succeeded
    if listener.report is not None:
        seconds = time.monotonic() - began
        _summary(warehouse, listener.report, streamed)
        _print_where(settings, warehouse, seconds)
    if not succeeded:
        raise typer.Exit(1)


def _stream_round_trip(
    settings: KafkaSettings,
    warehouse: WarehouseConnection,
    overrides: dict[str, Any],
    instance: dg.DagsterInstance,
) -> str:
    """Publish what is not published and take the topic in; what to tell of it."""
    with cluster_for(settings) as kafka:
        if kafka.servers is None:
            return kafka.note
        settings = settings.model_copy(update={"kafka_bootstrap_servers": kafka.servers})
        defs = build_defs({**overrides, "kafka_bootstrap_servers": kafka.servers})
        try:
            topic = topic_state(settings, trajectories_topic(settings))
            days = unpublished_days(warehouse, topic.topic_id if topic else None)
        except GmnError as error:
            return f"Nothing was published, the rest is done: {error}"
        published = "Nothing to publish."
        if days:
            is_sent = _execute(
                defs, publications_job.name, instance, range_tags(min(days), max(days))
            )
            published = "Publishing failed; a later run sends what was left."
            if is_sent:
                published = f"{sum(days.values()):,} messages published."
        if not _execute(defs, streams_job.name, instance):
            published += " Taking the topic in failed; a later run goes on where it stopped."
        return f"{published} {kafka.note}"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip


def _execute(
    defs: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    tags: dict[str, str] | None = None,
) -> bool:
    done = run_job(defs, job, instance, {**(tags or {}), WHY_TAG: "gmn run"})
    for failure in done.failures:
        if is_interruption_text("\n".join(cause.message for cause in _causes(failure.error))):
            raise KeyboardInterrupt  # which Dagster takes for one step's failure
        said = failure.user_failure_data.description if failure.user_failure_data else None
        said = said or _in_a_sentence(failure.error, instance)
        errors.print(said, style="red", markup=False, soft_wrap=True)
    return done.is_success


def _in_a_sentence(error: Any, instance: dg.DagsterInstance) -> str:
    """What Dagster hands on of an error that no part of this project raised on purpose."""
    data_dir = Path(instance.root_directory).parent
    causes = _causes(error)
    known = explained_text("\n".join(cause.message for cause in causes), data_dir)
    if known is not None:
        return str(known)
    return unknown(causes[-1].message.strip().splitlines()[0], error.to_string(), data_dir)


def _causes(error: Any) -> list[Any]:
    """An error as Dagster hands it on, and what it came of."""
    causes = []
    while error is not None:
        causes.append(error)
        error = error.cause or error.context
    return causes


def _summary(warehouse: WarehouseConnection, report: Report, streamed: str) -> None:
    """What a person wants to know at the end of a run."""
    days = list(report.days)
    new = sum(file.is_new for file in report.files)
    console.print()
    if not report.failed and not any(d.changed for d in report.days.values()) and not new:
        console.print("[bold green]Nothing changed[/] since the last run.")
    table = Table(title=f"{days[0]} to {days[-1]}", show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(justify="right", overflow="fold")
    table.add_row("source", report.source)
    table.add_row(f"{report.kind} files", f"{len(report.files):,}, of which {new:,} new")
    table.add_row("days", f"{len(days):,}, of which {len(report.failed):,} failed")
    table.add_section()
    for name in ("read", "rejected", "accepted"):
        table.add_row(f"rows {name}", f"{report.total(name):,}")
    table.add_section()
    for name in ("inserted", "revised", "unchanged"):
        table.add_row(f"trajectories {name}", f"{report.total(name):,}")
    if superseded := report.total("superseded"):
        table.add_row("in a newer file already", f"{superseded:,}")
    table.add_section()
    table.add_row("trajectories withdrawn", f"{report.total('withdrawn'):,}")
    if restored := report.total("restored"):
        table.add_row("back to what another file has", f"{restored:,}")
    console.print(table)
    _print_showers(warehouse, days)
    print_some(report.warnings, style="yellow")
    for day in report.failed:
        console.print(f"[red]{day.day} failed[/] in {day.failed_stage}: {day.error}")
    console.print(streamed, soft_wrap=True, markup=False)


def _print_showers(warehouse: WarehouseConnection, days: Sequence[date]) -> None:
    rows = read_rows(
        warehouse,
        f"SELECT iau_shower_number, iau_shower_code, any_value({SHOWER_NAME}), count(*) AS n, "
        f"avg(vgeo_km_s) FROM trajectories {JOIN_SHOWERS} WHERE bin_date BETWEEN ? AND ? "
        f"GROUP BY 1, 2 ORDER BY n DESC, 2 LIMIT {_SHOWN_SHOWERS}",
        [days[0], days[-1]],
    )
    if not rows:
        return
    table = Table(title="Commonest showers", title_justify="left")
    for column, justify in (("code", "left"), ("name", "left"), ("trajectories", "right"),
                            ("mean Vgeo, km/s", "right")):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for number, code, name, count, vgeo in rows:
        table.add_row(
            code, name or f"{number}: {NOT_IN_LIST}", f"{count:,}",
            f"{vgeo:.1f}" if vgeo is not None else "",
        )  # fmt: skip
    console.print(table)
    with warehouse.open(read_only=True) as connection:
        edition = edition_in_use(connection)
    console.print(f"names from {edition or 'no list: none could be loaded'}", soft_wrap=True)


def _print_where(settings: FolderSettings, warehouse: WarehouseConnection, seconds: float) -> None:
    database = settings.snapshot_dir / "gmn.duckdb"
    console.print(f"Done in {seconds:.1f} s.")
    for name, place in (("analysts' database", database), ("warehouse", warehouse.backend.place)):
        console.print(f"  {name:<20}{place}", soft_wrap=True, markup=False)
    console.print("Next:")
    query = "SELECT iau_shower_code, count(*) FROM trajectories GROUP BY 1 ORDER BY 2 DESC"
    console.print(f'  {_self()} sql "{query}"', soft_wrap=True)
    console.print(f"  {_self()} status      what is loaded, what failed", soft_wrap=True)
    console.print(f"  {_self()} serve       the portal on http://127.0.0.1:8001/, and for programs "
                  "/docs", soft_wrap=True)  # fmt: skip
    console.print("  make dev                  the Dagster UI on http://127.0.0.1:3000")


def _self() -> str:
    """This command as a person can type it here."""
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name)
