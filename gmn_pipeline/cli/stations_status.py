"""`gmn stations status`: what came in, and what became of it."""

import json
from typing import Annotated, Any

import typer

from gmn_pipeline.cli.console import console
from gmn_pipeline.flows.station_listener import statuses
from gmn_pipeline.settings import load_settings


def status(
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Tell what came in, and what became of it."""
    found = statuses(load_settings().data_dir)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    elif not found:
        console.print("No listener has run on this data folder.")
    else:
        for one in found:
            _print(one)


def _print(one: Any) -> None:
    """A listener, a line for each of its parts."""
    state = f"runs (pid {one['pid']})" if one["is_running"] else f"ended {one['told_at_utc']}"
    records, spool = one["records"], one["spool"]
    refused = ", ".join(f"{cause} {count:,}" for cause, count in records["refused"].items())
    lines = [
        f"{one['name']}: {state}; {one['records_per_s']:,} records/s; Kafka: {one['kafka']}",
        f"  records: read {records['read']:,} = sent {records['sent']:,} + spooled "
        f"{records['spooled']:,} + dropped {records['dropped']:,} + refused "
        f"{sum(records['refused'].values()):,}" + (f" ({refused})" if refused else ""),
        f"  spool: {spool['bytes']:,} bytes; {spool['readings_put']:,} readings put, "
        f"{spool['readings_sent']:,} sent on; dead letters kept: {records['dead_letters']:,}",
    ]
    if damaged := spool["damaged_files"]:
        lines.append(
            f"  damaged on disk: {len(damaged)} files, of which {spool['lost_messages']:,} or more "
            "messages could not be sent by this listener; see whether the disk is sound, and "
            f"remove them: {', '.join(damaged)}"
        )
    for transport, source in one["sources"].items():
        said = ", ".join(
            f"{name} {count:,}" if isinstance(count, int) else f"{name} {count}"
            for name, count in source.items()
            if not isinstance(count, dict)
        )
        lines.append(f"  {transport}: {said}")
    for sender, count in one["dropped_of_senders"].items():
        lines.append(f"  dropped of {sender}: {count:,}")
    for sender, causes in one["refused_of_senders"].items():
        said = ", ".join(f"{cause} {count:,}" for cause, count in causes.items())
        lines.append(f"  refused of {sender}: {said}")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
