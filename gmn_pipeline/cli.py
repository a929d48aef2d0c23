"""The command `gmn`: run days, ask the warehouse, see the state, see the settings.

What belongs here: arguments, progress and how an answer looks. What does not: the work.
"""

import csv
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import duckdb
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gmn_pipeline.automation import (
    iau_showers_job,
    range_tags,
    snapshot_job,
    trajectory_days_job,
)
from gmn_pipeline.config import Settings, load_settings, variable
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import GmnError, SettingsError
from gmn_pipeline.ledger import Ledger
from gmn_pipeline.publications.assets import publications_job, unpublished_days
from gmn_pipeline.schemas.tables import IAU_SHOWERS
from gmn_pipeline.sources.bins import FIRST_DAY
from gmn_pipeline.streams.assets import streams_job
from gmn_pipeline.streams.client import bootstrap_servers, topic_state
from gmn_pipeline.streams.round_trip import a_broker, overview
from gmn_pipeline.streams.service import StreamService, stopping_on_signals
from gmn_pipeline.trajectory_days import Report, Watch
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.maintenance import maintain
from gmn_pipeline.warehouse.store import Warehouse, ask

app = typer.Typer(
    help="The data platform of the Global Meteor Network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_console = Console()
_errors = Console(stderr=True)
_SHOWN_SHOWERS = 8
_EVENT_LOG = """
event_log_storage:
  module: gmn_pipeline.event_log
  class: BatchingEventLogStorage
  config:
    base_dir: {home}
"""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day: write it as 2022-03-04.") from error


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class History(StrEnum):
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    ALL = "all"


class ProgressBars(Watch):
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


@app.command()
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
    began = time.monotonic()
    with _progress() as progress, _instance(settings) as instance:
        watch = ProgressBars(progress)
        defs = build_defs(overrides, watch=watch)
        succeeded = _execute(defs, trajectory_days_job.name, instance, range_tags(first, last))
        if not ask(WarehouseConnection(settings), f"FROM {IAU_SHOWERS.name} LIMIT 1"):
            _execute(defs, iau_showers_job.name, instance)
        streamed = _stream_round_trip(settings, overrides, instance)
        _execute(defs, snapshot_job.name, instance)
    if watch.report is not None:
        _summary(settings, watch.report, time.monotonic() - began, streamed)
    if not succeeded:
        raise typer.Exit(1)


def _stream_round_trip(
    settings: Settings, overrides: dict[str, Any], instance: dg.DagsterInstance
) -> str:
    """Publish what is not published and take the topic in; what to tell of it."""
    with a_broker(settings) as kafka:
        if kafka.servers is None:
            return kafka.note
        settings = settings.model_copy(update={"kafka_bootstrap_servers": kafka.servers})
        defs = build_defs({**overrides, "kafka_bootstrap_servers": kafka.servers})
        try:
            topic = topic_state(settings)
            days = unpublished_days(settings, topic.topic_id if topic else None)
        except GmnError as error:
            return f"Nothing was published, the rest is done: {error}"
        done = not days or _execute(
            defs, publications_job.name, instance, range_tags(min(days), max(days))
        )
        done = _execute(defs, streams_job.name, instance) and done
        sent = f"{sum(days.values()):,} messages published" if days else "Nothing to publish"
        return f"{sent if done else 'Publishing failed'}. {kafka.note}"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=_console, transient=True,
    )  # fmt: skip


