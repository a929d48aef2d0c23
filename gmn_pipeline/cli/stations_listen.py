"""`gmn stations listen` and `mqtt`: readings from their senders to the topic.

What belongs here: the commands and their sentences. What does not: what they do
(`flows/station_listener.py`).
"""

from contextlib import ExitStack
from typing import Annotated

import typer

from gmn_pipeline.cli.console import console, tell_of_work
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.flows.station_listener import RecordCounts, StationListener
from gmn_pipeline.flows.station_ways import datagram_way, mqtt_way
from gmn_pipeline.readers.station_readings.received import Transport
from gmn_pipeline.settings import load_settings


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
