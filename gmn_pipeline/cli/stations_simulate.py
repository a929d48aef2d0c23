"""`gmn stations simulate`: what stations would send, by a seed."""

import threading
from typing import Annotated

import typer

from gmn_pipeline.cli.console import console
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.flows.station_simulation import simulate as send_simulated


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