def _instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's storage under the data folder: the same that `make dev` shows."""
    return dg.DagsterInstance.from_config(str(prepare_dagster_home(settings)))


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME and put dagster.yaml there."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    common = (Path(__file__).parents[1] / "dagster.yaml").read_text("utf-8")
    (home / "dagster.yaml").write_text(dagster_yaml(common, home), "utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def dagster_yaml(common: str, home: Path) -> str:
    """The settings with our event log in them, unless they keep all storage elsewhere."""
    if any(line.startswith("storage:") for line in common.splitlines()):
        return common
    return common + _EVENT_LOG.format(home=json.dumps(str(home)))


def _execute(
    defs: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    tags: dict[str, str] | None = None,
) -> bool:
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=tags or {},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            said = failure.user_failure_data.description if failure.user_failure_data else None
            _errors.print(said or failure.error, style="red", markup=False)
    return result.success


def _summary(settings: Settings, report: Report, seconds: float, streamed: str) -> None:
    """What a person wants to know at the end of a run."""
    days = list(report.days)
    files = sum(len(day.files) for day in report.days.values())
    new = sum(file.is_new for day in report.days.values() for file in day.files)
    _console.print()
    if not report.failed and not any(d.changed for d in report.days.values()) and not new:
        _console.print("[bold green]Nothing changed[/] since the last run.")
    table = Table(title=f"{days[0]} to {days[-1]}", show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(justify="right")
    table.add_row("days", f"{len(days)}, of which {len(report.failed)} failed")
    table.add_row("files", f"{files}, of which {new} new")
    for name in ("read", "accepted", "rejected"):
        table.add_row(f"rows {name}", f"{report.total(name):,}")
    table.add_section()
    for name in ("inserted", "revised", "unchanged", "withdrawn"):
        table.add_row(f"trajectories {name}", f"{report.total(name):,}")
    _console.print(table)
    _print_showers(settings, days)
    for day in report.failed:
        _console.print(f"[red]{day.day} failed[/] in {day.failed_stage}: {day.error}")
    _console.print(streamed, soft_wrap=True, markup=False)
    _print_where(settings, seconds)


def _print_showers(settings: Settings, days: Sequence[date]) -> None:
    rows = ask(
        WarehouseConnection(settings),
        "SELECT iau_shower_code, coalesce(any_value(iau_shower_name), 'sporadic'), count(*) AS n, "
        "avg(vgeo_km_s) FROM trajectories LEFT JOIN iau_showers USING "
        "(iau_shower_number, iau_shower_code) WHERE bin_date BETWEEN ? AND ? "
        f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {_SHOWN_SHOWERS}",
        [days[0], days[-1]],
    )
    if not rows:
        return
    table = Table(title="Commonest showers", title_justify="left")
    for column, justify in (("code", "left"), ("name", "left"), ("trajectories", "right"),
                            ("mean Vgeo, km/s", "right")):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for code, name, count, vgeo in rows:
        table.add_row(code, name, f"{count:,}", f"{vgeo:.1f}" if vgeo is not None else "")
    _console.print(table)


def _print_where(settings: Settings, seconds: float) -> None:
    database = settings.snapshot_dir / "gmn.duckdb"
    _console.print(f"Done in {seconds:.1f} s.")
    _console.print(f"  analysts' database  {database}", soft_wrap=True)
    _console.print(f"  warehouse           {settings.warehouse_dir}", soft_wrap=True)
    _console.print("Next:")
    query = "SELECT iau_shower_code, count(*) FROM trajectories GROUP BY 1 ORDER BY 2 DESC"
    _console.print(f'  {_self()} sql "{query}"', soft_wrap=True)
    _console.print(f"  {_self()} status      what is loaded, what failed", soft_wrap=True)
    _console.print("  make dev                  the Dagster UI on http://127.0.0.1:3000")


def _self() -> str:
    """This command as a person can type it here."""
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A query in DuckDB's SQL.")],
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Ask the warehouse. Reads only; works while a load runs."""
    warehouse = WarehouseConnection(load_settings())
    if not warehouse.exists:
        raise SettingsError(
            "There is no warehouse yet.", remedy="'make run' (or 'gmn run') makes one."
        )
    try:
        with warehouse.open(read_only=True) as connection:
            warehouse.confine(connection)
            _print_relation(connection.sql(query), output)
    except duckdb.Error as error:
        _errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


def _print_relation(relation: duckdb.DuckDBPyRelation | None, output: Format) -> None:
    if relation is None:
        return
    if output is Format.TABLE:
        relation.show(max_width=_console.width, max_rows=40)
    elif output is Format.CSV:
        rows = csv.writer(sys.stdout)
        rows.writerow(relation.columns)
        rows.writerows(relation.fetchall())
    else:
        names = relation.columns
        answer = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
        json.dump(answer, sys.stdout, default=str)
        sys.stdout.write("\n")


@app.command()
def status() -> None:
    """What is loaded, what waits, what failed."""
    settings = load_settings()
    rows = ask(
        WarehouseConnection(settings),
        "SELECT count(*), min(bin_date), max(bin_date), max(valid_from_utc), "
        "(SELECT count(*) FROM trajectory_revisions), (SELECT count(*) FROM rejected_rows), "
        "(SELECT count(*) FROM source_files), (SELECT count(*) FROM stations) FROM trajectories",
    )
    if not rows:
        _console.print("There is no warehouse yet: 'make run' (or 'gmn run') makes one.")
        return
    count, oldest, newest, changed, former, rejected, files, stations = rows[0]
    ledger = Ledger(settings.data_dir)
    table = Table(title="Warehouse", show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column()
    for name, value in (
        ("newest day", newest), ("oldest day", oldest), ("trajectories", f"{count:,}"),
        ("former states", f"{former:,}"), ("rejected rows", f"{rejected:,}"),
        ("stations", f"{stations:,}"), ("files loaded", f"{files:,}"),
        ("last change", f"{changed:%Y-%m-%d %H:%M:%S} UTC" if changed else "never"),
        ("landed, not loaded", f"{_pending(settings, ledger):,} files"),
    ):  # fmt: skip
        table.add_row(name, str(value))
    _console.print(table)
    _print_stream(settings)
    _print_failures(ledger)


def _print_stream(settings: Settings) -> None:
    stream = overview(settings)
    table = Table(title=f"Topic {settings.kafka_topic}", show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    last = stream.last_published_at_utc
    offsets = ", ".join(f"{partition}: {at:,}" for partition, (at, _) in stream.offsets.items())
    reason = f", last: {stream.last_dead_letter}" if stream.last_dead_letter else ""
    for name, value in (
        ("Kafka", stream.kafka),
        ("published", f"{stream.published:,} messages"
         + (f", last {last:%F %T} UTC" if last else "")),
        ("not published", f"{stream.unpublished:,} messages"),
        ("next offsets", offsets or "none"),
        ("not taken in", "unknown" if stream.lag is None else f"{stream.lag:,} offsets"),
        ("gmn stream", stream.consumer),
        ("dead letters", f"{stream.dead_letters:,}{reason}"),
    ):  # fmt: skip
        table.add_row(name, value)
    _console.print(table)


@app.command()
def stream(
    once: Annotated[bool, typer.Option("--once", help="End at the end of the topic.")] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Read all that the topic has once more.")
    ] = False,
) -> None:
    """Take the topic into the warehouse as it comes; ends on Ctrl-C or SIGTERM."""
    settings = load_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    with _instance(settings) as instance:
        service = StreamService(settings, instance)
        with stopping_on_signals(service):
            service.run(
                once=once,
                from_beginning=from_beginning,
                on_ready=lambda: _console.print(
                    f"Taking in {settings.kafka_topic} from {bootstrap_servers(settings)}."
                ),
            )
    _console.print("Stopped.")


def _pending(settings: Settings, ledger: Ledger) -> int:
    """Newest landed daily files that the warehouse has not taken."""
    taken = Warehouse(settings).taken_files()
    return sum(
        version.sha256 not in taken
        for version in ledger.newest_landed().values()
        if version.kind == "daily"
    )


def _print_failures(ledger: Ledger) -> None:
    failures = ledger.failures()
    if not failures:
        _console.print("No day failed when last tried.")
        return
    table = Table(title="Days that failed when last tried", title_justify="left")
    for column in ("day", "stage", "when (UTC)", "why"):
        table.add_column(column, overflow="fold")
    for failure in failures[:20]:
        table.add_row(failure.day, failure.stage, failure.failed_at_utc[:19], failure.message)
    _console.print(table)


@app.command("maintain")
def maintain_warehouse() -> None:
    """Put small files together and remove what nothing needs. No query fails."""
    table = Table(title="Maintenance", show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(justify="right")
    for name, value in asdict(maintain(load_settings())).items():
        table.add_row(name.replace("_", " "), f"{value:,}")
    _console.print(table)


@app.command("settings")
def show_settings() -> None:
    """Every setting: its variable, value, default and what it is for."""
    settings = load_settings()
    table = Table(title="Settings", title_justify="left")
    for column in ("variable", "value", "default", "what it is"):
        table.add_column(column, overflow="fold")
    for name, field in Settings.model_fields.items():
        table.add_row(
            variable(name), str(getattr(settings, name)), str(field.default),
            field.description,
        )  # fmt: skip
    _console.print(table)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Where to lay it out.")],
) -> None:
    """Lay out the real file of 2022-03-04 as a GMN data directory, to try without a network."""
    spec = find_spec("gmn_python_api")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "The package gmn-python-api, which carries the sample file, is not installed.",
            remedy="'make setup' installs it.",
        )
    name = "traj_summary_20220304_solrange_344.0-345.0.txt"
    daily = folder / "daily"
    daily.mkdir(parents=True, exist_ok=True)
    if not (daily / name).is_file():
        models = Path(spec.submodule_search_locations[0]) / "data_models"
        shutil.copyfile(models / name, daily / name)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """The Dagster UI with its daemon, on the same storage as 'gmn run'."""
    home = prepare_dagster_home(load_settings())
    command = [
        "dagster", "dev", "--module-name", "gmn_pipeline.definitions",
        "--host", host, "--port", str(port),
    ]  # fmt: skip
    _console.print(f"Dagster on http://{host}:{port}, storage in {home}", soft_wrap=True)
    os.execv(Path(sys.executable).with_name("dagster"), command)  # noqa: S606 - no shell


def main() -> None:
    """Entry point: an error made on purpose is one red line, not a traceback."""
    try:
        app()
    except GmnError as error:
        _errors.print(str(error), style="red", markup=False)
        raise SystemExit(1) from error
