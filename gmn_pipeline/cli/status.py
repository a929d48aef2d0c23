"""`gmn status`: what is loaded, what waits, what failed."""

from collections.abc import Mapping

from rich.table import Table

from gmn_pipeline.cli.console import console, print_some
from gmn_pipeline.database.ledger import Ledger, open_ledger
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.streams.objects_overview import ObjectsOverview, objects_overview
from gmn_pipeline.streams.overview import Overview, overview
from gmn_pipeline.streams.readings_overview import ReadingsOverview, readings_overview
from gmn_pipeline.warehouse.reading import read_rows
from gmn_pipeline.warehouse.trajectories.files import Warehouse


def status() -> None:
    """What is loaded, what waits, what failed."""
    settings = load_settings()
    warehouse = Warehouse(settings)
    rows = read_rows(
        warehouse.connection,
        "SELECT count(*), min(bin_date), max(bin_date), max(valid_from_utc), "
        "(SELECT count(*) FROM trajectory_revisions), (SELECT count(*) FROM rejected_rows), "
        "(SELECT count(*) FROM source_files), (SELECT count(*) FROM stations) FROM trajectories",
    )
    if not rows:
        console.print("There is no warehouse yet: 'make run' (or 'gmn run') makes one.")
        _print_readings(settings)
        _print_objects(settings)
        return
    count, oldest, newest, changed, former, rejected, files, stations = rows[0]
    ledger = open_ledger(settings)
    _print_facts("Warehouse", {
        "newest day": str(newest), "oldest day": str(oldest), "trajectories": f"{count:,}",
        "former states": f"{former:,}", "rejected rows": f"{rejected:,}",
        "stations": f"{stations:,}", "files loaded": f"{files:,}",
        "last change": f"{changed:%Y-%m-%d %H:%M:%S} UTC" if changed else "never",
        "landed, not loaded": f"{_pending(warehouse, ledger):,} files",
    })  # fmt: skip
    _print_stream(settings.kafka_topic, overview(settings, warehouse.connection))
    _print_readings(settings)
    _print_objects(settings)
    _print_failures(ledger)
    print_some([file.in_words for file in ledger.unread()], style="yellow")


def _print_stream(topic: str, stream: Overview) -> None:
    last = stream.last_published_at_utc
    _print_facts(f"Topic {topic}", {
        "Kafka": stream.kafka,
        "published": f"{stream.published:,} messages{f', last {last:%F %T} UTC' if last else ''}",
        "not published": f"{stream.unpublished:,} messages",
        "next offsets": _offsets({part: at for part, (at, _) in stream.offsets.items()}),
        **_taken_in("gmn stream", stream),
    })  # fmt: skip


def _print_readings(settings: Settings) -> None:
    found = readings_overview(settings)
    if found is None:
        return
    last, oldest = found.last_received_at_utc, found.oldest_measured_at_utc
    _print_facts("Readings of stations", {
        "readings": f"{found.readings:,}" + (f", since {oldest:%F}" if oldest else ""),
        "sensors": f"{found.sensors:,} of {found.stations:,} stations",
        "silent": f"{found.silent:,} sensors",
        "last received": f"{last:%F %T} UTC" if last else "never",
        "not rolled up": f"{found.not_rolled_up:,}",
        **_taken_in("gmn stations take-in", found),
    })  # fmt: skip


def _print_objects(settings: Settings) -> None:
    found = objects_overview(settings)
    if found is None:
        return
    _print_facts(f"Topic {settings.kafka_objects_topic}", {
        "next offsets": _offsets(found.offsets), **_taken_in("gmn objects take-in", found),
    })  # fmt: skip


def _offsets(next_offsets: Mapping[int, int]) -> str:
    return ", ".join(f"{part}: {at:,}" for part, at in next_offsets.items()) or "none"


def _taken_in(command: str, found: Overview | ReadingsOverview | ObjectsOverview) -> dict[str, str]:
    """How far behind its topic that is which `command` takes in, and what cannot be."""
    reason = f", last: {found.last_dead_letter}" if found.last_dead_letter else ""
    return {
        "not taken in": "unknown" if found.lag is None else f"{found.lag:,} offsets",
        command: found.consumer,
        "dead letters": f"{found.dead_letters:,}{reason}",
    }


def _print_facts(title: str, facts: Mapping[str, str]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table)


def _pending(warehouse: Warehouse, ledger: Ledger) -> int:
    """Newest landed daily files that the warehouse has not taken."""
    taken = warehouse.taken_files()
    return sum(
        version.sha256 not in taken
        for version in ledger.newest_landed().values()
        if version.kind == "daily"
    )


def _print_failures(ledger: Ledger) -> None:
    failures = ledger.failures()
    if not failures:
        console.print("No day failed when last tried.")
        return
    table = Table(title="Days that failed when last tried", title_justify="left")
    for column in ("day", "stage", "when (UTC)", "why"):
        table.add_column(column, overflow="fold")
    for failure in failures[:20]:
        failed_at = failure.failed_at_utc.isoformat(timespec="seconds")
        table.add_row(str(failure.day), failure.stage, failed_at, failure.message)
    console.print(table)
