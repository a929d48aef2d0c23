"""`gmn stations`: readings of stations, from their senders to the topic.

What belongs here: commands and sentences. What does not: what they do (`flows/station_listener.py`,
`sources/simulated_stations.py`).
"""

import json
import threading
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from gmn_pipeline.cli.console import console, tell_of_work
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.cli.stations_alert import alert
from gmn_pipeline.cli.stations_all import all_parts
from gmn_pipeline.cli.stations_annotate import annotate, annotations, withdraw
from gmn_pipeline.cli.stations_database import database
from gmn_pipeline.cli.stations_take_in import take_in
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.flows.station_listener import RecordCounts, StationListener, statuses
from gmn_pipeline.flows.station_simulation import simulate as send_simulated
from gmn_pipeline.flows.station_ways import datagram_way, mqtt_way
from gmn_pipeline.readers.station_readings.received import Transport
from gmn_pipeline.settings import load_settings

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Readings of stations, as they come."
)
app.command()(database)
app.command()(alert)
app.command()(annotate)
app.command()(annotations)
app.command("withdraw-annotation")(withdraw)
app.command("all")(all_parts)
app.command("take-in")(take_in)


@app.command()
def listen(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="UDP port of NDJSON records.")] = 20_001,
    line_protocol_port: Annotated[
        int | None, typer.Option(help="UDP port of InfluxDB's line protocol.")
    ] = None,
) -> None:
    """Take readings from datagrams to the topic; ends on Ctrl-C or SIGTERM."""
    settings = load_settings()
    with ExitStack() as opened:
        ways = [datagram_way(settings, host, port)]
        opened.callback(ways[0].source.close)
        if line_protocol_port is not None:
            ways.append(datagram_way(settings, host, line_protocol_port, Transport.LINE_PROTOCOL))
        opened.pop_all()  # they are the listener's from here on
    ports = " and ".join(f"{way.source.status()['port']} ({way.transport})" for way in ways)
    _run(
        StationListener(settings, f"listen-{ways[0].source.status()['port']}", ways),
        f"Listening at {host}, UDP port {ports}.",
    )


@app.command()
def mqtt() -> None:
    """Take readings from an MQTT broker's topics to the topic; ends on Ctrl-C or SIGTERM."""
    settings = load_settings()
    said = f"Subscribing to {settings.mqtt_topic} of {settings.mqtt_host}:{settings.mqtt_port}."
    _run(StationListener(settings, "mqtt", [mqtt_way(settings)]), said)


def _run(listener: StationListener, said: str) -> None:
    tell_of_work()
    with on_signals(listener.stop):
        counts = listener.run(lambda: console.print(said, highlight=False))
    console.print(f"Stopped. {_sentence(counts)}", highlight=False)


def _sentence(counts: RecordCounts) -> str:
    return (
        f"{counts.read:,} records: {counts.sent:,} sent, {counts.spooled:,} put on disk, "
        f"{counts.dropped:,} dropped, {counts.refused.total():,} refused."
    )


@app.command()
def simulate(
    stations: Annotated[int, typer.Option(help="How many.", min=1)] = 500,
    rate: Annotated[float, typer.Option(help="Readings a second of each.", min=1e-6)] = 1.0,
    seed: Annotated[int, typer.Option(help="The same number, the same network.", min=0)] = 1,
    to: Annotated[str, typer.Option(help="host:port to send to.")] = "127.0.0.1:20001",
    seconds: Annotated[float | None, typer.Option(help="End after so long.")] = None,
) -> None:
    """Send what simulated stations measure, as datagrams, until Ctrl-C."""
    host, _, port = to.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(f"{to!r} is no host:port.", remedy="Write --to 127.0.0.1:20001.")
    stopped = threading.Event()
    console.print(f"{stations} stations send to {to}.", highlight=False)
    with on_signals(stopped.set):
        sent = send_simulated(
            (host.strip("[]"), int(port)),
            stations=stations,
            per_s=rate,
            seed=seed,
            stopped=stopped,
            until_s=seconds,
        )
    console.print(
        f"Sent {sent.whole:,} readings and {sent.broken:,} broken datagrams.", highlight=False
    )


@app.command()
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
